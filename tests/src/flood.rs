//! A flood of Stripe's events on the real process while its workers handle them: some of them twice, some too early, some forged.
//!
//! Afterwards the database says whether each that was acknowledged is there once, with its job, and none of the forged ones.

mod posts;
mod probe;
mod program;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use autopilot_engine::testing::TestDatabase;
use autopilot_engine::{MIGRATOR, WorkspaceId};
use autopilot_workflows::state::workspaces;
use sqlx::PgPool;

use posts::{Answers, Post, posts};
use program::Program;

/// How long `/livez` may take: whoever restarts processes asks it.
const LIVEZ: Duration = Duration::from_millis(200);

/// How long nothing may be handled before it is given up; how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);

/// Who pays: so many studios.
const STUDIOS: usize = 50;

/// Takes the inbox's key away: each row gets one of its own.
const NO_KEY: &str = "
CREATE FUNCTION studio.no_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.event_id := NEW.event_id || '-' || gen_random_uuid();
    RETURN NEW;
END $$;
CREATE TRIGGER no_key BEFORE INSERT ON studio.inbox FOR EACH ROW EXECUTE FUNCTION studio.no_key();
";

/// How much it is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Events, each of which is posted at least once.
    pub events: usize,
    /// Posts at once.
    pub connections: usize,
    /// Which are posted twice, too early or forged.
    pub seed: u64,
    /// Whether the inbox knows an event that it has; only a control takes that away.
    pub key: bool,
    /// The program under test.
    pub program: PathBuf,
    /// Where its logs go.
    pub folder: PathBuf,
}

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// Posts that were answered, by how.
    pub answers: Answers,
    /// Forged ones among the posts.
    pub forged: usize,
    /// Posts of events that had been posted before.
    pub repeated: usize,
    /// Posts of events of which a later one was posted earlier.
    pub early: usize,
    /// From the first post to the last answer.
    pub posting: Duration,
    /// From the first post until every event was handled.
    pub handling: Duration,
    /// The slowest answer of `/livez` meanwhile.
    pub livez: Duration,
    /// Memory of the process that takes the posts, in KiB: when the first one came, and at most.
    pub memory: (u64, u64),
    /// What the database says.
    pub found: Found,
}

/// What stands in the database in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Events of ours in the inbox.
    pub events: usize,
    /// Those of them that were handled.
    pub processed: usize,
    /// Jobs that handled them.
    pub jobs: usize,
    /// Forged events in the inbox.
    pub forged: usize,
}

impl Report {
    /// What took too long. No test depends on it: the machine may be busy with something else.
    #[must_use]
    pub fn late(&self) -> Option<String> {
        (self.livez > LIVEZ).then(|| format!("/livez took {:?}", self.livez))
    }

    /// What is wrong, however fast it was.
    #[must_use]
    pub fn violations(&self, plan: &Plan) -> Vec<String> {
        let Self { answers, forged, memory: (before, most), found, .. } = self;
        let all = plan.events;
        let checks = [
            (found.events != all, format!("{} of {all} events are in the inbox", found.events)),
            (found.jobs != all, format!("{} jobs for {all} events", found.jobs)),
            (found.processed != all, format!("{} of {all} events were handled", found.processed)),
            (found.forged != 0, format!("{} forged events are in the inbox", found.forged)),
            (
                answers.refused != *forged,
                format!("{} posts were refused, {forged} were forged", answers.refused),
            ),
            (
                answers.unsettled != 0,
                format!("{} posts were never acknowledged", answers.unsettled),
            ),
            (*most > before + (128 << 10), format!("memory grew from {before} KiB to {most} KiB")),
        ];
        checks.into_iter().filter_map(|(is_wrong, what)| is_wrong.then_some(what)).collect()
    }
}

/// Posts all of it, and waits until it is handled.
///
/// # Panics
/// When the flood itself cannot be run; what the program does wrong is in the report.
pub async fn run(plan: &Plan) -> Report {
    autopilot_workflows::integrations::http::install_crypto();
    std::fs::create_dir_all(&plan.folder).expect("the flood's folder can be made");
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    register(database.pool()).await;
    if !plan.key {
        sqlx::raw_sql(NO_KEY).execute(database.pool()).await.expect("the key is taken away");
    }
    let program = Program::start(plan, &database.url());
    let address = program.address().await;
    let posts: Arc<[Post]> = posts(plan.events, plan.seed).into();
    let count = |is: fn(&Post) -> bool| posts.iter().filter(|post| is(post)).count();
    let (forged, repeated, early) =
        (count(|post| post.is_forged), count(|post| post.is_repeated), count(|post| post.is_early));

    let started = Instant::now();
    let probe = probe::start(&address, program.receiver());
    let answers = posts::send(&address, Arc::clone(&posts), plan.connections).await;
    let posting = started.elapsed();
    settled(database.pool(), plan.events).await;
    let handling = started.elapsed();
    let probed = probe.stop().await;
    program.finish();
    let found = found(database.pool()).await;
    database.close().await;
    Report {
        answers,
        forged,
        repeated,
        early,
        posting,
        handling,
        livez: probed.livez,
        memory: probed.memory,
        found,
    }
}

/// The studios, each with the customer who pays for it.
async fn register(pool: &PgPool) {
    let mut conn = pool.acquire().await.expect("a connection");
    for number in 0..STUDIOS {
        let workspace = WorkspaceId::now_v7();
        workspaces::ensure(&mut conn, workspace).await.expect("the studio is registered");
        let customer = posts::customer(number);
        workspaces::bind_customer(&mut conn, workspace, &customer).await.expect("it is bound");
    }
}

/// Waits until all events are handled, or nothing has been handled for a while: the report tells which.
async fn settled(pool: &PgPool, events: usize) {
    let (mut handled, mut since) = (0, Instant::now());
    while handled < events && since.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        let now = found(pool).await.processed;
        if now > handled {
            (handled, since) = (now, Instant::now());
        }
    }
}

async fn found(pool: &PgPool) -> Found {
    let row: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE event_id LIKE 'evt\\_%'), count(*) FILTER (WHERE event_id LIKE 'evt\\_%' AND state = 'processed'),
                (SELECT count(*) FROM engine.history WHERE kind = 'stripe.event'), count(*) FILTER (WHERE event_id LIKE 'forged%')
         FROM studio.inbox",
    )
    .fetch_one(pool)
    .await
    .expect("the database answers");
    let [events, processed, jobs, forged] =
        [row.0, row.1, row.2, row.3].map(|count| usize::try_from(count).unwrap_or_default());
    Found { events, processed, jobs, forged }
}
