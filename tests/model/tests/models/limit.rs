//! Which protocol for limits breaks what.

#![expect(clippy::print_stdout, reason = "the runs are there to be read, with --nocapture")]

use std::collections::BTreeSet;

use autopilot_model::limit::{ALL_DONE, NOT_FORGOTTEN, Protocol, WITHIN};
use stateright::{Checker, Model};

/// The properties that do not hold.
fn violated(protocol: Protocol) -> BTreeSet<&'static str> {
    let checker = protocol.checker().spawn_bfs().join();
    let mut found: BTreeSet<&'static str> = checker.discoveries().into_keys().collect();
    assert!(found.remove(ALL_DONE), "{protocol:?}: all jobs can be done");
    println!("{protocol:?}: {} states, violated: {found:?}", checker.unique_state_count());
    found
}

#[test]
fn ours_breaks_nothing() {
    assert_eq!(violated(Protocol::Ours), BTreeSet::new());
}

#[test]
fn a_count_from_before_the_lock_lets_in_one_too_many_and_keeps_out_who_could_begin() {
    let both = BTreeSet::from([WITHIN, NOT_FORGOTTEN]);
    assert_eq!(violated(Protocol::CountInOneStatement), both);
}

#[test]
fn an_end_that_does_not_lock_forgets_who_stands_aside() {
    assert_eq!(violated(Protocol::EndWithoutLock), BTreeSet::from([NOT_FORGOTTEN]));
}

#[test]
fn a_number_in_place_of_the_jobs_is_leaked_by_a_crash() {
    assert_eq!(violated(Protocol::Counter), BTreeSet::from([NOT_FORGOTTEN]));
}
