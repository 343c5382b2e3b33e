//! Breakers, as operators see and set them: what is not called, why, who waits for it, and what happens next.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{OpsError, signal};
use crate::breaker::{self, LONGEST_REASON, LONGEST_SERVICE, key};
use crate::ids::WorkspaceId;

/// What a breaker is about: a service as a whole, or for one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guarded {
    /// The service, by the name that its steps call it.
    pub service: String,
    /// None: for everybody.
    pub workspace: Option<WorkspaceId>,
}

impl Guarded {
    /// Reads `service` or `service/workspace`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, OpsError> {
        let invalid = |problem: String| OpsError::Invalid(problem);
        let (service, workspace) = match text.split_once('/') {
            Some((service, workspace)) => {
                let id: Uuid = workspace.parse().map_err(|_error| {
                    invalid(format!("{workspace:?} is no workspace's id: a breaker is named `service` or `service/workspace`"))
                })?;
                (service, Some(WorkspaceId::from(id)))
            }
            None => (text, None),
        };
        if service.is_empty() || service.len() > LONGEST_SERVICE || service.contains('\0') {
            return Err(invalid(format!(
                "the name of a service has 1 to {LONGEST_SERVICE} bytes, not {}",
                service.len()
            )));
        }
        Ok(Self { service: service.to_owned(), workspace })
    }

    fn key(&self) -> String {
        key(&self.service, self.workspace)
    }
}

/// As [`Guarded::parse`] reads it.
impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

/// How a breaker stands. One that is closed and counts nothing does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Calls are made; some have failed in a row.
    Counting,
    /// Nobody calls, until it is due.
    Open,
    /// The next call tries it.
    Due,
    /// One call is trying it.
    Probing,
    /// An operator stopped the calls, until one resets it.
    Tripped,
}

impl State {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counting => "counting",
            Self::Open => "open",
            Self::Due => "due",
            Self::Probing => "probing",
            Self::Tripped => "tripped",
        }
    }

    /// Whether calls are held back.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Counting => false,
            Self::Open | Self::Due | Self::Probing | Self::Tripped => true,
        }
    }
}

/// A breaker that is open, or counts.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Breaker {
    /// `service` or `service/workspace`.
    pub key: String,
    /// The service.
    pub service: String,
    /// None: for everybody.
    pub workspace: Option<WorkspaceId>,
    /// How it stands.
    pub state: State,
    /// Outages in a row.
    pub failures: i32,
    /// The last of them, or what an operator said.
    pub reason: String,
    /// Since when nobody calls.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it is tried next; none where an operator has to reset it.
    pub tried_at: Option<DateTime<Utc>>,
    /// How many steps wait for it.
    pub waiting: i64,
    /// When it changed last.
    pub changed_at: DateTime<Utc>,
}

/// What a breaker did, or what was done to it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Transition {
    /// `opened`, `probed`, `closed`, `tripped` or `reset`.
    pub what: String,
    /// Why; of what operators did, who and why in their own words.
    pub note: String,
    /// When.
    pub happened_at: DateTime<Utc>,
}

/// Breakers that are open or count, the open ones first, of one service where it is named; at most so many.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    pool: &PgPool,
    service: Option<&str>,
    most: i64,
) -> Result<Vec<Breaker>, OpsError> {
    Ok(read(pool, Which { service, ..Which::default() }, most).await?)
}

/// The breakers of whole services that are open: what is called for nobody. What single workspaces have does not slow it down.
///
/// # Errors
/// When the database refuses.
pub async fn of_everybody(pool: &PgPool) -> Result<Vec<Breaker>, OpsError> {
    let whole = Which { is_whole: true, ..Which::default() };
    let mut found = read(pool, whole, i64::MAX).await?;
    found.retain(|breaker| breaker.state.is_open());
    Ok(found)
}

/// Which breakers are asked about.
#[derive(Debug, Clone, Copy, Default)]
struct Which<'a> {
    service: Option<&'a str>,
    key: Option<&'a str>,
    /// Only those of whole services.
    is_whole: bool,
}

