//! All that a step may touch: the integrations that are configured, and the deployment's own settings.

use std::time::Duration;

use autopilot_engine::Registry;

use crate::integrations::courier::Courier;
use crate::integrations::email::{self, Email};
use crate::integrations::phone::Country;
use crate::integrations::stripe::Stripe;
use crate::integrations::twilio::Twilio;
use crate::integrations::whatsapp::{PhoneNumberId, WabaId, WhatsApp};
use crate::messages::SendMessage;
use crate::outbound::Deliver;
use crate::provisioning::{Provision, Settle};
use crate::repair::{Check, CheckDue};
use crate::webhooks::account_gaps::RepairAccountGaps;
use crate::webhooks::forget::ForgetEvents;
use crate::webhooks::route_again::RouteAgain;
use crate::webhooks::stripe_event::StripeEvent;
use crate::webhooks::stripe_gaps::{RepairStripeGap, RepairStripeGaps};
use crate::webhooks::stripe_refresh::RefreshSubscription;
use crate::webhooks::twilio_event::TwilioEvent;
use crate::webhooks::twilio_gaps::RepairTwilioGap;
use crate::webhooks::whatsapp_event::WhatsAppEvent;

/// The world of a workflow. What is not configured is absent, and the steps that need it are skipped with a word.
#[derive(Debug)]
pub struct App {
    /// Who pays.
    pub stripe: Option<Stripe>,
    /// Telephone.
    pub twilio: Option<Twilio>,
    /// Messages.
    pub whatsapp: Option<WhatsAppLine>,
    /// To addresses that studios name.
    pub courier: Courier,
    /// Mail.
    pub email: Option<MailServer>,
    /// How this deployment provisions.
    pub provisioning: Settings,
}

/// The WhatsApp number and business account that studios send from.
#[derive(Debug)]
pub struct WhatsAppLine {
    /// The client.
    pub client: WhatsApp,
    /// The number.
    pub phone_number: PhoneNumberId,
    /// The business account that owns it.
    pub business_account: WabaId,
}

/// The mail server that studios send through.
#[derive(Debug)]
pub struct MailServer {
    /// The client.
    pub client: Email,
    /// Its settings, which are kept with the studio.
    pub config: email::Config,
}

/// How this deployment provisions.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where providers reach us, without a trailing slash.
    pub public_base_url: String,
    /// Where numbers are bought for a studio that has not said where it is.
    pub default_country: Country,
    /// How many numbers a search looks at, and so how often a purchase may find its number taken.
    pub candidates: u8,
    /// Countries that sell numbers only against an approved regulatory bundle.
    pub regulated_countries: Vec<Country>,
    /// How often a pending bundle or an open checkout is looked at when no event comes.
    pub look_again: Duration,
    /// So long Twilio may still be at a purchase of which nobody knows how it ended: nobody buys sooner, for not to find it proves nothing.
    pub settle: Duration,
}

/// Everything that this deployment can run. Adding a workflow is one line here.
#[must_use]
pub fn registry() -> Registry<App> {
    Registry::new()
        .register::<Provision>()
        .register::<Settle>()
        .register::<Check>()
        .register::<CheckDue>()
        .register::<StripeEvent>()
        .register::<RefreshSubscription>()
        .register::<ForgetEvents>()
        .register::<RepairStripeGaps>()
        .register::<RouteAgain>()
        .register::<Deliver>()
        .register::<SendMessage>()
        .register::<RepairStripeGap>()
        .register::<RepairAccountGaps>()
        .register::<RepairTwilioGap>()
        .register::<TwilioEvent>()
        .register::<WhatsAppEvent>()
}
