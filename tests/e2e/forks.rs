//! A run once more from one of its steps: what it takes over and what runs again.

mod unusual;

use autopilot_engine::{
    Class, Failure, Job, JobId, Limit, Planned, Priority, Registry, Result, Run, Step, Unique,
    WorkspaceId, ops,
};
use autopilot_tests::{Lab, Script, Studio, World, eventually, vault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operators::say;

const STEPS: [&str; 7] = ["one", "two", "three", "four", "five", "six", "seven"];

/// Seven steps in a row, with all that a job can say of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Seven {
    label: String,
    workspace: Option<WorkspaceId>,
    unique: Option<String>,
    /// This step says no.
    fails: String,
    /// This one is skipped.
    skips: String,
    /// This one's output is sealed.
    seals: String,
    /// It sleeps instead of doing this one.
    sleeps: String,
    /// How each step but the last is undone is said.
    undoes: bool,
}

impl Job for Seven {
    type App = Lab;
    const KIND: &'static str = "test.seven";
    const PRIORITY: Priority = Priority::High;
    const TURNS: bool = true;
    const STEPS: &'static [Planned] = &[
        Planned::new("one", 1),
        Planned::new("two", 1),
        Planned::new("three", 1),
        Planned::new("four", 1),
        Planned::new("five", 1),
        Planned::new("six", 1),
        Planned::new("seven", 1),
    ];

    fn workspace(&self) -> WorkspaceId {
        self.workspace.unwrap_or(WorkspaceId::NONE)
    }

    fn unique(&self) -> Option<Unique> {
        self.unique.as_deref().map(Unique::key)
    }

    fn tags(&self) -> Vec<String> {
        vec![format!("label {}", self.label)]
    }

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::concurrency("sevens", 5)]
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let mut said = Vec::new();
        for (step, undo) in
            STEPS.into_iter().zip(["un-1", "un-2", "un-3", "un-4", "un-5", "un-6", "un-7"])
        {
            if self.sleeps == step {
                run.sleep(step, std::time::Duration::from_secs(60)).await?;
                continue;
            }
            let named = Step::named(step);
            let named = if self.seals == step { named.sealed() } else { named };
            let outcome = run.step_or_skip(named, async |at| {
                at.app.call(step, &at.key)?;
                if self.fails == step {
                    return Err(Failure::new(Class::ProvisioningError, "no", "it says no").into());
                }
                if self.skips == step {
                    return Err(autopilot_engine::Stop::Skipped { reason: "not today".to_owned() });
                }
                Ok(format!("{step} of {}", self.label))
            });
            said.extend(outcome.await?.done());
            if self.undoes {
                run.compensate(undo, move |at| async move { at.app.call(undo, &at.key) });
            }
        }
        run.output(&said)
    }
}

impl Seven {
    fn new(label: &str) -> Self {
        Self { label: label.to_owned(), ..Self::default() }
    }
}

async fn world() -> World<Lab> {
    let registry = Registry::new().register::<Seven>().register::<Script>();
    World::new(Lab::new(|_, _| Box::pin(async { Ok(()) })), registry, &[]).await
}

async fn fork(world: &World<Lab>, run: JobId, from: &str) -> ops::Forked {
    ops::fork(world.pool(), world.vault.as_ref(), run, from, None).await.unwrap()
}

/// Why a fork is refused; nothing has come of it.
async fn refusal(world: &World<Lab>, run: JobId, from: &str, input: Option<&str>) -> String {
    let before = world.count("engine.run").await;
    let refused = ops::fork(world.pool(), world.vault.as_ref(), run, from, input).await;
    assert_eq!(world.count("engine.run").await, before);
    refused.unwrap_err().to_string()
}

/// All that stands of a run, in any table.
async fn all_of(world: &World<Lab>, run: JobId) -> Vec<String> {
    let rows = format!(
        "SELECT h::text FROM engine.history h WHERE id = '{run}'
         UNION ALL SELECT d::text FROM engine.dead_letter d WHERE id = '{run}'
         UNION ALL SELECT j::text FROM engine.job j WHERE id = '{run}'
         UNION ALL SELECT r::text FROM engine.run r WHERE id = '{run}'
         UNION ALL SELECT s::text FROM engine.step s WHERE job = '{run}'
         UNION ALL SELECT f::text FROM engine.failure f WHERE job = '{run}'
         UNION ALL SELECT t::text FROM engine.tag t WHERE job = '{run}' ORDER BY 1"
    );
    world.texts(&rows).await
}

