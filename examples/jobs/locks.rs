//! A named lock, for what is no job. Whoever has it may be paused until it has run out, and not know it; so what must not be
//! done by two is written in a transaction that asks first, or carries the fence.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{Acquired, Held, LockError, Locks, MIGRATOR, PgPool};

const LEASE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a report, unless somebody else does by now.
async fn publish(pool: &PgPool, lock: &Held, who: &str) -> Result<(), LockError> {
    let mut tx = pool.begin().await?;
    // From here to the end of the transaction nobody else gets the lock, however long that takes.
    lock.still_mine(&mut tx).await?;
    let write = "INSERT INTO report VALUES ($1, $2)";
    sqlx::query(write).bind(who).bind(lock.fence()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    sqlx::raw_sql("DROP TABLE IF EXISTS report; CREATE TABLE report (who text, fence bigint)")
        .execute(&pool)
        .await?;
    let locks = Locks::new(pool.clone()); // with the feature `redis`: .shedding(Redis::new(&url)?)

    let Acquired::Held(ada) = locks.acquire("report", LEASE).await? else {
        return Err("nobody else is here".into());
    };
    match locks.acquire("report", LEASE).await? {
        Acquired::Held(_) => println!("Grace has it as well"),
        Acquired::Busy(busy) => {
            println!("Grace finds it busy, and with whom: {}", busy.holder == Some(ada.holder()));
        }
    }

    // Ada is paused for longer than her lease; Grace waits for that.
    let Acquired::Held(mut grace) = locks.acquire_within("report", LEASE, PATIENCE).await? else {
        return Err("it was not free in time".into());
    };
    println!("Grace has it, under a higher fence: {}", grace.fence() > ada.fence());
    match publish(&pool, &ada, "Ada").await {
        Err(LockError::Lost { .. }) => println!("Ada comes too late, and writes nothing"),
        other => println!("Ada: {other:?}"),
    }

    grace.renew(PATIENCE).await?; // before a part that takes longer
    publish(&pool, &grace, "Grace").await?;
    grace.release().await?;
    let told: Vec<String> = sqlx::query_scalar("SELECT who FROM report").fetch_all(&pool).await?;
    println!("the report is by {told:?}");
    Ok(())
}
