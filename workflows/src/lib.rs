//! What the autopilot of a fitness studio does.

use std::borrow::Cow;

use sqlx::migrate::Migrator;

pub mod app;
mod fail;
pub mod integrations;
pub mod messages;
pub mod outbound;
pub mod provisioning;
pub mod repair;
pub mod state;
pub mod tenancy;
pub mod webhooks;

/// The migrations of schema `studio`. They are recorded in `studio._migrations`, apart from the engine's, so that
/// both run in one database.
pub static MIGRATOR: Migrator = Migrator {
    table_name: Cow::Borrowed("studio._migrations"),
    create_schemas: Cow::Borrowed(&[Cow::Borrowed("studio")]),
    ..sqlx::migrate!("../migrations/studio")
};
