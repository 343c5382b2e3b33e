//! What is known of some workspaces: a statement each, however many they are.

use autopilot_engine::ops::breakers::Breaker;
use autopilot_engine::ops::runs::RunView;
use autopilot_engine::ops::standing::{self, Letter, OwnBreaker, Waits};
use autopilot_engine::{Job as _, WorkspaceId};
use autopilot_workflows::integrations::service;
use autopilot_workflows::provisioning::Provision;
use autopilot_workflows::state::health::{self, Kept};
use autopilot_workflows::state::workspaces::Workspace;
use sqlx::PgConnection;

/// So many of the jobs that were set aside are told of each workspace, at most.
const MOST_LETTERS: i64 = 20;

/// What is known of one workspace.
pub(super) struct Facts<'b> {
    pub(super) workspace: Workspace,
    /// What was seen last of its parts.
    pub(super) kept: Vec<Kept>,
    /// Its newest provisioning.
    pub(super) run: Option<RunView>,
    /// What that waits for.
    pub(super) waits: Vec<Waits>,
    /// What was set aside, the newest first.
    pub(super) letters: Vec<Letter>,
    /// Providers that are not called for it alone.
    pub(super) own: Vec<OwnBreaker>,
    /// Providers that are called for nobody.
    pub(super) whole: &'b [Breaker],
}

/// What is known of each of these workspaces, in their order.
pub(super) async fn gather<'b>(
    conn: &mut PgConnection,
    workspaces: Vec<Workspace>,
    whole: &'b [Breaker],
) -> Result<Vec<Facts<'b>>, sqlx::Error> {
    let ids: Vec<WorkspaceId> = workspaces.iter().map(|workspace| workspace.id).collect();
    let mut kept = health::of(&mut *conn, &ids).await?;
    let mut runs = standing::runs(&mut *conn, &ids, Provision::KIND).await?;
    let waiting: Vec<&RunView> = runs.iter().filter(|run| run.status == "waiting").collect();
    let mut waits = standing::waits(&mut *conn, &waiting).await?;
    let mut letters = standing::letters(&mut *conn, &ids, MOST_LETTERS).await?;
    let mut own = standing::own_breakers(&mut *conn, &ids, &service::ALL).await?;
    let facts = workspaces.into_iter().map(|workspace| {
        let id = workspace.id;
        let run = runs.iter().position(|run| run.workspace == id).map(|at| runs.swap_remove(at));
        let job = run.as_ref().map(|run| run.id);
        Facts {
            workspace,
            kept: take(&mut kept, |kept| kept.workspace == id),
            waits: take(&mut waits, |waits| Some(waits.job) == job),
            run,
            letters: take(&mut letters, |letter| letter.workspace == id),
            own: take(&mut own, |own| own.workspace == id),
            whole,
        }
    });
    Ok(facts.collect())
}

/// Takes out those that fit, in their order.
fn take<T>(all: &mut Vec<T>, fits: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left) = std::mem::take(all).into_iter().partition(fits);
    *all = left;
    taken
}
