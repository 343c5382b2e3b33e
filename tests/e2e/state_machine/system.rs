//! The engine itself: its own functions on a real database, one transition at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::ops::pauses::{self, Scope};
use autopilot_engine::ops::{self, OpsError};
use autopilot_engine::testing::{HandedOut, Protocol, look_after, rescue};
use autopilot_engine::{Enqueued, JobId, WorkerConfig, enqueue};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::jobs::{self, Desk, Script};
use super::model::{Answer, Claim, LEASE, Model, TICK};
use super::rows;
use super::stand::{Stand, Wrong};
use super::transition::{Act, Kind, Label, New, Number, Paused, Transition};

/// The steps that a job sleeps in.
pub(super) const SLEEPS: [&str; 3] = ["first sleep", "second sleep", "third sleep"];

/// No transition takes so long, on whatever machine, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// As `rows.rs` and `Model::spread` have it: whoever became due in a lane at the same instant is put a microsecond apart.
const SPREAD: &str = "
WITH ranked AS (
    SELECT j.id, row_number() OVER (PARTITION BY j.lane, j.run_at ORDER BY l.place) - 1 AS rank
    FROM engine.job j JOIN unnest($1::uuid[]) WITH ORDINALITY AS l(id, place) USING (id) WHERE j.state = 0 AND j.lane <> 9
)
UPDATE engine.job j SET run_at = j.run_at + make_interval(secs => ranked.rank * 0.000001)
FROM ranked WHERE ranked.id = j.id AND ranked.rank > 0";

/// One case.
pub(super) struct System<'s> {
    stand: &'s Stand,
    begin: DateTime<Utc>,
    jobs: BTreeMap<Label, JobId>,
    processes: BTreeMap<Number, Process>,
    claims: BTreeMap<Claim, HandedOut>,
    tokens: BTreeMap<Label, i64>,
    /// How often each job has slept.
    slept: BTreeMap<Label, usize>,
}

struct Process {
    moves: Protocol<Desk>,
    must_look: bool,
}

impl<'s> System<'s> {
    /// Nothing yet.
    pub(super) const fn new(stand: &'s Stand, begin: DateTime<Utc>) -> Self {
        Self {
            stand,
            begin,
            jobs: BTreeMap::new(),
            processes: BTreeMap::new(),
            claims: BTreeMap::new(),
            tokens: BTreeMap::new(),
            slept: BTreeMap::new(),
        }
    }
}

