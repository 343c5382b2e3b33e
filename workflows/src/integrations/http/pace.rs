//! Pacing: how many calls a second this process makes to one provider.
//!
//! Calls are spaced evenly and take their turns in the order in which they came. Whoever waits holds no database
//! connection, and the wait is part of the call's own time, which the lease outlasts. The clock is this process's
//! monotonic one: it decides nothing but when we ask.
//!
//! A fleet shares a provider's limit by dividing it, so a process that has little to do leaves its part unused. A limit
//! that is exact over the fleet takes the place of [`Pace::turn`]; nobody else knows how turns are given.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

/// A timer fires up to this late without the calls behind it being late too.
const TIMER: Duration = Duration::from_millis(2);

/// The turns of one provider's callers in this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Turns>);

#[derive(Debug)]
struct Turns {
    interval: Duration,
    /// When the next call may go. Tokio's lock is fair: callers queue for it, and the first of them sleeps holding it.
    next: Mutex<Instant>,
}

/// No turn came within the caller's patience; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoTurn;

impl Pace {
    /// This process's part of `calls` a second, which `processes` share.
    #[must_use]
    pub fn per_second(calls: NonZeroU32, processes: NonZeroU32) -> Self {
        let interval = Duration::from_secs(processes.get().into()) / calls.get();
        Self(Arc::new(Turns { interval, next: Mutex::new(Instant::now()) }))
    }

    /// Waits for a turn, `patience` at most. A caller that is dropped while it waits takes none.
    pub(super) async fn turn(&self, patience: Duration) -> Result<(), NoTurn> {
        let turn = async {
            let mut next = self.0.next.lock().await;
            sleep_until(*next).await;
            let now = Instant::now();
            *next = (*next).max(now.checked_sub(TIMER).unwrap_or(now)) + self.0.interval;
        };
        timeout(patience, turn).await.map_err(|_elapsed| NoTurn)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    fn pace(calls: u32, processes: u32) -> Pace {
        let one = |number| NonZeroU32::new(number).unwrap();
        Pace::per_second(one(calls), one(processes))
    }

    const PATIENT: Duration = Duration::from_secs(60);

    /// When each of so many callers that come at once gets its turn, in order.
    async fn turns(pace: &Pace, callers: u32) -> Vec<(u32, Duration)> {
        let begun = Instant::now();
        let mut waiting = JoinSet::new();
        for caller in 0..callers {
            let pace = pace.clone();
            waiting.spawn(async move {
                pace.turn(PATIENT).await.unwrap();
                (caller, begun.elapsed())
            });
        }
        let mut turns = Vec::new();
        while let Some(turn) = waiting.join_next().await {
            turns.push(turn.unwrap());
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn callers_take_evenly_spaced_turns_in_the_order_in_which_they_came() {
        let turns = turns(&pace(20, 1), 41).await;
        assert_eq!(
            turns.iter().map(|(caller, _)| *caller).collect::<Vec<_>>(),
            Vec::from_iter(0..41)
        );
        for (caller, at) in turns {
            let due = Duration::from_millis(50) * caller;
            assert!(at.abs_diff(due) <= TIMER, "caller {caller} after {at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn processes_share_the_rate() {
        let (_, last) = turns(&pace(20, 8), 6).await[5];
        assert!(
            last.abs_diff(Duration::from_secs(2)) <= TIMER,
            "five intervals of 0.4 s: {last:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_called_is_not_made_up_for() {
        let pace = pace(10, 1);
        turns(&pace, 1).await;
        tokio::time::advance(PATIENT).await;
        let (_, last) = turns(&pace, 11).await[10];
        assert!(last >= Duration::from_secs(1) - TIMER, "eleven calls in {last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_loses_patience_takes_no_turn() {
        let pace = pace(1, 1);
        turns(&pace, 1).await;
        let begun = Instant::now();
        assert_eq!(pace.turn(Duration::from_millis(500)).await, Err(NoTurn));
        assert_eq!(begun.elapsed().as_millis() / 100, 5);
        pace.turn(PATIENT).await.unwrap();
        assert!(begun.elapsed() <= Duration::from_secs(1) + TIMER, "its turn went to the next");
    }
}
