//! What Meta's error codes mean. They come in answers and, for messages, later in status webhooks.

use std::time::Duration;

use autopilot_engine::Class;

use crate::integrations::diagnosis::Diagnosis;

/// How long to leave a number alone that Meta has limited for "hours" without saying how many.
const LONG_PAUSE: Duration = Duration::from_secs(60 * 60);

/// What one of Meta's codes means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The token has expired or is invalid.
    Token,
    /// A permission or scope is missing.
    Permission,
    /// The app, business account or number sends too fast.
    Throttled,
    /// Too many messages to this one member; the others are not concerned.
    ThrottledForRecipient,
    /// Too many members complained: hours of pause, and no marketing.
    PoorQuality,
    /// Too many registrations of the number: hours of pause.
    ThrottledRegistration,
    /// Meta is out of order. Codes 1 and 2 may also hide a bad request, so attempts must be capped.
    Outage,
    /// Meta works on the number, for minutes.
    Maintenance,
    /// Blocked for a breach of policy, locked, or not served in the country.
    Blocked,
    /// Our request, our registration or our template is wrong.
    BadRequest,
    /// No such object, or not ours.
    NotFound,
    /// The business account has no working payment method.
    Payment,
    /// More than 24 hours since the member wrote: only a template may be sent.
    WindowClosed,
    /// The template is not approved, paused or disabled.
    TemplateUnusable,
    /// This member cannot be reached.
    Unreachable,
    /// Meta holds this message back to protect the member: skip this occasion.
    Withheld,
    /// The member has stopped marketing from this number.
    OptedOut,
    /// A code that this version does not know.
    Unknown,
}

impl Meaning {
    /// What a code means.
    #[must_use]
    pub const fn of(code: u32) -> Self {
        match code {
            0 | 104 | 190 => Self::Token,
            3 | 10 | 200..=299 | 131_005 => Self::Permission,
            4 | 17 | 80_007 | 130_429 => Self::Throttled,
            131_056 => Self::ThrottledForRecipient,
            131_048 | 131_064 => Self::PoorQuality,
            133_016 => Self::ThrottledRegistration,
            1 | 2 | 131_000 | 131_016 | 135_000 => Self::Outage,
            131_057 | 2_494_100 => Self::Maintenance,
            368 | 130_497 | 131_031 => Self::Blocked,
            33 | 100 | 131_008 | 131_009 | 131_037 | 131_045 | 131_051 | 132_000 | 132_005
            | 132_008 | 132_012 => Self::BadRequest,
            803 => Self::NotFound,
            131_042 => Self::Payment,
            131_047 => Self::WindowClosed,
            131_063 | 132_001 | 132_007 | 132_015 | 132_016 => Self::TemplateUnusable,
            131_021 | 131_026 | 131_030 | 131_062 => Self::Unreachable,
            130_472 | 131_049 => Self::Withheld,
            131_050 => Self::OptedOut,
            _ => Self::Unknown,
        }
    }

    /// What follows from it, under the name of the code and with the wait that the provider asked
    /// for.
    pub(super) fn diagnosis(self, name: String, retry_after: Option<Duration>) -> Diagnosis {
        use Class::{
            ConfigurationError, IntegrationOffline, ProvisioningError, RateLimited,
            ThirdPartyAuthFailed,
        };

        let paused = RateLimited { retry_after: retry_after.or(Some(LONG_PAUSE)) };
        let of = |class| Diagnosis::new(class, name);
        match self {
            Self::Token => of(ThirdPartyAuthFailed)
                .action("create a new system user token in Meta Business settings and set it"),
            Self::Permission => of(ThirdPartyAuthFailed).action(
                "give the system user the business account and both whatsapp_business rights",
            ),
            Self::Throttled | Self::ThrottledForRecipient => of(RateLimited { retry_after }),
            Self::PoorQuality => of(paused).action(
                "stop marketing until the number's quality in WhatsApp Manager has recovered",
            ),
            Self::ThrottledRegistration => {
                of(paused).action("do not register the number again for some hours")
            }
            Self::Outage | Self::Maintenance => of(IntegrationOffline),
            Self::Blocked => of(ProvisioningError)
                .action("open the account's notices in WhatsApp Manager and appeal there"),
            Self::BadRequest => of(ConfigurationError)
                .action("correct the request, registration or template: the message names it"),
            Self::NotFound => of(ConfigurationError)
                .action("compare phone number id and business account id with WhatsApp Manager"),
            Self::Payment => of(ProvisioningError)
                .action("set a working payment method for the business account in Meta"),
            Self::WindowClosed => of(ProvisioningError)
                .action("send an approved template: the member last wrote over 24 hours ago"),
            Self::TemplateUnusable => of(ProvisioningError)
                .action("open the template in WhatsApp Manager: it is not approved, or withdrawn"),
            Self::Unreachable => {
                of(ProvisioningError).action("mark the contact as not reachable by WhatsApp")
            }
            Self::Withheld => {
                of(ProvisioningError).action("skip this message; the next one may go through")
            }
            Self::OptedOut => of(ProvisioningError)
                .action("record the opt-out and send no more marketing to this member"),
            Self::Unknown => of(ConfigurationError)
                .action("look the code up in Meta's list of Cloud API error codes"),
        }
    }
}
