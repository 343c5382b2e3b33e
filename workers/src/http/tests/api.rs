//! The API: register, describe, provision, see.

use autopilot_workflows::state::profiles::{self, Profile};
use autopilot_workflows::tenancy::Tenant;
use serde_json::{Value, json};

use super::World;
use crate::input;

const STUDIO: &str = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b";
const OTHER: &str = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5c";

async fn profile(world: &World) -> Option<Profile> {
    let mut tenant = Tenant::begin(world.pool(), input::workspace(STUDIO).unwrap()).await.unwrap();
    let profile = profiles::get(&mut tenant).await.unwrap();
    tenant.finish().await.unwrap();
    profile
}

async fn complete(world: &World, said: &Value) -> super::Answer {
    world.api("POST", "/api/onboarding/complete", &said.to_string()).await
}

async fn status(world: &World, workspace: &str) -> super::Answer {
    world.api("GET", &format!("/api/autopilot/status?workspaceId={workspace}"), "").await
}

#[tokio::test]
async fn a_studio_is_registered_once_however_often_it_is_said() {
    let world = World::new().await;
    status(&world, STUDIO).await.is_problem(404);
    for (code, created) in [(201, true), (200, false)] {
        let answer = world.api("PUT", &format!("/api/workspaces/{STUDIO}"), "").await;
        assert_eq!((answer.status.as_u16(), &answer.body["created"]), (code, &created.into()));
    }
    let answer = status(&world, STUDIO).await;
    let expected =
        json!({ "workspaceId": STUDIO, "dueSince": null, "lastOutcome": null, "run": null });
    assert_eq!(answer.body, expected);
    for bad in ["7", "00000000-0000-0000-0000-000000000000"] {
        let answer = world.api("PUT", &format!("/api/workspaces/{bad}"), "").await;
        answer.is_problem(422);
        assert!(answer.body["errors"][0].as_str().unwrap().starts_with("id: "), "{}", answer.body);
    }
    world.close().await;
}

#[tokio::test]
async fn the_end_of_onboarding_describes_the_studio_and_starts_one_run() {
    let world = World::new().await;
    let first =
        complete(&world, &json!({ "workspaceId": STUDIO, "name": " Süd ", "country": "AT" })).await;
    assert_eq!((first.status.as_u16(), &first.body["joined"]), (202, &false.into()));
    let sid = format!("BU{}", "0".repeat(32));
    let more = json!({
        "workspaceId": STUDIO, "name": "Süd 2", "contactEmail": "a@b.example", "twilioBundleSid": sid,
    });
    let second = complete(&world, &more).await;
    assert_eq!(second.body["joined"], true);
    assert_eq!(second.body["runId"], first.body["runId"]);
    let profile = profile(&world).await.unwrap();
    let expected = Profile {
        name: "Süd 2".to_owned(),
        country: "AT".to_owned(),
        locale: "de-DE".to_owned(),
        contact_email: "a@b.example".to_owned(),
        twilio_address_sid: None,
        twilio_bundle_sid: Some(sid),
    };
    assert_eq!(profile, expected, "what was not said again stays");

    let answer = status(&world, STUDIO).await;
    let run = &answer.body["run"];
    assert_eq!((&run["runId"], &run["status"]), (&first.body["runId"], &"queued".into()));
    assert_eq!((&run["percent"], run["steps"].as_array().unwrap().len()), (&0.into(), 7));
    assert_eq!(run["steps"][0]["name"], "ensure_subscription");
    world.close().await;
}

#[tokio::test]
async fn onboarding_that_cannot_be_used_names_every_field_and_changes_nothing() {
    let world = World::new().await;
    let wrong = json!({
        "workspaceId": "7", "name": "", "country": "de", "locale": "de_DE", "contactEmail": "a",
        "twilioAddressSid": "BU", "twilioBundleSid": 5, "stripeAccount": "cus_1", "color": "red",
    });
    let answer = complete(&world, &wrong).await;
    answer.is_problem(422);
    let told = answer.body["errors"].as_array().unwrap();
    let named: Vec<_> =
        told.iter().map(|e| e.as_str().unwrap().split(':').next().unwrap()).collect();
    assert_eq!(
        named,
        [
            "workspaceId",
            "name",
            "country",
            "locale",
            "contactEmail",
            "twilioAddressSid",
            "twilioBundleSid",
            "stripeAccount",
            "color"
        ]
    );
    complete(&world, &json!({ "workspaceId": STUDIO, "name": null })).await.is_problem(422);
    status(&world, STUDIO).await.is_problem(404);
    world.close().await;
}

