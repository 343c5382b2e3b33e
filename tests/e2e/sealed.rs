//! Jobs whose payloads are sealed: nobody reads them but the code that runs.

use std::str::FromStr;

use autopilot_engine::secrets::Vault;
use autopilot_engine::{
    EnqueueError, Job, JobId, NewJob, Planned, Registry, Result, Run, Schedule, Step, WorkspaceId,
    enqueue, ops,
};
use autopilot_tests::{Inside, Lab, Proxy, World, eventually, vault};
use serde::{Deserialize, Serialize};

const SECRET: &str = "sk_live_do_not_read_me";

/// What nobody is to read.
#[derive(Serialize, Deserialize)]
struct Letter {
    workspace: WorkspaceId,
    text: String,
    /// Whether it writes two more of its kind.
    goes_on: bool,
}

impl Letter {
    fn new(goes_on: bool) -> Self {
        let workspace = WorkspaceId::from_str("018f0000-0000-7000-8000-000000000007").unwrap();
        Self { workspace, text: SECRET.to_owned(), goes_on }
    }
}

impl Job for Letter {
    type App = Lab;
    const KIND: &'static str = "test.letter";
    const SEALED: bool = true;
    const STEPS: &'static [Planned] = &[
        Planned::new("read", 1),
        Planned::new("spawn", 1),
        Planned::new("join", 1),
        Planned::new("each", 1),
    ];

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let text = self.text.clone();
        run.step(Step::named("read").sealed(), async move |at| {
            at.app.note(&text);
            Ok(text)
        })
        .await?;
        if self.goes_on {
            run.spawn("spawn", &Self::new(false)).await?;
            run.join::<()>("join", "spawn").await?;
            run.each::<_, ()>("each", &[Self::new(false), Self::new(false)], 1).await?;
            run.enqueue(NewJob::of(&Self::new(false))?);
        }
        Ok(())
    }
}

async fn without_a_keyring(schedules: Vec<Schedule>) -> World<Lab> {
    let registry =
        schedules.into_iter().fold(Registry::new().register::<Letter>(), Registry::schedule);
    World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await
}

async fn world() -> World<Lab> {
    let mut world = without_a_keyring(Vec::new()).await;
    world.vault = Some(vault(world.pool()).await);
    world
}

async fn tells_nothing(world: &World<Lab>) {
    for row in world.snapshot().await {
        assert!(!row.contains(SECRET) && !row.contains("goes_on"), "{row}");
    }
}

