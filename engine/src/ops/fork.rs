//! Forks: a run once more from one of its steps, with what it had done before that, and with another input if need be.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::IgnoredAny;
use sqlx::PgPool;

use super::OpsError;
use super::runs::PlannedStep;
use super::source::{Source, Stored};
use crate::enqueue::payload_problem;
use crate::enqueue::sealed::{is_sealed, seal};
use crate::ids::{JobId, WorkspaceId};
use crate::run::{UNDOING, place};
use crate::secrets::Vault;

/// What a fork began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Forked {
    /// The new run.
    pub id: JobId,
    /// The run that it was forked from.
    pub from: JobId,
    /// The first step that is not taken over.
    pub at: String,
    /// Its queue, for a wake-up.
    pub queue: String,
    /// The steps whose checkpoints it has taken over: they answer as they did and do not run.
    pub kept: Vec<String>,
    /// The steps that will run, as far as is known before its code has: with new keys, so they take effect again. What had been
    /// skipped before the chosen step is among them, for a skipped step is asked again.
    pub runs: Vec<String>,
}

/// Runs a run once more from the step `from` on, as a new run with the payload of the old one or with `input`, which is JSON. The
/// old run is not changed, and may have ended in any way, or live on.
///
/// The new run has an id, a history and attempts of its own, and with the id other keys: what runs takes effect again, that is what a
/// fork is for. What ended before the step (done or skipped) is copied. "Before" is the order of the run's plan; a step that the plan
/// does not have stands where it ended. Steps before it that have not ended simply run first. Kind, workspace, queue,
/// priority, limits, unique key, turns and tags are the old run's, also where the input would make them others.
///
/// A child that a copied step has spawned stays the child of the old run, and is joined by both; the fork itself is nobody's child.
/// If the fork fails for good, it undoes what the copied steps did as if it were its own ([`Run::compensate`](crate::Run::compensate)).
///
/// # Errors
/// When there is no such run or step, the input is no JSON or too long, a live job has the unique key, something would be taken over that has been
/// undone, or a sealed output does not open: sealed outputs are sealed again for the new run, and the input where the payload was, which
/// needs the `vault`.
pub async fn fork(
    pool: &PgPool,
    vault: Option<&Vault>,
    id: JobId,
    from: &str,
    input: Option<&str>,
) -> Result<Forked, OpsError> {
    if let Some(problem) = input.and_then(input_problem) {
        return Err(OpsError::Invalid(problem));
    }
    let source = Source::load(pool, id).await?;
    let refused = |reason: String| OpsError::Refused { id, status: source.status.clone(), reason };
    if source.version.is_none() {
        return Err(refused(format!(
            "kind {} declares no steps, so there is none to fork from; `autopilot jobs retry` puts back what failed, or enqueue a new one",
            source.kind
        )));
    }
    let stored = source.checkpoints(pool, id.uuid()).await?;
    let parts = Parts::of(&source.plan(), &stored, from)?;
    if stored.iter().any(|step| step.name == UNDOING) && !parts.kept.is_empty() {
        return Err(refused(format!(
            "what it had done has been undone, or is being undone, so nothing of it can be taken over; fork it from its first step, {}",
            parts.first
        )));
    }
    let input = match input {
        Some(input) => Some(as_payload(input, &source, vault).await?),
        None => None,
    };
    let fork = New { id: JobId::now_v7(), of: id, at: from, input: input.as_deref() };
    let sealed = reseal(vault, source.workspace, id, fork.id, &parts.kept).await?;
    if !fork.insert(pool, &source, &parts.kept, &sealed).await? {
        let key = source.unique_key.clone().unwrap_or_default();
        let live = sqlx::query_file_scalar!("sql/live_job_by_key.sql", source.kind, key)
            .fetch_optional(pool)
            .await?
            .map(JobId::from);
        return Err(refused(match live {
            Some(live) if live == id => format!(
                "it lives and has the unique key {key:?}, which its fork would have as well; `autopilot runs cancel {id}` first, or let it end"
            ),
            Some(live) => format!(
                "the live run {live} has its unique key {key:?}; `autopilot runs cancel {live}` first, or let it end"
            ),
            None => format!("its unique key {key:?} was another's a moment ago; fork it again"),
        }));
    }
    Ok(Forked {
        id: fork.id,
        from: id,
        at: from.to_owned(),
        kept: parts.done,
        runs: parts.runs,
        queue: source.queue,
    })
}

/// The input as it is stored: sealed, where the payload was.
async fn as_payload<'i>(
    input: &'i str,
    source: &Source,
    vault: Option<&Vault>,
) -> Result<Cow<'i, str>, OpsError> {
    if !is_sealed(&source.payload) {
        return Ok(Cow::Borrowed(input));
    }
    let refused = |problem: String| {
        OpsError::Invalid(format!(
            "the input cannot be sealed, as the payload of the run is: {problem}"
        ))
    };
    let vault =
        vault.ok_or_else(|| refused("there is no keyring; set ENCRYPTION_KEY".to_owned()))?;
    let sealed = seal(vault, source.workspace, &source.kind, input).await;
    sealed.map(Cow::Owned).map_err(|error| refused(error.to_string()))
}

