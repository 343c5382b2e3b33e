//! What operators say to the real program about the keys that seal credentials, and what they are told.

use autopilot_tests::Studio;
use serde_json::{Value, json};

use crate::operators::say_with;

const OLD: &str = "old:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=";
const NEW: &str = "new:d0SOycqKMP5FZNGXU4YatJpKUASdeYwOFk7DjJyTPHo=";

async fn say(studio: &Studio, ring: &str, line: &str) -> (i32, String, String) {
    say_with(&studio.world.url(), line, &[("ENCRYPTION_KEY", ring)]).await
}

/// The keys in their order, whether each is the first, and how many studios need it.
async fn needed(studio: &Studio, ring: &str) -> Value {
    let (code, said, complaint) = say(studio, ring, "--json|keys|list").await;
    assert_eq!(code, 0, "{complaint}");
    let keys: Vec<Value> = serde_json::from_str(&said).unwrap();
    keys.iter().map(|key| json!([key["id"], key["is_primary"], key["workspaces"]])).collect()
}

#[tokio::test]
async fn the_key_is_changed_in_four_steps_and_each_is_told() {
    let studio = Studio::new().await;
    let (first, second) = (format!("{OLD},{NEW}"), format!("{NEW},{OLD}"));
    let line = format!("endpoints|add|{}|https://hooks.example.com/a", studio.workspace);
    let (code, _, complaint) = say(&studio, OLD, &line).await;
    assert_eq!(code, 0, "{complaint}");
    let (_, said, _) = say(&studio, OLD, "keys|list").await;
    assert!(said.contains("there is one key, and it is needed"), "{said}");

    assert_eq!(needed(&studio, &first).await, json!([["old", true, 1], ["new", false, 0]]));
    assert_eq!(needed(&studio, &second).await, json!([["new", true, 0], ["old", false, 1]]));
    let (_, said, _) = say(&studio, &second, "keys|list").await;
    assert!(said.contains("old: needed until `autopilot keys rewrap`"), "{said}");
    let (code, _, complaint) = say(&studio, NEW, "keys|rewrap").await;
    assert_eq!(code, 2, "{complaint}");
    for part in ["lacks key `old`", "1 workspace(s) still need", "`autopilot keys rewrap`"] {
        assert!(complaint.contains(part), "{part}: {complaint}");
    }

    let (_, said, _) = say(&studio, &second, "keys|rewrap").await;
    assert!(said.starts_with("the credentials of 1 studio are wrapped by new now\n"), "{said}");
    assert!(said.contains("old: once every process has been restarted"), "{said}");
    let (_, said, _) = say(&studio, &second, "keys|rewrap").await;
    assert!(said.starts_with("new wrapped everything already\n"), "{said}");

    assert_eq!(needed(&studio, NEW).await, json!([["new", true, 1]]));
    let (code, _, complaint) = say(&studio, OLD, "keys|list").await;
    assert!(code == 2 && complaint.contains("lacks key `new`"), "{code} {complaint}");
    let (code, _, complaint) = say(&studio, "", "keys|list").await;
    assert!(code == 2 && complaint.contains("ENCRYPTION_KEY is not set"), "{code} {complaint}");
    studio.finish().await;
}