#[tokio::test]
async fn a_sealed_payload_is_nowhere_to_be_read_and_comes_back_whole() {
    let world = world().await;
    world.enqueue(&Letter::new(true)).await;
    tells_nothing(&world).await;
    let read: Vec<Letter> = world.enqueued().await;
    assert_eq!(read[0].text, SECRET);
    world.drain_all().await;
    // Itself, the one that it spawned, the two of its list, and the one that it enqueued.
    assert_eq!(world.app.calls(), [SECRET; 5]);
    assert_eq!(world.count("engine.history WHERE outcome = 'completed'").await, 5);
    tells_nothing(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn the_ticks_of_a_schedule_are_sealed() {
    let every = Schedule::new("letters", "* * * * *", |_| Letter::new(false)).unwrap();
    let mut world = without_a_keyring(vec![every]).await;
    world.vault = Some(vault(world.pool()).await);
    world.clock.freeze().await.unwrap();
    let process = world.start();
    eventually("the schedule is known", async || world.count("engine.schedule").await == 1).await;
    world.clock.advance_alive(std::time::Duration::from_secs(60)).await.unwrap();
    eventually("its letter is read", async || world.count("engine.history").await == 1).await;
    assert_eq!(world.app.calls(), [SECRET]);
    tells_nothing(&world).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_fork_has_the_sealed_payload_or_an_input_that_is_sealed_as_well() {
    let world = world().await;
    let run = world.enqueue(&Letter::new(false)).await;
    world.drain().await;
    let input = serde_json::to_string(&Letter { text: "another".to_owned(), ..Letter::new(false) });
    let fork = async |vault: Option<&Vault>, input: Option<&str>| {
        ops::fork(world.pool(), vault, run, "read", input).await
    };
    fork(world.vault.as_ref(), None).await.unwrap();
    world.drain().await;
    fork(world.vault.as_ref(), Some(input.as_ref().unwrap())).await.unwrap();
    tells_nothing(&world).await;
    world.drain().await;
    assert_eq!(world.app.calls(), [SECRET, SECRET, "another"]);
    let refused = fork(None, Some(&input.unwrap())).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot be sealed") && refused.contains("ENCRYPTION_KEY"),
        "{refused}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_is_to_be_sealed_and_is_not_is_refused_and_nothing_is_written() {
    let world = world().await;
    let letter = NewJob::of(&Letter::new(false)).unwrap();
    let mut conn = world.connect().await;
    let refused = enqueue(&mut conn, std::slice::from_ref(&letter)).await.unwrap_err();
    assert!(matches!(refused, EnqueueError::Invalid { .. }));
    assert_eq!(
        refused.to_string(),
        "a job of kind test.letter cannot be enqueued: its kind is sealed; `.sealed(&vault).await?` \
         before it is enqueued"
    );
    let (process, starter) = world.start_here(world.pool().clone());
    eventually("it is refused where it would begin at once", async || {
        starter.start(letter.clone()).await.is_err()
    })
    .await;
    process.stop().await;
    assert_eq!(world.count("engine.job").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn without_a_keyring_a_sealed_job_is_set_aside_and_says_what_to_set() {
    let mut world = world().await;
    let job = world.enqueue(&Letter::new(false)).await;
    let vault = world.vault.take();
    world.drain().await;
    let failure: String = world.value("SELECT failure::text FROM engine.dead_letter").await;
    assert!(failure.contains("no_keyring") && failure.contains("ENCRYPTION_KEY"), "{failure}");
    let details = ops::jobs::show(world.pool(), job).await.unwrap();
    assert!(details.sealed_bytes().is_some());
    ops::retry(world.pool(), job).await.unwrap();
    world.vault = vault;
    world.drain().await;
    assert_eq!(world.app.calls(), [SECRET]);
    world.finish().await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_for_a_while_cost_no_attempt() {
    let mut world = world().await;
    let job = world.enqueue(&Letter::new(false)).await;
    let proxy = Proxy::start(&world.url()).await;
    world.vault = Some(vault(&proxy.pool(&world.url()).await).await);
    proxy.point_to("postgres://nobody@127.0.0.1:1/nowhere");
    proxy.reset();
    let process = world.start();
    eventually("it is tried again", async || {
        world.count("engine.job WHERE token > 1 AND attempt <= 1").await == 1
    })
    .await;
    assert_eq!(world.count("engine.failure").await, 0);
    proxy.point_to(&world.url());
    eventually("it is read", async || world.count("engine.history").await == 1).await;
    assert_eq!(
        (world.standing(job).await.as_str(), world.app.calls()),
        ("completed", vec![SECRET.to_owned()])
    );
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_sealed_payload_that_was_moved_to_another_workspace_does_not_open() {
    let world = world().await;
    let job: JobId = world.enqueue(&Letter::new(false)).await;
    world.execute("UPDATE engine.job SET workspace = '018f0000-0000-7000-8000-000000000008'").await;
    world.drain().await;
    assert_eq!(world.standing(job).await, "undecodable");
    assert!(world.app.calls().is_empty());
    world.close().await;
}

#[test]
fn a_payload_that_looks_sealed_and_is_not_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Lookalike {
        #[serde(rename = "$sealed")]
        sealed: String,
    }
    impl Job for Lookalike {
        type App = Lab;
        const KIND: &'static str = "test.lookalike";
        async fn run(&self, _: &mut Run<'_, Lab>) -> Result {
            Ok(())
        }
    }
    let error = NewJob::of(&Lookalike { sealed: "x".to_owned() }).unwrap_err().to_string();
    assert!(error.contains("test.lookalike") && error.contains("`$sealed`"), "{error}");
}