#[tokio::test]
async fn a_fork_at_each_step_makes_exactly_the_calls_from_there_on() {
    let world = world().await;
    let run = world.enqueue(&Seven::new("old")).await;
    world.drain().await;
    assert_eq!(world.app.calls(), STEPS);
    let before = all_of(&world, run).await;
    for (place, step) in STEPS.into_iter().enumerate() {
        let (calls, effects) = (world.app.calls().len(), world.app.effects().len());
        let forked = fork(&world, run, step).await;
        let (kept, runs) = STEPS.split_at(place);
        assert_eq!((forked.kept, forked.runs), (strings(kept), strings(runs)));
        assert_eq!(runs_status(&world, forked.id).await, ("queued".to_owned(), place));
        world.drain().await;
        assert_eq!(world.app.calls()[calls..], *runs, "forked at {step}");
        assert_eq!(world.app.effects().len() - effects, runs.len(), "under keys of its own");
        let shown = ops::runs::show(world.pool(), forked.id).await.unwrap();
        assert_eq!((shown.run.status.as_str(), shown.run.percent), ("completed", 100));
        assert_eq!(
            (shown.run.forked_from, shown.run.forked_at.as_deref()),
            (Some(run), Some(step))
        );
        let said = format!("SELECT value::text FROM engine.output WHERE job = '{}'", forked.id);
        assert!(world.texts(&said).await[0].contains("one of old"), "what was copied answers");
    }
    assert_eq!(all_of(&world, run).await, before, "the source is as it was");
    world.finish().await;
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn runs_status(world: &World<Lab>, run: JobId) -> (String, usize) {
    let run = ops::runs::show(world.pool(), run).await.unwrap().run;
    (run.status, run.steps_done.try_into().unwrap())
}

#[tokio::test]
async fn a_fork_is_like_its_source_in_all_but_identity_history_and_input() {
    let world = world().await;
    let job = Seven {
        workspace: Some(WorkspaceId::now_v7()),
        unique: Some("k".to_owned()),
        fails: "three".to_owned(),
        ..Seven::new("old")
    };
    let run = world.enqueue(&job).await;
    world.drain().await;
    ops::cancel(world.pool(), run).await.unwrap();
    let input = r#"{"label" : "new","unique":"other"}"#;
    let forked = ops::fork(world.pool(), None, run, "two", Some(input)).await.unwrap();
    let id = forked.id;
    let same = "concat_ws('/', workspace, kind, queue, priority, unique_key, takes_turns, limits)";
    let [was, is] =
        [format!("engine.history WHERE id = '{run}'"), format!("engine.job WHERE id = '{id}'")];
    let [was, is]: [String; 2] = [
        world.value(&format!("SELECT {same} FROM {was}")).await,
        world.value(&format!("SELECT {same} FROM {is}")).await,
    ];
    assert_eq!(was, is);
    assert!(is.contains("/1/k/t/[{"), "{is}");
    let own = "state = 0 AND attempt = 0 AND crashes = 0 AND share = engine.share(workspace) AND lane = priority AND starts = 0
               AND run_at <= engine.now() AND wakes IS NULL";
    assert_eq!(world.count(&format!("engine.job WHERE id = '{id}' AND {own}")).await, 1);
    let payload: String =
        world.value(&format!("SELECT payload::text FROM engine.job WHERE id = '{id}'")).await;
    assert_eq!(payload, input, "as it was written");
    let born = format!(
        "engine.job j JOIN engine.run r ON r.id = j.id AND r.created_at = j.created_at
         JOIN engine.step s ON s.job = j.id AND s.born = j.created_at JOIN engine.tag t ON t.job = j.id AND t.at = j.created_at
         WHERE j.id = '{id}' AND t.tag = 'label old' AND s.name = 'one' AND s.state = 'done' AND s.starts = 0 AND s.token = 0"
    );
    assert_eq!(world.count(&born).await, 1, "in the partitions of its own month");
    assert_eq!(world.count(&format!("engine.step WHERE job = '{id}'")).await, 1);
    assert_eq!(world.count(&format!("engine.failure WHERE job = '{id}'")).await, 0);
    world.drain().await;
    assert_eq!(world.standing(id).await, "completed", "the new input fails nowhere");
    // What was cancelled takes its turns again as well, when it is put back.
    ops::retry(world.pool(), run).await.unwrap();
    assert_eq!(
        world.count("engine.job WHERE takes_turns AND share = engine.share(workspace)").await,
        1
    );
    world.close().await;
}

#[tokio::test]
async fn whatever_became_of_a_run_it_can_be_forked_and_what_is_missing_runs_first() {
    let world = world().await;
    let run = world.enqueue(&Seven { fails: "three".to_owned(), ..Seven::new("old") }).await;
    world.drain().await;
    assert_eq!(world.standing(run).await, "failed");
    let before = all_of(&world, run).await;
    let input = r#"{"label":"new"}"#;
    let forked = ops::fork(world.pool(), None, run, "five", Some(input)).await.unwrap();
    assert_eq!((forked.kept, forked.runs), (strings(&STEPS[..2]), strings(&STEPS[2..])));
    world.drain().await;
    assert_eq!(world.app.calls(), ["one", "two", "three", "three", "four", "five", "six", "seven"]);
    assert_eq!(all_of(&world, run).await, before, "the letter lies where it lay");
    ops::cancel(world.pool(), run).await.unwrap();
    let forked = fork(&world, run, "three").await;
    world.drain().await;
    assert_eq!(world.standing(forked.id).await, "failed", "with the old input it fails as before");
    // A fork can be forked, and what it took over is taken over again.
    let again = ops::fork(world.pool(), None, forked.id, "seven", Some(input)).await.unwrap();
    assert_eq!(again.kept, strings(&STEPS[..2]));
    world.close().await;
}

#[tokio::test]
async fn what_was_skipped_is_asked_again_and_what_waits_is_not_taken_over() {
    let world = world().await;
    let run = world
        .enqueue(&Seven { skips: "two".to_owned(), sleeps: "three".to_owned(), ..Seven::new("x") })
        .await;
    world.drain().await;
    assert_eq!(runs_status(&world, run).await.0, "waiting");
    let forked = fork(&world, run, "five").await;
    assert_eq!(forked.kept, ["one"]);
    assert_eq!(forked.runs, ["two", "three", "four", "five", "six", "seven"]);
    let copied = format!(
        "SELECT concat_ws('/', name, state, detail) FROM engine.step WHERE job = '{}' ORDER BY 1",
        forked.id
    );
    assert_eq!(world.texts(&copied).await, ["one/done", "two/skipped/not today"]);
    world.drain().await;
    assert_eq!(
        world.app.calls(),
        ["one", "two", "two"],
        "a skip is no end: it is asked again, as on every attempt"
    );
    assert_eq!(runs_status(&world, forked.id).await.0, "waiting", "it sleeps for itself");
    world.drain_all().await;
    assert_eq!(world.standing(run).await, "degraded");
    assert_eq!(world.standing(forked.id).await, "degraded");
    assert_eq!(world.app.count("seven"), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_live_run_is_forked_unless_its_unique_key_would_be_had_twice() {
    let world = world().await;
    let free = world.enqueue(&Seven::new("free")).await;
    fork(&world, free, "one").await;
    let keyed =
        Seven { unique: Some("k".to_owned()), fails: "two".to_owned(), ..Seven::new("keyed") };
    let run = world.enqueue(&keyed).await;
    let told = refusal(&world, run, "one", None).await;
    assert!(told.contains("it lives and has the unique key \"k\""), "{told}");
    assert!(told.contains(&format!("`autopilot runs cancel {run}` first")), "{told}");
    world.drain().await;
    let other = world.enqueue(&keyed).await;
    let told = refusal(&world, run, "two", None).await;
    assert!(told.contains(&format!("the live run {other} has its unique key \"k\"")), "{told}");
    ops::cancel(world.pool(), other).await.unwrap();
    let forks = (0..5).map(|_| {
        let pool = world.pool().clone();
        tokio::spawn(async move { ops::fork(&pool, None, run, "two", None).await.is_ok() })
    });
    let mut made = 0;
    for fork in forks.collect::<Vec<_>>() {
        made += usize::from(fork.await.unwrap());
    }
    assert_eq!((made, world.count("engine.job").await), (1, 1), "the key is one run's at a time");
    world.close().await;
}
