//! What can be forked only in a way of its own, or not at all: secrets, undoings, children, steps that no plan has.

use super::*;

#[tokio::test]
async fn a_sealed_output_opens_in_the_fork_and_is_refused_without_a_keyring() {
    let mut world = world().await;
    world.vault = Some(vault(world.pool()).await);
    let run = world.enqueue(&Seven { seals: "two".to_owned(), ..Seven::new("secret") }).await;
    world.drain().await;
    let forked = fork(&world, run, "three").await;
    world.drain().await;
    let said = format!("SELECT value::text FROM engine.output WHERE job = '{}'", forked.id);
    assert!(world.texts(&said).await[0].contains("two of secret"));
    assert_eq!(world.app.count("two"), 1, "read, not done again");
    let sealed =
        "SELECT count(DISTINCT sealed) FROM engine.step WHERE name = 'two' AND output IS NULL";
    assert_eq!(world.value::<i64>(sealed).await, 2, "each for its own place");
    let vault = world.vault.take();
    let told = refusal(&world, run, "three", None).await;
    assert!(
        told.contains("of step two cannot be taken over") && told.contains("ENCRYPTION_KEY"),
        "{told}"
    );
    assert_eq!(fork(&world, run, "two").await.kept, ["one"], "nothing sealed is taken over");
    world.vault = vault;
    world.drain().await;
    world
        .execute(&format!(
            "UPDATE engine.step SET sealed = sealed || '\\x00' WHERE job = '{run}' AND name = 'two'"
        ))
        .await;
    let told = refusal(&world, run, "three", None).await;
    assert!(told.contains("of step two cannot be taken over"), "{told}");
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_be_forked_is_refused_by_name() {
    let world = world().await;
    let run = world.enqueue(&Seven { undoes: true, ..Seven::new("x") }).await;
    let plain = world.enqueue(&Script::default()).await;
    world.drain().await;
    let told = refusal(&world, run, "eight", None).await;
    assert_eq!(
        told,
        "there is no step \"eight\"; there is one, two, three, four, five, six, seven"
    );
    let told = refusal(&world, plain, "one", None).await;
    assert!(
        told.contains("test.script declares no steps") && told.contains("jobs retry"),
        "{told}"
    );
    for input in ["{a", "", "{\"label\":\"a\0b\"}", "{} {}"] {
        let told = refusal(&world, run, "one", Some(input)).await;
        assert!(told.contains("the input is no JSON"), "{told}");
    }
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    let told = refusal(&world, run, "one", Some(&long)).await;
    assert!(told.contains("1048578 bytes and 1048576 are the most"), "{told}");
    let misfit = ops::fork(world.pool(), None, run, "seven", Some("[1]")).await.unwrap();
    world.drain().await;
    assert_eq!(
        world.standing(misfit.id).await,
        "undecodable",
        "the engine does not know the type, the run does"
    );
    world.execute(&format!("DELETE FROM engine.history WHERE id = '{run}'")).await;
    let told = refusal(&world, run, "one", None).await;
    assert!(told.contains(&format!("no job or run {run}")), "{told}");
    world.close().await;
}

#[tokio::test]
async fn a_fork_that_fails_for_good_undoes_what_it_took_over_and_what_is_undone_is_not_taken_over()
{
    let world = world().await;
    let run = world.enqueue(&Seven { undoes: true, ..Seven::new("x") }).await;
    world.drain().await;
    let calls = world.app.calls().len();
    let input = r#"{"undoes":true,"fails":"four"}"#;
    let forked = ops::fork(world.pool(), None, run, "three", Some(input)).await.unwrap();
    world.drain().await;
    assert_eq!(world.standing(forked.id).await, "undone");
    assert_eq!(world.app.calls()[calls..], ["three", "four", "un-3", "un-2", "un-1"]);
    assert_eq!(world.standing(run).await, "completed", "which the source does not learn");
    for from in ["two", "five", "un-2"] {
        let told = refusal(&world, forked.id, from, None).await;
        assert!(told.contains("has been undone") && told.contains("its first step, one"), "{told}");
    }
    let calls = world.app.calls().len();
    let anew =
        ops::fork(world.pool(), None, forked.id, "one", Some(r#"{"undoes":true}"#)).await.unwrap();
    assert_eq!(world.count(&format!("engine.step WHERE job = '{}'", anew.id)).await, 0);
    world.drain().await;
    assert_eq!(world.app.calls()[calls..], STEPS);
    world.close().await;
}

/// An order as it was, and as it is now, with a step more.
macro_rules! order {
    ($name:ident, $steps:expr, $names:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name {}

        impl Job for $name {
            type App = Lab;
            const KIND: &'static str = "test.order";
            const STEPS: &'static [Planned] = $steps;

            async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
                for step in $names {
                    run.step(step, async |at| {
                        at.app.call(step, &at.key)?;
                        if at.app.count("pay") == 1 {
                            return Err(
                                Failure::new(Class::TransientNetwork, "test", "later").into()
                            );
                        }
                        Ok(())
                    })
                    .await?;
                }
                Ok(())
            }
        }
    };
}

const BEFORE: &[Planned] = &[Planned::new("pay", 50), Planned::new("ship", 50)];
const NOW: &[Planned] =
    &[Planned::new("pay", 40), Planned::new("charge", 20), Planned::new("ship", 40)];

order!(Before, BEFORE, ["pay", "ship"]);
order!(Now, NOW, ["pay", "charge", "ship"]);

#[tokio::test]
async fn a_step_that_the_runs_plan_does_not_have_stands_where_it_ended() {
    let lab = Lab::new(|_, _| unreachable!());
    let world = World::new(lab, Registry::new().register::<Before>(), &[]).await;
    let run = world.enqueue(&Before {}).await;
    world.drain().await;
    world.advance_to_next().await;
    let process = world.start_as(Registry::new().register::<Now>());
    eventually("it has ended", async || world.count("engine.history").await == 1).await;
    assert_eq!(world.app.calls(), ["pay", "pay", "charge", "ship"]);
    for (ended, (from, kept, runs)) in (2..).zip([
        ("ship", &["pay", "charge"][..], &["ship"][..]),
        ("charge", &["pay"], &["ship", "charge"]),
        ("pay", &[], &["pay", "ship", "charge"]),
    ]) {
        let forked = fork(&world, run, from).await;
        let mut taken = forked.kept.clone();
        taken.sort_by_key(|step| kept.iter().position(|name| name == step));
        assert_eq!((taken, forked.runs), (strings(kept), strings(runs)), "from {from}");
        eventually("it has ended", async || world.count("engine.history").await == ended).await;
    }
    assert_eq!(world.app.calls()[4..], ["ship", "charge", "ship", "pay", "charge", "ship"]);
    process.stop().await;
    world.finish().await;
}

/// A parent with a plan, whose child waits at the gate.
#[derive(Serialize, Deserialize)]
struct Parent {}

#[derive(Serialize, Deserialize)]
struct Child {}

impl Job for Parent {
    type App = Lab;
    const KIND: &'static str = "test.parent";
    const STEPS: &'static [Planned] =
        &[Planned::new("spawn", 1), Planned::new("join", 1), Planned::new("tell", 1)];

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let child = run.spawn("spawn", &Child {}).await?;
        let gave: String = run.join("join", "spawn").await?;
        assert_eq!(gave, child.job().to_string(), "the child that it says it has");
        run.step("tell", async |at| at.app.call(&gave, &at.key)).await
    }
}

impl Job for Child {
    type App = Lab;
    const KIND: &'static str = "test.child";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.gate("child").pass().await;
        run.output(&run.job())
    }
}

