//! What follows from what the providers said: written down, and where a new provisioning mends it, started, in one transaction.

use autopilot_engine::ops::runs::RunView;
use autopilot_engine::ops::{self, standing};
use autopilot_engine::{Job as _, JobId, Result, WorkspaceId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::found::{Answer, Found, Mend};
use super::last::{Last, is_over, was_stopped};
use crate::fail::unwritten;
use crate::provisioning::{Provision, seen, taken_up, trigger};
use crate::state;
use crate::state::health::{self, Component, Kept, Seen, Severity, Wrong};
use crate::state::repairs::{self, Finding, Outcome};
use crate::state::workspaces;

/// What all providers said.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) found: Vec<Answer<Found>>,
    /// Whether the studio pays.
    pub(super) may_provision: bool,
}

impl Asked {
    /// Whether a part was asked about too long ago, or somebody has learnt of it since: the end of a provisioning, for example.
    fn is_outdated(&self, known: &[Kept], now: DateTime<Utc>) -> bool {
        self.found.iter().any(|answer| {
            if (now - answer.asked_at).to_std().is_ok_and(|age| age > seen::SOON) {
                return true;
            }
            let mut newer = known.iter().filter(|kept| kept.checked_at > answer.asked_at);
            newer.any(|kept| kept.seen.component == answer.said.seen.component)
        })
    }

    /// Whether nothing is begun before a person has done something.
    fn waits_for_a_person(&self) -> bool {
        self.found().any(|found| found.mend == Mend::PersonFirst)
    }

    fn found(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().map(|answer| &answer.said)
    }
}

pub(super) async fn conclude(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    asked: &Asked,
) -> Result {
    // Whoever triggers or settles meanwhile is waited for, and seen.
    workspaces::hold(&mut *conn, workspace).await?;
    let Some(studio) = workspaces::get(&mut *conn, workspace).await? else { return Ok(()) };
    let latest = standing::runs(&mut *conn, &[workspace], Provision::KIND).await?.pop();
    let now = state::now(&mut *conn).await?;
    // Somebody may have put an older one back.
    let live = ops::live(&mut *conn, Provision::KIND, &workspace.to_string()).await?;
    let is_asked_again = match &latest {
        Some(run) => studio.due_since > taken_up(&mut *conn, run).await?,
        None => false,
    };
    let last = match live {
        Some(_) => Last::UnderWay,
        None => Last::of(latest.as_ref(), &studio, is_asked_again, now),
    };
    let may_tell = |run: &&RunView| !was_stopped(run) && !is_over(run, now);
    let tells = live.or_else(|| latest.as_ref().filter(may_tell).map(|run| run.id));
    repairs::give_up(&mut *conn, workspace, tells).await?;
    let before = health::of(&mut *conn, &[workspace]).await?;
    if asked.is_outdated(&before, now) {
        // Whoever waits for one provider holds what the others have said, for as long as that takes.
        workspaces::check_again(&mut *conn, workspace, seen::SOON).await?;
        return Ok(());
    }
    let causes = causes(asked, last);
    let run = if causes.is_empty() {
        None
    } else {
        Some(trigger(&mut *conn, workspace, None).await.map_err(unwritten)?.run)
    };
    for (component, found) in causes {
        let done = "a new provisioning was started";
        let finding = Finding { component, found, done, run, outcome: Outcome::UnderWay };
        repairs::note(&mut *conn, workspace, &finding).await?;
    }
    for found in asked.found().filter(|found| found.mend.needs_a_person()) {
        if is_news(&before, &found.seen) {
            let Seen { component, detail, .. } = &found.seen;
            let done = found.seen.wrong.as_ref().map_or("", |wrong| wrong.action.as_str());
            let (component, outcome) = (*component, Outcome::Told);
            let finding = Finding { component, found: detail, done, run: None, outcome };
            repairs::note(&mut *conn, workspace, &finding).await?;
        }
    }
    let mut told: Vec<Seen> =
        asked.found().map(|found| told(found, asked, workspace, last, run)).collect();
    let not_done = seen::not_done(workspace, asked.may_provision);
    if last == Last::NotDone {
        told.push(not_done);
    } else {
        health::take_back(&mut *conn, workspace, &not_done).await?;
    }
    let has_changed = health::put(&mut *conn, workspace, &told).await?;
    let has_ended_well = matches!(last, Last::Well | Last::None);
    let is_well = run.is_none() && has_ended_well && !told.iter().any(Seen::is_wrong);
    // A provisioning that is repeated because it had failed changes what is seen by its own end: that is no news.
    let is_news = has_changed && !(last == Last::SetAside && run.is_some());
    workspaces::check_after_check(&mut *conn, workspace, is_well, is_news, seen::SOON).await?;
    Ok(())
}