impl System<'_> {
    /// Lets it happen, and compares: what it answers, and every row. `after` is the model after it.
    pub(super) async fn apply(
        &mut self,
        after: &Model,
        transition: &Transition,
    ) -> Result<(), Wrong> {
        let happens = Box::pin(self.happens(transition));
        let Ok(answer) = tokio::time::timeout(PATIENCE, happens).await else {
            return Err(format!("{transition:?} takes longer than {PATIENCE:?}").into());
        };
        let answer = answer?;
        if answer != after.answer {
            let expected = &after.answer;
            return Err(format!(
                "  the model answers    {expected:?}\n  the database answers {answer:?}"
            )
            .into());
        }
        let ids: Vec<Uuid> = self.jobs.values().map(|id| id.uuid()).collect();
        let pool = self.stand.database.pool();
        sqlx::query(SPREAD).bind(ids).execute(pool).await?;
        self.compare(after).await?;
        for (number, process) in &mut self.processes {
            process.must_look = after.must_look(*number);
        }
        self.stand.clock.advance(Duration::from_micros(TICK.unsigned_abs())).await?;
        Ok(())
    }

    async fn compare(&mut self, after: &Model) -> Result<(), Wrong> {
        let processes =
            self.processes.iter().map(|(number, process)| (*number, process.moves.id().uuid()));
        let processes: BTreeMap<Number, Uuid> = processes.collect();
        let pool = self.stand.database.pool();
        let found = rows::found(pool, &self.jobs, &processes, self.begin).await?;
        if let Some(difference) = rows::difference(&rows::expected(after), &found) {
            return Err(difference.into());
        }
        for (label, job) in &after.jobs {
            self.slept.insert(*label, job.sleeps.len());
            let before = self.tokens.insert(*label, job.token).unwrap_or_default();
            if job.token < before {
                return Err(format!("  the token of job {label} went back from {before}").into());
            }
        }
        Ok(())
    }

    async fn happens(&mut self, transition: &Transition) -> Result<Answer, Wrong> {
        let pool = self.stand.database.pool();
        match *transition {
            Transition::Start { process, slots } => self.start(process, slots).await?,
            Transition::Enqueue { job, new } => return self.enqueue(job, new).await,
            Transition::Claim { process, looks } => return self.claim(process, looks).await,
            Transition::Attempt { process, job, act } => {
                let mut claims = self.claims.keys().rev();
                let newest =
                    claims.find(|claim| claim.process == process && claim.job == job).copied();
                self.attempt(newest.ok_or("no such claim")?, act).await?;
            }
            Transition::Late { claim, act } => self.attempt(claim, act).await?,
            Transition::Beat { process } => return self.beat(process).await,
            Transition::Pass { seconds } => {
                self.stand.clock.advance(Duration::from_secs(seconds.unsigned_abs())).await?;
            }
            Transition::Rescue => {
                let (freed, quarantined) = rescue(pool).await?;
                return Ok(Answer::Rescued { freed, quarantined });
            }
            Transition::Leave { process } => self.process(process)?.moves.leave().await?,
            Transition::Cancel { job } => return carried(ops::cancel(pool, self.job(job)?).await),
            Transition::Retry { job } => {
                return carried(ops::retry(pool, self.job(job)?).await.map(drop));
            }
            Transition::Pause { scope } => pauses::pause(pool, &scope.into(), "a test").await?,
            Transition::Resume { scope } => {
                return Ok(Answer::Carried(pauses::resume(pool, &scope.into()).await?));
            }
            Transition::LookAfter => look_after(pool).await?,
        }
        Ok(Answer::Nothing)
    }

    async fn start(&mut self, number: Number, slots: usize) -> Result<(), Wrong> {
        let queues = [Kind::Task, Kind::Errand].map(|kind| (kind.name().1.to_owned(), slots));
        let config = WorkerConfig {
            queues: queues.to_vec(),
            lease: Duration::from_micros(LEASE.unsigned_abs()),
            ageing: Duration::MAX,
            listen: false,
            ..WorkerConfig::default()
        };
        let Stand { database, desk, registry, .. } = self.stand;
        let (app, registry) = (Arc::clone(desk), Arc::clone(registry));
        let moves = Protocol::start(database.pool(), app, registry, &config).await?;
        self.processes.insert(number, Process { moves, must_look: false });
        Ok(())
    }

    async fn enqueue(&mut self, label: Label, new: New) -> Result<Answer, Wrong> {
        let job = jobs::new_job(new)?;
        let mut tx = self.stand.database.pool().begin().await?;
        let answers = enqueue(&mut tx, &[job]).await?;
        tx.commit().await?;
        match *answers.first().ok_or("no answer")? {
            Enqueued::New(id) => {
                self.jobs.insert(label, id);
                Ok(Answer::New)
            }
            Enqueued::Existing(id) => Ok(Answer::Existing(self.label(id)?)),
        }
    }

    async fn claim(&mut self, number: Number, looks: bool) -> Result<Answer, Wrong> {
        let process = self.process(number)?;
        if looks || process.must_look {
            process.moves.look().await?;
        }
        let mut begun = BTreeSet::new();
        for claim in process.moves.claim().await? {
            let job = self.label(claim.job())?;
            begun.insert((job, claim.token(), claim.attempt(), claim.crashes()));
            let handed = Claim { process: number, job, token: claim.token() };
            if self.claims.insert(handed, claim).is_some() {
                return Err(format!("  {handed:?} was handed out twice").into());
            }
        }
        Ok(Answer::Claimed(begun))
    }

    async fn attempt(&mut self, claim: Claim, act: Act) -> Result<(), Wrong> {
        let slept = self.slept.get(&claim.job).copied().unwrap_or_default();
        let desk = Arc::clone(&self.stand.desk);
        desk.put(Script { act, slept });
        let handed = self.claims.get(&claim).ok_or("no such claim")?.clone();
        let attempt = self.process(claim.process)?.moves.attempt(&handed);
        tokio::select! {
            () = attempt => {}
            () = desk.hung.notified() => {}
        }
        Ok(())
    }

    async fn beat(&mut self, number: Number) -> Result<Answer, Wrong> {
        let Some(beat) = self.process(number)?.moves.beat().await? else { return Ok(Answer::Dead) };
        let lost: Result<_, Wrong> =
            beat.lost.into_iter().map(|(job, token)| Ok((self.label(job)?, token))).collect();
        Ok(Answer::Alive { lost: lost?, somebody_died: beat.somebody_died })
    }

    fn process(&mut self, number: Number) -> Result<&mut Process, Wrong> {
        Ok(self.processes.get_mut(&number).ok_or("no such process")?)
    }

    fn job(&self, label: Label) -> Result<JobId, Wrong> {
        Ok(*self.jobs.get(&label).ok_or("no such job")?)
    }

    fn label(&self, id: JobId) -> Result<Label, Wrong> {
        let found = self.jobs.iter().find(|(_, known)| **known == id);
        Ok(*found.ok_or_else(|| format!("  nobody asked for job {id}"))?.0)
    }
}

fn carried(result: Result<(), OpsError>) -> Result<Answer, Wrong> {
    match result {
        Ok(()) => Ok(Answer::Carried(true)),
        Err(OpsError::Refused { .. }) => Ok(Answer::Carried(false)),
        Err(error) => Err(error.into()),
    }
}

impl From<Paused> for Scope {
    fn from(scope: Paused) -> Self {
        match scope {
            Paused::Errands => Self::Kind(Kind::Errand.name().0.to_owned()),
            Paused::ErrandsQueue => Self::Queue(Kind::Errand.name().1.to_owned()),
            Paused::Tenant => Self::Workspace(jobs::tenant()),
        }
    }
}
