//! Who of those that were claimed may begin: pure, from what each key allows and what it has given away.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Limit, Rule};

/// What a key has given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// How many jobs with it run.
    pub(crate) running: u32,
    /// When its next turn is, if none is taken in advance: the theoretical arrival time of the generic cell rate algorithm.
    pub(crate) next_turn: Option<DateTime<Utc>>,
    /// Whose turn it is, where they run one after another.
    pub(crate) first: Option<Uuid>,
}

/// What becomes of a job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It begins.
    Run,
    /// It stands aside until a job with this key has ended.
    Aside(String),
    /// It has taken a turn, and is due then.
    At(DateTime<Utc>),
}

/// Judges one job, and notes what it was given. All or nothing: what one key refuses costs it nothing of the others.
pub(crate) fn judge(
    job: Uuid,
    limits: &[Limit],
    has_turn: bool,
    standings: &mut HashMap<String, Standing>,
    now: DateTime<Utc>,
) -> Verdict {
    let of = |standings: &HashMap<String, Standing>, key: &str| {
        standings.get(key).copied().unwrap_or_default()
    };
    for limit in limits {
        let standing = of(standings, &limit.key);
        let has_room = match limit.rule {
            Rule::Concurrency { at_a_time, .. } => standing.running < at_a_time,
            Rule::Order { .. } => standing.first.is_none_or(|first| first == job),
            Rule::Rate { .. } => true,
        };
        if !has_room {
            return Verdict::Aside(limit.key.clone());
        }
    }
    if !has_turn {
        let turns = limits.iter().filter_map(|limit| turn(limit, of(standings, &limit.key), now));
        let at = turns.max().unwrap_or(now).max(now);
        for limit in limits {
            if let Rule::Rate { interval, .. } = limit.rule {
                let standing = standings.entry(limit.key.clone()).or_default();
                let from = standing.next_turn.map_or(at, |next| next.max(at));
                standing.next_turn = Some(from + microseconds(interval));
            }
        }
        if at > now {
            return Verdict::At(at);
        }
    }
    for limit in limits {
        if limit.takes_place() {
            standings.entry(limit.key.clone()).or_default().running += 1;
        }
    }
    Verdict::Run
}

/// The earliest turn that a limit has left; none where it limits no rate.
fn turn(limit: &Limit, standing: Standing, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Rule::Rate { interval, burst } = limit.rule else { return None };
    let ahead = microseconds(interval.saturating_mul(u64::from(burst.saturating_sub(1))));
    Some(standing.next_turn.map_or(now, |next| next - ahead))
}

fn microseconds(count: u64) -> TimeDelta {
    // Limits of longer intervals are refused; a burst that spans centuries is as good as none.
    TimeDelta::microseconds(i64::try_from(count).unwrap_or(i64::MAX).min(CENTURY))
}

