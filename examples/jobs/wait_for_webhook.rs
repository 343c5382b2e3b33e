//! A run that waits for an event costs a row. The first event of a key counts, and one that came before the wait is found.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::ops::events::emit;
use autopilot_engine::{
    Job, MIGRATOR, NewJob, Planned, Registry, Result, Run, Worker, WorkerConfig, enqueue,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 3_600);

struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Order {
    number: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Paid {
    cents: u32,
}

impl Job for Order {
    type App = App;
    const KIND: &'static str = "example.order-to-be-paid";
    const STEPS: &'static [Planned] = &[Planned::new("paid", 50), Planned::new("ship", 50)];

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let paid: Option<Paid> =
            run.wait_for("paid", &format!("order/{}/paid", self.number), 3 * DAY).await?;
        run.step("ship", async |_| {
            match &paid {
                Some(Paid { cents }) => {
                    println!("order {}: {cents} cents came, it ships", self.number)
                }
                None => println!("order {}: nothing came in three days", self.number),
            }
            Ok(())
        })
        .await?;
        if self.number == 2 {
            run.app.done.cancel();
        }
        Ok(())
    }
}

/// What a webhook does: the event is kept in the transaction that records the delivery.
async fn webhook(pool: &PgPool, order: u32, cents: u32) -> std::result::Result<(), Box<dyn Error>> {
    let mut tx = pool.begin().await?;
    let emitted = emit(&mut tx, &format!("order/{order}/paid"), &Paid { cents }).await?;
    tx.commit().await?;
    println!("webhook for order {order}: the first: {}, waiting: {}", emitted.first, emitted.woken);
    Ok(())
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    webhook(&pool, 1, 1_500).await?;
    webhook(&pool, 1, 9_999).await?;
    let mut conn = pool.acquire().await?;
    let order = |number| NewJob::of(&Order { number });
    drop(enqueue(&mut conn, &[order(1)?]).await?);
    drop(enqueue(&mut conn, &[order(2)?]).await?);
    drop(conn);

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Order>());
    let worker = Worker::new(pool.clone(), app, registry, WorkerConfig::default());
    let running = tokio::spawn(worker.run_until(done));
    let seen = "SELECT array_agg(coalesce(waits_for, status) ORDER BY created_at) FROM engine.run_status WHERE kind = $1";
    loop {
        let runs: Vec<String> = sqlx::query_scalar(seen).bind(Order::KIND).fetch_one(&pool).await?;
        if runs == ["completed", "waits for the event order/2/paid"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    webhook(&pool, 2, 700).await?;
    running.await??;
    Ok(())
}
