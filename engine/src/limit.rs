//! Limits: how many jobs of a key run at a time, how many begin in a time, and in which order, over the whole fleet.

pub(crate) mod judge;
pub(crate) mod places;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 512;

/// What the keys begin with of those that run in order: theirs are others than those of other limits.
pub(crate) const ORDER: &str = "order/";

/// At most so many limits a job.
const MOST: usize = 8;

/// What a key allows, over all processes. A job that has several begins when all of them allow it; each job is judged by
/// the numbers that it brings itself.
///
/// Except [in order](Self::in_order), a job counts while an attempt of it runs, not while it sleeps, waits or is retried later.
/// What counts is derived from the jobs that there are, so no crash can leak it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) rule: Rule,
}

/// What is limited. The names of the fields stand in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Rule {
    Concurrency {
        at_a_time: u32,
        /// Whoever begins gives back the unique key of his job: another one may wait for it to end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        frees_key: bool,
    },
    Rate {
        /// From one turn to the next, in microseconds.
        interval: u64,
        /// How many turns may be taken at once by somebody who has taken none for long.
        burst: u32,
    },
    Order {
        /// Who is set aside does not hold up those behind him.
        may_be_passed: bool,
    },
}

impl Limit {
    /// At most `at_a_time` jobs with this key run at the same time, whichever processes run them. Jobs above that stand
    /// aside, at no cost, until one of them has ended; then the best and oldest is next.
    #[must_use]
    pub fn concurrency(key: impl Into<String>, at_a_time: u32) -> Self {
        Self { key: key.into(), rule: Rule::Concurrency { at_a_time, frees_key: false } }
    }

    /// Attempts of jobs with this key begin evenly, `turns` of them in each `interval`. A job whose turn has not come gets the
    /// next free one, and is due then; an attempt that failed or was given back takes another turn.
    #[must_use]
    pub fn rate(key: impl Into<String>, turns: u32, interval: Duration) -> Self {
        let each = interval.as_micros().checked_div(u128::from(turns)).unwrap_or_default();
        let interval = u64::try_from(each).unwrap_or(u64::MAX);
        Self { key: key.into(), rule: Rule::Rate { interval, burst: 1 } }
    }

    /// Jobs with this key run one after another, in the order in which they were enqueued, whatever their priorities: the next one
    /// begins when the one before has ended, and waits through its sleeps, waits, retries and crashes, and through the time until
    /// it is due. Of two that are enqueued at the same moment, the one whose transaction commits first may be the first.
    ///
    /// One that is set aside as a dead letter holds up those behind it until it is retried and ends, or is cancelled;
    /// [`may_be_passed`](Self::may_be_passed) says otherwise. What is put back after its end, or forked, comes last.
    #[must_use]
    pub fn in_order(key: impl Into<String>) -> Self {
        Self { key: format!("{ORDER}{}", key.into()), rule: Rule::Order { may_be_passed: false } }
    }

    /// Where jobs run in order: when this one is set aside, those behind it go on, and it comes last when it is put back. It says
    /// nothing about other limits.
    #[must_use]
    pub const fn may_be_passed(mut self) -> Self {
        if let Rule::Order { may_be_passed } = &mut self.rule {
            *may_be_passed = true;
        }
        self
    }

    /// Lets a key that has rested begin so many at once; 1 where nothing is said. It says nothing about other limits.
    #[must_use]
    pub const fn burst(mut self, turns: u32) -> Self {
        if let Rule::Rate { burst, .. } = &mut self.rule {
            *burst = turns;
        }
        self
    }

    /// One at a time of those that share a unique key until they begin.
    pub(crate) fn run_again(key: &uuid::Uuid) -> Self {
        let rule = Rule::Concurrency { at_a_time: 1, frees_key: true };
        Self { key: format!("unique/{key}"), rule }
    }

    /// Whether a job that begins gives back its unique key.
    pub(crate) const fn frees_key(&self) -> bool {
        matches!(self.rule, Rule::Concurrency { frees_key: true, .. })
    }

    /// Whether a job takes a place of it while it runs.
    pub(crate) const fn takes_place(&self) -> bool {
        matches!(self.rule, Rule::Concurrency { .. })
    }

    /// Whether somebody else may wait until a job that begins has ended.
    pub(crate) const fn holds_up(&self) -> bool {
        self.takes_place() || self.is_order()
    }

    /// Whether its jobs run one after another.
    pub(crate) const fn is_order(&self) -> bool {
        matches!(self.rule, Rule::Order { .. })
    }

