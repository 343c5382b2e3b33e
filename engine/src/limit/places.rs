//! Giving places back, and letting those who stand aside try again.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::loops::hints::Hint;
use crate::loops::lanes::LaneId;
use crate::loops::listen::send_all;

/// The attempts of these jobs, or they themselves, have ended, in the caller's transaction, which has locked them: whoever stands aside for a place
/// that they had, or for one of these `keys`, tries again. Says where there is work now, for hints after the commit.
pub(crate) async fn leave(
    conn: &mut PgConnection,
    jobs: &[Uuid],
    mut keys: Vec<String>,
) -> Result<Vec<Hint>, sqlx::Error> {
    keys.extend(sqlx::query_file_scalar!("sql/limit/leave.sql", jobs).fetch_all(&mut *conn).await?);
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    call(conn, &keys).await
}

/// Lets as many try again as there is room for, key by key.
async fn call(conn: &mut PgConnection, keys: &[String]) -> Result<Vec<Hint>, sqlx::Error> {
    // Whoever is just judging for one of the keys is waited for, and seen by the next statement: either he has
    // seen that we ended, or we see that he stands aside.
    sqlx::query_file!("sql/limit/lock.sql", keys).execute(&mut *conn).await?;
    let called = sqlx::query_file!("sql/limit/next.sql", keys).fetch_all(conn).await?;
    let hint = |number, share, queue: &str| Hint::at(queue, LaneId { number, share });
    Ok(called.into_iter().map(|row| hint(row.lane, row.share, &row.queue)).collect())
}

/// Goes through all keys that somebody stands aside for, and lets in whoever there is room for: what a process that died had,
/// or what was missed in any other way. Forgets keys that are not used any more.
pub(crate) async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query_file!("sql/limit/forget_sequences.sql").execute(pool).await?;
    let mut last = String::new();
    loop {
        let keys =
            sqlx::query_file_scalar!("sql/limit/waited_for.sql", last).fetch_all(pool).await?;
        let Some(end) = keys.last() else { break };
        last.clone_from(end);
        let mut tx = pool.begin().await?;
        let hints = call(&mut tx, &keys).await?;
        tx.commit().await?;
        let payloads: Vec<String> = hints.iter().map(Hint::payload).collect();
        send_all(pool, &payloads).await;
    }
    Ok(())
}
