//! P7: a service that is out of order is not called, and burns nobody's attempts.

mod command_line;
mod counted;
mod operators;
mod probes;
mod promises;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autopilot_engine::ops::breakers::{self, Breaker, State};
use autopilot_engine::{At, Class, Failure, Job, Result, Step, Stop, WorkspaceId};
use autopilot_tests::{Lab, TurnsScript, World};

/// What a job of these tests calls.
const MAIL: Step = Step::named("send").calls("mail");

/// A service that a test can break and mend.
#[derive(Debug, Clone, Default)]
struct Service(Arc<AtomicBool>);

impl Service {
    /// One that is out of order.
    fn down() -> Self {
        let service = Self::default();
        service.fails(true);
        service
    }

    fn fails(&self, fails: bool) {
        self.0.store(fails, Ordering::SeqCst);
    }

    fn answer(&self) -> Result {
        if self.0.load(Ordering::SeqCst) { Err(out_of_order()) } else { Ok(()) }
    }
}

fn out_of_order() -> Stop {
    Stop::Failed(Failure::new(Class::IntegrationOffline, "mail_503", "the mail server answers 503"))
}

/// A world whose jobs note their label and call a service; one call at a time, and what is known of breakers is always fresh.
async fn world_of(service: &Service) -> World<Lab> {
    let service = service.clone();
    let mut world = Lab::world(move |label, run| {
        let service = service.clone();
        Box::pin(async move {
            run.step(MAIL, async |at| {
                at.app.note(label);
                service.answer()
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    world
}

/// A world whose service was out of order and is back, and was tried by a step that comes to this once it is answered.
async fn tried_by(then: fn(&At<'_, Lab>) -> Result) -> World<Lab> {
    let service = Service::down();
    let answers = service.clone();
    let mut world = Lab::world(move |label, run| {
        let service = answers.clone();
        Box::pin(async move {
            run.step(MAIL, async |at| {
                at.app.note(label);
                service.answer()?;
                then(&at)
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    enqueue_of(&world, 5).await;
    world.drain().await;
    service.fails(false);
    advance(&world, 61).await;
    world.drain().await;
    assert!(world.app.count("call") > 5, "nobody tried");
    world
}

/// One call at a time in a world whose clock stands still, and what is known of breakers is always fresh.
async fn one_at_a_time(world: &mut World<Lab>) {
    world.config.queues = vec![("default".to_owned(), 1)];
    world.config.breakers.refresh = Duration::ZERO;
    world.clock.freeze().await.unwrap();
}

/// A job of each of so many workspaces.
async fn enqueue_of(world: &World<Lab>, workspaces: usize) -> Vec<WorkspaceId> {
    let workspaces: Vec<WorkspaceId> = (0..workspaces).map(|_| WorkspaceId::now_v7()).collect();
    for workspace in &workspaces {
        world.enqueue(&TurnsScript::new(*workspace, "call")).await;
    }
    workspaces
}

/// The breaker of the service as a whole.
async fn of_all(world: &World<Lab>) -> Option<Breaker> {
    let found = breakers::list(world.pool(), Some("mail"), 100).await.unwrap();
    found.into_iter().find(|breaker| breaker.workspace.is_none())
}

async fn log(world: &World<Lab>) -> Vec<String> {
    world.texts("SELECT what FROM engine.breaker_log WHERE key = 'mail' ORDER BY id").await
}

/// Attempts that any job has spent.
async fn spent(world: &World<Lab>) -> i64 {
    world.value("SELECT coalesce(sum(attempt), 0)::bigint FROM engine.job").await
}

async fn advance(world: &World<Lab>, seconds: u64) {
    world.clock.advance_alive(Duration::from_secs(seconds)).await.unwrap();
}

#[tokio::test]
async fn five_outages_in_a_row_open_a_breaker_and_nobody_calls_any_more() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 12).await;
    world.drain().await;
    assert_eq!(world.app.count("call"), 5, "calls before it opened");
    let breaker = of_all(&world).await.unwrap();
    assert_eq!((breaker.state, breaker.failures), (State::Open, 5));
    assert!(breaker.reason.contains("the mail server answers 503"), "{}", breaker.reason);
    // The four before it opened come back by themselves, and find it open then.
    advance(&world, 10).await;
    world.drain().await;
    assert_eq!((world.app.count("call"), spent(&world).await), (5, 0));
    assert_eq!(of_all(&world).await.unwrap().waiting, 12);
    assert_eq!(log(&world).await, ["opened"]);
    world.close().await;
}

#[tokio::test]
async fn who_waits_says_why_what_happens_next_and_where_to_look() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 6).await;
    world.drain().await;
    let said = world.texts("SELECT detail FROM engine.step WHERE state = 'waiting' AND detail LIKE '%for everybody%'").await;
    for text in &said {
        for part in [
            "mail",
            "503",
            "no attempt is spent",
            "one call tries it in",
            "`autopilot breakers show mail`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(said.len(), 2, "the fifth and the sixth");
    world.close().await;
}

#[tokio::test]
async fn when_the_service_is_back_all_go_on_without_having_spent_an_attempt() {
    let service = Service::down();
    let world = world_of(&service).await;
    enqueue_of(&world, 12).await;
    world.drain().await;
    service.fails(false);
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE outcome = 'completed' AND attempt = 1").await, 12);
    assert_eq!(world.app.count("call"), 5 + 12);
    assert!(of_all(&world).await.is_none());
    assert_eq!(log(&world).await, ["opened", "probed", "closed"]);
    world.finish().await;
}

#[tokio::test]
async fn those_who_wait_come_back_over_the_spread_few_at_first() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 80).await;
    world.drain().await;
    advance(&world, 10).await;
    world.drain().await;
    let of = async |from: f64, to: f64| {
        let wakes = format!(
            "engine.step s, engine.breaker b WHERE b.key = 'mail' AND s.state = 'waiting'
             AND extract(epoch FROM s.wake_at - b.open_until) BETWEEN {from} AND {to}"
        );
        world.count(&wakes).await
    };
    assert_eq!(of(0.0, 30.0).await, 80, "not before it is tried, and within the spread");
    let (first, second) = (of(0.0, 15.0).await, of(15.0, 30.0).await);
    assert!(first < second, "{first} in the first half, {second} in the second");
    world.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_one_workspace_is_not_wrong_with_all() {
    let (bad, good) = (WorkspaceId::now_v7(), WorkspaceId::now_v7());
    let mut world = Lab::world(move |label, run| {
        Box::pin(async move {
            let is_bad = run.workspace() == bad;
            run.step(MAIL, async |at| {
                at.app.note(label);
                if is_bad { Err(out_of_order()) } else { Ok(()) }
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    world.enqueue(&TurnsScript::new(bad, "bad")).await;
    world.drain().await;
    for _ in 1..5 {
        assert!(world.advance_to_next().await);
        world.drain().await;
    }
    assert_eq!(world.app.count("bad"), 5);
    let open = breakers::list(world.pool(), Some("mail"), 100).await.unwrap();
    let of_bad = open.iter().find(|breaker| breaker.workspace == Some(bad)).unwrap();
    assert_eq!(of_bad.state, State::Open);
    let of_all = open.iter().find(|breaker| breaker.workspace.is_none()).unwrap();
    assert_eq!(
        (of_all.state, of_all.failures),
        (State::Counting, 1),
        "one workspace counts once in a row"
    );
    world.enqueue(&TurnsScript::new(bad, "bad")).await;
    world.enqueue(&TurnsScript::new(good, "good")).await;
    world.drain().await;
    assert_eq!((world.app.count("bad"), world.app.count("good")), (5, 1));
    world.close().await;
}

#[tokio::test]
async fn who_refuses_us_or_asks_us_to_slow_down_is_there() {
    for class in [
        Class::ThirdPartyAuthFailed,
        Class::ConfigurationError,
        Class::ProvisioningError,
        Class::RateLimited { retry_after: None },
    ] {
        let mut world = Lab::world(move |label, run| {
            Box::pin(async move {
                run.step(MAIL, async |at| {
                    at.app.note(label);
                    Err::<(), _>(Stop::Failed(Failure::new(class, "no", "no")))
                })
                .await
            })
        })
        .await;
        one_at_a_time(&mut world).await;
        enqueue_of(&world, 7).await;
        world.drain().await;
        assert_eq!(world.app.count("call"), 7, "{class}");
        assert_eq!(world.count("engine.breaker").await, 0, "{class}");
        world.close().await;
    }
}

#[tokio::test]
async fn an_answer_in_between_counts_anew() {
    let service = Service::down();
    let world = world_of(&service).await;
    for _ in 0..3 {
        enqueue_of(&world, 4).await;
        world.drain().await;
        assert_eq!(of_all(&world).await.unwrap().failures, 4);
        service.fails(false);
        world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "well")).await;
        world.drain().await;
        assert!(of_all(&world).await.is_none());
        service.fails(true);
    }
    assert_eq!(log(&world).await, [""; 0]);
    world.close().await;
}

#[tokio::test]
async fn our_own_database_is_not_the_service() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.step(MAIL, async |at| {
                at.app.note(label);
                sqlx::query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").execute(at.pool).await?;
                Ok(())
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    enqueue_of(&world, 6).await;
    world.drain().await;
    assert_eq!(world.app.count("call"), 6);
    assert_eq!(world.count("engine.breaker").await, 0);
    assert_eq!(
        world.count("engine.job WHERE attempt = 1").await,
        6,
        "they are tried again as ever"
    );
    world.close().await;
}

/// The service answers everybody else, so no breaker is open for long; what always fails is something about the request.
#[tokio::test]
async fn what_fails_while_the_service_answers_others_reaches_a_person() {
    let (bad, good) = (WorkspaceId::now_v7(), WorkspaceId::now_v7());
    let mut world = Lab::world(move |label, run| {
        Box::pin(async move {
            let is_bad = label == "bad";
            run.step(MAIL, async |at| {
                at.app.note(label);
                if is_bad { Err(out_of_order()) } else { Ok(()) }
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    let job = world.enqueue(&TurnsScript::new(bad, "bad")).await;
    for _ in 0..30 {
        world.drain().await;
        // Another request of the same workspace is answered in between.
        world.enqueue(&TurnsScript::new(bad, "well")).await;
        world.enqueue(&TurnsScript::new(good, "well")).await;
        world.drain().await;
        if world.count("engine.dead_letter").await > 0 {
            break;
        }
        assert!(world.advance_to_next().await);
    }
    assert_eq!(world.standing(job).await, "failed");
    assert_eq!(
        world.app.count("bad"),
        5 + 4,
        "five that cost nothing, one attempt and three retries"
    );
    assert_eq!(TurnsScript::RETRY, autopilot_engine::Retry::DEFAULT);
    world.close().await;
}

#[tokio::test]
async fn a_breaker_outlives_the_processes_that_opened_it() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 5).await;
    world.drain().await;
    enqueue_of(&world, 3).await;
    world.drain().await;
    assert_eq!(world.app.count("call"), 5, "another process calls nobody either");
    world.close().await;
}
