//! The whole server against a real database: every request goes through the router that production serves.

mod api;
mod fuzz;
mod guards;
mod intake;
mod overview;
mod signatures;
mod stripe;
mod twilio;
mod whatsapp;

use std::time::Duration;

use autopilot_engine::Strains;
use autopilot_engine::secrets::Vault;
use autopilot_engine::testing::TestDatabase;
use autopilot_workflows::state::inbox::{self, Event, Filter};
use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Request, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tower::ServiceExt as _;

use super::{Http, Intake, router};
use crate::app;
use crate::config::Config;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRETS: &str = "whsec_new,whsec_old";

/// A server on a database of its own.
struct World {
    database: TestDatabase,
    server: Router,
    intake: Intake,
    /// Where the settings have a key.
    vault: Option<Vault>,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let migrators = [&autopilot_engine::MIGRATOR, &autopilot_workflows::MIGRATOR];
        let database = TestDatabase::create(&migrators).await;
        let key = settings.iter().find(|(name, _)| *name == "ENCRYPTION_KEY");
        let keyring = key.map(|(_, key)| app::keyring(&[SecretString::from(*key)]).unwrap());
        let vault = match keyring {
            Some(keyring) => Some(Vault::open(database.pool(), keyring).await.unwrap()),
            None => None,
        };
        let (server, intake) = server_and_intake(database.pool(), settings, vault.clone());
        Self { database, server, intake, vault }
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.server, request).await
    }

    /// Status, type and body of an answer that is no JSON.
    async fn plain(&self, request: Request<Body>) -> (u16, String, String) {
        let (parts, body) = self.server.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let kind = parts.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        (parts.status.as_u16(), kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    /// A request with the token.
    async fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(AUTHORIZATION, format!("Bearer {TOKEN}"));
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn inbox(&self) -> Vec<Event> {
        let mut conn = self.pool().acquire().await.unwrap();
        inbox::list(&mut conn, &Filter::default(), 100).await.unwrap()
    }

    async fn close(self) {
        self.database.close().await;
    }
}

impl Answer {
    /// That it is a problem as RFC 9457 has it, with this status.
    fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(self.body[member].is_string(), "{member} in {}", self.body);
        }
    }
}

fn server(pool: &PgPool, settings: &[(&str, &str)]) -> Router {
    server_and_intake(pool, settings, None).0
}

/// The server of production, with everything set that it needs, unless `settings` say otherwise.
fn server_and_intake(
    pool: &PgPool,
    settings: &[(&str, &str)],
    vault: Option<Vault>,
) -> (Router, Intake) {
    let usual = [
        ("DATABASE_URL", "postgres://127.0.0.1/never-read"),
        ("AUTOPILOT_API_TOKEN", TOKEN),
        ("STRIPE_WEBHOOK_SECRET", SECRETS),
        ("AUTOPILOT__HTTP__BODY_LIMIT", "4KiB"),
        ("AUTOPILOT__HTTP__REQUEST_TIMEOUT", "60s"),
    ];
    let replaced = |name: &str| settings.iter().any(|(other, _)| *other == name);
    let usual = usual.iter().filter(|(name, _)| !replaced(name));
    let settings =
        usual.chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config =
        Config::load(None, settings, &autopilot_workflows::app::registry()).accept().unwrap();
    let state = Http::new(&config, pool.clone(), vault, Strains::default()).unwrap();
    let intake = state.intake();
    (router(state, 100, config.http.request_timeout), intake)
}

/// A pool whose database nobody answers for: the port was free a moment ago.
async fn nowhere() -> PgPool {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(100))
        .connect_lazy(&format!("postgres://nobody@{free}/nothing"))
        .unwrap()
}

async fn ask(server: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = server.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = match &body[..] {
        [] => Value::Null,
        body => serde_json::from_slice(body).unwrap_or_else(|error| {
            panic!("{error} in the answer {:?}", String::from_utf8_lossy(body))
        }),
    };
    Answer { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn a_process_is_alive_without_its_database_and_ready_only_with_it() {
    let world = World::new().await;
    let plain = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(world.ask(plain("/readyz")).await.body, serde_json::json!({ "status": "ready" }));
    let detailed = world.api("GET", "/readyz", "").await;
    assert_eq!(detailed.body["schemas"]["studio"], "Current");
    assert_eq!(detailed.body["unserved"], serde_json::json!([]));

    let alone = server(&nowhere().await, &[]);
    assert_eq!(ask(&alone, plain("/livez")).await.status, 200);
    let answer = ask(&alone, plain("/readyz")).await;
    answer.is_problem(503);
    assert!(answer.headers.contains_key(RETRY_AFTER));
    assert!(
        !answer.body.to_string().contains("schema"),
        "strangers learn nothing: {}",
        answer.body
    );
    world.close().await;
}
