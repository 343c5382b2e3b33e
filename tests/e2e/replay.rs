//! Histories of real runs, replayed against the code of today: it says how far it comes, and does nothing.

use std::time::Duration;

use autopilot_engine::testing::{ReplayEnd, Replayed};
use autopilot_engine::{
    Class, Failure, Job, Outcome, Planned, Registry, Result, Run, Step, Stop, ops,
};
use autopilot_tests::{Lab, World, vault};
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A version of an order: its code, and its plan.
macro_rules! order {
    ($name:ident, $steps:expr, |$order:ident, $run:ident| $code:block) => {
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        #[serde(default)]
        struct $name {
            says: String,
        }

        impl Job for $name {
            type App = Lab;
            const KIND: &'static str = "test.order";
            const STEPS: &'static [Planned] = $steps;

            async fn run(&self, $run: &mut Run<'_, Lab>) -> Result {
                let $order = self;
                $code
            }
        }
    };
}

const PLAN: &[Planned] = &[
    Planned::new("pay", 1),
    Planned::new("gift", 1),
    Planned::new("rest", 1),
    Planned::new("child", 1),
    Planned::new("ship", 1),
];

/// What the order was when its histories were written. It is skipped to give a gift; `says` what else goes wrong.
async fn ordered(order: &str, run: &mut Run<'_, Lab>, pay: Step) -> Result {
    let paid: String = run
        .step(pay, async |at| {
            at.app.call("pay", &at.key)?;
            Ok("4.50".to_owned())
        })
        .await?;
    run.compensate("refund", |at| async move { at.app.call("refund", &at.key) });
    let gift: Outcome<()> = run
        .optional("gift", async |at| {
            at.app.call("gift", &at.key)?;
            Err(Stop::Skipped { reason: "none left".to_owned() })
        })
        .await?;
    assert_eq!((paid.as_str(), gift), ("4.50", Outcome::Skipped));
    run.sleep("rest", DAY).await?;
    run.spawn("child", &Postcard {}).await?;
    run.transact("ship", async |_| match order {
        "sold out" => Err(Failure::new(Class::ProvisioningError, "sold_out", "it says no").into()),
        _ => Ok(7_u64),
    })
    .await
    .map(drop)
}

order!(Order, PLAN, |order, run| { ordered(&order.says, run, Step::named("pay")).await });
order!(Sealed, PLAN, |order, run| { ordered(&order.says, run, Step::named("pay").sealed()).await });

// The order as a later version might have it.
order!(
    Renamed,
    &[
        Planned::new("charge", 1),
        Planned::new("gift", 1),
        Planned::new("rest", 1),
        Planned::new("child", 1),
        Planned::new("ship", 1)
    ],
    |order, run| {
        run.step("charge", async |at| at.app.call("charge", &at.key)).await?;
        run.app.note(&order.says);
        Ok(())
    }
);
order!(Reshaped, PLAN, |order, run| {
    let paid: u64 = run.step("pay", async |at| at.app.call("pay", &at.key).map(|()| 450)).await?;
    run.app.note(&format!("{}{paid}", order.says));
    Ok(())
});
order!(Shorter, PLAN, |order, run| {
    run.step("ship", async |at| at.app.call("ship", &at.key).map(|()| 7_u64)).await?;
    run.output(&order.says)
});
order!(Numbered, &[], |order, run| {
    // Without a plan nothing refuses the new name.
    run.step("charge", async |at| at.app.call("charge", &at.key)).await?;
    run.app.note(&order.says);
    Ok(())
});
order!(Unplanned, &[], |order, run| { ordered(&order.says, run, Step::named("pay")).await });
order!(Stubborn, &[], |order, run| {
    for step in ["gift", "new", "newer"] {
        // Whatever it makes of an error, nothing goes on.
        drop(run.optional::<(), _>(step, async |at| at.app.call(step, &at.key)).await);
    }
    run.app.note(&order.says);
    Ok(())
});

#[derive(Debug, Serialize, Deserialize)]
struct Postcard {}

