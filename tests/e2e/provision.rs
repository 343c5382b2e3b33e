//! Provisioning, from a paid checkout to a studio that answers calls.

use autopilot_sandbox::Checkout;
use autopilot_tests::{Studio, World};
use autopilot_workflows::app::App;
use autopilot_workflows::state::workspaces;

/// What is kept sealed.
const SECRET_COLUMNS: [&str; 3] = [
    "SELECT auth_token FROM studio.twilio_account",
    "SELECT api_key_secret FROM studio.twilio_account",
    "SELECT password FROM studio.email_account",
];

#[tokio::test]
async fn a_paid_checkout_provisions_all_seven_steps() {
    let studio = Studio::new().await;
    let _received = studio.checkout(&Checkout::new(studio.workspace.to_string())).await;
    studio.world.drain().await;

    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.run().await.run.steps_done, 7);
    studio.bought_once("after an undisturbed run").await;
    let world = &studio.world;
    assert_eq!(
        world.texts("SELECT concat_ws(' ', voice_url, sms_url) FROM studio.phone_number").await,
        [
            "https://autopilot.example/webhooks/twilio/voice https://autopilot.example/webhooks/twilio/sms"
        ]
    );
    assert_eq!(world.texts("SELECT status FROM studio.subscription").await, ["active"]);
    assert_eq!(world.count("studio.whatsapp_channel").await, 1);
    assert_eq!(world.count("studio.email_account WHERE verified_at IS NOT NULL").await, 1);
    assert_eq!(
        world.texts("SELECT provider FROM studio.smoke_test WHERE ok ORDER BY 1").await,
        ["email", "stripe", "twilio", "whatsapp"]
    );
    let ended = "SELECT concat_ws(' ', last_outcome, due_since) FROM studio.workspace";
    assert_eq!(world.texts(ended).await, ["completed"]);
    studio.finish().await;
}

#[tokio::test]
async fn the_coach_starts_disabled_with_three_rules() {
    let studio = Studio::paid().await;
    studio.provision().await;
    assert_eq!(
        studio.world.texts("SELECT name FROM studio.ai_rule WHERE enabled ORDER BY position").await,
        ["stay_with_the_studio", "no_medical_advice", "respect_a_no"]
    );
    let coach = "SELECT concat_ws(' ', enabled, language, time_zone) FROM studio.coach_settings";
    assert_eq!(studio.world.texts(coach).await, ["f de Europe/Berlin"]);
    studio.finish().await;
}

#[tokio::test]
async fn what_the_studio_changed_of_its_coach_survives_the_next_run() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let world = &studio.world;
    world
        .execute("UPDATE studio.ai_rule SET prompt = 'ours', enabled = false WHERE name = 'respect_a_no'")
        .await;
    world.execute("UPDATE studio.coach_settings SET enabled = true, language = 'tr'").await;
    studio.provision().await;
    let rule =
        "SELECT concat_ws(' ', prompt, enabled) FROM studio.ai_rule WHERE name = 'respect_a_no'";
    assert_eq!(world.texts(rule).await, ["ours f"]);
    let coach = "SELECT concat_ws(' ', enabled, language) FROM studio.coach_settings";
    assert_eq!(world.texts(coach).await, ["t tr"]);
    assert_eq!(world.count("studio.ai_rule").await, 3);
    studio.finish().await;
}

#[tokio::test]
async fn no_secret_of_a_provider_can_be_read_anywhere_in_the_database() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let world = &studio.world;
    for column in SECRET_COLUMNS {
        let sealed: Vec<u8> = world.value(column).await;
        assert!(sealed.len() > 45, "{column} is too short to be sealed: {sealed:?}");
    }
    let secrets = studio.secrets().await;
    assert!(secrets.iter().all(|secret| secret.len() > 10), "{secrets:?}");
    let sid: String = world.value("SELECT account_sid FROM studio.twilio_account").await;
    assert_ne!(tables_that_hold(world, &sid).await, [""; 0], "what is not sealed is found");
    for secret in &secrets {
        assert_eq!(tables_that_hold(world, secret).await, [""; 0], "they hold {secret}");
    }
    studio.finish().await;
}

