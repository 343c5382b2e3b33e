//! What tests share, here and in the crates above (feature `testing`).

mod database;

pub use database::TestDatabase;