/// In microseconds.
const CENTURY: i64 = 100 * 366 * 24 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap()
    }

    fn judged(limits: &[Limit], standings: &mut HashMap<String, Standing>, now: i64) -> Verdict {
        judge(Uuid::nil(), limits, false, standings, at(now))
    }

    #[test]
    fn as_many_begin_as_the_key_allows() {
        let two = [Limit::concurrency("k", 2)];
        let mut standings = HashMap::new();
        let verdicts: Vec<Verdict> = (0..3).map(|_| judged(&two, &mut standings, 0)).collect();
        assert_eq!(verdicts, [Verdict::Run, Verdict::Run, Verdict::Aside("k".to_owned())]);
    }

    #[test]
    fn turns_are_spaced_evenly_and_taken_in_advance() {
        let pair = [Limit::rate("k", 1, Duration::from_secs(6))];
        let mut standings = HashMap::new();
        let verdicts: Vec<Verdict> = (0..3).map(|_| judged(&pair, &mut standings, 0)).collect();
        assert_eq!(verdicts, [Verdict::Run, Verdict::At(at(6_000)), Verdict::At(at(12_000))]);
        // Its turn has come: it takes no other.
        assert_eq!(judge(Uuid::nil(), &pair, true, &mut standings, at(6_000)), Verdict::Run);
        assert_eq!(judged(&pair, &mut standings, 6_000), Verdict::At(at(18_000)));
    }

    #[test]
    fn a_key_that_has_rested_may_begin_its_burst_at_once_and_no_more() {
        let limit = [Limit::rate("k", 10, Duration::from_secs(1)).burst(3)];
        let mut standings = HashMap::new();
        for round in [0, 60_000] {
            let verdicts: Vec<Verdict> =
                (0..4).map(|_| judged(&limit, &mut standings, round)).collect();
            assert_eq!(verdicts[..3], [Verdict::Run, Verdict::Run, Verdict::Run]);
            assert_eq!(verdicts[3], Verdict::At(at(round + 100)));
        }
    }

    #[test]
    fn what_one_key_refuses_costs_nothing_of_the_others() {
        let both = [Limit::rate("rate", 1, Duration::from_secs(6)), Limit::concurrency("full", 1)];
        let full = Standing { running: 1, ..Standing::default() };
        let mut standings = HashMap::from([("full".to_owned(), full)]);
        assert_eq!(judged(&both, &mut standings, 0), Verdict::Aside("full".to_owned()));
        assert_eq!(standings, HashMap::from([("full".to_owned(), full)]));
    }

    #[test]
    fn in_order_only_the_first_begins_and_takes_no_turn_of_another_limit_before() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let limits = [Limit::in_order("k"), Limit::rate("rate", 1, Duration::from_secs(6))];
        let first = Standing { first: Some(one), ..Standing::default() };
        let mut standings = HashMap::from([("order/k".to_owned(), first)]);
        let behind = judge(other, &limits, false, &mut standings, at(0));
        assert_eq!(behind, Verdict::Aside("order/k".to_owned()));
        assert_eq!(standings.len(), 1, "no turn was taken");
        assert_eq!(judge(one, &limits, false, &mut standings, at(0)), Verdict::Run);
    }

    #[test]
    fn a_turn_that_lies_ahead_takes_no_place_of_a_key_that_limits_how_many_run() {
        let both = [Limit::rate("rate", 1, Duration::from_secs(6)), Limit::concurrency("one", 1)];
        let mut standings = HashMap::new();
        assert_eq!(judged(&both, &mut standings, 0), Verdict::Run);
        standings.entry("one".to_owned()).and_modify(|standing| standing.running = 0);
        assert_eq!(judged(&both, &mut standings, 1_000), Verdict::At(at(6_000)));
        assert_eq!(standings["one"].running, 0);
    }

    proptest! {
        /// However jobs come, no window of time sees more begin than the rate and its burst allow.
        #[test]
        fn no_window_sees_more_than_the_rate(
            pauses in prop::collection::vec(0i64..300, 1..60), burst in 1u32..5, window in 1i64..2_000,
        ) {
            let limit = [Limit::rate("k", 10, Duration::from_secs(1)).burst(burst)];
            let (mut standings, mut now, mut begun) = (HashMap::new(), 0, Vec::new());
            for pause in pauses {
                now += pause;
                match judged(&limit, &mut standings, now) {
                    Verdict::Run => begun.push(at(now)),
                    Verdict::At(turn) => begun.push(turn),
                    Verdict::Aside(_) => prop_assert!(false, "nothing limits how many run"),
                }
            }
            let most = i64::from(burst) + window / 100;
            for (place, from) in begun.iter().enumerate() {
                let until = *from + TimeDelta::milliseconds(window);
                let seen = begun[place..].iter().filter(|turn| **turn < until).count();
                prop_assert!(i64::try_from(seen).unwrap() <= most + 1, "{seen} in {window} ms");
            }
        }
    }
}
