//! The opponent: a handler of the kind that one writes first. It verifies the signature over the raw bytes, reads id and
//! type, and inserts the event by itself, one statement and one commit each. No job, no limits, no other routes.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::events::{PATH, mac};
use crate::wrk::{self, Load};
use crate::{agree, count};

/// The columns and the key of the inbox.
const SCHEMA: &str = "
CREATE TABLE inbox (
    provider     text        NOT NULL,
    event_id     text        NOT NULL,
    event_type   text        NOT NULL,
    workspace_id uuid,
    payload      bytea       NOT NULL,
    headers      jsonb       NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    state        text        NOT NULL DEFAULT 'received',
    reason       text,
    job_id       uuid,
    processed_at timestamptz,
    PRIMARY KEY (provider, event_id)
)";

const INSERT: &str =
    "INSERT INTO inbox (provider, event_id, event_type, payload, headers) VALUES ('stripe', $1, $2, $3, $4)
     ON CONFLICT DO NOTHING";

#[derive(Deserialize)]
struct Event<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Answer {
    received: bool,
}

/// Measures it, and compares what was answered with what is there.
pub(crate) async fn measure(url: &str, arguments: &Arguments) -> Result<Load, Box<dyn Error>> {
    // As lean as the pool can be: no round trip to ask whether a connection is still there.
    let pool = PgPoolOptions::new()
        .max_connections(arguments.pool)
        .min_connections(arguments.pool)
        .test_before_acquire(false)
        .connect(url)
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let router = Router::new().route(PATH, post(receive)).with_state(pool.clone());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(
        axum::serve(listener, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future(),
    );
    let load = wrk::send(&address, arguments).await?;
    stop.cancel();
    serving.await??;
    pool.close().await;
    agree("events", load.answers, count(url, "SELECT count(*) FROM inbox").await?)?;
    Ok(load)
}

async fn receive(
    State(pool): State<PgPool>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Answer>, StatusCode> {
    let header = headers.get("stripe-signature").and_then(|header| header.to_str().ok());
    if !header.is_some_and(|header| is_signed(header, &body)) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let event: Event<'_> =
        serde_json::from_slice(&body).map_err(|_no_event| StatusCode::BAD_REQUEST)?;
    let kept = ["content-type", "user-agent"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), Value::from(headers.get(name)?.to_str().ok()?))));
    sqlx::query(INSERT)
        .bind(event.id)
        .bind(event.kind)
        .bind(body.as_ref())
        .bind(Value::Object(kept.collect::<Map<_, _>>()))
        .execute(&pool)
        .await
        .map_err(|error| {
            eprintln!("an event was not inserted: {error}");
            StatusCode::SERVICE_UNAVAILABLE
        })?;
    Ok(Json(Answer { received: true }))
}

/// Whether the header vouches for this body, here and now.
fn is_signed(header: &str, body: &[u8]) -> bool {
    let Some((time, signature)) =
        header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1="))
    else {
        return false;
    };
    let age = time.parse::<i64>().map(|time| chrono::Utc::now().timestamp() - time);
    let mut bytes = [0; 32];
    age.is_ok_and(|age| age.abs() <= 300)
        && hex::decode_to_slice(signature, &mut bytes).is_ok()
        && mac(time, body).verify_slice(&bytes).is_ok()
}
