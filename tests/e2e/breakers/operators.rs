//! What operators see of breakers and do with them.

use autopilot_engine::doctor;
use autopilot_engine::ops::OpsError;
use autopilot_engine::ops::breakers::{self, Guarded, State};

use super::{Service, advance, enqueue_of, of_all, spent, world_of};

fn mail() -> Guarded {
    Guarded::parse("mail").unwrap()
}

#[tokio::test]
async fn an_operator_stops_the_calls_until_one_lets_them_go_on() {
    let world = world_of(&Service::default()).await;
    breakers::trip(world.pool(), &mail(), "ada", "they announced maintenance").await.unwrap();
    enqueue_of(&world, 3).await;
    world.drain().await;
    advance(&world, 24 * 3_600).await;
    world.drain().await;
    assert_eq!((world.app.count("call"), spent(&world).await), (0, 0), "however long that takes");
    let breaker = of_all(&world).await.unwrap();
    assert_eq!((breaker.state, breaker.waiting, breaker.tried_at), (State::Tripped, 3, None));
    let said = world.texts("SELECT DISTINCT detail FROM engine.step").await.join("\n");
    for part in ["ada: they announced maintenance", "`autopilot breakers reset mail`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let woken = breakers::reset(world.pool(), &mail(), "ada", "it is over").await.unwrap();
    assert_eq!(woken, Some(3));
    world.drain().await;
    assert_eq!(world.app.count("call"), 3, "at once");
    let (found, log) = breakers::show(world.pool(), &mail()).await.unwrap();
    assert!(found.is_none());
    let log: Vec<String> = log.iter().map(|log| format!("{} {}", log.what, log.note)).collect();
    assert_eq!(log, ["reset ada: it is over", "tripped ada: they announced maintenance"]);
    world.finish().await;
}

#[tokio::test]
async fn what_counts_already_and_what_is_open_can_be_stopped_too() {
    for outages in [2, 5] {
        let service = Service::down();
        let world = world_of(&service).await;
        enqueue_of(&world, outages).await;
        world.drain().await;
        breakers::trip(world.pool(), &mail(), "ada", "they ask for quiet").await.unwrap();
        service.fails(false);
        advance(&world, 24 * 3_600).await;
        world.drain().await;
        assert_eq!(world.app.count("call"), outages, "nobody calls");
        let breaker = of_all(&world).await.unwrap();
        assert_eq!(
            (breaker.state, breaker.reason.as_str()),
            (State::Tripped, "ada: they ask for quiet")
        );
        breakers::reset(world.pool(), &mail(), "ada", "they are back").await.unwrap();
        world.drain_all().await;
        assert_eq!(world.count("engine.history").await, i64::try_from(outages).unwrap());
        world.finish().await;
    }
}

#[tokio::test]
async fn a_workspaces_breaker_holds_back_that_workspace_alone() {
    let world = world_of(&Service::default()).await;
    let workspaces = enqueue_of(&world, 2).await;
    let own = Guarded::parse(&format!("mail/{}", workspaces[0])).unwrap();
    breakers::trip(world.pool(), &own, "ada", "their server is being moved").await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("call"), 1);
    assert_eq!(breakers::reset(world.pool(), &own, "ada", "done").await.unwrap(), Some(1));
    world.drain().await;
    assert_eq!(world.app.count("call"), 2);
    world.finish().await;
}

#[tokio::test]
async fn an_operator_who_knows_more_need_not_wait_for_the_minute() {
    let service = Service::down();
    let world = world_of(&service).await;
    enqueue_of(&world, 8).await;
    world.drain().await;
    service.fails(false);
    advance(&world, 5).await;
    breakers::reset(world.pool(), &mail(), "ada", "they say that it is mended").await.unwrap();
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_closed_is_not_reset() {
    let world = world_of(&Service::default()).await;
    for why in ["", "  ", &"w".repeat(501)] {
        let refused = breakers::trip(world.pool(), &mail(), "ada", why).await;
        assert!(matches!(refused, Err(OpsError::Invalid(_))), "{refused:?}");
    }
    let refused = Guarded::parse("mail/nobody").unwrap_err().to_string();
    assert!(refused.contains("\"nobody\" is no workspace's id"), "{refused}");
    assert_eq!(breakers::reset(world.pool(), &mail(), "ada", "why not").await.unwrap(), None);
    assert_eq!(world.count("engine.breaker_log").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn the_doctor_names_what_is_not_called() {
    let world = world_of(&Service::down()).await;
    let finding = async || {
        let found = doctor::queue(world.pool()).await.unwrap();
        found.into_iter().find(|finding| finding.check == "breakers").unwrap()
    };
    assert_eq!(finding().await.verdict, doctor::Verdict::Ok);
    enqueue_of(&world, 7).await;
    world.drain().await;
    let finding = finding().await;
    assert_eq!(finding.verdict, doctor::Verdict::Warning);
    for part in ["mail since", "7 steps wait", "the mail server answers 503"] {
        assert!(finding.detail.contains(part), "{part}: {}", finding.detail);
    }
    world.close().await;
}