    /// The most that `limits` of one job say about themselves: what is wrong, a sentence.
    pub(crate) fn problem(limits: &[Self]) -> Option<String> {
        if limits.len() > MOST {
            return Some(format!("it has {} limits; {MOST} are the most", limits.len()));
        }
        limits.iter().find_map(|limit| limit.own_problem().or_else(|| limit.repeated(limits)))
    }

    fn own_problem(&self) -> Option<String> {
        let Self { key, rule } = self;
        let key = key.strip_prefix(ORDER).filter(|_| self.is_order()).unwrap_or(key);
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Some(format!(
                "the key of a limit has {} bytes; it needs 1 to {LONGEST_KEY}",
                key.len()
            ));
        }
        if key.contains('\0') {
            return Some(format!("the key {key:?} of a limit contains a NUL character"));
        }
        match rule {
            Rule::Concurrency { at_a_time: 0, .. } => Some(format!(
                "the limit {key:?} lets none run at a time; pause the queue, the kind or the workspace instead"
            )),
            Rule::Rate { burst: 0, .. } => {
                Some(format!("the limit {key:?} has a burst of 0; 1 is the least"))
            }
            Rule::Rate { interval: 0, .. } => Some(format!(
                "the limit {key:?} has no turns, or more than a million a second; leave it out"
            )),
            Rule::Rate { interval, .. } if *interval > LONGEST_INTERVAL => {
                Some(format!("the limit {key:?} has less than one turn in 30 days"))
            }
            Rule::Concurrency { .. } | Rule::Rate { .. } | Rule::Order { .. } => None,
        }
    }

    fn repeated(&self, limits: &[Self]) -> Option<String> {
        let same = |other: &&Self| {
            other.key == self.key
                && std::mem::discriminant(&other.rule) == std::mem::discriminant(&self.rule)
        };
        (limits.iter().filter(same).count() > 1)
            .then(|| format!("it has two limits of one sort with the key {:?}", self.key))
    }
}

/// Thirty days, in microseconds.
const LONGEST_INTERVAL: u64 = 30 * 24 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_limit_is_written_and_read_as_it_is() {
        let limits = [
            Limit::concurrency("workspace/7", 2),
            Limit::rate("pair/1/2", 1, 6 * SECOND),
            Limit::rate("number/1", 80, SECOND).burst(5),
            Limit::in_order("member/3"),
            Limit::in_order("log").may_be_passed(),
        ];
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(
            text,
            r#"[{"key":"workspace/7","at_a_time":2},{"key":"pair/1/2","interval":6000000,"burst":1},{"key":"number/1","interval":12500,"burst":5},{"key":"order/member/3","may_be_passed":false},{"key":"order/log","may_be_passed":true}]"#
        );
        assert_eq!(serde_json::from_str::<Vec<Limit>>(&text).unwrap(), limits);
        assert_eq!(Limit::problem(&limits), None);
    }

    #[test]
    fn a_limit_that_makes_no_sense_is_refused_by_name() {
        let wrong = [
            (Limit::concurrency("k", 0), "lets none run"),
            (Limit::rate("k", 0, SECOND), "no turns"),
            (Limit::rate("k", 1, Duration::ZERO), "no turns"),
            (Limit::rate("k", 1, 31 * 24 * 3_600 * SECOND), "30 days"),
            (Limit::rate("k", 1, SECOND).burst(0), "burst of 0"),
            (Limit::concurrency("", 1), "0 bytes"),
            (Limit::concurrency("k".repeat(10_000), 1), "10000 bytes"),
            (Limit::concurrency("a\0b", 1), "NUL"),
            (Limit::in_order(""), "0 bytes"),
            (Limit::in_order("k".repeat(513)), "513 bytes"),
        ];
        for (limit, says) in wrong {
            let problem = Limit::problem(&[limit]).unwrap();
            assert!(problem.contains(says), "{problem}");
        }
        let twice = [Limit::concurrency("k", 1), Limit::concurrency("k", 2)];
        assert!(Limit::problem(&twice).unwrap().contains("two limits"));
        let both = [Limit::concurrency("k", 1), Limit::rate("k", 1, SECOND)];
        assert_eq!(Limit::problem(&both), None);
        let many: Vec<Limit> = (0..9).map(|n| Limit::concurrency(n.to_string(), 1)).collect();
        assert!(Limit::problem(&many).unwrap().contains("9 limits"));
    }
}
