//! A mail server's negative reply: three digits, and often three numbers that say more (RFC 3463).

use std::fmt;
use std::str::FromStr;

use autopilot_engine::Class;

use crate::integrations::diagnosis::Diagnosis;

/// How far a conversation with a mail server had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Connecting, up to the end of the greeting.
    Connect,
    /// Changing to TLS.
    StartTls,
    /// Logging in.
    LogIn,
    /// Asking whether all is well.
    Probe,
    /// Handing over a message for one recipient.
    Message,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the greeting",
            Self::StartTls => "STARTTLS",
            Self::LogIn => "the login",
            Self::Probe => "the check",
            Self::Message => "the message",
        })
    }
}

/// An enhanced status code, such as 5.7.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(class, subject, detail) = self;
        write!(f, "{class}.{subject}.{detail}")
    }
}

impl FromStr for EnhancedCode {
    type Err = ();

    /// Reads the code at the beginning of a reply's text.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split_whitespace().next().ok_or(())?.split('.');
        let mut next = || numbers.next()?.parse::<u16>().ok();
        let parsed = (next(), next(), next(), next());
        match parsed {
            (Some(2), Some(subject), Some(detail), None) => Ok(Self(2, subject, detail)),
            (Some(4), Some(subject), Some(detail), None) => Ok(Self(4, subject, detail)),
            (Some(5), Some(subject), Some(detail), None) => Ok(Self(5, subject, detail)),
            _ => Err(()),
        }
    }
}

/// A negative reply. Its text is left out: it is the tenant's server that writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The three digits, such as 535.
    pub code: u16,
    /// The enhanced status code, if the server gave one.
    pub enhanced: Option<EnhancedCode>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced}", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}

const ENCRYPT: &str = "choose STARTTLS (port 587) or implicit TLS (port 465) for this server";
const LOGIN: &str = "check user name and password of the mail server and set them anew";
const APP_PASSWORD: &str =
    "create an app password with the mail provider and set it instead of the account's password";
const SERVER: &str = "check host and port with the mail provider; the server does not serve us";
const MECHANISM: &str = "enable password login (AUTH PLAIN or LOGIN) with the mail provider";
const RECIPIENT: &str = "check the recipient's address; the server will not take mail for it";

impl Reply {
    /// What the reply means at this stage.
    pub(super) fn diagnosis(self, stage: Stage) -> Diagnosis {
        let class = |class| Diagnosis::new(class, format!("smtp_{}", self.code));
        let limited = Class::RateLimited { retry_after: None };
        match (self.code, stage) {
            // "Unusual rate" is a limit; any other 421 is a server that closes its door.
            (421, _) if self.enhanced == Some(EnhancedCode(4, 7, 0)) => class(limited),
            (421, _) => class(Class::IntegrationOffline),
            (530 | 538, _) => class(Class::ConfigurationError).action(ENCRYPT),
            (534, _) => class(Class::ThirdPartyAuthFailed).action(APP_PASSWORD),
            (535, _) => class(Class::ThirdPartyAuthFailed).action(LOGIN),
            (450, Stage::Message) if self.enhanced == Some(EnhancedCode(4, 2, 1)) => class(limited),
            (400..=499, _) => class(Class::TransientNetwork),
            (504, Stage::LogIn) => class(Class::ConfigurationError).action(MECHANISM),
            (_, Stage::LogIn) => class(Class::ThirdPartyAuthFailed).action(LOGIN),
            (_, Stage::Message) => class(Class::ProvisioningError).action(RECIPIENT),
            (_, Stage::Connect | Stage::StartTls | Stage::Probe) => {
                class(Class::ConfigurationError).action(SERVER)
            }
        }
    }
}
