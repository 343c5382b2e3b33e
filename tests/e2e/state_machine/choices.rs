//! Which of all that may happen is worth trying where the model stands.

use proptest::prelude::*;
use proptest::sample::{Select, select};
use proptest::strategy::Union;

use super::model::{Claim, Model, Standing};
use super::transition::{Act, End, Joins, Kind, Label, New, Paused, Transition};

/// What may happen next, the ordinary more often than the rest.
pub(super) fn next(model: &Model) -> BoxedStrategy<Transition> {
    let mut choices: Vec<(u32, BoxedStrategy<Transition>)> = vec![
        (if model.jobs.len() < 5 { 20 } else { 8 }, enqueue(model.next_job())),
        (6, select(vec![1, 30, 700]).prop_map(|seconds| Transition::Pass { seconds }).boxed()),
        (if model.is_somebody_overdue() { 16 } else { 1 }, Just(Transition::Rescue).boxed()),
        (2, Just(Transition::LookAfter).boxed()),
        (2, scope().prop_map(|scope| Transition::Pause { scope }).boxed()),
        (3, scope().prop_map(|scope| Transition::Resume { scope }).boxed()),
    ];
    if model.processes.len() < 6 {
        let process = model.next_process();
        let start = (1..=3_usize).prop_map(move |slots| Transition::Start { process, slots });
        choices.push((if model.alive() == 0 { 40 } else { 2 }, start.boxed()));
    }
    let processes = model.processes_by_life();
    if !processes.is_empty() {
        let process = select(processes);
        let claim = (process.clone(), any::<bool>());
        let claim = claim.prop_map(|(process, looks)| Transition::Claim { process, looks });
        choices.push((if model.is_anything_ready() { 24 } else { 3 }, claim.boxed()));
        choices.push((5, process.clone().prop_map(|process| Transition::Beat { process }).boxed()));
        choices.push((2, process.prop_map(|process| Transition::Leave { process }).boxed()));
    }
    let (held, superseded): (Vec<Claim>, Vec<Claim>) = model.claims();
    // Those that have crashed more often: the third crash of one job would be rare.
    let held = held.into_iter();
    let held: Vec<Claim> = held
        .flat_map(|claim| std::iter::repeat_n(claim, 1 + 3 * model.crashes(claim.job)))
        .collect();
    let attempt = |(Claim { process, job, .. }, act)| Transition::Attempt { process, job, act };
    let late = |(claim, act)| Transition::Late { claim, act };
    choices.extend(of(24, held, |held| (held, act()).prop_map(attempt).boxed()));
    choices.extend(of(7, superseded, |late_ones| (late_ones, act()).prop_map(late).boxed()));
    let cancel = |job: Select<Label>| job.prop_map(|job| Transition::Cancel { job }).boxed();
    let retry = |job: Select<Label>| job.prop_map(|job| Transition::Retry { job }).boxed();
    choices.extend(of(3, model.labels(|_| true), cancel));
    choices.extend(of(1, model.labels(|one| matches!(one, Standing::Live(_))), retry));
    choices.extend(of(5, model.labels(|one| matches!(one, Standing::Dead(_))), retry));
    Union::new_weighted(choices).boxed()
}

/// Something that may happen with one of these, if there is one.
fn of<T: Clone + std::fmt::Debug + 'static>(
    weight: u32,
    these: Vec<T>,
    what: impl FnOnce(Select<T>) -> BoxedStrategy<Transition>,
) -> Option<(u32, BoxedStrategy<Transition>)> {
    (!these.is_empty()).then(|| (weight, what(select(these))))
}

fn enqueue(job: Label) -> BoxedStrategy<Transition> {
    let unique = prop_oneof![
        5 => Just(None),
        2 => Just(Some(Joins::Keeps)),
        4 => Just(Some(Joins::Replaces)),
    ];
    let key = prop_oneof![5 => Just(None), 2 => (0..2_u8).prop_map(Some)];
    let kind = prop_oneof![
        5 => Just((Kind::Task, false)),
        2 => Just((Kind::Task, true)),
        3 => Just((Kind::Errand, false)),
    ];
    let delay = prop_oneof![4 => Just(0), 1 => Just(20), 1 => Just(1_000)];
    (kind, 0..4_i16, delay, unique, key, prop::bool::weighted(0.4))
        .prop_map(move |((kind, tenant), priority, delay, unique, key, limited)| {
            let new = New { kind, priority, delay, unique, key, limited, tenant };
            Transition::Enqueue { job, new }
        })
        .boxed()
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        4 => Just(End::Completes),
        1 => Just(End::Degrades),
        3 => Just(End::Sleeps(10)),
        5 => Just(End::Fails),
        1 => Just(End::Gives),
        4 => Just(End::Panics),
        3 => Just(End::Hangs),
    ];
    (any::<bool>(), end).prop_map(|(step, end)| Act { step, end })
}

fn scope() -> impl Strategy<Value = Paused> {
    select(vec![Paused::Errands, Paused::ErrandsQueue, Paused::Tenant])
}
