//! API keys: the secret is told once, in the answer that creates it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{TwilioState, accounts, not_found, page};
use crate::exchange::{Answer, Exchange};
use crate::state::fresh_id;

#[derive(Debug)]
pub(crate) struct Key {
    sid: String,
    friendly_name: String,
    secret: String,
    created: DateTime<Utc>,
}

impl Key {
    pub(super) fn accepts(&self, user: &str, password: &str) -> bool {
        user == self.sid && password == self.secret
    }

    pub(super) fn secret(&self) -> String {
        self.secret.clone()
    }

    fn render(&self, secret: Option<&str>) -> Value {
        let created = self.created.to_rfc2822();
        let mut key = json!({
            "sid": self.sid, "friendly_name": self.friendly_name, "date_created": created,
            "date_updated": created,
        });
        if let (Some(secret), Some(members)) = (secret, key.as_object_mut()) {
            members.insert("secret".to_owned(), secret.into());
        }
        key
    }
}

pub(super) fn create(
    twilio: &mut TwilioState,
    sid: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    let owner = accounts::active(twilio, sid)?;
    let key = Key {
        sid: fresh_id("SK"),
        friendly_name: request.form("FriendlyName").unwrap_or_default().to_owned(),
        secret: fresh_id(""),
        created: Utc::now(),
    };
    let effect = owner.effect("twilio.create_key", json!({"sid": key.sid, "account": sid}));
    let body = key.render(Some(&key.secret));
    if let Some(owner) = twilio.account_mut(sid) {
        owner.keys.push(key);
    }
    Ok(Answer::json(201, body).effect(effect))
}

pub(super) fn list(twilio: &TwilioState, sid: &str, request: &Exchange) -> Result<Answer, Answer> {
    let keys: Vec<Value> =
        accounts::active(twilio, sid)?.keys.iter().map(|key| key.render(None)).collect();
    page(request, "keys", &keys)
}

pub(super) fn delete(twilio: &mut TwilioState, sid: &str, key: &str) -> Result<Answer, Answer> {
    let missing = || not_found(&format!("/Accounts/{sid}/Keys/{key}"));
    let owner = twilio.account_mut(sid).ok_or_else(missing)?;
    let at = owner.keys.iter().position(|held| held.sid == key).ok_or_else(missing)?;
    owner.keys.remove(at);
    let effect = owner.effect("twilio.delete_key", json!({"sid": key, "account": sid}));
    Ok(Answer::no_content().effect(effect))
}