#[tokio::test]
async fn a_child_of_a_copied_step_is_joined_by_both_and_one_that_is_spawned_again_is_new() {
    let registry = Registry::new().register::<Parent>().register::<Child>();
    let world = World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await;
    let run = world.enqueue(&Parent {}).await;
    let process = world.start();
    world.app.gate("child").reached(1).await;
    let child = world.texts("SELECT id::text FROM engine.job WHERE kind = 'test.child'").await;
    let forked = fork(&world, run, "join").await;
    assert_eq!((forked.kept, forked.runs), (strings(&["spawn"]), strings(&["join", "tell"])));
    let waits = format!("engine.step WHERE state = 'waiting' AND wake_event = 'child:{run}/spawn'");
    eventually("both wait for it", async || world.count(&waits).await == 2).await;
    ops::cancel(world.pool(), fork(&world, run, "join").await.id).await.unwrap();
    assert_eq!(
        world.count("engine.job WHERE kind = 'test.child'").await,
        1,
        "it is not the fork's to cancel"
    );
    world.app.gate("child").open();
    let ended = "engine.history WHERE kind = 'test.parent' AND outcome = 'completed'";
    eventually("its end wakes both", async || world.count(ended).await == 2).await;
    assert_eq!(world.app.calls(), [child[0].clone(), child[0].clone()]);
    for (from, children, told) in [("tell", 1, 3), ("join", 1, 4), ("spawn", 2, 5)] {
        fork(&world, run, from).await;
        eventually("it ends", async || world.app.calls().len() == told).await;
        eventually("it is written", async || world.count("engine.job").await == 0).await;
        let all = world.count("engine.history WHERE kind = 'test.child'").await;
        assert_eq!(all, children, "from {from}");
        assert_eq!(world.app.calls().last() == child.first(), children == 1);
    }
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn operators_fork_a_run_and_read_what_that_means() {
    let studio = Studio::new().await;
    let (world, url) = (&studio.world, studio.world.url());
    let id = JobId::now_v7();
    world
        .execute(&format!(
            "INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, payload, created_at)
             VALUES ('{id}', gen_random_uuid(), 'gone', 'default', 2, 'failed', '{{}}', 1, 1, 0, '{{\"n\": 1}}', engine.now());
             INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
             SELECT id, workspace, kind, '0', '[{{\"name\":\"buy\",\"weight\":1}},{{\"name\":\"tell\",\"weight\":1}}]', created_at FROM engine.dead_letter;
             INSERT INTO engine.step (job, born, name, state, token, starts, output, started_at, finished_at)
             SELECT id, created_at, 'buy', 'done', 1, 1, '\"+4930\"', created_at, created_at FROM engine.dead_letter"
        ))
        .await;
    let (code, said, _) =
        say(&url, &format!("runs|fork|{id}|--from|tell|--input|{{\"n\":2}}")).await;
    assert_eq!(code, 0);
    let new: String = world.value("SELECT id::text FROM engine.job").await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("{new} is forked from {id} at tell, and due in queue default"));
    assert_eq!(lines[1], "these steps will run, with new keys, and take effect again: tell");
    assert_eq!(lines[2], "these are taken over and do not run: buy");
    assert!(lines[3].starts_with("if it fails for good, it undoes those as well"), "{said}");
    let (_, shown, _) = say(&url, &format!("runs|show|{new}")).await;
    assert!(shown.ends_with(&format!("forked from {id} at tell\n")), "{shown}");
    let (_, shown, _) = say(&url, &format!("--json|runs|show|{new}")).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["forked_from"], &shown["forked_at"]), (&json!(id), &json!("tell")));
    let (code, exported, _) = say(&url, &format!("runs|export|{id}")).await;
    let exported: ops::RunHistory = serde_json::from_str(&exported).unwrap();
    assert_eq!((code, &exported), (0, &ops::export(world.pool(), id).await.unwrap()));
    assert_eq!(exported.steps[0].output, json!("+4930"));
    world
        .execute(&format!(
            "UPDATE engine.step SET output = NULL, sealed = '\\x01' WHERE job = '{id}'"
        ))
        .await;
    for (line, exit, says) in [
        (format!("runs|fork|{id}|--from|tell"), 1, "set ENCRYPTION_KEY"),
        (format!("runs|fork|{id}|--from|sell"), 3, "there is no step \"sell\"; there is buy, tell"),
        (format!("runs|fork|{}|--from|tell", JobId::now_v7()), 3, "no job or run"),
        (format!("runs|export|{}", JobId::now_v7()), 3, "no job or run"),
        (format!("runs|fork|{id}|--from|tell|--input|{{n"), 2, "is no JSON"),
    ] {
        let (code, _, complaint) = say(&url, &line).await;
        assert!(code == exit && complaint.contains(says), "{line}: {code} {complaint}");
    }
    studio.world.close().await;
}
