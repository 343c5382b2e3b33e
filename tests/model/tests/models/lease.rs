//! Which protocol keeps what, and by which run the others break it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the runs are there to be read, with --nocapture")]

use std::collections::BTreeSet;

use autopilot_model::properties::{
    CAN_BE_DONE, CAN_NEED_REVIEW, CAN_RECOVER, CANCELLED_STAYS, NAMES, NEVER_BACK, NO_DOUBLE_ACK,
    NO_DOUBLE_EFFECT, NO_EMPTY_DONE, NO_LOST_JOB, NO_SUPERSEDED_WRITE, keeps,
};
use autopilot_model::{Action, Lease, Report, Variant, explore};
use stateright::Model;

const VARIANTS: [Variant; 9] = [
    Variant::NoGuard,
    Variant::OwnerOnly,
    Variant::TokenNoKeys,
    Variant::TokenAndKey,
    Variant::TokenIntentReview,
    Variant::TokenIntentGuess,
    Variant::UnlockedCheckpoint,
    Variant::UnlockedClaim,
    Variant::LockedClaim,
];

/// What a variant breaks; it keeps all else.
fn broken_by(variant: Variant) -> &'static [&'static str] {
    match variant {
        Variant::NoGuard => {
            &[NO_SUPERSEDED_WRITE, NEVER_BACK, NO_DOUBLE_EFFECT, NO_DOUBLE_ACK, CANCELLED_STAYS]
        }
        Variant::OwnerOnly => &[NO_SUPERSEDED_WRITE, NEVER_BACK, NO_DOUBLE_ACK, CANCELLED_STAYS],
        Variant::TokenNoKeys => &[NO_DOUBLE_EFFECT],
        Variant::TokenIntentGuess => &[NO_EMPTY_DONE],
        Variant::UnlockedCheckpoint => &[NO_SUPERSEDED_WRITE],
        Variant::UnlockedClaim => &[NO_LOST_JOB],
        Variant::TokenAndKey | Variant::TokenIntentReview | Variant::LockedClaim => &[],
    }
}

/// Explores a variant and expects it to break exactly that, each by a run that can be replayed.
fn explored(variant: Variant) -> Report {
    let report = explore(variant);
    println!("{variant:?}: {} unique states", report.states);
    for (name, run) in &report.violated {
        println!("  breaks {name:?} by {:?}", run.actions);
        let model = Lease { variant };
        let mut state = model.init_states().remove(0);
        for action in &run.actions {
            assert_eq!(keeps(name, &model, &state), Some(true), "broken before the end of the run");
            state = model.next_state(&state, *action).unwrap();
        }
        assert_eq!(state, run.end);
        assert_eq!(keeps(name, &model, &state), Some(false));
    }
    let found: BTreeSet<_> = report.violated.keys().copied().collect();
    assert_eq!(found, broken_by(variant).iter().copied().collect(), "{variant:?}");
    for outcome in [CAN_BE_DONE, CAN_RECOVER] {
        assert!(report.reached.contains_key(outcome), "{variant:?} never reaches: {outcome}");
    }
    report
}

#[test]
fn writes_by_the_job_alone_keep_nothing_that_a_second_attempt_can_break() {
    explored(Variant::NoGuard);
}

#[test]
fn writes_by_the_owner_let_in_a_former_attempt_of_the_same_process() {
    let report = explored(Variant::OwnerOnly);
    // One process claimed twice: the check has nothing to see.
    let mut claims = [0, 0];
    for action in &report.violated[NEVER_BACK].actions {
        if let Action::CommitClaim(process) = action {
            claims[*process] += 1;
        }
    }
    assert!(claims.iter().any(|count| *count >= 2), "{claims:?}");
}

#[test]
fn a_token_alone_does_not_keep_the_provider_from_doing_it_twice() {
    explored(Variant::TokenNoKeys);
}

#[test]
fn a_token_and_a_key_keep_everything() {
    explored(Variant::TokenAndKey);
}

#[test]
fn step_once_keeps_everything_and_stops_for_review_where_the_outcome_is_unknown() {
    let report = explored(Variant::TokenIntentReview);
    assert!(report.reached.contains_key(CAN_NEED_REVIEW));
}

#[test]
fn an_unknown_outcome_that_is_taken_for_done_was_not_always_done() {
    let report = explored(Variant::TokenIntentGuess);
    assert!(!report.reached.contains_key(CAN_NEED_REVIEW));
}

#[test]
fn a_fence_that_is_read_without_a_lock_lets_a_superseded_checkpoint_in() {
    let report = explored(Variant::UnlockedCheckpoint);
    // The check was sound when it was made; the job was lost before the insert.
    let actions = &report.violated[NO_SUPERSEDED_WRITE].actions;
    let check = actions.iter().position(|action| matches!(action, Action::Check(_))).unwrap();
    let is_loss =
        |action: &Action| matches!(action, Action::Rescue(_) | Action::Cancel | Action::Release(_));
    assert!(actions[check..].iter().any(is_loss), "{actions:?}");
}

#[test]
fn a_claim_that_passes_a_rescue_by_leaves_a_job_that_nobody_will_rescue() {
    let report = explored(Variant::UnlockedClaim);
    let actions = &report.violated[NO_LOST_JOB].actions;
    assert!(matches!(actions[actions.len() - 1], Action::CommitClaim(_)), "{actions:?}");
}

#[test]
fn a_claim_that_locks_its_workers_row_first_loses_no_job() {
    explored(Variant::LockedClaim);
}

#[test]
fn every_property_is_broken_by_some_variant() {
    let broken: BTreeSet<_> = VARIANTS.iter().flat_map(|variant| broken_by(*variant)).collect();
    assert_eq!(broken, NAMES.iter().collect());
}