impl Job for Postcard {
    type App = Lab;
    const KIND: &'static str = "test.postcard";

    async fn run(&self, _: &mut Run<'_, Lab>) -> Result {
        Ok(())
    }
}

async fn world<J: Job<App = Lab>>() -> World<Lab> {
    let registry = Registry::new().register::<J>().register::<Postcard>();
    World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await
}

/// What a run has stored: through JSON, as from a file. `whole` runs over the days that it takes.
async fn history<J: Job<App = Lab>>(job: &J, whole: bool) -> ops::RunHistory {
    let mut world = world::<J>().await;
    world.vault = Some(vault(world.pool()).await);
    let run = world.enqueue(job).await;
    if whole {
        world.drain_all().await;
    } else {
        world.drain().await;
    }
    let history = ops::export(world.pool(), run).await.unwrap();
    world.close().await;
    let file = serde_json::to_string_pretty(&history).unwrap();
    assert_eq!(serde_json::from_str::<ops::RunHistory>(&file).unwrap(), history, "{file}");
    serde_json::from_str(&file).unwrap()
}

/// What today's code says of it. Nothing is called, written or enqueued.
async fn replayed<J: Job<App = Lab>>(history: &ops::RunHistory) -> Replayed {
    let world = world::<J>().await;
    let written = "SELECT relname::text FROM pg_stat_user_tables WHERE schemaname = 'engine' AND n_live_tup > 0";
    let replayed = world.replay(history).await;
    assert_eq!(replayed, world.replay(history).await, "the same each time");
    assert_eq!(world.app.effects(), [""; 0]);
    for table in ["job", "run", "step", "failure", "history", "dead_letter", "output"] {
        assert_eq!(world.count(&format!("engine.{table}")).await, 0, "{table}: {written}");
    }
    world.finish().await;
    replayed
}

const NAMES: [&str; 5] = ["pay", "gift", "rest", "child", "ship"];

