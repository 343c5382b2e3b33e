//! What is asked of a protocol.

use stateright::{Model, Property};

use crate::{Lease, State, Status};

/// An attempt that no longer holds the job changes nothing (P2).
pub const NO_SUPERSEDED_WRITE: &str = "no superseded write";
/// What is recorded stays recorded.
pub const NEVER_BACK: &str = "progress never goes back";
/// The provider does no step twice (P4).
pub const NO_DOUBLE_EFFECT: &str = "no double effect";
/// A job is done only when the provider did all its steps (P8).
pub const NO_EMPTY_DONE: &str = "no done without effect";
/// A job is acknowledged once.
pub const NO_DOUBLE_ACK: &str = "no double ack";
/// Nothing brings a cancelled job back (L10).
pub const CANCELLED_STAYS: &str = "cancelled stays cancelled";
/// A running job has an owner whose row the rescue will find (P1, P5).
///
/// Without the row the job would run for ever once its process is gone, for rescue goes by rows.
pub const NO_LOST_JOB: &str = "no job is lost";

/// All that must hold always.
pub const NAMES: [&str; 7] = [
    NO_SUPERSEDED_WRITE,
    NEVER_BACK,
    NO_DOUBLE_EFFECT,
    NO_EMPTY_DONE,
    NO_DOUBLE_ACK,
    CANCELLED_STAYS,
    NO_LOST_JOB,
];

/// Some run ends well: a protocol that does nothing breaks nothing.
pub const CAN_BE_DONE: &str = "a job can be done";
/// Some run ends well after a second claim, which is what the protocol is for.
pub const CAN_RECOVER: &str = "a job that was claimed again can be done";
/// Some run ends in review.
pub const CAN_NEED_REVIEW: &str = "a job can need review";

pub(crate) fn all() -> Vec<Property<Lease>> {
    vec![
        Property::always(NO_SUPERSEDED_WRITE, |_, state: &State| !state.superseded_write),
        Property::always(NEVER_BACK, |_, state: &State| !state.went_back),
        Property::always(NO_DOUBLE_EFFECT, |_, state: &State| {
            state.effects.iter().all(|count| *count <= 1)
        }),
        Property::always(NO_EMPTY_DONE, |_, state: &State| {
            state.job.status != Status::Done || state.effects.iter().all(|count| *count > 0)
        }),
        Property::always(NO_DOUBLE_ACK, |_, state: &State| state.acks <= 1),
        Property::always(CANCELLED_STAYS, |_, state: &State| !state.resurrected),
        Property::always(NO_LOST_JOB, |_, state: &State| {
            state.job.status != Status::Running
                || state.job.owner.is_some_and(|owner| state.has_row(owner))
        }),
        Property::sometimes(CAN_BE_DONE, |_, state: &State| state.job.status == Status::Done),
        Property::sometimes(CAN_RECOVER, |_, state: &State| {
            state.job.status == Status::Done && state.job.token > 1
        }),
        Property::sometimes(CAN_NEED_REVIEW, |_, state: &State| state.job.status == Status::Review),
    ]
}

/// Whether a state keeps a property; `None` for a name that is none of ours.
pub fn keeps(name: &str, model: &Lease, state: &State) -> Option<bool> {
    let property = model.properties().into_iter().find(|property| property.name == name)?;
    Some((property.condition)(model, state))
}
