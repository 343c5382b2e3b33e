//! The tables of one workspace.

use autopilot_engine::secrets::{Keyring, Vault};
use autopilot_engine::testing::TestDatabase;
use chrono::{NaiveTime, TimeZone, Utc};
use secrecy::ExposeSecret;

use super::{database, workspace};
use crate::state::SealedError;
use crate::state::ai_rules::{self, AiRule};
use crate::state::coach_settings::{self, CoachSettings};
use crate::state::email_accounts::{self, EmailAccount, Tls};
use crate::state::phone_numbers::{self, PhoneNumber};
use crate::state::profiles::{self, Details};
use crate::state::smoke_tests::{self, SmokeTest};
use crate::state::subscriptions::{self, Subscription};
use crate::state::twilio_accounts::{self, ApiKey, TwilioAccount};
use crate::state::whatsapp_channels::{self, WhatsappChannel};
use crate::tenancy::Tenant;

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
    for (asked_at, status) in [(1_700_000_000, "active"), (1_700_000_001, "past_due")] {
        subscription.status = text(status);
        let asked_at = Utc.timestamp_opt(asked_at, 0).single().expect("a time");
        let written = subscriptions::upsert(&mut tenant, &subscription, asked_at).await;
        assert!(written.expect("written"));
        let older = Subscription { status: text("canceled"), ..subscription.clone() };
        let asked_before = asked_at - chrono::TimeDelta::seconds(1);
        let written = subscriptions::upsert(&mut tenant, &older, asked_before).await;
        assert!(!written.expect("a slow answer is no error"));
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
