//! The providers' clients. None of these calls anybody.

use std::net::IpAddr;
use std::time::Duration;

use autopilot_workflows::app::{MailServer, WhatsAppLine};
use autopilot_workflows::integrations::http::Timeouts;
use autopilot_workflows::integrations::{email, stripe, twilio, whatsapp};

use crate::config::{Smtp, SmtpTls, Stripe, Twilio, WhatsApp};
use crate::fail::Fail;

/// Stripe, where STRIPE_SECRET_KEY is set.
///
/// # Errors
/// When the base URL or the TLS set-up cannot be used.
pub(crate) fn stripe(config: &Stripe) -> Result<Option<stripe::Stripe>, Fail> {
    let Some(secret_key) = config.secret_key.clone() else { return Ok(None) };
    let client = stripe::Stripe::new(stripe::Config {
        base_url: config.base_url.as_str().to_owned(),
        secret_key,
        timeouts: timeouts(config.connect_timeout, config.timeout),
    });
    client.map(Some).map_err(|error| unusable("stripe", &error))
}

/// Twilio, where account and token are set.
///
/// # Errors
/// When the account is no account SID, or the base URL or the TLS set-up cannot be used.
pub(crate) fn twilio(config: &Twilio) -> Result<Option<twilio::Twilio>, Fail> {
    let (Some(sid), Some(auth_token)) = (&config.account_sid, &config.auth_token) else {
        return Ok(None);
    };
    let account_sid =
        sid.parse().map_err(|error| Fail::usage(format!("TWILIO_ACCOUNT_SID is {error}")))?;
    let mut settings = twilio::Config::new(account_sid, auth_token.clone());
    settings.timeouts = timeouts(config.connect_timeout, config.timeout);
    let base_url = config.base_url.as_str();
    if base_url != twilio::BASE_URL {
        // Whoever stands in for Twilio stands in for all of it: no call may reach the real one by accident.
        base_url.clone_into(&mut settings.base_url);
        base_url.clone_into(&mut settings.numbers_base_url);
    }
    let client = twilio::Twilio::new(settings);
    client.map(Some).map_err(|error| unusable("twilio", &error))
}

/// The WhatsApp number, where token, number and business account are set.
///
/// # Errors
/// When an id is none, or the base URL or the TLS set-up cannot be used.
pub(crate) fn whatsapp(config: &WhatsApp) -> Result<Option<WhatsAppLine>, Fail> {
    let (Some(token), Some(number), Some(account)) =
        (&config.api_token, &config.phone_number_id, &config.business_account_id)
    else {
        return Ok(None);
    };
    let wrong = |variable: &str, error| Fail::usage(format!("{variable} is {error}"));
    let phone_number: whatsapp::PhoneNumberId =
        number.parse().map_err(|error| wrong("WHATSAPP_PHONE_NUMBER_ID", error))?;
    let business_account =
        account.parse().map_err(|error| wrong("WHATSAPP_BUSINESS_ACCOUNT_ID", error))?;
    let client = whatsapp::WhatsApp::new(whatsapp::Config {
        base_url: config.base_url.as_str().to_owned(),
        access_token: token.clone(),
        phone_number_id: phone_number.clone(),
        timeouts: timeouts(config.connect_timeout, config.timeout),
    })
    .map_err(|error| unusable("whatsapp", &error))?;
    Ok(Some(WhatsAppLine { client, phone_number, business_account }))
}

/// The mail server, where SMTP_HOST is set.
pub(crate) fn email(config: &Smtp) -> Option<MailServer> {
    let host = config.host.clone()?;
    let credentials = match (&config.user, &config.password) {
        (Some(user), Some(password)) => {
            Some(email::Credentials { username: user.clone(), password: password.clone() })
        }
        (Some(_) | None, None) | (None, Some(_)) => None,
    };
    // Without encryption only loopback is spoken to at all, which is a server for development.
    let allow_private = config.tls == SmtpTls::None && is_loopback(&host);
    let settings = email::Config {
        host,
        port: config.port.get(),
        tls: match config.tls {
            SmtpTls::Starttls => email::Tls::StartTls,
            SmtpTls::Implicit => email::Tls::Implicit,
            SmtpTls::None => email::Tls::None,
        },
        credentials,
        allow_private,
        timeouts: timeouts(config.timeout.min(email_connect()), config.timeout),
    };
    Some(MailServer { client: email::Email::new(settings.clone()), config: settings })
}

fn email_connect() -> Duration {
    Timeouts::default().connect
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

const fn timeouts(connect: Duration, call: Duration) -> Timeouts {
    Timeouts { connect, call }
}

fn unusable(section: &str, error: &dyn std::error::Error) -> Fail {
    Fail::usage(format!("the client of {section} cannot be made: {error}; correct [{section}]"))
}
