//! A job exists if and only if the transaction commits that enqueues it, together with the rows that it is about.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;

use autopilot_engine::{
    Job, MIGRATOR, NewJob, Registry, Result, Run, Worker, WorkerConfig, enqueue, hint,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Welcome {
    member: i32,
}

impl Job for Welcome {
    type App = App;
    const KIND: &'static str = "example.welcome";

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        // Effect and checkpoint commit together: exactly once, in our own database.
        let name: String = run
            .transact("welcome", async |tx| {
                let welcomed = "UPDATE member SET welcomed = true WHERE id = $1 RETURNING name";
                Ok(sqlx::query_scalar(welcomed).bind(self.member).fetch_one(tx).await?)
            })
            .await?;
        println!("welcome, {name}");
        run.app.done.cancel();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    sqlx::raw_sql("DROP TABLE IF EXISTS member; CREATE TABLE member (id int PRIMARY KEY, name text, welcomed bool)")
        .execute(&pool)
        .await?;

    for (id, name, commits) in [(1, "Ada", false), (2, "Grace", true)] {
        let mut tx = pool.begin().await?;
        let insert = "INSERT INTO member VALUES ($1, $2, false)";
        sqlx::query(insert).bind(id).bind(name).execute(&mut *tx).await?;
        let job = NewJob::of(&Welcome { member: id })?;
        drop(enqueue(&mut tx, std::slice::from_ref(&job)).await?);
        if commits {
            tx.commit().await?;
            hint(&pool, &job).await; // never needed: the next look finds it
        } else {
            tx.rollback().await?;
            println!("{name} was not a member after all, and is not welcomed");
        }
    }

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Welcome>());
    Worker::new(pool.clone(), app, registry, WorkerConfig::default()).run_until(done).await?;
    let welcomed: Vec<(String, bool)> =
        sqlx::query_as("SELECT name, welcomed FROM member ORDER BY id").fetch_all(&pool).await?;
    println!("{welcomed:?}");
    Ok(())
}
