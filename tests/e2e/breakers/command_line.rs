//! What operators say to the real program about breakers, and what they are told.

use autopilot_tests::{Lab, World};
use serde_json::Value;

use super::{MAIL, enqueue_of, one_at_a_time, out_of_order};
use crate::operators::say;

/// A world that the program takes for its own, whose jobs call a service that is out of order.
async fn world() -> World<Lab> {
    let lab = Lab::new(|_, run| {
        Box::pin(async move { run.step(MAIL, async |_| Err::<(), _>(out_of_order())).await })
    });
    let mut world = World::new(lab, Lab::registry(), &[&autopilot_workflows::MIGRATOR]).await;
    one_at_a_time(&mut world).await;
    world
}

#[tokio::test]
async fn breakers_list_tells_who_knows_nothing_what_is_wrong_and_what_will_happen() {
    let world = world().await;
    let (code, said, _) = say(&world.url(), "breakers|list").await;
    assert_eq!(code, 0);
    assert!(said.contains("every provider is called"), "{said}");
    enqueue_of(&world, 9).await;
    world.drain().await;
    let (_, said, _) = say(&world.url(), "breakers|list").await;
    for part in [
        "mail ",
        "open",
        "one call tries it at",
        "the mail server answers 503",
        "steps wait and spend no attempt",
        "go on by themselves",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said, _) = say(&world.url(), "--json|breakers|list|--provider|mail").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said[0]["key"], &said[0]["state"]), (&"mail".into(), &"open".into()));
    world.close().await;
}

#[tokio::test]
async fn breakers_are_tripped_shown_and_reset_by_name() {
    let world = world().await;
    let own = "twilio/0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b";
    for breaker in ["stripe", own] {
        let (code, said, _) =
            say(&world.url(), &format!("breakers|trip|{breaker}|--reason|maintenance")).await;
        assert_eq!(code, 0);
        assert!(said.contains(&format!("`autopilot breakers reset {breaker}`")), "{said}");
        let (_, said, _) = say(&world.url(), &format!("breakers|show|{breaker}")).await;
        for part in ["tripped", "maintenance", "nothing until"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    say(&world.url(), "breakers|trip|twilio|--reason|maintenance").await;
    let other = "twilio/0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5c";
    for line in [
        format!("show|{other}"),
        format!("reset|{other}|--reason|x"),
        format!("reset|{own}|--reason|x"),
    ] {
        let (_, said, complaint) = say(&world.url(), &format!("breakers|{line}")).await;
        let said = said + &complaint;
        assert!(
            said.contains("twilio is not called for anybody (command line: maintenance"),
            "{line}: {said}"
        );
        assert!(
            !said.contains("called as ever") && !said.contains("called again"),
            "{line}: {said}"
        );
    }
    for line in [format!("trip|{own}"), "reset|twilio".to_owned()] {
        say(&world.url(), &format!("breakers|{line}|--reason|maintenance")).await;
    }
    for (line, expected, told) in [
        ("breakers|trip|stripe", 2, "--reason"),
        ("breakers|trip|sms|--reason|x", 2, "it is stripe, twilio, whatsapp, openai, smtp"),
        ("breakers|show|stripe/7", 2, "is no workspace's id"),
        ("breakers|reset|smtp|--reason|x", 3, "its breaker is closed"),
    ] {
        let (code, _, complaint) = say(&world.url(), line).await;
        assert_eq!(code, expected, "{line}: {complaint}");
        assert!(complaint.contains(told), "{line}: {complaint}");
    }
    for breaker in ["stripe", own] {
        let (code, said, _) =
            say(&world.url(), &format!("breakers|reset|{breaker}|--reason|over")).await;
        assert_eq!(code, 0);
        assert!(said.contains("is called again"), "{said}");
        let (_, said, _) = say(&world.url(), &format!("breakers|show|{breaker}")).await;
        for part in ["closed", "reset", "over", "tripped"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    world.close().await;
}
