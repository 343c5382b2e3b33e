//! The rows as their callers see them, on a real database.

use autopilot_engine::secrets::{Keyring, Vault};
use autopilot_engine::testing::TestDatabase;
use autopilot_engine::{JobId, WorkspaceId};
use chrono::{NaiveTime, TimeZone, Utc};
use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;

use super::ai_rules::AiRule;
use super::coach_settings::CoachSettings;
use super::email_accounts::{EmailAccount, Tls};
use super::inbox::{EventState, Mark, NewEvent, Recorded};
use super::phone_numbers::PhoneNumber;
use super::profiles::Details;
use super::smoke_tests::SmokeTest;
use super::subscriptions::Subscription;
use super::twilio_accounts::{ApiKey, TwilioAccount};
use super::whatsapp_channels::WhatsappChannel;
use super::workspaces::BindError;
use super::*;
use crate::MIGRATOR;
use crate::tenancy::Tenant;

static ENGINE: Migrator = sqlx::migrate!("../migrations/engine");

async fn database() -> TestDatabase {
    TestDatabase::create(&[&ENGINE, &MIGRATOR]).await
}

async fn workspace(db: &TestDatabase) -> WorkspaceId {
    let workspace = WorkspaceId::now_v7();
    let mut conn = db.pool().acquire().await.expect("a connection");
    // Twice: a checkout may be delivered twice.
    workspaces::ensure(&mut conn, workspace).await.expect("the workspace");
    workspaces::ensure(&mut conn, workspace).await.expect("the workspace");
    workspace
}

