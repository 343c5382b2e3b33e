//! Twilio's webhooks: believed by the token of the account that they are about, answered in Twilio's own words.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_engine::secrets::Vault;
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::state::routes::{self, Name};
use autopilot_workflows::state::twilio_accounts::{self, TwilioAccount};
use autopilot_workflows::state::workspaces;
use autopilot_workflows::tenancy::Tenant;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tokio::time::timeout;

use super::super::twilio_signature::HEADER;
use super::World;

const MAIN: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const STUDIO: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("TWILIO_ACCOUNT_SID", MAIN),
    ("TWILIO_AUTH_TOKEN", "main-token"),
    ("PUBLIC_BASE_URL", "https://studio.example"),
    ("ENCRYPTION_KEY", "k1:7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0="),
];

/// Parameters in the order of their names, each once.
fn signature(token: &str, path: &str, form: &[(&str, &str)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(format!("https://studio.example{path}").as_bytes());
    for (name, value) in form {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Status, type and body of the answer.
async fn post(
    world: &World,
    path: &str,
    token: &str,
    form: &[(&str, &str)],
) -> (u16, String, String) {
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::post(path)
        .header(HEADER, signature(token, path, form))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8");
    world.plain(request.body(Body::from(body.join("&"))).unwrap()).await
}

async fn with_studio() -> (World, WorkspaceId) {
    let world = World::with(&SETTINGS).await;
    let workspace: WorkspaceId = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b".parse().unwrap();
    let vault: &Vault = world.vault.as_ref().unwrap();
    let mut tx = world.pool().begin().await.unwrap();
    workspaces::ensure(&mut tx, workspace).await.unwrap();
    let mut tenant = Tenant::enter(&mut tx, workspace).await.unwrap();
    let account = TwilioAccount {
        account_sid: STUDIO.to_owned(),
        auth_token: "studio-token".into(),
        api_key: None,
    };
    twilio_accounts::upsert(&mut tenant, vault, &account).await.unwrap();
    tenant.finish().await.unwrap();
    routes::put(&mut tx, Name::Account(Provider::Twilio, STUDIO), workspace).await.unwrap();
    tx.commit().await.unwrap();
    (world, workspace)
}

async fn events(world: &World) -> Vec<String> {
    let mut events: Vec<String> = world
        .inbox()
        .await
        .iter()
        .map(|event| format!("{} {}", event.event_id, event.event_type))
        .collect();
    events.sort();
    events
}

#[tokio::test]
async fn each_callback_is_believed_by_its_accounts_token_and_recorded_once() {
    let (world, _) = with_studio().await;
    let sms = [("AccountSid", STUDIO), ("Body", "Hallo"), ("MessageSid", "SM1")];
    let path = "/webhooks/twilio/sms?x=1";
    for _ in 0..2 {
        let (status, kind, answer) = post(&world, path, "studio-token", &sms).await;
        assert_eq!((status, kind.as_str()), (200, "text/xml; charset=utf-8"));
        assert!(answer.ends_with("<Response/>"), "{answer}");
    }
    let delivered = [("AccountSid", STUDIO), ("MessageSid", "SM2"), ("MessageStatus", "delivered")];
    assert_eq!(post(&world, "/webhooks/twilio/status", "studio-token", &delivered).await.0, 204);
    let ended = [("AccountSid", STUDIO), ("CallSid", "CA1"), ("CallStatus", "completed")];
    assert_eq!(post(&world, "/webhooks/twilio/status", "studio-token", &ended).await.0, 204);
    let bundle = [("AccountSid", MAIN), ("BundleSid", "BU1"), ("Status", "twilio-approved")];
    assert_eq!(post(&world, "/webhooks/twilio/bundle", "main-token", &bundle).await.0, 204);
    let events = events(&world).await;
    assert!(events[0].starts_with("BU1:twilio-approved:"), "{events:?}");
    let expected =
        ["CA1:completed call.completed", "SM1 message.received", "SM2:delivered message.delivered"];
    assert_eq!(events[1..], expected);
    world.close().await;
}

#[tokio::test]
async fn a_call_is_answered_at_once_also_without_the_database() {
    let (world, _) = with_studio().await;
    let call = [("AccountSid", MAIN), ("CallSid", "CA1"), ("CallStatus", "ringing")];
    let (status, _, answer) = post(&world, "/webhooks/twilio/voice", "main-token", &call).await;
    assert_eq!(status, 200);
    assert!(answer.contains("<Response><Say>"), "{answer}");
    assert_eq!(events(&world).await, ["CA1 call.incoming"]);
    sqlx::raw_sql("ALTER TABLE studio.inbox RENAME TO gone").execute(world.pool()).await.unwrap();
    let (status, _, again) = post(&world, "/webhooks/twilio/voice", "main-token", &call).await;
    assert_eq!((status, again), (200, answer));
    let sms = [("AccountSid", MAIN), ("MessageSid", "SM1")];
    assert_eq!(
        post(&world, "/webhooks/twilio/sms", "main-token", &sms).await.0,
        503,
        "it comes again"
    );
    world.close().await;
}

#[tokio::test]
async fn a_call_of_a_studio_is_answered_while_the_database_hangs_by_the_token_that_was_known_last()
{
    let (world, _) = with_studio().await;
    let call = [("AccountSid", STUDIO), ("CallSid", "CA1"), ("CallStatus", "ringing")];
    let path = "/webhooks/twilio/voice";
    let (_, _, answer) = post(&world, path, "studio-token", &call).await;
    assert!(answer.contains("<Response><Say>"), "{answer}");
    let hang = "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(100); RETURN NEW; END $$;
                CREATE TRIGGER hang BEFORE INSERT ON studio.inbox FOR EACH ROW EXECUTE FUNCTION hang();";
    sqlx::raw_sql(hang).execute(world.pool()).await.unwrap();
    let mut hanging = world.pool().begin().await.unwrap();
    let lock = "LOCK studio.route IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *hanging).await.unwrap();
    let again = async |token| {
        let answered = timeout(Duration::from_secs(20), post(&world, path, token, &call)).await;
        let (status, _, answer) = answered.expect("nobody hears silence for so long");
        (status, answer)
    };
    assert_eq!(again("studio-token").await, (200, answer.clone()), "as it is remembered");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(again("studio-token").await, (200, answer), "as it was known last");
    assert_eq!(again("main-token").await.0, 403, "not whatever comes");
    hanging.rollback().await.unwrap();
    assert_eq!(events(&world).await, ["CA1 call.incoming"]);
    world.close().await;
}

#[tokio::test]
async fn the_token_of_an_account_that_is_ours_no_more_is_forgotten() {
    let (world, _) = with_studio().await;
    let call = [("AccountSid", STUDIO), ("CallSid", "CA1"), ("CallStatus", "ringing")];
    let status = async || post(&world, "/webhooks/twilio/voice", "studio-token", &call).await.0;
    assert_eq!(status().await, 200);
    sqlx::query("DELETE FROM studio.route").execute(world.pool()).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(status().await, 403);
    sqlx::query("ALTER TABLE studio.route RENAME TO gone").execute(world.pool()).await.unwrap();
    assert_eq!(status().await, 503, "not as it was known before that");
    world.close().await;
}

#[tokio::test]
async fn the_token_of_a_studio_whose_secrets_were_erased_is_forgotten() {
    let (world, workspace) = with_studio().await;
    let call = [("AccountSid", STUDIO), ("CallSid", "CA1"), ("CallStatus", "ringing")];
    let status = async || post(&world, "/webhooks/twilio/voice", "studio-token", &call).await.0;
    assert_eq!(status().await, 200);
    assert!(world.vault.as_ref().unwrap().erase(workspace).await.unwrap());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(status().await, 503);
    sqlx::query("ALTER TABLE studio.route RENAME TO gone").execute(world.pool()).await.unwrap();
    assert_eq!(status().await, 503, "nor while the database does not answer");
    world.close().await;
}

#[tokio::test]
async fn what_another_account_signed_is_refused_and_not_recorded() {
    let (world, _) = with_studio().await;
    let path = "/webhooks/twilio/sms";
    let of = |account| [("AccountSid", account), ("MessageSid", "SM1")];
    for (account, token) in [
        (STUDIO, "main-token"),
        (MAIN, "studio-token"),
        ("ACcccccccccccccccccccccccccccccccc", "main-token"),
        ("", "main-token"),
    ] {
        let (status, kind, _) = post(&world, path, token, &of(account)).await;
        assert_eq!((status, kind.as_str()), (403, "application/problem+json"), "{account} {token}");
    }
    assert!(world.inbox().await.is_empty());
    world.close().await;
}
