//! In which order a claim asks the lanes of a queue, and how many jobs it takes of each at most.
//!
//! Better lanes come first; one that has waited far longer than those before it gets a share of the free slots, so that
//! nothing starves. Where workspaces take turns, each has a share of its own in every lane, and whoever has had least,
//! by its weight, is next: a workspace that brings a hundred thousand jobs at once is served as often as one that brings one.

use std::cmp::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::lanes::{Lane, LaneId, Lanes, NUMBERS};

/// A claim asks no more workspaces of a lane than this: each costs a look into the index.
const SHARES: usize = 128;

/// What a lane that has waited too long gets of the free slots: one in so many.
const AGED_SHARE: usize = 4;

/// What a claim asks of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) lane: LaneId,
    pub(super) mark: DateTime<Utc>,
    pub(super) most: usize,
}

/// What a workspace's share weighs.
pub(super) trait Weights {
    /// 1 where nobody has said anything else.
    fn of(&self, share: i32) -> f64;
}

/// The lanes in the order in which they are to be asked. `ageing` is how much longer than the priority above a job waits
/// until it counts as much.
pub(super) fn order(
    lanes: &Lanes,
    weights: &impl Weights,
    free: usize,
    fast: bool,
    ageing: Duration,
) -> Vec<Wanted> {
    let aged = aged(lanes, TimeDelta::from_std(ageing).unwrap_or(TimeDelta::MAX));
    let (resumed, priorities) = NUMBERS.split_at(1);
    let mut wanted = Vec::with_capacity(NUMBERS.len());
    let mut ask = |numbers: &[i16], free| {
        for number in numbers {
            shares(&mut wanted, lanes, *number, weights, free, fast);
        }
    };
    ask(resumed, free);
    ask(&aged, free.div_ceil(AGED_SHARE));
    ask(priorities, free);
    wanted
}

/// The priorities whose first job has waited longer than the first of a better one, by `ageing` for each step between them.
fn aged(lanes: &Lanes, ageing: TimeDelta) -> Vec<i16> {
    let (mut aged, mut best) = (Vec::new(), None);
    for number in NUMBERS.into_iter().filter(|number| *number >= 0) {
        let first = lanes.worth_asking(number).filter_map(|(_, lane)| lane.first).min();
        let Some(counts_from) = first
            .and_then(|first| first.checked_add_signed(ageing.checked_mul(i32::from(number))?))
        else {
            continue;
        };
        if best.is_some_and(|best| counts_from < best) {
            aged.push(number);
        }
        best = Some(best.map_or(counts_from, |best: DateTime<Utc>| best.min(counts_from)));
    }
    aged
}

/// The parts of one lane, whoever has had least first, each with its share of the slots.
fn shares(
    wanted: &mut Vec<Wanted>,
    lanes: &Lanes,
    number: i16,
    weights: &impl Weights,
    free: usize,
    fast: bool,
) {
    let mut parts: Vec<(LaneId, &Lane)> = lanes.worth_asking(number).collect();
    if let [(lane, only)] = parts.as_slice() {
        return wanted.push(Wanted { lane: *lane, mark: only.mark(fast), most: free });
    }
    parts.sort_by(|(_, one), (_, other)| {
        one.served.partial_cmp(&other.served).unwrap_or(Ordering::Equal)
    });
    parts.truncate(SHARES);
    // Everybody's part is asked in any case, and counts where there is something in it.
    let all: f64 = parts
        .iter()
        .filter(|(_, part)| part.expected)
        .map(|(lane, _)| weights.of(lane.share))
        .sum();
    wanted.extend(parts.into_iter().map(|(lane, part)| Wanted {
        lane,
        mark: part.mark(fast),
        most: cut(free, weights.of(lane.share) / all),
    }));
}

/// A share of the slots, one at least.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "slots are few"
)]
fn cut(free: usize, part: f64) -> usize {
    ((free as f64 * part).ceil() as usize).clamp(1, free.max(1))
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Seen;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Every share weighs 1, but for share 9, which weighs 3.
    struct Nine;

    impl Weights for Nine {
        fn of(&self, share: i32) -> f64 {
            if share == 9 { 3.0 } else { 1.0 }
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn lanes(first: &[(i16, i32, i64)]) -> Lanes {
        let mut lanes = Lanes::new();
        for (number, share, first) in first {
            let lane = LaneId { number: *number, share: *share };
            lanes.seen(Seen { lane, first: Some(at(*first)), now: at(1_000), proven: at(0) });
        }
        lanes
    }

    fn numbers(wanted: &[Wanted]) -> Vec<(i16, usize)> {
        wanted.iter().map(|wanted| (wanted.lane.number, wanted.most)).collect()
    }

    #[test]
    fn a_plain_queue_is_asked_from_the_best_lane_down() {
        let wanted = order(&lanes(&[(3, 0, 900), (0, 0, 950)]), &Nine, 8, false, MINUTE);
        assert_eq!(numbers(&wanted), [(-1, 8), (0, 8), (1, 8), (2, 8), (3, 8)]);
    }

    #[test]
    fn what_has_waited_too_long_gets_a_quarter_first() {
        // Low may wait three minutes longer than Critical.
        let wanted = order(&lanes(&[(3, 0, 100), (0, 0, 281)]), &Nine, 8, false, MINUTE);
        assert_eq!(numbers(&wanted)[..3], [(-1, 8), (3, 2), (0, 8)]);
        let wanted = order(&lanes(&[(3, 0, 100), (0, 0, 279)]), &Nine, 8, false, MINUTE);
        assert_eq!(numbers(&wanted)[..2], [(-1, 8), (0, 8)]);
    }

    #[test]
    fn nothing_counts_as_aged_without_ageing() {
        let wanted = order(&lanes(&[(3, 0, 0), (0, 0, 999)]), &Nine, 8, false, Duration::MAX);
        assert_eq!(numbers(&wanted).len(), NUMBERS.len());
    }

    #[test]
    fn workspaces_take_turns_and_share_by_weight() {
        let mut lanes = lanes(&[(2, 5, 100), (2, 9, 100), (2, 0, 100)]);
        lanes.claimed(LaneId { number: 2, share: 5 }, at(100), 10.0);
        lanes.claimed(LaneId { number: 2, share: 0 }, at(100), 20.0);
        let wanted = order(&lanes, &Nine, 10, false, MINUTE);
        let normal: Vec<(i32, usize)> = wanted
            .iter()
            .filter(|wanted| wanted.lane.number == 2)
            .map(|wanted| (wanted.lane.share, wanted.most))
            .collect();
        assert_eq!(normal, [(9, 6), (5, 2), (0, 2)]);
    }

    #[test]
    fn a_workspace_with_nothing_due_is_not_asked() {
        let wanted = order(&lanes(&[(2, 5, 2_000)]), &Nine, 10, false, MINUTE);
        assert_eq!(wanted.len(), NUMBERS.len());
    }
}
