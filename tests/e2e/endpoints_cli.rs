//! What operators say to the real program about studios' endpoints, and what they are told.

use autopilot_tests::Studio;
use autopilot_workflows::outbound::{self, EventType};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operators::say_with;

const KEY: (&str, &str) = ("ENCRYPTION_KEY", "test:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=");

/// A command line about the studio's endpoints: `WS` stands for its workspace.
async fn say(studio: &Studio, line: &str) -> (i32, String, String) {
    let line = line.replace("WS", &studio.workspace.to_string());
    say_with(&studio.world.url(), &format!("--json|endpoints|{line}"), &[KEY]).await
}

async fn answer(studio: &Studio, line: &str) -> Value {
    let (code, said, complaint) = say(studio, line).await;
    assert_eq!(code, 0, "{line}: {complaint}");
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn an_endpoint_is_added_rotated_disabled_and_told_again_what_it_missed() {
    let studio = Studio::new().await;
    let added =
        answer(&studio, "add|WS|https://hooks.example.com/a|--event|subscription.changed").await;
    let id = added["endpoint"].as_str().unwrap().to_owned();
    let secret = added["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{added}");
    let rotated = answer(&studio, &format!("rotate|WS|{id}|--both-for|7d")).await;
    assert_ne!(rotated["secret"], added["secret"]);
    let listed = answer(&studio, "list|WS").await;
    assert_eq!(listed[0]["events"], json!(["subscription.changed"]));
    assert!(!listed.to_string().contains("whsec"), "a secret is shown once: {listed}");

    let mut tx = studio.world.pool().begin().await.unwrap();
    let told =
        outbound::tell(&mut tx, studio.workspace, EventType::SubscriptionChanged, &json!({})).await;
    assert_eq!(told.unwrap(), 1);
    tx.commit().await.unwrap();
    let open = answer(&studio, &format!("deliveries|WS|--endpoint|{id}|--open|--since|1h")).await;
    let delivery = open[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(answer(&studio, "deliveries|WS|--until|1h").await, json!([]));
    let shown = answer(&studio, &format!("show|WS|{delivery}")).await;
    assert_eq!(
        (&shown["delivery"]["event_type"], &shown["attempts"]),
        (&json!("subscription.changed"), &json!([]))
    );
    let replayed = answer(&studio, "replay|WS|--open").await;
    assert_eq!(replayed["deliveries"], json!([delivery]));
    assert_eq!(
        studio.world.count("engine.job WHERE kind = 'endpoint.deliver'").await,
        1,
        "it waits already"
    );

    answer(&studio, &format!("disable|WS|{id}")).await;
    assert!(answer(&studio, "list|WS").await[0]["disabled_why"].is_string());
    let (code, _, complaint) = say(&studio, &format!("replay|WS|{delivery}")).await;
    assert!(code == 1 && complaint.contains("endpoints enable"), "{code} {complaint}");
    assert_eq!(answer(&studio, "replay|WS|--open").await["left_out"], 1);
    answer(&studio, &format!("enable|WS|{id}")).await;
    answer(&studio, &format!("replay|WS|{delivery}")).await;
    answer(&studio, &format!("remove|WS|{id}")).await;
    assert_eq!(answer(&studio, "list|WS").await, json!([]));
    assert_eq!(
        studio.world.count("studio.delivery").await,
        0,
        "what it was told is forgotten with it"
    );
    studio.world.drain().await;
    studio.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_told_by_name() {
    let studio = Studio::new().await;
    let nobody = Uuid::nil();
    for (line, exit, says) in [
        ("add|WS|http://hooks.example.com/".to_owned(), 2, "must begin with https://"),
        ("add|WS|https://hooks.example.com:8443/".to_owned(), 2, "must use port 443"),
        ("add|WS|https://127.0.0.1/".to_owned(), 2, "not an address of the public Internet"),
        (
            "add|WS|https://me:secret@hooks.example.com/".to_owned(),
            2,
            "remove what stands before the @",
        ),
        ("add|WS|hooks.example.com".to_owned(), 2, "write it as https://host/path"),
        (
            "add|WS|https://hooks.example.com/|--event|payment.made".to_owned(),
            2,
            "there are studio.provisioned",
        ),
        (format!("add|{nobody}|https://hooks.example.com/"), 2, "workspace"),
        (format!("enable|WS|{nobody}"), 3, "endpoints list"),
        (format!("rotate|WS|{nobody}"), 3, "there is no endpoint"),
        (format!("replay|WS|{nobody}"), 3, "there is no delivery"),
        ("replay|WS".to_owned(), 2, "required"),
        ("deliveries|WS|--since|yesterday".to_owned(), 2, "how long ago"),
        (format!("rotate|WS|{nobody}|--both-for|long"), 2, "--both-for"),
    ] {
        let (code, _, complaint) = say(&studio, &line).await;
        assert!(code == exit && complaint.contains(says), "{line}: {code} {complaint}");
        assert!(!complaint.contains("secret@"), "{line}: a password is not repeated: {complaint}");
    }
    studio.finish().await;
}