#[tokio::test]
async fn a_connected_account_of_stripes_belongs_to_the_studio_that_named_it_first() {
    let world = World::new().await;
    let ask =
        |workspace| json!({ "workspaceId": workspace, "name": "Süd", "stripeAccount": "acct_1" });
    assert_eq!(complete(&world, &ask(STUDIO)).await.status.as_u16(), 202);
    assert_eq!(complete(&world, &ask(STUDIO)).await.status.as_u16(), 202, "it is its own");
    let refused = complete(&world, &ask(OTHER)).await;
    refused.is_problem(409);
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains(STUDIO)));
    status(&world, OTHER).await.is_problem(404);
    world.close().await;
}

#[tokio::test]
async fn a_studio_is_provisioned_again_on_request_and_all_that_are_due_at_once() {
    let world = World::new().await;
    let ask = json!({ "workspaceId": STUDIO }).to_string();
    world.api("POST", "/api/autopilot/reprovision", &ask).await.is_problem(404);
    world.api("PUT", &format!("/api/workspaces/{STUDIO}"), "").await;
    world.api("PUT", &format!("/api/workspaces/{OTHER}"), "").await;
    let none = world.api("POST", "/api/autopilot/run", "").await;
    assert_eq!((none.status.as_u16(), &none.body["count"]), (202, &0.into()));

    let run = world.api("POST", "/api/autopilot/reprovision", &ask).await;
    assert_eq!((run.status.as_u16(), &run.body["joined"]), (202, &false.into()));
    let due = world.api("POST", "/api/autopilot/run", r#"{"limit": 5}"#).await;
    assert_eq!(due.body["count"], 1, "the other studio is not due");
    assert_eq!(due.body["runs"][0]["runId"], run.body["runId"]);
    assert_eq!(due.body["runs"][0]["joined"], true);
    for limit in ["0", "1001", "\"5\"", "-1", "1.5"] {
        let body = format!("{{\"limit\": {limit}}}");
        world.api("POST", "/api/autopilot/run", &body).await.is_problem(422);
    }
    world.close().await;
}

#[tokio::test]
async fn breakers_are_seen_tripped_and_reset() {
    let world = World::new().await;
    let seen = async || {
        let answer = world.api("GET", "/api/autopilot/breakers", "").await;
        answer.body["breakers"].as_array().unwrap().clone()
    };
    assert_eq!(seen().await, [Value::Null; 0]);
    let change = async |verb: &str, said: Value| {
        world.api("POST", &format!("/api/autopilot/breakers/{verb}"), &said.to_string()).await
    };
    let own = format!("twilio/{STUDIO}");
    for breaker in ["stripe", &own] {
        let answer = change("trip", json!({ "breaker": breaker, "reason": "maintenance" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let found = seen().await;
    let shown: Vec<String> = found
        .iter()
        .map(|one| format!("{} {} {}", one["key"], one["state"], one["reason"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""stripe" "tripped" "api: maintenance""#.to_owned(),
            format!(r#""{own}" "tripped" "api: maintenance""#),
        ]
    );
    for (verb, said, told) in [
        ("trip", json!({}), "breaker: is missing; reason: is missing"),
        ("trip", json!({ "breaker": "sms", "reason": "x" }), "it is stripe, twilio"),
        ("trip", json!({ "breaker": "stripe", "reason": " " }), "reason: is empty"),
        ("reset", json!({ "breaker": "stripe/7", "reason": "x" }), "is no workspace's id"),
    ] {
        let answer = change(verb, said).await;
        answer.is_problem(422);
        let errors: Vec<&str> =
            answer.body["errors"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        assert!(errors.join("; ").contains(told), "{errors:?}");
    }
    let over = json!({ "breaker": "stripe", "reason": "over" });
    assert_eq!(change("reset", over.clone()).await.body["woken"], 0);
    change("reset", over).await.is_problem(404);
    assert_eq!(seen().await.len(), 1);
    world.close().await;
}
