//! Which protocol for cron enqueues a tick twice.

#![expect(clippy::print_stdout, reason = "the runs are there to be read, with --nocapture")]

use autopilot_model::tick::{ALL_TAKEN, ONCE, Protocol};
use stateright::{Checker, Model};

/// Whether some tick gets two jobs.
fn enqueues_twice(protocol: Protocol) -> bool {
    let checker = protocol.checker().spawn_bfs().join();
    let found = checker.discoveries();
    assert!(found.contains_key(ALL_TAKEN), "{protocol:?}: every tick can be taken");
    println!("{protocol:?}: {} states", checker.unique_state_count());
    found.contains_key(ONCE)
}

#[test]
fn ours_and_the_key_alone_take_each_tick_once() {
    assert!(!enqueues_twice(Protocol::Ours));
    assert!(!enqueues_twice(Protocol::OnlyTheKey));
}

#[test]
fn without_either_or_in_two_transactions_a_tick_is_taken_twice() {
    assert!(enqueues_twice(Protocol::Nothing));
    assert!(enqueues_twice(Protocol::TwoTransactions));
}