/// Why a new provisioning is to be started; nothing where none is.
fn causes(asked: &Asked, last: Last) -> Vec<(Component, &str)> {
    if !asked.may_provision || !last.may_repeat() || asked.waits_for_a_person() {
        return Vec::new();
    }
    let differing = asked.found().filter(|found| found.mend == Mend::Provisioning);
    let mut causes: Vec<_> =
        differing.map(|found| (found.seen.component, found.seen.detail.as_str())).collect();
    let all_work = !asked.found().any(|found| found.seen.is_wrong());
    if causes.is_empty() && last == Last::SetAside {
        causes.push((
            Component::Provisioning,
            "the provisioning had failed, and every provider answers again",
        ));
    } else if causes.is_empty() && last == Last::Overtaken {
        causes.push((
            Component::Provisioning,
            "it was asked for once more, and no provisioning has followed",
        ));
    } else if causes.is_empty() && last == Last::Degraded && all_work {
        causes.push((
            Component::Provisioning,
            "the provisioning had left something out, and every provider works",
        ));
    }
    causes
}

/// Whether nobody was told of it yet.
fn is_news(before: &[Kept], seen: &Seen) -> bool {
    let severity = |seen: &Seen| seen.wrong.as_ref().map(|wrong| wrong.severity);
    let known = before.iter().find(|kept| kept.seen.component == seen.component);
    known.is_none_or(|known| {
        known.seen.standing != seen.standing || severity(&known.seen) != severity(seen)
    })
}

/// What people are told of a part, now that it is known what happens next.
fn told(
    found: &Found,
    asked: &Asked,
    workspace: WorkspaceId,
    last: Last,
    run: Option<JobId>,
) -> Seen {
    if found.mend != Mend::Provisioning {
        return found.seen.clone();
    }
    let wrong = |severity, next: String, action: &str| {
        Some(Wrong { severity, next, action: action.to_owned() })
    };
    // Stripe may refuse us, and has then said nothing of the studio.
    let is_idle = !asked.may_provision && !asked.waits_for_a_person();
    let wrong = match (run, last) {
        (Some(run), _) => wrong(
            Severity::Warning,
            format!("a new provisioning mends it: run {run}"),
            "nothing has to be done here",
        ),
        (None, _) if is_idle || last == Last::None => wrong(
            Severity::Info,
            "nothing: the studio does not pay, or was never provisioned".to_owned(),
            "nothing has to be done here",
        ),
        (None, Last::UnderWay) => wrong(
            Severity::Warning,
            "the provisioning that is under way sets it up".to_owned(),
            "nothing has to be done here",
        ),
        (None, Last::NotDone) => wrong(
            Severity::Warning,
            "nothing: the last provisioning was cancelled or is forgotten; another one sets it up"
                .to_owned(),
            &seen::again(workspace),
        ),
        (None, _) => wrong(
            Severity::Warning,
            "a new provisioning mends it, once what else is told here is done".to_owned(),
            "do what else is told here first",
        ),
    };
    Seen { wrong, ..found.seen.clone() }
}
