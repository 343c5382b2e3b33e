//! The engine's own settings. Files and environment variables are the process's business, not the engine's.

use std::time::Duration;

use crate::breaker::BreakerPolicy;
use crate::retry::Retry;

/// How a worker process behaves.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The queues that it serves and how many jobs of each run at a time.
    pub queues: Vec<(String, usize)>,
    /// How long a process may be silent before its jobs are taken over; default 10 s. With the rescue's own
    /// interval it stays under the promised 15 s (P5).
    pub lease: Duration,
    /// How often a process says that it lives; default 2 s. At most a third of the lease.
    pub heartbeat: Duration,
    /// The longest that an external call may take; a call starts only while the lease outlasts it. Default 7 s.
    pub call_timeout: Duration,
    /// The poll's interval right after work was seen; default 2 ms.
    pub poll_min: Duration,
    /// The poll's interval when idle; default 3 s. It is the longest that a job waits whose hint was lost; jobs that are
    /// due at a known time are taken at that time.
    pub poll_max: Duration,
    /// At most so many jobs a claim; default 100.
    pub claim_batch: usize,
    /// How long running jobs may go on after a stop was asked for; default 30 s.
    pub drain: Duration,
    /// A job counts as much as one of the next better priority that was due so much later; default 1 min. What waits longer
    /// gets a quarter of the free slots before everything else. `Duration::MAX` keeps strictly to the priorities.
    pub ageing: Duration,
    /// The retry policy of kinds that state none of their own; default [`Retry::DEFAULT`].
    pub retry: Retry,
    /// When services that fail are called no more; see [`Step::calls`](crate::Step::calls).
    pub breakers: BreakerPolicy,
    /// So many attempts end in this process before it vacuums `engine.job` itself, for a tenth of the time at most and only
    /// as the table's owner; default 20,000. A queue that does less in a minute is vacuumed in time by autovacuum;
    /// `u64::MAX` leaves all of it to that.
    pub vacuum_after: u64,
    /// Whether to listen for wake-ups, on a connection of its own; false behind a [pooler](crate::pooler) in transaction mode.
    /// Default true.
    pub listen: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            queues: vec![("default".to_owned(), 10)],
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            call_timeout: Duration::from_secs(7),
            poll_min: Duration::from_millis(2),
            poll_max: Duration::from_secs(3),
            claim_batch: 100,
            drain: Duration::from_secs(30),
            ageing: Duration::from_secs(60),
            retry: Retry::DEFAULT,
            breakers: BreakerPolicy::default(),
            vacuum_after: 20_000,
            listen: true,
        }
    }
}

/// What is left of the lease beyond a call's timeout when the call may start.
pub const CALL_MARGIN: Duration = Duration::from_millis(500);

/// A job that crashed so often is set aside (L7).
pub const CRASH_LIMIT: i32 = 3;

impl WorkerConfig {
    /// What is wrong with the settings, each a sentence that names the setting and the fix; empty when all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.heartbeat.is_zero() || self.lease < self.heartbeat * 3 {
            problems.push(format!(
                "lease ({:?}) must be at least three heartbeats ({:?}): two may be missed",
                self.lease, self.heartbeat
            ));
        }
        // A call starts on a lease that was confirmed up to one heartbeat ago.
        if self.call_timeout + CALL_MARGIN + self.heartbeat > self.lease {
            problems.push(format!(
                "call timeout ({:?}) plus a margin of {CALL_MARGIN:?} and a heartbeat ({:?}) must fit into the lease ({:?})",
                self.call_timeout, self.heartbeat, self.lease
            ));
        }
        if self.poll_min.is_zero() || self.poll_max < self.poll_min {
            problems.push("poll_max must be at least poll_min, and poll_min above zero".to_owned());
        }
        if self.claim_batch == 0 {
            problems.push("claim_batch must be at least 1".to_owned());
        }
        if self.vacuum_after == 0 {
            problems.push("vacuum_after must be at least 1; u64::MAX turns it off".to_owned());
        }
        if self.queues.is_empty() {
            problems.push("at least one queue must be served".to_owned());
        }
        for (queue, concurrency) in &self.queues {
            if *concurrency == 0 {
                problems.push(format!("queue {queue} has concurrency 0: leave it out instead"));
            }
        }
        problems.extend(self.breakers.problems());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_bring_a_rescue_within_fifteen_seconds() {
        let config = WorkerConfig::default();
        assert_eq!(config.problems(), [""; 0]);
        // Silent until the lease ends, found out by another's next heartbeat, taken by its next look.
        let rescue = config.lease + config.heartbeat + config.poll_max;
        assert!(rescue <= Duration::from_secs(15), "{rescue:?}");
    }
}
