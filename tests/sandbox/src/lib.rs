//! A stateful stand-in for Stripe, Twilio, WhatsApp, OpenAI and an SMTP server.
//!
//! It serves the demo, the tests, and developers without provider accounts. It remembers what was
//! created, answers in the shapes of the providers' official API descriptions, and keeps a
//! [`Ledger`] of every call and every side effect, so that a double purchase is seen. Faults are
//! scripted with [`Rule`]s.
//!
//! | path | stands for |
//! |---|---|
//! | `/stripe/v1/…` | Stripe |
//! | `/twilio/2010-04-01/…`, `/twilio/v2/RegulatoryCompliance/…` | Twilio |
//! | `/whatsapp/v23.0/…` | the WhatsApp Cloud API |
//! | `/openai/v1/…` | OpenAI |
//! | `/_sandbox/{health,ledger,summary,faults}` | the sandbox itself |
//! | `/_sandbox/stripe/checkout` | completes a checkout, delivers its event |
//! | `/_sandbox/twilio/bundles`, `/_sandbox/twilio/balance/{balance}` | what people do at Twilio |
//! | `/_sandbox/whatsapp/templates` | what people do at Meta |
//!
//! A provider takes any number of calls unless a [`Limit`] is set; [`Sandbox::traffic`] says what came.
//!
//! What it leaves out: delivery reports, Twilio's addresses (any `AddressSid` will do), and WhatsApp's
//! 24-hour window. State lives in memory; only the ledger outlives the process.

mod admin;
mod connection;
mod exchange;
mod faults;
mod json;
mod ledger;
mod limits;
mod openai;
mod options;
mod provider;
mod sandbox;
mod server;
pub mod sign;
mod smtp;
mod state;
mod stripe;
mod twilio;
mod whatsapp;

pub use admin::{AdminError, CheckoutOutcome};
pub use faults::{ActiveRule, Fault, Faults, Rule};
pub use ledger::{DoubleEffect, Entry, Kind, Ledger, LedgerError, Record, Summary};
pub use limits::{Limit, Traffic};
pub use options::{Credentials, Options};
pub use provider::Provider;
pub use sandbox::{Sandbox, StartError};
pub use stripe::{Checkout, DeliveryError, PaymentStatus, SubscriptionStatus};
pub use twilio::BundleStatus;
pub use whatsapp::{Template, TemplateStatus};
