//! Which protocol for named locks breaks what.

#![expect(clippy::print_stdout, reason = "the runs are there to be read, with --nocapture")]

use std::collections::BTreeSet;

use autopilot_model::lock::{BOTH_WROTE, FENCES_RISE, NO_LATE_WRITE, ONE_OWNER, Protocol};
use stateright::{Checker, Model};

/// The properties that do not hold.
fn violated(protocol: Protocol) -> BTreeSet<&'static str> {
    let checker = protocol.checker().spawn_bfs().join();
    let mut found: BTreeSet<&'static str> = checker.discoveries().into_keys().collect();
    assert!(found.remove(BOTH_WROTE), "{protocol:?}: both can write");
    println!("{protocol:?}: {} states, violated: {found:?}", checker.unique_state_count());
    found
}

#[test]
fn the_row_decides_and_nothing_is_broken() {
    assert_eq!(violated(Protocol::Ours), BTreeSet::new());
}

#[test]
fn an_emptied_redis_that_decides_makes_two_owners() {
    assert_eq!(violated(Protocol::RedisDecides), BTreeSet::from([ONE_OWNER]));
}

#[test]
fn a_fence_that_is_drawn_before_the_rows_lock_falls_and_lets_a_later_writer_look_late() {
    assert_eq!(violated(Protocol::EarlyFence), BTreeSet::from([FENCES_RISE, NO_LATE_WRITE]));
}

#[test]
fn a_write_that_does_not_ask_comes_after_that_of_a_later_holder() {
    assert_eq!(violated(Protocol::UnaskedWrite), BTreeSet::from([NO_LATE_WRITE]));
}
