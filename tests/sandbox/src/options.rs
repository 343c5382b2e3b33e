//! What a sandbox may be told.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::{Limit, Provider};

/// How to start a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where HTTP listens. Default 127.0.0.1, any free port.
    pub http: SocketAddr,
    /// Where SMTP listens. Default 127.0.0.1, any free port.
    pub smtp: SocketAddr,
    /// The ledger's file; appended to if it exists.
    pub ledger: PathBuf,
    /// The credentials that are accepted.
    pub credentials: Credentials,
    /// How many subaccounts may be open before Twilio's error 21480. Default 1000, as Twilio's.
    pub subaccount_limit: usize,
    /// How many calls a provider takes; more are answered 429. Default: any number.
    pub limits: HashMap<Provider, Limit>,
    /// Takes no key for known and finds nothing by its name, so that whoever repeats a call repeats its effect. Default false.
    pub ignores_keys: bool,
    /// The text that the model answers with.
    pub completion: String,
}

impl Options {
    /// The defaults, with this ledger.
    pub fn new(ledger: impl Into<PathBuf>) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http: any_port,
            smtp: any_port,
            ledger: ledger.into(),
            credentials: Credentials::default(),
            subaccount_limit: 1000,
            limits: HashMap::new(),
            ignores_keys: false,
            completion: "Stark, dass du dranbleibst! Wann sehen wir dich diese Woche?".into(),
        }
    }
}

/// The credentials that the sandbox accepts. They open nothing but the sandbox, so they may be
/// printed.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Stripe's secret key.
    pub stripe_key: String,
    /// The main account's SID: `AC` and 32 hexadecimal digits.
    pub twilio_account_sid: String,
    /// The main account's token.
    pub twilio_auth_token: String,
    /// WhatsApp's system-user token.
    pub whatsapp_token: String,
    /// The id of the sending phone number.
    pub whatsapp_phone_number_id: String,
    /// The id of the WhatsApp business account.
    pub whatsapp_business_account_id: String,
    /// OpenAI's key.
    pub openai_key: String,
    /// The mailbox's user.
    pub smtp_user: String,
    /// The mailbox's password.
    pub smtp_password: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            stripe_key: "sk_test_sandbox".into(),
            twilio_account_sid: "AC5a0db0c5a0db0c5a0db0c5a0db0c5a0d".into(),
            twilio_auth_token: "sandbox-twilio-token".into(),
            whatsapp_token: "sandbox-whatsapp-token".into(),
            whatsapp_phone_number_id: "106540352242922".into(),
            whatsapp_business_account_id: "102290129340398".into(),
            openai_key: "sk-sandbox".into(),
            smtp_user: "studio@sandbox.test".into(),
            smtp_password: "sandbox-smtp-password".into(),
        }
    }
}
