//! End-to-end tests: the engine on a real Postgres, one database for each test.
//!
//! A file for each rule of the lease, whose tests begin with its number, and a file for each concern beside them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod children;
mod compensate;
mod costs;
mod crashes;
mod cron;
mod deploys;
mod enqueueing;
mod events;
mod grouped;
mod isolation;
mod l01_claim;
mod l02_fence;
mod l03_before_a_call;
mod l04_heartbeat;
mod l05_clock;
mod l06_long_jobs;
mod l07_crashes;
mod l08_one_commit;
mod l09_drain;
mod l10_cancel;
mod l11_unique;
mod l12_lost_answers;
mod lanes;
mod limits;
mod limits_replaced;
mod operators;
mod partition;
mod pauses;
mod poison;
mod progress;
mod provision;
mod provision_crashes;
mod provision_faults;
mod provision_pace;
mod provision_triggers;
mod provision_waits;
mod rescue_races;
mod retention;
mod retries;
mod stale_statistics;
mod starting;
mod state_machine;
mod steps;
mod steps_unusual;
mod storm;
mod stripe_events;
mod tidy;
mod turns;
mod unique;
mod vacuum;
mod waiting;
mod webhooks;
