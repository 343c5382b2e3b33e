//! To be written.

pub mod integrations;