async fn vault(db: &TestDatabase) -> Vault {
    let key = "k1:7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=".into();
    Vault::open(db.pool(), Keyring::parse(&key).expect("a keyring")).await.expect("the vault")
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn a_profile_keeps_its_registration_when_its_details_change() {
    let db = database().await;
    let mut tenant = Tenant::begin(db.pool(), workspace(&db).await).await.expect("entered");
    assert_eq!(profiles::get(&mut tenant).await.expect("read"), None);
    let refused = profiles::set_registration(&mut tenant, Some("AD1"), None).await;
    assert!(matches!(refused, Err(sqlx::Error::RowNotFound)));

    let mut details = Details {
        name: text("Studio"),
        country: text("DE"),
        locale: text("de-DE"),
        contact_email: text("a@example.com"),
    };
    profiles::upsert(&mut tenant, &details).await.expect("written");
    profiles::set_registration(&mut tenant, Some("AD1"), None).await.expect("written");
    profiles::set_registration(&mut tenant, None, Some("BU1")).await.expect("written");
    details.name = text("Other");
    profiles::upsert(&mut tenant, &details).await.expect("written");

    let profile = profiles::get(&mut tenant).await.expect("read").expect("a profile");
    assert_eq!((profile.name.as_str(), profile.country.as_str()), ("Other", "DE"));
    assert_eq!(profile.twilio_address_sid.as_deref(), Some("AD1"));
    assert_eq!(profile.twilio_bundle_sid.as_deref(), Some("BU1"));
    tenant.finish().await.expect("committed");
    db.close().await;
}

#[tokio::test]
async fn what_a_provider_says_replaces_what_it_said_before() {
    let db = database().await;
    let mut tenant = Tenant::begin(db.pool(), workspace(&db).await).await.expect("entered");

    let mut subscription = Subscription {
        stripe_customer_id: text("cus_1"),
        stripe_subscription_id: text("sub_1"),
        status: text("active"),
        price_id: text("price_1"),
        current_period_end: Utc.timestamp_opt(1_800_000_000, 0).single(),
    };
    let mut channel = WhatsappChannel {
        phone_number_id: text("1"),
        business_account_id: text("2"),
        display_number: text("+49 30 1"),
        verified_name: text("Studio"),
    };
    for status in ["active", "past_due"] {
        subscription.status = text(status);
        subscriptions::upsert(&mut tenant, &subscription).await.expect("written");
        let stored = subscriptions::get(&mut tenant).await.expect("read").expect("a row");
        assert_eq!(stored.value, subscription);

        channel.verified_name = text(status);
        whatsapp_channels::upsert(&mut tenant, &channel).await.expect("written");
        let stored = whatsapp_channels::get(&mut tenant).await.expect("read").expect("a row");
        assert_eq!(stored.value, channel);
    }

    for ok in [false, true] {
        for provider in ["twilio", "stripe"] {
            let test = SmokeTest { provider: text(provider), ok, detail: text("a sentence") };
            smoke_tests::upsert(&mut tenant, &test).await.expect("written");
        }
    }
    let tests = smoke_tests::list(&mut tenant).await.expect("read");
    let tests: Vec<_> = tests.iter().map(|t| (t.value.provider.as_str(), t.value.ok)).collect();
    assert_eq!(tests, [("stripe", true), ("twilio", true)]);
    tenant.finish().await.expect("committed");
    db.close().await;
}

#[tokio::test]
async fn rules_and_numbers_are_listed_in_their_order_and_settings_stay_as_written() {
    let db = database().await;
    let mut tenant = Tenant::begin(db.pool(), workspace(&db).await).await.expect("entered");

    for (name, position) in [("late", 2), ("b", 1), ("a", 1), ("late", 0)] {
        let rule =
            AiRule { name: text(name), enabled: position != 1, prompt: text("be kind"), position };
        ai_rules::upsert(&mut tenant, &rule).await.expect("written");
    }
    let rules = ai_rules::list(&mut tenant).await.expect("read");
    let rules: Vec<_> = rules.iter().map(|rule| (rule.name.as_str(), rule.enabled)).collect();
    assert_eq!(rules, [("late", true), ("a", false), ("b", false)]);
    assert!(ai_rules::remove(&mut tenant, "a").await.expect("removed"));
    assert!(!ai_rules::remove(&mut tenant, "a").await.expect("nothing left"));

    let mut number =
        PhoneNumber { sid: text("PN1"), number: text("+49301"), voice_url: None, sms_url: None };
    phone_numbers::upsert(&mut tenant, &number).await.expect("written");
    number.voice_url = Some(text("https://example.com/voice"));
    phone_numbers::upsert(&mut tenant, &number).await.expect("written");
    assert_eq!(phone_numbers::get(&mut tenant, "PN1").await.expect("read"), Some(number.clone()));
    assert_eq!(phone_numbers::get(&mut tenant, "PN2").await.expect("read"), None);
    assert_eq!(phone_numbers::list(&mut tenant).await.expect("read"), [number]);

    let settings = CoachSettings {
        enabled: true,
        language: text("de"),
        tone: text("warm"),
        window_start: NaiveTime::from_hms_opt(9, 0, 0).expect("a time"),
        window_end: NaiveTime::from_hms_opt(18, 30, 0).expect("a time"),
        time_zone: text("Europe/Berlin"),
    };
    assert_eq!(coach_settings::get(&mut tenant).await.expect("read"), None);
    coach_settings::upsert(&mut tenant, &settings).await.expect("written");
    assert_eq!(coach_settings::get(&mut tenant).await.expect("read"), Some(settings));
    tenant.finish().await.expect("committed");
    db.close().await;
}

#[tokio::test]
async fn a_twilio_account_is_sealed_and_its_secrets_open_for_their_own_ids_only() {
    let db = database().await;
    let vault = vault(&db).await;
    let workspace = workspace(&db).await;
    let mut account = TwilioAccount {
        account_sid: text("AC1"),
        auth_token: "token in the clear".into(),
        api_key: None,
    };
    for api_key in [None, Some(ApiKey { sid: text("SK1"), secret: "secret in the clear".into() })] {
        account.api_key = api_key;
        let mut tenant = Tenant::begin(db.pool(), workspace).await.expect("entered");
        twilio_accounts::upsert(&mut tenant, &vault, &account).await.expect("written");
        let stored = twilio_accounts::get(&mut tenant, &vault).await.expect("read").expect("a row");
        assert_eq!(stored.auth_token.expose_secret(), "token in the clear");
        let secret = |account: &TwilioAccount| {
            account.api_key.as_ref().map(|key| key.secret.expose_secret().to_owned())
        };
        assert_eq!(secret(&stored), secret(&account));
        tenant.finish().await.expect("committed");
    }

    let row: Vec<u8> =
        sqlx::query_scalar("SELECT auth_token || api_key_secret FROM studio.twilio_account")
            .fetch_one(db.pool())
            .await
            .expect("the row");
    assert!(!row.windows(5).any(|window| window == b"clear"));

    for change in ["account_sid = 'AC2'", "api_key_sid = 'SK2'", "api_key_secret = auth_token"] {
        let mut tx = db.pool().begin().await.expect("a transaction");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("UPDATE studio.twilio_account SET {change}")))
            .execute(&mut *tx)
            .await
            .expect(change);
        let mut tenant = Tenant::enter(&mut tx, workspace).await.expect("entered");
        let refused = twilio_accounts::get(&mut tenant, &vault).await.expect_err(change);
        assert!(matches!(refused, SealedError::Vault(_)), "{change}: {refused}");
    }
    db.close().await;
}

