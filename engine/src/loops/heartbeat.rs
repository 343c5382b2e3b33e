//! The heartbeat: one row per process, on a thread of its own (L4), so that work which blocks the runtime cannot
//! make a live process look dead, and a dead one cannot look alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Notify;
use uuid::Uuid;

use super::jittered;
use crate::lease::Lease;
use crate::strain::Strain;

/// Starts the thread. It ends when the lease does. A heartbeat sees as well whether another process has died, and says
/// so to the rescue.
pub(crate) fn start(
    options: PgConnectOptions,
    lease: Arc<Lease>,
    interval: Duration,
    somebody_died: Arc<Notify>,
) -> std::io::Result<()> {
    // pg_stat_activity tells it apart: it is the connection whose end means that the process is gone.
    let name = options
        .get_application_name()
        .map_or_else(|| "heartbeat".to_owned(), |process| format!("{process}/heartbeat"));
    let options = options.application_name(&name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || {
        runtime.block_on(beat_until_ended(options, lease, interval, somebody_died))
    })?;
    Ok(())
}

async fn beat_until_ended(
    options: PgConnectOptions,
    lease: Arc<Lease>,
    interval: Duration,
    somebody_died: Arc<Notify>,
) {
    let mut connection: Option<PgConnection> = None;
    while !lease.ended.is_cancelled() {
        // A new connection may take longer than a beat (a busy server, a password): cutting it short would only start
        // it over, until the lease has run out.
        let limit = if connection.is_some() { interval } else { lease.length / 2 };
        let beat = beat(&options, &mut connection, &lease, &somebody_died);
        let round = tokio::select! {
            round = tokio::time::timeout(limit, beat) => round,
            // Whoever is dead does not beat once more, not even where it was just about to connect.
            () = lease.ended.cancelled() => return,
        };
        let strains = &lease.strains;
        let failed = match round {
            Ok(Ok(alive)) => {
                if !alive {
                    tracing::error!(worker = %lease.worker, "declared dead: every attempt here is dropped");
                    lease.end();
                }
                None
            }
            Ok(Err(error)) => {
                if let Some(strain) = Strain::of(&error) {
                    strains.note(strain, error.to_string());
                }
                Some(error.to_string())
            }
            Err(_elapsed) => {
                let why = format!("no answer within {limit:?}");
                strains.note(Strain::Away, format!("a heartbeat got {why}"));
                Some(why)
            }
        };
        if let Some(error) = failed {
            tracing::warn!(worker = %lease.worker, left = ?lease.remaining(), error, "heartbeat failed");
            connection = None;
        }
        let pause = if connection.is_some() { jittered(interval) } else { interval / 4 };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = lease.ended.cancelled() => {}
        }
    }
    if let Some(connection) = connection {
        drop(connection.close().await);
    }
}

/// One heartbeat. False when the database has declared this incarnation dead.
pub(crate) async fn beat(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    lease: &Lease,
    somebody_died: &Notify,
) -> Result<bool, sqlx::Error> {
    let conn = match connection {
        Some(conn) => conn,
        None => connection.insert(options.connect().await?),
    };
    // Asked before it is sent: the database has seen us no earlier than this.
    let sent = Instant::now();
    let held = lease.confirmed();
    let (jobs, tokens): (Vec<Uuid>, Vec<i64>) =
        held.iter().map(|claim| (claim.job.uuid(), claim.token)).unzip();
    let beat = sqlx::query_file!(
        "sql/worker_beat.sql",
        lease.worker.uuid(),
        &jobs,
        &tokens,
        serde_json::json!(lease.strains.of_late())
    );
    let Some(beat) = beat.fetch_optional(&mut *conn).await? else { return Ok(false) };
    // After an outage of the database nobody has been heard, and some have not come back yet: whoever was away himself for
    // more than half of his lease tells nobody dead by this beat. The next one can.
    let was_away = lease.remaining() < lease.length / 2;
    lease.confirm(sent);
    lease.strains.took(sent.elapsed());
    // L10: their jobs were cancelled or taken over.
    let places = beat.lost.into_iter().filter_map(|place| usize::try_from(place - 1).ok());
    for claim in places.filter_map(|place| held.get(place)) {
        lease.lose(*claim);
    }
    if beat.somebody_died && !was_away {
        somebody_died.notify_one();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIGRATOR;
    use crate::ids::WorkerId;
    use crate::strain::Strains;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn who_was_away_himself_tells_nobody_dead_by_his_first_beat() {
        let database = TestDatabase::create(&[&MIGRATOR]).await;
        let length = Duration::from_secs(10);
        let away = Instant::now().checked_sub(Duration::from_secs(11)).unwrap();
        let lease = Lease::new(length, away, Strains::default());
        for worker in [lease.worker, WorkerId::now_v7()] {
            sqlx::query(
                "INSERT INTO engine.worker (id, host, pid, version, kinds, queues, schedules, lease, seen)
                 VALUES ($1, 'here', 1, '1', '{}', '{}', '{}', interval '10 seconds', engine.clock() - interval '11 seconds')",
            )
            .bind(worker.uuid())
            .execute(database.pool())
            .await
            .unwrap();
        }
        let options = database.pool().connect_options();
        let (mut connection, told) = (None, Notify::new());
        for is_told in [false, true] {
            assert!(beat(&options, &mut connection, &lease, &told).await.unwrap());
            let permit = tokio::time::timeout(Duration::ZERO, told.notified()).await;
            assert_eq!(permit.is_ok(), is_told);
        }
        drop(connection);
        database.close().await;
    }
}
