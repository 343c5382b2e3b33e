//! The same of runs that wait for events and for their children, beside many that do.

use autopilot_engine::ops::events::emit;
use autopilot_engine::{Job, Registry};
use serde::{Deserialize, Serialize};

use super::*;

/// How many parents; each has six children, and waits for an event.
const PARENTS: usize = 10;

/// Children of others that live, runs that wait for other events and other children, events that others wait for.
const FILL_FAMILIES: [(&str, &str); 3] = [
    (
        "job",
        "(id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload, wakes)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.call', hashtext('test.call'), hashtext('default'), 'default', 2, 2, engine.clock() + interval '2 days', '{}',
                'child:' || gen_random_uuid() || '/all'",
    ),
    (
        "step",
        "(job, born, name, state, token, wake_event, wake_at)
         SELECT gen_random_uuid(), engine.clock(), 'one', 'waiting', 1,
                CASE number % 2 WHEN 0 THEN 'event:' ELSE 'child:' END || gen_random_uuid(), engine.clock() + interval '2 days'
         FROM generate_series(1, 1) AS one, LATERAL (SELECT (random() * 1000)::integer AS number) chance,",
    ),
    ("event", "(key, payload) SELECT gen_random_uuid()::text, '1'"),
];

/// Lets its event happen.
#[derive(Serialize, Deserialize)]
struct Call {
    event: String,
}

impl Job for Call {
    type App = Lab;
    const KIND: &'static str = "test.call";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.transact("emit", async |tx| {
            emit(tx, &self.event, &1).await.unwrap();
            Ok(())
        })
        .await?;
        run.output(&1)
    }
}

/// Has a child for the event that it waits for, and five more.
#[derive(Serialize, Deserialize)]
struct Parent {
    event: String,
}

impl Job for Parent {
    type App = Lab;
    const KIND: &'static str = "test.parent";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let call = |number| Call { event: format!("{} {number}", self.event) };
        run.spawn("call", &call(0)).await?;
        let event: Option<u8> = run.wait_for("come", &call(0).event, DAY).await?;
        let joined: u8 = run.join("called", "call").await?;
        let all = run.each::<_, u8>("all", &[1, 2, 3, 4, 5].map(call), 2).await?;
        run.app.note(&format!("{event:?} {joined} {}", all.len()));
        Ok(())
    }
}

#[tokio::test]
async fn what_a_family_reads_does_not_grow_with_the_tables_whatever_the_planner_believes() {
    let registry = Registry::new().register::<Parent>().register::<Call>();
    let mut world = World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await;
    world.config.queues = vec![("default".to_owned(), 20)];
    filled(&world, &FILL_FAMILIES).await;
    for (round, rows) in (1..).zip(BELIEVED) {
        believed(&world, &FILL_FAMILIES, rows).await;
        for number in 0..PARENTS {
            world.enqueue(&Parent { event: format!("round {round} {number}") }).await;
        }
        let read = pages_read_by_a_process(&world, async |_| {
            let all = round * PARENTS;
            eventually("all have ended", async || world.app.count("Some(1) 1 5") == all).await;
        })
        .await;
        for (table, _) in FILL_FAMILIES {
            let pages = read[&format!("engine.{table}")];
            assert!(
                pages <= ALLOWED,
                "{rows} rows are believed: {pages} pages of {table} were read"
            );
        }
    }
    world.close().await;
}
