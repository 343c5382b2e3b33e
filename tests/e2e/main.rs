//! End-to-end tests: the engine on a real Postgres, one database for each test.
//!
//! A file for each rule of the lease, whose tests begin with its number, and a file for each concern beside them.

mod crashes;
