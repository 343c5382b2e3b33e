//! The providers: half a configuration is an error, none at all is worth a warning.

use std::net::IpAddr;

use secrecy::ExposeSecret as _;

use super::{Config, Findings, SmtpTls};
use crate::config::units::format_duration;
use crate::config::{Smtp, Stripe, Twilio, WhatsApp};

pub(super) fn validate(config: &Config, found: &mut Findings<'_>) {
    stripe(&config.stripe, found);
    twilio(&config.twilio, found);
    whatsapp(&config.whatsapp, found);
    smtp(&config.smtp, found);
    if config.openai.api_key.is_none() {
        missing("openai.api_key", "follow-ups use their fixed text", found);
    }
    if config.encryption.keys.is_empty() {
        missing(
            "encryption.keys",
            "credentials cannot be sealed, so steps that make some fail",
            found,
        );
    }
    timeouts(config, found);
    settles(config, found);
}

fn missing(key: &str, consequence: &str, found: &mut Findings<'_>) {
    found.warning(key, format!("is not set: {consequence}"), Findings::set(key));
}

/// Keys that are of use only together. Warns when none is set, and names those that lack when some are.
fn together(keys: &[(&str, bool)], consequence: &str, found: &mut Findings<'_>) {
    let Some((set, _)) = keys.iter().find(|(_, is_set)| *is_set) else {
        if let Some((first, _)) = keys.first() {
            missing(first, consequence, found);
        }
        return;
    };
    for (lacking, _) in keys.iter().filter(|(_, is_set)| !is_set) {
        found.error(lacking, format!("is not set, but {set} is"), Findings::set(lacking));
    }
}

fn stripe(stripe: &Stripe, found: &mut Findings<'_>) {
    if stripe.secret_key.is_none() {
        missing("stripe.secret_key", "subscriptions are judged by webhooks alone", found);
    }
    if stripe.webhook_secrets.is_empty() {
        missing("stripe.webhook_secrets", "every Stripe webhook is refused", found);
    }
    for (place, secret) in (1..).zip(&stripe.webhook_secrets) {
        if !secret.expose_secret().starts_with("whsec_") {
            found.warning(
                "stripe.webhook_secrets",
                format!("secret {place} does not begin with whsec_, as Stripe's do"),
                "copy it from the endpoint's page, not from the API keys",
            );
        }
    }
}

fn twilio(twilio: &Twilio, found: &mut Findings<'_>) {
    let keys = [
        ("twilio.account_sid", twilio.account_sid.is_some()),
        ("twilio.auth_token", twilio.auth_token.is_some()),
    ];
    together(&keys, "steps that need Twilio are skipped", found);
    if twilio.account_sid.as_ref().is_some_and(|sid| !sid.starts_with("AC")) {
        found.error(
            "twilio.account_sid",
            "does not begin with AC, as account SIDs do",
            "copy the Account SID; API keys begin with SK and cannot make subaccounts",
        );
    }
}

fn whatsapp(whatsapp: &WhatsApp, found: &mut Findings<'_>) {
    let sending = [
        ("whatsapp.api_token", whatsapp.api_token.is_some()),
        ("whatsapp.phone_number_id", whatsapp.phone_number_id.is_some()),
    ];
    together(&sending, "steps that need WhatsApp are skipped", found);
    let receiving = [
        ("whatsapp.app_secret", whatsapp.app_secret.is_some()),
        ("whatsapp.verify_token", whatsapp.verify_token.is_some()),
    ];
    together(&receiving, "every WhatsApp webhook is refused", found);
}

fn smtp(smtp: &Smtp, found: &mut Findings<'_>) {
    let Some(host) = &smtp.host else {
        if smtp.user.is_some() || smtp.password.is_some() {
            found.error(
                "smtp.host",
                "is not set, but a user or password is",
                Findings::set("smtp.host"),
            );
        } else {
            missing("smtp.host", "e-mail is skipped", found);
        }
        return;
    };
    if host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
        found.error("smtp.host", "is not a host name", "write only mail.example.org");
    }
    let login = [("smtp.user", &smtp.user.is_some()), ("smtp.password", &smtp.password.is_some())];
    if let [(set, true), (lacking, false)] | [(lacking, false), (set, true)] = login {
        found.error(lacking, format!("is not set, but {set} is"), Findings::set(lacking));
    }
    plain_text(smtp, host, found);
    let port = smtp.port.get();
    if (smtp.tls, port) == (SmtpTls::Starttls, 465) || (smtp.tls, port) == (SmtpTls::Implicit, 587)
    {
        found.warning(
            "smtp.port",
            format!("is {port}, which servers use the other way round"),
            "use 587 with starttls and 465 with implicit",
        );
    }
}

fn plain_text(smtp: &Smtp, host: &str, found: &mut Findings<'_>) {
    let stays_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if smtp.tls == SmtpTls::None && smtp.password.is_some() && !stays_here {
        found.error(
            "smtp.tls",
            format!("is none, which would send the password to {host} for all to read"),
            "use starttls or implicit",
        );
    }
}

/// Nobody may take a purchase for settled while the call that makes it may still be under way.
fn settles(config: &Config, found: &mut Findings<'_>) {
    let least = config.twilio.timeout.saturating_mul(2);
    if config.provisioning.settle < least {
        found.error(
            "provisioning.settle",
            format!(
                "is {}, less than twice twilio.timeout: another number could be bought while the first is still under way",
                format_duration(config.provisioning.settle)
            ),
            format!("use {} or more", format_duration(least)),
        );
    }
}

/// A call must end while the lease still holds (rule L3): the lease may be a heartbeat old when it starts.
fn timeouts(config: &Config, found: &mut Findings<'_>) {
    let room = config.worker.lease.saturating_sub(config.worker.heartbeat_interval);
    let calls = [
        ("stripe", config.stripe.timeout, Some(config.stripe.connect_timeout)),
        ("twilio", config.twilio.timeout, Some(config.twilio.connect_timeout)),
        ("whatsapp", config.whatsapp.timeout, Some(config.whatsapp.connect_timeout)),
        ("openai", config.openai.timeout, Some(config.openai.connect_timeout)),
        ("smtp", config.smtp.timeout, None),
    ];
    for (section, total, connect) in calls {
        if total >= room {
            found.error(
                &format!("{section}.timeout"),
                format!(
                    "is {}, but a call must end within the lease less a heartbeat, {}",
                    format_duration(total),
                    format_duration(room)
                ),
                "shorten it",
            );
        }
        if connect.is_some_and(|connect| connect > total) {
            let key = format!("{section}.connect_timeout");
            found.error(&key, format!("is longer than {section}.timeout"), "shorten it");
        }
    }
}