async fn read(pool: &PgPool, which: Which<'_>, most: i64) -> Result<Vec<Breaker>, sqlx::Error> {
    let Which { service, key, is_whole } = which;
    let rows = sqlx::query_file!("sql/breaker/list.sql", service, key, is_whole, most)
        .fetch_all(pool)
        .await?;
    let breakers = rows.into_iter().map(|row| {
        let state = match row.opened_at {
            _ if row.tripped => State::Tripped,
            None => State::Counting,
            Some(_) if row.is_probed => State::Probing,
            Some(_) if row.is_due => State::Due,
            Some(_) => State::Open,
        };
        Breaker {
            key: row.key,
            service: row.service,
            workspace: row.workspace.map(WorkspaceId::from),
            state,
            failures: row.failures,
            reason: row.reason,
            opened_at: row.opened_at,
            tried_at: row.open_until.filter(|_| !row.tripped),
            waiting: row.waiting,
            changed_at: row.changed_at,
        }
    });
    Ok(breakers.collect())
}

/// How one breaker stands, if it is not just closed, and what it did lately, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn show(
    pool: &PgPool,
    guarded: &Guarded,
) -> Result<(Option<Breaker>, Vec<Transition>), OpsError> {
    let key = guarded.key();
    let one = Which { key: Some(&key), ..Which::default() };
    let found = read(pool, one, 1).await?.pop();
    let log =
        sqlx::query_file_as!(Transition, "sql/breaker/log.sql", key, 50).fetch_all(pool).await?;
    Ok((found, log))
}

/// Of a workspace's own: the breaker of the service as a whole, where that is open, for then nobody calls it whatever the workspace's own says.
///
/// # Errors
/// When the database refuses.
pub async fn whole_of(pool: &PgPool, guarded: &Guarded) -> Result<Option<Breaker>, OpsError> {
    if guarded.workspace.is_none() {
        return Ok(None);
    }
    let whole = Guarded { workspace: None, ..guarded.clone() };
    let (found, _log) = show(pool, &whole).await?;
    Ok(found.filter(|breaker| breaker.state.is_open()))
}

/// Stops the calls from now on, until [`reset`]: every process heeds it within a second. Steps that come to them wait and spend no attempt; calls
/// under way are finished. Written down with who and why.
///
/// # Errors
/// When the reason is empty or longer than 500 bytes, or the database refuses.
pub async fn trip(pool: &PgPool, guarded: &Guarded, who: &str, why: &str) -> Result<(), OpsError> {
    let note = note(who, why)?;
    let workspace = guarded.workspace.map(WorkspaceId::uuid);
    sqlx::query_file!("sql/breaker/trip.sql", guarded.key(), guarded.service, workspace, note)
        .execute(pool)
        .await?;
    Ok(())
}

/// Closes a breaker, whatever it counted and whoever opened it: who waits for it goes on at once. How many; none when it was closed. Written
/// down with who and why.
///
/// # Errors
/// When the reason is empty or longer than 500 bytes, or the database refuses.
pub async fn reset(
    pool: &PgPool,
    guarded: &Guarded,
    who: &str,
    why: &str,
) -> Result<Option<usize>, OpsError> {
    let note = note(who, why)?;
    let key = guarded.key();
    let mut tx = pool.begin().await?;
    // In the order in which whoever tells of a call locks: its job, then the breaker.
    let woken = signal(&mut tx, &breaker::signal(&key)).await?;
    let gone = sqlx::query_file!("sql/breaker/reset.sql", key, note).execute(&mut *tx).await?;
    if gone.rows_affected() == 0 {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(woken))
}

fn note(who: &str, why: &str) -> Result<String, OpsError> {
    let why = why.trim();
    if why.is_empty() || why.len() > LONGEST_REASON || why.contains('\0') {
        return Err(OpsError::Invalid(format!(
            "say why in 1 to {LONGEST_REASON} bytes: it is written down; these are {}",
            why.len()
        )));
    }
    Ok(format!("{who}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_named_by_its_service_and_its_workspace() {
        let workspace = WorkspaceId::now_v7();
        for guarded in [
            Guarded { service: "mail".to_owned(), workspace: None },
            Guarded { service: "mail".to_owned(), workspace: Some(workspace) },
        ] {
            assert_eq!(Guarded::parse(&guarded.key()).unwrap(), guarded);
        }
        for wrong in ["", "/", "mail/", "mail/7", &"m".repeat(65)] {
            assert!(Guarded::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