#[tokio::test]
async fn a_mail_password_opens_for_its_own_server_only_and_a_change_is_unverified() {
    let db = database().await;
    let vault = vault(&db).await;
    let mut tenant = Tenant::begin(db.pool(), workspace(&db).await).await.expect("entered");
    for tls in [Tls::Implicit, Tls::StartTls, Tls::None] {
        let account = EmailAccount {
            host: text("mail.example.com"),
            port: 65535,
            username: text("studio@example.com"),
            password: "secret".into(),
            tls,
        };
        email_accounts::upsert(&mut tenant, &vault, &account).await.expect("written");
        let (stored, verified) =
            email_accounts::get(&mut tenant, &vault).await.expect("read").expect("a row");
        assert_eq!((stored.port, stored.tls, verified), (65535, tls, None));
        assert_eq!(stored.password.expose_secret(), "secret");
        email_accounts::mark_verified(&mut tenant).await.expect("marked");
        let (_, verified) =
            email_accounts::get(&mut tenant, &vault).await.expect("read").expect("a row");
        assert!(verified.is_some());
    }

    sqlx::query("UPDATE studio.email_account SET host = 'mail.attacker.example'")
        .execute(tenant.conn())
        .await
        .expect("changed");
    let refused = email_accounts::get(&mut tenant, &vault).await.expect_err("refused");
    assert!(refused.to_string().contains("mail.attacker.example"), "{refused}");
    drop(tenant);
    db.close().await;
}

#[tokio::test]
async fn a_customer_is_bound_once_and_never_moves() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut conn = db.pool().acquire().await.expect("a connection");
    for _ in 0..2 {
        workspaces::bind_customer(&mut conn, first, "cus_1").await.expect("bound");
    }
    let found = workspaces::by_stripe_customer(&mut conn, "cus_1").await.expect("read");
    assert_eq!(found, Some(first));
    assert_eq!(workspaces::by_stripe_customer(&mut conn, "cus_2").await.expect("read"), None);

    let moved = workspaces::bind_customer(&mut conn, second, "cus_1").await;
    assert!(matches!(moved, Err(BindError::OtherWorkspace { .. })), "{moved:?}");
    let replaced = workspaces::bind_customer(&mut conn, first, "cus_2").await;
    assert!(matches!(&replaced, Err(BindError::OtherCustomer { bound, .. }) if bound == "cus_1"));
    let missing = workspaces::bind_customer(&mut conn, WorkspaceId::now_v7(), "cus_3").await;
    assert!(matches!(missing, Err(BindError::NoWorkspace { .. })), "{missing:?}");

    assert!(workspaces::exists(&mut conn, first).await.expect("read"));
    assert!(!workspaces::exists(&mut conn, WorkspaceId::now_v7()).await.expect("read"));
    drop(conn);
    db.close().await;
}

#[tokio::test]
async fn of_two_workspaces_that_bind_one_customer_at_once_one_is_refused() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut one = db.pool().begin().await.expect("a transaction");
    let mut other = db.pool().acquire().await.expect("a connection");
    workspaces::bind_customer(&mut one, first, "cus_1").await.expect("bound");
    // Not committed, so the other does not see it and waits for it on the unique index.
    let (refused, committed) =
        tokio::join!(workspaces::bind_customer(&mut other, second, "cus_1"), one.commit());
    committed.expect("committed");
    assert!(matches!(refused, Err(BindError::OtherWorkspace { .. })), "{refused:?}");
    drop(other);
    db.close().await;
}

#[tokio::test]
async fn a_change_during_a_run_stays_due_after_the_run() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut conn = db.pool().acquire().await.expect("a connection");
    assert_eq!(workspaces::mark_due(&mut conn, WorkspaceId::now_v7()).await.expect("read"), None);
    assert_eq!(workspaces::due_since(&mut conn, first).await.expect("read"), None);
    let mark = workspaces::mark_due(&mut conn, first).await.expect("marked").expect("exists");
    assert_eq!(workspaces::due_since(&mut conn, first).await.expect("read"), Some(mark));
    workspaces::mark_due(&mut conn, second).await.expect("marked");

    let changed = workspaces::mark_due(&mut conn, first).await.expect("marked").expect("exists");
    assert!(!workspaces::settle(&mut conn, first, mark, "completed").await.expect("written"));
    workspaces::record_outcome(&mut conn, second, "failed").await.expect("written");
    let due = workspaces::due(&mut conn, 10).await.expect("read");
    let due: Vec<_> = due.iter().map(|d| (d.workspace, d.last_outcome.as_deref())).collect();
    assert_eq!(due, [(second, Some("failed")), (first, Some("completed"))]);
    assert_eq!(workspaces::due(&mut conn, 1).await.expect("read").len(), 1);

    assert!(workspaces::settle(&mut conn, first, changed, "completed").await.expect("written"));
    assert_eq!(workspaces::due(&mut conn, 10).await.expect("read").len(), 1);
    drop(conn);
    db.close().await;
}

