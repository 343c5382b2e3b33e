//! How the studios stand: told to somebody who knows nothing of them, at a cost that does not grow with their number.

mod cost;

use autopilot_engine::ops;
use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::Studio;
use serde_json::Value;

use crate::operators::say;

/// What the program says of the studio, and with which exit code.
async fn told(studio: &Studio) -> (i32, Value) {
    let line = format!("--json|health|--workspace|{}", studio.workspace);
    let (code, said, complaint) = say(&studio.world.url(), &line).await;
    (code, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {complaint}")))
}

/// Works until a breaker is open, whose steps then wait.
async fn until_a_breaker_is_open(studio: &Studio) {
    for _ in 0..20 {
        studio.world.drain().await;
        if studio.world.count("engine.breaker WHERE opened_at IS NOT NULL").await > 0 {
            return;
        }
        assert!(studio.world.advance_to_next().await, "nothing waits any more");
    }
    panic!("no breaker opened");
}

#[tokio::test]
async fn during_an_outage_health_tells_what_is_wrong_and_what_will_happen() {
    let studio = Studio::paid().await;
    studio.world.clock.freeze().await.unwrap();
    let (code, said) = told(&studio).await;
    assert_eq!((code, &said["overall"]), (0, &"healthy".into()));
    let down = Fault::Status { status: 503, retry_after: None, body: None };
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, down).times(1_000));
    studio.trigger().await;
    until_a_breaker_is_open(&studio).await;

    let (code, said) = told(&studio).await;
    assert_eq!((code, &said["overall"]), (0, &"degraded".into()), "{said}");
    let issue = &said["issues"][0];
    assert_eq!((&issue["severity"], &issue["component"]), (&"warning".into(), &"twilio".into()));
    for (member, part) in [
        ("cause", "twilio is out of order and not called"),
        ("cause", "ensure_twilio_subaccount waits for it"),
        ("whatHappensNext", "spends no attempt; one call tries twilio at "),
        ("whatHappensNext", "goes on by itself"),
        ("action", "nothing has to be done here; `autopilot breakers show twilio/"),
    ] {
        assert!(issue[member].as_str().unwrap().contains(part), "{part}: {issue}");
    }
    assert!(issue["since"].is_string(), "{issue}");
    assert_eq!(said["provisioning"]["status"], "waiting");
    let line = format!("health|--workspace|{}", studio.workspace);
    let (_, text, _) = say(&studio.world.url(), &line).await;
    for part in ["is degraded", "warning twilio: ", "  next: ", "  do:   ", "failing"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, text, _) = say(&studio.world.url(), "health").await;
    assert!(text.contains("1: 0 healthy, 1 degraded, 0 unhealthy"), "{text}");

    studio.sandbox.faults().clear();
    studio.world.drain_all().await;
    let (code, said) = told(&studio).await;
    assert_eq!(
        (code, &said["overall"], &said["issues"]),
        (0, &"healthy".into(), &Value::Array(vec![]))
    );
    let states: Vec<&Value> =
        said["integrations"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["working"; 4], "{said}");
    studio.bought_once("after the outage").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_provisioning_that_was_set_aside_is_unhealthy_until_a_later_one_has_taken_its_place() {
    let studio = Studio::paid().await;
    let body = serde_json::json!({ "code": 20003, "message": "Authenticate", "status": 401 });
    let refusal = Fault::Status { status: 401, retry_after: None, body: Some(body) };
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, refusal).times(1_000));
    studio.provision().await;
    let (code, said) = told(&studio).await;
    assert_eq!((code, &said["overall"]), (1, &"unhealthy".into()), "{said}");
    let issue = &said["issues"][0];
    assert_eq!(issue["severity"], "critical");
    let run = said["provisioning"]["runId"].as_str().unwrap();
    assert!(issue["action"].as_str().unwrap().contains(run), "{issue}");
    assert_eq!(said["deadLetters"].as_array().unwrap().len(), 1);
    let (code, said, _) = say(&studio.world.url(), "--json|health").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 1, "no worker is alive");
    assert_eq!(said["workspaces"]["unhealthy"], 1);
    assert_eq!(said["page"][0]["overall"], "unhealthy");

    studio.sandbox.faults().clear();
    studio.provision().await;
    let (code, said) = told(&studio).await;
    assert_eq!((code, &said["overall"]), (0, &"healthy".into()), "{said}");
    let issue = &said["issues"][0];
    assert_eq!(issue["severity"], "info");
    assert!(issue["whatHappensNext"].as_str().unwrap().contains("taken its place"), "{issue}");
    studio.close().await;
}

#[tokio::test]
async fn what_a_studio_does_without_is_told_with_the_settings_that_bring_it() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| {
        app.twilio = None;
        app.email = None;
    });
    studio.provision().await;
    let (_, said) = told(&studio).await;
    assert_eq!(said["overall"], "degraded");
    let told_of: Vec<String> = said["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| format!("{} {}", issue["severity"], issue["component"]).replace('"', ""))
        .collect();
    assert_eq!(told_of, ["warning twilio", "info email"]);
    assert_eq!(
        said["issues"][0]["action"],
        "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, and restart the workers"
    );
    assert_eq!(said["integrations"][1]["state"], "not_set_up");
    studio.finish().await;
}

#[tokio::test]
async fn the_counts_over_all_studios_say_what_their_pages_say() {
    let studio = Studio::paid().await;
    let world = &studio.world;
    // A healthy one; one with a part that fails; one with another job set aside; one that is unhealthy by a part; two that are well.
    studio.provision().await;
    let others: Vec<String> = world
        .texts("INSERT INTO studio.workspace (id) SELECT gen_random_uuid() FROM generate_series(1, 5) RETURNING id::text")
        .await;
    for (workspace, severity) in
        [(&others[0], "warning"), (&others[1], "critical"), (&others[2], "info")]
    {
        world
            .execute(&format!(
                "INSERT INTO studio.health VALUES ('{workspace}', 'whatsapp', 'failing', '{severity}', 'd', 'n', 'a', now(), now())"
            ))
            .await;
    }
    world
        .execute(&format!(
            "INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, payload, created_at)
             SELECT gen_random_uuid(), id, kind, 'default', 1, 'failed', '{{}}', 1, 1, 0, '{{}}', now()
             FROM (VALUES ('{}'::uuid, 'message.send'), ('{}', 'studio.provision')) AS letter(id, kind)",
            others[3], studio.workspace
        ))
        .await;
    world.execute("UPDATE engine.dead_letter SET created_at = now() - interval '1 day' WHERE kind = 'studio.provision'").await;
    let (_, said, _) = say(&world.url(), "--json|health").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    let counted = &said["workspaces"];
    let shown = |overall: &str| {
        said["page"].as_array().unwrap().iter().filter(|brief| brief["overall"] == overall).count()
    };
    for (overall, expected) in [("healthy", 3), ("degraded", 2), ("unhealthy", 1)] {
        assert_eq!((shown(overall), &counted[overall]), (expected, &expected.into()), "{said}");
    }
    assert_eq!(counted["total"], 6);
    world.execute(&format!("DELETE FROM studio.workspace WHERE id = '{}'", others[4])).await;
    let (_, said, _) = say(&world.url(), "--json|health").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["workspaces"]["total"], &said["workspaces"]["healthy"]),
        (&5.into(), &2.into())
    );
    let dead = ops::jobs::list(world.pool(), &ops::jobs::Filter::default()).await.unwrap();
    assert_eq!(dead.len(), 2);
    studio.close().await;
}
