//! How the marks move, and which lanes are known.

use super::*;

const CRITICAL: LaneId = LaneId::common(0);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn look_at(lane: LaneId, first: Option<i64>, now: i64, proven: i64) -> Seen {
    Seen { lane, first: first.map(at), now: at(now), proven: at(proven) }
}

fn look(first: Option<i64>, now: i64, proven: i64) -> Seen {
    look_at(CRITICAL, first, now, proven)
}

fn lane(lanes: &Lanes, id: LaneId) -> Lane {
    lanes.lanes[&id]
}

#[test]
fn the_safe_mark_waits_for_the_proof() {
    let mut lanes = Lanes::new();
    lanes.seen(look(None, 20, 9));
    assert_eq!(lane(&lanes, CRITICAL).safe, at(9) - SLACK);
}

#[test]
fn a_mark_is_kept_until_it_has_passed_what_was_claimed_and_then_left_alone() {
    let mut lanes = Lanes::new();
    lanes.seen(look(None, 11, 10));
    assert_eq!(lanes.take_moved(), [], "nothing was claimed");
    lanes.claimed(CRITICAL, at(20), 1.0);
    for (now, proven) in [(21, 11), (22, 21), (40, 30)] {
        lanes.seen(look(None, now, proven));
    }
    assert_eq!(lanes.take_moved(), [(CRITICAL, at(30) - SLACK)]);
    lanes.seen(look(None, 50, 49));
    assert_eq!(lanes.take_moved(), [], "an idle lane writes nothing");
}

#[test]
fn a_late_committer_lowers_the_fast_mark_again() {
    let mut lanes = Lanes::new();
    lanes.claimed(CRITICAL, at(50), 1.0);
    assert_eq!(lane(&lanes, CRITICAL).mark(true), at(50) - SLACK);
    lanes.seen(look(Some(40), 60, 0));
    assert_eq!(lane(&lanes, CRITICAL).mark(true), at(40) - SLACK);
}

#[test]
fn the_safe_mark_never_passes_a_ready_job() {
    let mut lanes = Lanes::new();
    lanes.seen(look(Some(5), 100, 90));
    assert!(lane(&lanes, CRITICAL).safe <= at(5));
}

#[test]
fn the_gaps_and_the_known_lanes_are_all_there_is() {
    let mut lanes = Lanes::new();
    let own = LaneId { number: 2, share: 77 };
    lanes.expect(own);
    let gaps: Vec<Gap> = lanes.gaps().collect();
    let expected = NUMBERS.map(|number| match number {
        2 => {
            vec![Gap { number, after: 0, before: 77 }, Gap { number, after: 77, before: Gap::END }]
        }
        number => vec![Gap { number, after: 0, before: Gap::END }],
    });
    assert_eq!(gaps, expected.concat());
}

#[test]
fn a_lane_that_is_not_known_begins_where_everything_was_seen_to_be_empty() {
    let mut lanes = Lanes::new();
    lanes.all_seen(at(20), at(10));
    let own = LaneId { number: 2, share: 77 };
    lanes.expect(own);
    assert_eq!(lane(&lanes, own).safe, at(10) - SLACK);
    // One that a look found may hold something from before.
    let found = LaneId { number: 2, share: 78 };
    lanes.seen(look_at(found, Some(5), 30, 25));
    assert_eq!(lane(&lanes, found).safe, at(5) - SLACK);
}

#[test]
fn an_own_lane_is_forgotten_after_an_hour_without_anything_and_a_common_one_never() {
    let mut lanes = Lanes::new();
    let (own, scheduled) = (LaneId { number: 2, share: 77 }, LaneId { number: 2, share: 78 });
    lanes.seen(look_at(own, Some(5), 10, 9));
    lanes.seen(look_at(scheduled, Some(90_000), 10, 9));
    lanes.seen(look_at(own, None, 3_609, 3_600));
    // Somebody has hinted at it, and no claim has asked it since.
    lanes.all_seen(at(3_611), at(3_600));
    assert!(lanes.lanes.contains_key(&own));
    lanes.emptied(own);
    lanes.all_seen(at(3_609), at(3_600));
    assert!(lanes.lanes.contains_key(&own));
    lanes.all_seen(at(3_611), at(3_600));
    assert_eq!(lanes.lanes.len(), NUMBERS.len() + 1);
    assert!(lanes.lanes.contains_key(&scheduled));
}

#[test]
fn whoever_comes_back_does_not_make_up_for_what_it_did_not_ask_for() {
    let mut lanes = Lanes::new();
    let (busy, back) = (LaneId { number: 2, share: 1 }, LaneId { number: 2, share: 2 });
    lanes.claimed(LaneId::common(2), at(0), 500.0);
    lanes.expect(busy);
    lanes.claimed(busy, at(1), 1_000.0);
    lanes.expect(back);
    assert!((lane(&lanes, back).served - 500.0).abs() < f64::EPSILON);
}