/// Every table where a text stands, as it is or as the hexadecimal digits that a bytea prints as.
async fn tables_that_hold(world: &World<App>, text: &str) -> Vec<String> {
    let mut holding = Vec::new();
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                  WHERE schemaname IN ('engine', 'studio')";
    for table in world.texts(tables).await {
        let rows = world.texts(&format!("SELECT t::text FROM {table} t")).await;
        if rows.iter().any(|row| row.contains(text) || row.contains(&hex::encode(text))) {
            holding.push(table);
        }
    }
    holding
}

#[tokio::test]
async fn without_twilio_a_studio_is_degraded_and_stays_due_until_it_is_there() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| app.twilio = None);
    let run = studio.provision().await;
    assert_eq!(
        studio.progress().await,
        "degraded 65 %, ensure_twilio_subaccount skipped, ensure_twilio_number skipped"
    );
    let step = &run.steps[1];
    assert!(
        step.detail.as_deref().is_some_and(|why| why.contains("TWILIO_ACCOUNT_SID")),
        "{step:?}"
    );
    let due = "studio.workspace WHERE due_since IS NOT NULL AND last_outcome = 'degraded'";
    assert_eq!(studio.world.count(due).await, 1);

    studio.configure(|_| {});
    let mut tx = studio.world.pool().begin().await.unwrap();
    let started = autopilot_workflows::provisioning::trigger_due(&mut tx, 10).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(started.len(), 1);
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the configuration appeared").await;
    let mut conn = studio.world.connect().await;
    assert_eq!(workspaces::due(&mut conn, 10).await.unwrap(), []);
    drop(conn);
    studio.finish().await;
}

#[tokio::test]
async fn without_a_mail_server_a_studio_completes_with_ninety_percent() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| app.email = None);
    studio.provision().await;
    assert_eq!(studio.progress().await, "completed 90 %, ensure_email_credentials skipped");
    assert_eq!(studio.world.count("studio.workspace WHERE due_since IS NULL").await, 1);

    // Once it is there, the next run brings what was skipped, and buys nothing again.
    studio.configure(|_| {});
    studio.provision().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the second run").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_number_whose_webhooks_somebody_changed_is_mended_by_the_next_run() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.tamper_with_the_number("https://elsewhere.example/").await;
    studio.provision().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(
        studio.number().await["voice_url"],
        "https://autopilot.example/webhooks/twilio/voice"
    );
    studio.bought_once("after the mending").await;
    studio.finish().await;
}

/// A provisioned studio whose last step is to be done once more.
async fn before_the_smoke_tests() -> Studio {
    let studio = Studio::paid().await;
    studio.provision().await;
    let id = studio.run().await.run.id;
    studio.world.execute("DELETE FROM engine.step WHERE name = 'run_smoke_tests'").await;
    studio
        .world
        .execute(&format!("UPDATE engine.history SET outcome = 'degraded' WHERE id = '{id}'"))
        .await;
    autopilot_engine::ops::retry(studio.world.pool(), id).await.unwrap();
    studio
}

#[tokio::test]
async fn what_our_own_database_refuses_is_not_told_of_a_provider() {
    let studio = before_the_smoke_tests().await;
    studio.world.execute("ALTER TABLE studio.phone_number RENAME TO gone").await;
    studio.world.drain().await;
    assert_eq!(studio.world.count("studio.smoke_test WHERE NOT ok").await, 0);
    assert_eq!(studio.world.count("studio.health WHERE severity IS NOT NULL").await, 0);
    studio.world.execute("ALTER TABLE studio.gone RENAME TO phone_number").await;
    autopilot_engine::ops::retry(studio.world.pool(), studio.run().await.run.id).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn a_number_that_stopped_reporting_during_the_run_fails_the_smoke_test() {
    let studio = before_the_smoke_tests().await;
    // The number's step is finished already when somebody changes it: the smoke tests ask anew.
    studio.tamper_with_the_number("https://elsewhere.example/").await;
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "failed 85 %, run_smoke_tests started");
    let failure = studio.run().await.run.failure.unwrap();
    assert_eq!(failure["code"], "smoke_test_failed");
    assert!(failure["action"].is_string(), "{failure}");
    let kept = "SELECT ok::text FROM studio.smoke_test WHERE provider = 'twilio'";
    assert_eq!(studio.world.texts(kept).await, ["false"]);
    studio.close().await;
}
