//! Which keys there are, and how each is named in the environment. The list is `worker.toml` itself.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Where every variable without a name of its own begins.
pub(crate) const PREFIX: &str = "AUTOPILOT__";

/// Keys with a variable of their own, as the product has always named it.
pub(super) const NAMED: [(&str, &str); 24] = [
    ("DATABASE_URL", "database.url"),
    ("RATE_LIMIT_REDIS_URL", "redis.url"),
    ("PUBLIC_BASE_URL", "http.public_base_url"),
    ("AUTOPILOT_API_TOKEN", "http.api_token"),
    ("STRIPE_SECRET_KEY", "stripe.secret_key"),
    ("STRIPE_WEBHOOK_SECRET", "stripe.webhook_secrets"),
    ("STRIPE_BASE_URL", "stripe.base_url"),
    ("TWILIO_ACCOUNT_SID", "twilio.account_sid"),
    ("TWILIO_AUTH_TOKEN", "twilio.auth_token"),
    ("TWILIO_BASE_URL", "twilio.base_url"),
    ("WHATSAPP_API_TOKEN", "whatsapp.api_token"),
    ("WHATSAPP_PHONE_NUMBER_ID", "whatsapp.phone_number_id"),
    ("WHATSAPP_BUSINESS_ACCOUNT_ID", "whatsapp.business_account_id"),
    ("WHATSAPP_VERIFY_TOKEN", "whatsapp.verify_token"),
    ("WHATSAPP_APP_SECRET", "whatsapp.app_secret"),
    ("WHATSAPP_BASE_URL", "whatsapp.base_url"),
    ("OPENAI_API_KEY", "openai.api_key"),
    ("OPENAI_BASE_URL", "openai.base_url"),
    ("SMTP_HOST", "smtp.host"),
    ("SMTP_PORT", "smtp.port"),
    ("SMTP_USER", "smtp.user"),
    ("SMTP_PASSWORD", "smtp.password"),
    ("SMTP_TLS", "smtp.tls"),
    ("ENCRYPTION_KEY", "encryption.keys"),
];

/// The value of every key, by its dotted name: `worker.lease`.
pub(crate) type Flat = BTreeMap<String, Value>;

/// The leaves of a table by their dotted names. A list is a leaf.
pub(crate) fn flatten(table: Table) -> Flat {
    let mut flat = Flat::new();
    let mut open = vec![(String::new(), table)];
    while let Some((path, table)) = open.pop() {
        for (name, value) in table {
            let key = if path.is_empty() { name } else { format!("{path}.{name}") };
            match value {
                Value::Table(table) => open.push((key, table)),
                leaf @ (Value::String(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_)) => {
                    flat.insert(key, leaf);
                }
            }
        }
    }
    flat
}

/// The table whose leaves these are. Inverse of [`flatten`] for keys of one catalogue.
pub(crate) fn nest(flat: &Flat) -> Table {
    let mut root = Table::new();
    for (key, value) in flat {
        let mut table = &mut root;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), value.clone());
                break;
            }
            let slot = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = slot else { break };
            table = inner;
        }
    }
    root
}

/// The one variable that sets a key.
pub(crate) fn variable(key: &str) -> String {
    match NAMED.iter().find(|(_, named)| *named == key) {
        Some((variable, _)) => (*variable).to_owned(),
        None => format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__")),
    }
}

/// The known key that was probably meant.
pub(crate) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
    known
        .map(|other| {
            // The right name in the wrong section is nearer than any misspelling.
            let strays = usize::from(name(key) != name(other));
            (strays * strsim::damerau_levenshtein(key, other), other)
        })
        .min()
        .filter(|(distance, other)| distance * 3 <= other.len())
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_by_spelling_or_by_section() {
        let known = ["worker.lease", "worker.poll_max", "database.max_connections"];
        let nearest = |key| nearest(key, known.into_iter());
        assert_eq!(nearest("worker.leese"), Some("worker.lease"));
        assert_eq!(nearest("workers.lease"), Some("worker.lease"));
        assert_eq!(nearest("lease"), Some("worker.lease"));
        assert_eq!(nearest("worker.max_connections"), Some("database.max_connections"));
        assert_eq!(nearest("colour"), None);
    }

    #[test]
    fn a_key_has_one_variable() {
        assert_eq!(variable("database.url"), "DATABASE_URL");
        assert_eq!(variable("worker.queues.default"), "AUTOPILOT__WORKER__QUEUES__DEFAULT");
    }
}