#[tokio::test]
async fn a_completed_run_replays_to_its_end_and_calls_nobody() {
    let history = history(&Order::default(), true).await;
    assert_eq!(history.status, "completed");
    let replayed = replayed::<Order>(&history).await;
    assert_eq!((replayed.asked, replayed.unasked), (strings(&NAMES), vec![]));
    assert_eq!((replayed.next, replayed.end), (None, ReplayEnd::Completed));
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn a_kind_without_a_plan_has_a_history_in_the_order_in_which_its_steps_ended() {
    let history = history(&Unplanned::default(), true).await;
    let names: Vec<&str> = history.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!((names.as_slice(), &history.version), (&NAMES[..], &None));
    let replayed = replayed::<Unplanned>(&history).await;
    assert_eq!((replayed.asked, replayed.end), (strings(&NAMES), ReplayEnd::Completed));
}

#[tokio::test]
async fn a_run_that_waits_replays_to_where_it_waits_however_late() {
    let mut history = history(&Order::default(), false).await;
    history.created_at -= 400 * DAY;
    let waits = replayed::<Order>(&history).await;
    assert_eq!((waits.asked, waits.unasked), (strings(&NAMES[..3]), vec![]));
    assert_eq!((waits.next.as_deref(), waits.end), (Some("rest"), ReplayEnd::Waits));
    // Before each step that would do something, whichever verb it is.
    for (place, step) in NAMES.into_iter().enumerate().filter(|(_, step)| *step != "gift") {
        history.steps.retain(|stored| NAMES[..place].contains(&stored.name.as_str()));
        let begins = replayed::<Order>(&history).await;
        assert_eq!((begins.next.as_deref(), begins.end), (Some(step), ReplayEnd::Begins));
        history = self::history(&Order::default(), true).await;
    }
}

#[tokio::test]
async fn a_run_that_failed_replays_to_the_step_that_failed_or_to_the_end_of_its_undoing() {
    let sold_out = Order { says: "sold out".to_owned() };
    let mut history = history(&sold_out, true).await;
    assert_eq!(history.status, "undone");
    let undone = replayed::<Order>(&history).await;
    assert_eq!((undone.unasked.as_slice(), undone.next), (&[][..], None));
    let ReplayEnd::Failed(failure) = undone.end else { panic!("{:?}", undone.end) };
    assert_eq!(failure.code, "sold_out");
    history.steps.retain(|step| step.name != "refund");
    let undoing = replayed::<Order>(&history).await;
    assert_eq!((undoing.next.as_deref(), undoing.end), (Some("refund"), ReplayEnd::Begins));
    history.steps.retain(|step| step.name != "undo");
    let failed = replayed::<Order>(&history).await;
    assert_eq!((failed.next.as_deref(), failed.end), (Some("ship"), ReplayEnd::Begins));
    assert_eq!(failed.asked, NAMES[..4]);
}

#[tokio::test]
async fn a_step_that_was_renamed_is_named_with_the_one_that_would_run_instead() {
    let mut history = history(&Order::default(), true).await;
    let renamed = replayed::<Renamed>(&history).await;
    assert_eq!((renamed.asked.as_slice(), renamed.next.as_deref()), (&[][..], Some("charge")));
    assert!(renamed.unasked.contains(&"pay".to_owned()), "{:?}", renamed.unasked);
    let ReplayEnd::Failed(failure) = renamed.end else { panic!("{:?}", renamed.end) };
    assert_eq!(
        (failure.code.as_ref(), failure.message.contains("begun step pay")),
        ("step_unknown", true)
    );
    let numbered = replayed::<Numbered>(&history).await;
    assert_eq!((numbered.next.as_deref(), numbered.end), (Some("charge"), ReplayEnd::Begins));
    assert_eq!(numbered.unasked, NAMES);
    let shorter = replayed::<Shorter>(&history).await;
    assert_eq!((shorter.asked, shorter.unasked), (strings(&["ship"]), strings(&NAMES[..4])));
    assert_eq!((shorter.next, shorter.end), (None, ReplayEnd::Completed));
    history.steps.retain(|step| step.name == "gift");
    let stubborn = replayed::<Stubborn>(&history).await;
    assert_eq!((stubborn.next.as_deref(), stubborn.end), (Some("new"), ReplayEnd::Begins));
}

#[tokio::test]
async fn an_output_of_another_shape_is_named_with_what_does_not_fit() {
    let mut history = history(&Order::default(), true).await;
    let reshaped = replayed::<Reshaped>(&history).await;
    let ReplayEnd::Misfit { step, error } = reshaped.end else { panic!("{:?}", reshaped.end) };
    assert_eq!((step.as_str(), error.contains("expected u64")), ("pay", true), "{error}");
    assert_eq!((reshaped.asked, reshaped.unasked), (strings(&["pay"]), strings(&NAMES[1..])));
    history.payload = serde_json::json!({ "says": 7 });
    let undecodable = replayed::<Order>(&history).await;
    let ReplayEnd::Failed(failure) = undecodable.end else { panic!("{:?}", undecodable.end) };
    assert_eq!((failure.code.as_ref(), undecodable.asked.len()), ("undecodable", 0));
}

#[tokio::test]
async fn a_sealed_output_is_not_in_the_file_and_the_replay_says_whose_it_needs() {
    let history = history(&Sealed::default(), true).await;
    assert!(history.steps[0].sealed && history.steps[0].output.is_null(), "{history:?}");
    let sealed = replayed::<Sealed>(&history).await;
    assert_eq!(
        (sealed.asked.as_slice(), sealed.end),
        (&["pay".to_owned()][..], ReplayEnd::Sealed("pay".to_owned()))
    );
}

#[tokio::test]
async fn a_history_of_another_kind_is_refused_by_name() {
    let mut history = history(&Order::default(), false).await;
    history.kind = "test.other".to_owned();
    let world = world::<Order>().await;
    let refused = tokio::spawn(async move { drop(world.replay(&history).await) }).await;
    let panic = refused.unwrap_err().into_panic();
    let told = panic.downcast_ref::<String>().unwrap();
    assert!(
        told.contains("\"test.other\"") && told.contains("known kinds: test.order, test.postcard"),
        "{told}"
    );
}
