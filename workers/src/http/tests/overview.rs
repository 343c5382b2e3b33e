//! How the studios stand: who is asked about, page by page.

use serde_json::{Value, json};

use super::World;

fn id(number: u32) -> String {
    format!("0192a1b2-c3d4-7e8f-8a9b-0000000000{number:02}")
}

async fn ask(world: &World, query: &str) -> super::Answer {
    world.api("GET", &format!("/api/autopilot/health{query}"), "").await
}

#[tokio::test]
async fn a_studio_is_told_in_full_and_one_that_is_not_registered_not_at_all() {
    let world = World::new().await;
    let query = format!("?workspaceId={}", id(1));
    ask(&world, &query).await.is_problem(404);
    world.api("PUT", &format!("/api/workspaces/{}", id(1)), "").await;
    let answer = ask(&world, &query).await;
    assert_eq!((answer.status.as_u16(), &answer.body["overall"]), (200, &"healthy".into()));
    assert_eq!(answer.body["provisioning"], Value::Null);
    let names: Vec<&Value> = answer.body["integrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|integration| &integration["name"])
        .collect();
    assert_eq!(names, ["stripe", "twilio", "whatsapp", "email"]);

    // Calls that an operator stopped for this studio alone.
    let breaker = format!("twilio/{}", id(1));
    let said = json!({ "breaker": breaker, "reason": "maintenance" }).to_string();
    world.api("POST", "/api/autopilot/breakers/trip", &said).await;
    let answer = ask(&world, &query).await;
    assert_eq!(answer.body["overall"], "degraded", "{}", answer.body);
    assert_eq!(answer.body["integrations"][1]["state"], "failing");
    let issue = &answer.body["issues"][0];
    assert_eq!((&issue["severity"], &issue["component"]), (&"warning".into(), &"twilio".into()));
    assert!(issue["cause"].as_str().unwrap().contains("maintenance"), "{issue}");
    assert_eq!(issue["action"], format!("autopilot breakers reset {breaker} --reason WHY"));
    world.close().await;
}

#[tokio::test]
async fn all_studios_come_page_by_page_each_once() {
    let world = World::new().await;
    for number in 1..=5 {
        world.api("PUT", &format!("/api/workspaces/{}", id(number)), "").await;
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let answer = ask(&world, &format!("?all=true&limit=2{after}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(
            answer.body["workspaces"],
            json!({ "total": 5, "healthy": 5, "degraded": 0, "unhealthy": 0 })
        );
        let page = answer.body["page"].as_array().unwrap();
        seen.extend(page.iter().map(|brief| brief["workspaceId"].as_str().unwrap().to_owned()));
        pages += 1;
        match answer.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), ((1..=5).map(id).collect(), 3));
    let answer = ask(&world, "?all=true").await;
    assert_eq!(answer.body["overall"], "unhealthy", "no worker is alive");
    assert_eq!(answer.body["issues"][0]["component"], "workers");
    assert_eq!(answer.body["issues"][0]["action"], "start `autopilot serve`");
    world.close().await;
}

#[tokio::test]
async fn a_question_that_cannot_be_meant_is_refused_by_name() {
    let world = World::new().await;
    for (query, told) in [
        (String::new(), "either workspaceId=UUID or all=true"),
        (format!("?all=true&workspaceId={}", id(1)), "either"),
        ("?workspaceId=7".to_owned(), "workspaceId: is not a UUID"),
        ("?all=yes".to_owned(), "all: is only ever true"),
        ("?all=true&limit=0".to_owned(), "limit: is not a whole number from 1 to 500"),
        ("?all=true&limit=501".to_owned(), "limit: is not a whole number from 1 to 500"),
        ("?all=true&after=x".to_owned(), "after: is not a UUID"),
        (format!("?workspaceId={}&limit=5", id(1)), "limit: is not known here"),
    ] {
        let answer = ask(&world, &query).await;
        answer.is_problem(422);
        assert!(answer.body["errors"].to_string().contains(told), "{query}: {}", answer.body);
    }
    world.close().await;
}
