//! The whole protocol against a model of it: any order of enqueues, claims, attempts, heartbeats, deaths, rescues, drains, cancels,
//! pauses and time, by the engine's own functions on a real database, one at a time. After each, every row is what the model says it is.
//!
//! | kept | how |
//! |---|---|
//! | a superseded attempt writes nothing (P2) | every claim that was ever handed out is tried again now and then |
//! | nothing is lost, and nothing is at two places (P1) | every row is compared, and each case ends by working off all there is |
//! | nothing ready is invisible | a claim brings what the model's order begins with, whatever marks it starts from |
//! | tokens never go back, what was cancelled stays so | compared after each transition |
//!
//! `AUTOPILOT_MODEL_CASES` says how many cases of a random run; without it, they are a few and always the same, for what was changed
//! somewhere else must not fail now and then. `PROPTEST_RNG_SEED` says which ones: the seed of each run is printed, and so is the
//! shortest run that fails. Time stands still but for `Pass` and a millisecond after each transition, so a run that fails fails again.

mod choices;
mod jobs;
mod model;
mod rows;
mod stand;
mod system;
mod transition;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use uuid::Uuid;

use model::{Model, Standing};
use stand::{Stand, Wrong};
use system::System;
use transition::{Act, End, Number, Paused, Transition};

/// Transitions of a case, before it is worked off.
const SHORTEST: usize = 20;
const LONGEST: usize = 40;

/// Which cases are run where nobody asks for others: some that have found something.
const SEED: u64 = 2_702_674_692_943_258_178;

/// Claims that it takes to work off a case, at most.
const ROUNDS: usize = 60;

fn config() -> Config {
    let mut config =
        Config { failure_persistence: None, max_shrink_iters: 4_096, ..Config::default() };
    let asked = std::env::var("AUTOPILOT_MODEL_CASES").ok();
    config.cases = asked.as_ref().map_or(64, |cases| cases.parse().unwrap());
    if config.rng_seed == RngSeed::Random {
        let random = Uuid::now_v7().as_u64_pair().1 >> 2;
        config.rng_seed = RngSeed::Fixed(asked.map_or(SEED, |_| random));
    }
    config
}

/// What libtest does not hold back.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[test]
fn whatever_happens_the_database_stands_where_the_model_stands() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = config();
    let (cases, seed) = (config.cases, config.rng_seed);
    say(&format!("model: {cases} cases from PROPTEST_RNG_SEED={seed}"));
    let stand = runtime.block_on(Stand::new()).unwrap();
    let counts = RefCell::new(BTreeMap::new());
    let run = TestRunner::new(config).run(
        &Model::sequential_strategy(SHORTEST..=LONGEST),
        |(model, transitions, seen)| {
            let run = async {
                let mut case = Case { model, system: stand.begin().await? };
                for transition in &transitions {
                    // How far it came before it failed: shrinking begins there. None while it shrinks.
                    if let Some(seen) = &seen {
                        seen.fetch_add(1, Ordering::SeqCst);
                        *counts.borrow_mut().entry(transition.name()).or_insert(0) += 1;
                    }
                    case.apply(transition).await?;
                }
                case.work_off().await
            };
            runtime.block_on(run).map_err(|wrong: Wrong| TestCaseError::fail(wrong.to_string()))
        },
    );
    let counts: Vec<String> =
        counts.take().into_iter().map(|(name, count)| format!("{name} {count}")).collect();
    say(&format!("model: {}", counts.join(", ")));
    match run {
        Ok(()) => runtime.block_on(stand.close()),
        Err(TestError::Fail(wrong, (_, transitions, _))) => {
            let run: Vec<String> = transitions.iter().map(|one| format!("  {one:?}")).collect();
            let run = run.join("\n");
            panic!("PROPTEST_RNG_SEED={seed} fails; the shortest run is\n{run}\nand then\n{wrong}");
        }
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}

struct Case<'s> {
    model: Model,
    system: System<'s>,
}

impl Case<'_> {
    async fn apply(&mut self, transition: &Transition) -> Result<(), Wrong> {
        self.model = Model::apply(self.model.clone(), transition);
        let applied = self.system.apply(&self.model, transition).await;
        applied.map_err(|wrong| format!("{transition:?}:\n{wrong}").into())
    }

    /// Ends every pause and every process, and lets a new one run all that is left.
    async fn work_off(&mut self) -> Result<(), Wrong> {
        for scope in [Paused::Errands, Paused::ErrandsQueue, Paused::Tenant] {
            self.apply(&Transition::Resume { scope }).await?;
        }
        self.apply(&Transition::Pass { seconds: 700 }).await?;
        self.apply(&Transition::Rescue).await?;
        let process = self.model.next_process();
        self.apply(&Transition::Start { process, slots: 3 }).await?;
        for _ in 0..ROUNDS {
            if self.left().is_empty() {
                return Ok(());
            }
            self.round(process).await?;
        }
        Err(format!(
            "  stuck, although nothing is paused and all have died: jobs {:?} of\n  {}",
            self.left(),
            rows::expected(&self.model).join("\n  ")
        )
        .into())
    }

    async fn round(&mut self, process: Number) -> Result<(), Wrong> {
        self.apply(&Transition::Pass { seconds: 300 }).await?;
        self.apply(&Transition::Beat { process }).await?;
        self.apply(&Transition::Claim { process, looks: true }).await?;
        for claim in self.model.claims().0.into_iter().filter(|claim| claim.process == process) {
            let act = Act { step: false, end: End::Completes };
            self.apply(&Transition::Attempt { process, job: claim.job, act }).await?;
        }
        Ok(())
    }

    fn left(&self) -> Vec<u32> {
        self.model.labels(|standing| matches!(standing, Standing::Live(_)))
    }
}