#[tokio::test]
async fn an_event_is_recorded_once_and_what_was_processed_stays_processed() {
    let db = database().await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    let headers = serde_json::json!({ "content-type": "application/json" });
    let event = NewEvent {
        provider: "stripe",
        event_id: "evt_1",
        event_type: "checkout.session.completed",
        workspace: None,
        payload: b"{}",
        headers: &headers,
        job: None,
    };
    assert_eq!(inbox::record(&mut conn, &event).await.expect("recorded"), Recorded::New);
    let again = NewEvent { payload: b"other", ..event };
    assert_eq!(inbox::record(&mut conn, &again).await.expect("recorded"), Recorded::Duplicate);
    let elsewhere = NewEvent { provider: "twilio", ..event };
    assert_eq!(inbox::record(&mut conn, &elsewhere).await.expect("recorded"), Recorded::New);
    let stored = inbox::get(&mut conn, "stripe", "evt_1").await.expect("read").expect("an event");
    assert_eq!((stored.payload.as_slice(), stored.state), (&b"{}"[..], EventState::Received));
    assert_eq!((stored.headers, stored.processed_at), (headers.clone(), None));

    let nobody = Mark {
        state: EventState::Unroutable,
        reason: Some("no workspace has customer cus_1"),
        workspace: None,
        job: None,
    };
    assert!(inbox::mark(&mut conn, "stripe", "evt_1", &nobody).await.expect("marked"));
    let stuck = inbox::unroutable(&mut conn, 10).await.expect("read");
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].reason.as_deref(), nobody.reason);

    let (workspace, job) = (WorkspaceId::now_v7(), JobId::now_v7());
    let done = Mark {
        state: EventState::Processed,
        reason: None,
        workspace: Some(workspace),
        job: Some(job),
    };
    assert!(inbox::mark(&mut conn, "stripe", "evt_1", &done).await.expect("marked"));
    let failed = Mark { state: EventState::Failed, ..nobody };
    assert!(!inbox::mark(&mut conn, "stripe", "evt_1", &failed).await.expect("too late"));
    let stored = inbox::get(&mut conn, "stripe", "evt_1").await.expect("read").expect("an event");
    assert_eq!((stored.state, stored.reason), (EventState::Processed, None));
    assert_eq!((stored.workspace, stored.job), (Some(workspace), Some(job)));
    assert!(stored.processed_at.is_some());
    assert!(!inbox::mark(&mut conn, "stripe", "evt_2", &done).await.expect("unknown"));
    assert!(inbox::unroutable(&mut conn, 10).await.expect("read").is_empty());
    drop(conn);
    db.close().await;
}

/// The row's states and the program's are the same set: each one is accepted by the table and read back.
#[tokio::test]
async fn the_table_takes_every_state_of_an_event() {
    let db = database().await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    let headers = serde_json::Value::Null;
    for state in [
        EventState::Received,
        EventState::Processed,
        EventState::Unroutable,
        EventState::Ignored,
        EventState::Failed,
    ] {
        let event_id = format!("{state:?}");
        let event = NewEvent {
            provider: "stripe",
            event_id: &event_id,
            event_type: "t",
            workspace: None,
            payload: b"",
            headers: &headers,
            job: None,
        };
        assert_eq!(inbox::record(&mut conn, &event).await.expect("recorded"), Recorded::New);
        let mark = Mark { state, reason: None, workspace: None, job: None };
        assert!(inbox::mark(&mut conn, "stripe", &event_id, &mark).await.expect("marked"));
        let stored = inbox::get(&mut conn, "stripe", &event_id).await.expect("read").expect("it");
        assert_eq!(stored.state, state);
        assert_eq!(stored.processed_at.is_none(), state == EventState::Received);
    }
    drop(conn);
    db.close().await;
}
