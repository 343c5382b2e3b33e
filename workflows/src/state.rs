//! The rows of schema `studio`: one table a file, typed rows, small functions.
//!
//! Tables that span the workspaces ([`workspaces`], [`inbox`], [`routes`], [`health`], [`repairs`]) take a connection; all others take a
//! [`Tenant`](crate::tenancy::Tenant), which sees one workspace's rows only. Sealed columns are sealed and unsealed
//! here, so that they never leave as bytes.
//!
//! Statements on tenant tables name the workspace although row-level security restricts them anyway: it is what
//! their indexes begin with, and two independent bars are better than one.

pub mod ai_rules;
mod clock;
pub mod coach_settings;
pub mod contacts;
pub mod deliveries;
pub mod email_accounts;
pub mod endpoints;
mod error;
pub mod gaps;
pub mod health;
pub mod inbox;
pub mod messages;
pub mod payments;
pub mod phone_numbers;
pub mod profiles;
pub mod provider;
pub mod purchases;
pub mod repairs;
pub mod routes;
pub mod smoke_tests;
pub mod subscriptions;
#[cfg(test)]
mod tests;
pub mod twilio_accounts;
pub mod whatsapp_channels;
pub mod workspaces;

use chrono::{DateTime, Utc};

pub use clock::{now, now_of};
pub use error::SealedError;

/// What a provider says of something, and when it said so last by the database's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<T> {
    /// What it says.
    pub value: T,
    /// When it was asked last.
    pub checked_at: DateTime<Utc>,
}