fn input_problem(input: &str) -> Option<String> {
    match serde_json::from_str::<IgnoredAny>(input) {
        Ok(_) => payload_problem(input).map(|problem| format!("the input is refused: {problem}")),
        Err(error) => Some(format!("the input is no JSON: {error}")),
    }
}

/// What a fork takes over and what it does not.
struct Parts<'s> {
    kept: Vec<&'s Stored>,
    /// Those of them that are done, and do not run.
    done: Vec<String>,
    runs: Vec<String>,
    /// The first step of all.
    first: String,
}

impl<'s> Parts<'s> {
    /// # Errors
    /// [`OpsError::Unknown`] for a step that the run does not have, with those that it has.
    fn of(plan: &[PlannedStep], stored: &'s [Stored], from: &str) -> Result<Self, OpsError> {
        let planned = plan.iter().map(|step| step.name.as_str());
        let others = stored.iter().map(|step| step.name.as_str());
        let others =
            others.filter(|name| *name != UNDOING && planned.clone().all(|it| it != *name));
        let names: Vec<&str> = planned.clone().chain(others).collect();
        if !names.contains(&from) {
            let known = names.into_iter().map(str::to_owned).collect();
            return Err(OpsError::Unknown { what: "step", name: from.to_owned(), known });
        }
        let begun = stored.iter().find(|step| step.name == from).and_then(|step| step.begun_by);
        let place = |name: &str| planned.clone().position(|step| step == name);
        let kept: Vec<&Stored> = stored
            .iter()
            .filter(|step| {
                matches!(step.state.as_str(), "done" | "skipped") && step.name != UNDOING
            })
            .filter(|step| match (place(&step.name), place(from)) {
                (Some(step), Some(from)) => step < from,
                (Some(_) | None, Some(_) | None) => step.name != from && ended_before(step, begun),
            })
            .collect();
        let is_kept =
            |name: &str| kept.iter().any(|step| step.name == name && step.state == "done");
        let (done, runs) =
            names.iter().map(|name| (*name).to_owned()).partition(|name| is_kept(name));
        let first = names.first().map(|name| (*name).to_owned()).unwrap_or_default();
        Ok(Self { kept, done, runs, first })
    }
}

/// One step at a time is under way in a run: what ended before another one had certainly been begun, ended before that began.
fn ended_before(step: &Stored, begun: Option<DateTime<Utc>>) -> bool {
    begun.is_none_or(|begun| step.finished_at.is_some_and(|ended| ended < begun))
}

/// The sealed outputs, sealed again for their places in the fork.
async fn reseal(
    vault: Option<&Vault>,
    workspace: WorkspaceId,
    from: JobId,
    to: JobId,
    steps: &[&Stored],
) -> Result<Vec<Option<Vec<u8>>>, OpsError> {
    let mut resealed = Vec::with_capacity(steps.len());
    for Stored { name, sealed, .. } in steps {
        let fails = |problem: String| OpsError::Sealed { step: name.clone(), problem };
        resealed.push(match (sealed, vault) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(fails("there is no keyring; set ENCRYPTION_KEY".to_owned()));
            }
            (Some(sealed), Some(vault)) => {
                let plain = vault.unseal(&place(workspace, from, name), sealed).await;
                let plain = plain.map_err(|error| fails(error.to_string()))?;
                let sealed = vault.seal(&place(workspace, to, name), &plain).await;
                Some(sealed.map_err(|error| fails(error.to_string()))?)
            }
        });
    }
    Ok(resealed)
}

/// What is new about a fork.
struct New<'f> {
    id: JobId,
    of: JobId,
    at: &'f str,
    input: Option<&'f str>,
}

impl New<'_> {
    /// Writes it; false when a live job has its unique key.
    async fn insert(
        &self,
        pool: &PgPool,
        source: &Source,
        kept: &[&Stored],
        sealed: &[Option<Vec<u8>>],
    ) -> Result<bool, sqlx::Error> {
        let names: Vec<&str> = kept.iter().map(|step| step.name.as_str()).collect();
        let states: Vec<&str> = kept.iter().map(|step| step.state.as_str()).collect();
        let outputs: Vec<Option<&str>> = kept.iter().map(|step| step.output.as_deref()).collect();
        let details: Vec<Option<&str>> = kept.iter().map(|step| step.detail.as_deref()).collect();
        let started: Vec<DateTime<Utc>> = kept.iter().map(|step| step.started_at).collect();
        let ended: Vec<Option<DateTime<Utc>>> = kept.iter().map(|step| step.finished_at).collect();
        let inserted = sqlx::query_file_scalar!(
            "sql/ops/fork.sql",
            self.id.uuid(),
            self.of.uuid(),
            source.workspace.uuid(),
            source.kind,
            source.queue,
            source.priority,
            source.takes_turns,
            source.unique_key,
            self.input.unwrap_or(&source.payload),
            source.limits,
            source.version,
            source.plan,
            &names as &[&str],
            &states as &[&str],
            &outputs as &[Option<&str>],
            sealed as &[Option<Vec<u8>>],
            &details as &[Option<&str>],
            &started,
            &ended as &[Option<DateTime<Utc>>],
            self.at
        );
        Ok(inserted.fetch_optional(pool).await?.is_some())
    }
}
