//! Explores a variant and says what was found.

use std::collections::BTreeMap;

use stateright::{Checker, HasDiscoveries, Model};

use crate::{Action, Lease, State, Variant, properties};

/// What came of exploring a variant.
#[derive(Debug)]
pub struct Report {
    /// How many different states can be reached; all of them were seen.
    pub states: usize,
    /// The properties that do not hold, each with a run that breaks it.
    pub violated: BTreeMap<&'static str, Run>,
    /// The outcomes that can be reached, each with a run to it.
    pub reached: BTreeMap<&'static str, Run>,
}

/// A run of the model.
#[derive(Debug)]
pub struct Run {
    /// What happened, in order.
    pub actions: Vec<Action>,
    /// Where it ended.
    pub end: State,
}

/// Explores every state of a variant, nearest first.
pub fn explore(variant: Variant) -> Report {
    let checker = Lease { variant }.checker().spawn_bfs().join();
    let mut report = Report {
        states: checker.unique_state_count(),
        violated: BTreeMap::new(),
        reached: BTreeMap::new(),
    };
    for name in checker.discoveries().into_keys() {
        let Some(run) = short_run(variant, name) else { continue };
        if properties::NAMES.contains(&name) {
            report.violated.insert(name, run);
        } else {
            report.reached.insert(name, run);
        }
    }
    report
}

/// The checker keeps the last run that it finds, which has grown long by the end. A search that
/// stops once there is one keeps it short enough to be read.
fn short_run(variant: Variant, name: &'static str) -> Option<Run> {
    let wanted = HasDiscoveries::AnyOf([name].into());
    let checker = Lease { variant }.checker().finish_when(wanted).spawn_bfs().join();
    let mut run = Run { actions: Vec::new(), end: State::default() };
    for (state, action) in checker.discovery(name)?.into_vec() {
        // Both kinds of property are told by where their condition turns from what it is at first.
        let model = checker.model();
        let told = properties::keeps(name, model, &state)
            != properties::keeps(name, model, &State::default());
        run.end = state;
        match action {
            Some(action) if !told => run.actions.push(action),
            Some(_) | None => break,
        }
    }
    Some(run)
}
