//! What a process knows of breakers: all that are not closed, as they were a second ago at the latest.

use std::collections::HashMap;
use std::sync::{Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgPool;
use tokio::sync::Mutex;

/// A breaker that is open or counts.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) key: String,
    pub(super) opened_at: Option<DateTime<Utc>>,
    /// So long nobody is to call.
    pub(super) closed_for: Duration,
    /// Somebody tries it.
    pub(super) is_probed: bool,
    pub(super) tripped: bool,
    pub(super) reason: String,
}

impl Known {
    pub(super) const fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// Whom it is about.
    pub(super) fn what(&self) -> String {
        match self.key.split_once('/') {
            Some((service, workspace)) => format!("{service} for workspace {workspace}"),
            None => format!("{} for everybody", self.key),
        }
    }

    /// What is wrong and since when.
    pub(super) fn text(&self) -> String {
        let since = self.opened_at.map_or_else(
            || "just now".to_owned(),
            |at| at.to_rfc3339_opts(SecondsFormat::Secs, true),
        );
        format!("{} has been out of order since {since}: {}", self.what(), self.reason)
    }
}

/// What was read, and when it was asked for.
#[derive(Debug)]
pub(super) struct View {
    refresh: Duration,
    read: Lock<Option<Read>>,
    /// One reads while the others wait for what he finds.
    reading: Mutex<()>,
}

#[derive(Debug)]
struct Read {
    at: Instant,
    breakers: HashMap<String, Known>,
}

impl View {
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, read: Lock::default(), reading: Mutex::default() }
    }

    /// What is known of these breakers; of a closed one, nothing.
    pub(super) async fn of(&self, pool: &PgPool, keys: &[String]) -> Vec<Known> {
        if let Some(found) = self.fresh(keys) {
            return found;
        }
        let _reading = self.reading.lock().await;
        if let Some(found) = self.fresh(keys) {
            return found;
        }
        let found = self.read(pool, keys).await;
        if found.is_none() {
            tracing::warn!("calls are made as if no breaker were open");
        }
        found.unwrap_or_default()
    }

    /// The same, read after this was asked for: whoever is about to wait because of it must not miss an operator's reset. None where
    /// it could not be read.
    pub(super) async fn now(&self, pool: &PgPool, keys: &[String]) -> Option<Vec<Known>> {
        let asked = Instant::now();
        let _reading = self.reading.lock().await;
        if let Some(found) = self.since(asked, keys) {
            return Some(found);
        }
        self.read(pool, keys).await
    }

    async fn read(&self, pool: &PgPool, keys: &[String]) -> Option<Vec<Known>> {
        let at = Instant::now();
        match load(pool).await {
            Ok(breakers) => {
                let read = Read { at, breakers };
                let found = read.of(keys, Instant::now());
                *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
                Some(found)
            }
            Err(error) => {
                tracing::warn!(%error, "the breakers could not be read");
                None
            }
        }
    }

    fn since(&self, asked: Instant, keys: &[String]) -> Option<Vec<Known>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let read = read.as_ref().filter(|read| read.at >= asked)?;
        Some(read.of(keys, Instant::now()))
    }

    fn fresh(&self, keys: &[String]) -> Option<Vec<Known>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let read = read.as_ref().filter(|read| now - read.at < self.refresh)?;
        Some(read.of(keys, now))
    }

    /// Whether one of these had failures when that was read last.
    pub(super) fn knows(&self, keys: &[String]) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // What has just been forgotten changed: whoever asks may have been answered in between.
        read.as_ref().is_none_or(|read| keys.iter().any(|key| read.breakers.contains_key(key)))
    }

    /// What was read is no longer so.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Read {
    fn of(&self, keys: &[String], now: Instant) -> Vec<Known> {
        let passed = now - self.at;
        let found = keys.iter().filter_map(|key| self.breakers.get(key));
        found
            .map(|known| Known {
                closed_for: known.closed_for.saturating_sub(passed),
                ..known.clone()
            })
            .collect()
    }
}

async fn load(pool: &PgPool) -> Result<HashMap<String, Known>, sqlx::Error> {
    let rows = sqlx::query_file!("sql/breaker/load.sql").fetch_all(pool).await?;
    let known = rows.into_iter().map(|row| Known {
        key: row.key,
        opened_at: row.opened_at,
        closed_for: seconds(row.closed_for),
        is_probed: row.is_probed,
        tripped: row.tripped,
        reason: row.reason,
    });
    Ok(known.map(|known| (known.key.clone(), known)).collect())
}

/// What the database says in seconds; nothing of what is no time.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
