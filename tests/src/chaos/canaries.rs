//! T22: each secret is looked for wherever something is written: in rows, logs, answers, command lines.

mod forms;
mod places;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::MIGRATOR;
use autopilot_engine::testing::TestDatabase;
use autopilot_sandbox::{Fault, Provider, Rule, Sandbox};
use serde_json::json;
use sqlx::PgPool;

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use forms::Canary;
use places::{Place, answers, files, processes, rows};

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// The settings that are secret.
const SECRETS: [&str; 8] = [
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "TWILIO_AUTH_TOKEN",
    "WHATSAPP_API_TOKEN",
    "OPENAI_API_KEY",
    "SMTP_PASSWORD",
    "ENCRYPTION_KEY",
    "AUTOPILOT_API_TOKEN",
];

pub(super) fn canaries(order: Order) -> Running {
    Box::pin(look(order, async |_, _| ()))
}

/// What a program would do that keeps a token as bytes, beside what it seals.
pub(super) fn unsealed(order: Order) -> Running {
    Box::pin(look(order, async |pool, secrets| {
        let secret = secrets.last().map(String::as_bytes);
        let kept = sqlx::query("INSERT INTO kept VALUES ($1)").bind(secret);
        sqlx::raw_sql("CREATE TABLE kept (token bytea)").execute(pool).await.expect("a table");
        kept.execute(pool).await.expect("a row");
    }))
}

async fn look(order: Order, plant: impl AsyncFnOnce(&PgPool, &[String])) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let mut stage = Stage::new(&url, order.many(40, 6), order.time(15).max(Duration::from_secs(2)));
    // What is told at this level is told by the libraries too.
    stage.all = vec![("AUTOPILOT__LOG__FILTER".to_owned(), "debug".to_owned())];
    let scene = Scene::set(&order, stage, async |sandbox| {
        refuse_some(sandbox);
        Vec::new()
    })
    .await;
    scene.busy().await;
    let set = scene.fleet.settings().to_vec();
    let mut places = processes(&scene.fleet.pids());
    places.extend(answers(&scene).await);
    let mut outcome = Outcome::default();
    let sandbox = Arc::clone(&scene.sandbox);
    let pool = scene.judge(&mut outcome).await;
    let given_out = sandbox.given_out();
    outcome.hold(!given_out.is_empty(), || "Twilio gave nothing out".to_owned());
    plant(&pool, &given_out).await;
    places.extend(files(&order.folder));
    places.extend(rows(&pool).await);
    let own = set.iter().filter(|(name, _)| SECRETS.contains(&name.as_str()));
    let mut secrets: Vec<Canary> = own.map(|(name, value)| Canary::new(name, value)).collect();
    outcome.hold(secrets.len() == SECRETS.len(), || "not every secret is set".to_owned());
    secrets.extend(given_out.iter().map(|secret| Canary::new("what Twilio gave out", secret)));
    for Place { name, text } in &places {
        for secret in secrets.iter().filter(|secret| secret.is_in(text)) {
            order.history.note("leak", json!({ "secret": secret.name, "place": name }));
            outcome.violations.push(format!("{} found in {name}", secret.name));
        }
    }
    let size: usize = places.iter().map(|place| place.text.len()).sum();
    outcome.notes.push(format!(
        "{} secrets looked for in {} places, {} MiB",
        secrets.len(),
        places.len(),
        size >> 20
    ));
    pool.close().await;
    database.close().await;
    outcome
}

/// Some calls of each provider fail: what is told of failures may tell too much.
fn refuse_some(sandbox: &Sandbox) {
    for provider in [Provider::Twilio, Provider::Stripe, Provider::Whatsapp] {
        for (skip, status) in [(3, 400), (9, 500)] {
            let refused = Fault::Status { status, retry_after: None, body: None };
            sandbox.faults().add(Rule::new(provider, refused).skip(skip));
        }
        sandbox.faults().add(Rule::new(provider, Fault::Auth).skip(6));
    }
}
