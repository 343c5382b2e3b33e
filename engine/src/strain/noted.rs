//! What a process has met of late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use super::Strain;
use crate::failure::{Classify as _, Failure};
use crate::kept::kept;

/// What was not met for so long is over.
const OVER: Duration = Duration::from_secs(30);

/// A heartbeat that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);

/// So long a server may take to say why it gives no connection.
const ASK: Duration = Duration::from_secs(5);

/// What is kept of an error's text, in bytes.
const LONGEST: usize = 300;

/// What a process has met of late; cheap to clone, all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Strains(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    met: Mutex<BTreeMap<Strain, Met>>,
    /// Somebody asks the server why it gives no connection.
    is_asked: AtomicBool,
}

#[derive(Debug, Clone)]
struct Met {
    first: Instant,
    last: Instant,
    times: u64,
    detail: String,
}

/// Something that was met of late, as it stands in rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Strained {
    pub(crate) strain: Strain,
    /// So many seconds ago it was met first.
    pub(crate) seconds: u64,
    pub(crate) times: u64,
    /// The last error.
    pub(crate) detail: String,
}

impl Strains {
    /// Notes what an error of the database, met through this pool, is a sign of, if it is of anything.
    pub fn met(&self, error: &sqlx::Error, pool: &PgPool) {
        self.tell(&error.code(), || error.to_string(), pool);
    }

    /// The same for a failure, which a step or its job ended with.
    pub(crate) fn failed(&self, failure: &Failure, pool: &PgPool) {
        self.tell(&failure.code, || failure.message.clone(), pool);
    }

    /// Notes how long the database took for a heartbeat, if that was too long.
    pub(crate) fn took(&self, time: Duration) {
        if time > SLOW {
            self.note(Strain::Slow, format!("a heartbeat took {time:.1?}"));
        }
    }

    /// Notes what was met, and how that was seen.
    pub(crate) fn note(&self, strain: Strain, detail: String) {
        self.note_at(strain, detail, Instant::now());
    }

    fn tell(&self, code: &str, detail: impl FnOnce() -> String, pool: &PgPool) {
        match Strain::of_code(code) {
            // The pool gives up without a word where the server refuses or is away, too.
            Some(Strain::FullPool) if pool.size() < pool.options().get_max_connections() => {
                self.ask(pool);
            }
            Some(strain) => self.note(strain, detail()),
            None => {}
        }
    }

    /// Asks the server itself why it gives no connection.
    fn ask(&self, pool: &PgPool) {
        if self.0.is_asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let (strains, pool) = (self.clone(), pool.clone());
        tokio::spawn(async move {
            let options = pool.connect_options();
            match tokio::time::timeout(ASK, options.connect()).await {
                // It gives some again: there is nothing to tell.
                Ok(Ok(connection)) => drop(connection.close().await),
                Ok(Err(error)) => {
                    let strain = Strain::of(&error).unwrap_or(Strain::Away);
                    strains.note(strain, error.to_string());
                }
                Err(_elapsed) => {
                    let detail = format!("no connection within {ASK:?}");
                    strains.note(Strain::Away, detail);
                }
            }
            strains.0.is_asked.store(false, Ordering::Release);
        });
    }

    fn note_at(&self, strain: Strain, detail: String, now: Instant) {
        let detail = kept(&detail, LONGEST);
        let is_news = {
            let mut all = self.0.met.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get_mut(&strain).filter(|met| is_of_late(met, now)) {
                Some(met) => {
                    (met.last, met.times, met.detail) = (now, met.times + 1, detail.clone());
                    false
                }
                None => {
                    let met = Met { first: now, last: now, times: 1, detail: detail.clone() };
                    all.insert(strain, met);
                    true
                }
            }
        };
        if is_news {
            tracing::error!(
                strain = strain.name(),
                detail,
                next = strain.what_happens_next(),
                action = strain.action(),
                "{}",
                strain.cause()
            );
        }
    }

    /// What was met of late, the most severe first.
    pub(crate) fn of_late(&self) -> Vec<Strained> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Vec<Strained> {
        let all = self.0.met.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, met)| is_of_late(met, now))
            .map(|(strain, met)| Strained {
                strain: *strain,
                seconds: now.saturating_duration_since(met.first).as_secs(),
                times: met.times,
                detail: met.detail.clone(),
            })
            .collect()
    }
}

fn is_of_late(met: &Met, now: Instant) -> bool {
    now.saturating_duration_since(met.last) < OVER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_again_and_again_is_one_and_ends_when_it_is_not_met_any_more() {
        let (strains, start) = (Strains::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for second in [0, 20, 40] {
            strains.note_at(Strain::FullDisk, format!("no room, {second}"), after(second));
        }
        strains.note_at(Strain::Slow, "slow".to_owned(), after(41));
        let disk = Strained {
            strain: Strain::FullDisk,
            seconds: 45,
            times: 3,
            detail: "no room, 40".to_owned(),
        };
        let met = strains.at(after(45));
        assert_eq!((met.first(), met.len()), (Some(&disk), 2));
        assert_eq!(strains.at(after(72)), []);
        strains.note_at(Strain::FullDisk, "again".to_owned(), after(80));
        let again = strains.at(after(81));
        assert_eq!(again.first().map(|met| (met.seconds, met.times)), Some((1, 1)));
    }

    /// The pool says of both only that it has waited.
    #[tokio::test]
    async fn a_server_that_gives_no_connection_is_told_from_a_pool_that_has_none_left() {
        let nobody = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(1);
        let pool = sqlx::postgres::PgPoolOptions::new().acquire_timeout(Duration::from_millis(50));
        let pool = pool.connect_lazy_with(nobody);
        let error = pool.acquire().await.unwrap_err();
        assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
        let strains = Strains::default();
        strains.met(&error, &pool);
        let told = async || strains.of_late().first().map(|met| met.strain);
        crate::testing::eventually("it is told", async || told().await.is_some()).await;
        assert_eq!(told().await, Some(Strain::Away));
    }

    #[test]
    fn only_a_heartbeat_of_more_than_a_second_is_slow() {
        let strains = Strains::default();
        strains.took(Duration::from_millis(900));
        assert_eq!(strains.of_late(), []);
        strains.took(Duration::from_millis(1100));
        assert_eq!(strains.of_late().first().map(|met| met.strain), Some(Strain::Slow));
    }
}
