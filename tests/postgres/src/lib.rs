//! A private Postgres for tests, demos and development.
//!
//! [`Cluster::start`] finds the binaries of an installed Postgres, makes a cluster of its own in a
//! state directory, and runs it as a direct child on a free loopback port. Nothing is shared with a
//! system cluster: not the data, not the port, not the socket directory. [`Database::open`] puts
//! `DATABASE_URL` in front of that: where it is set, it is used and nothing is started.
//!
//! What a state directory holds, beside the data of the cluster:
//!
//! | entry | what it is |
//! |---|---|
//! | `pg/` | the data of the durable cluster |
//! | `ephemeral/` | the data of the cluster for tests, which runs without fsync and is never mixed with `pg/` |
//! | `data.tmp.<pid>/` | an initdb under way; renamed when whole, removed by the next start when not |
//! | `pg.lock` | locked by the process that owns the state directory |
//! | `pg.password` | the superuser's password, readable by its owner only |
//! | `pg.log` | the server's log |
//! | `run/` | the private socket directory |
//!
//! Everything here blocks the calling thread; an asynchronous program calls it before it starts its
//! runtime, or through `spawn_blocking`.

mod address;
mod client;
mod cluster;
mod database;
mod detect;
mod error;
mod initdb;
mod install;
mod keeper;
mod lock;
mod options;
mod orphan;
mod reach;
mod server;
mod settings;
mod standby;
mod state;
mod user;

pub use cluster::Cluster;
pub use database::Database;
pub use error::Error;
pub use options::Options;

#[cfg(test)]
mod testing;
