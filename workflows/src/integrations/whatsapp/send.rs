//! Sending a message.
//!
//! Meta knows no idempotency keys: what goes with a message as its reference comes back with each of its statuses, and that is the only
//! way to learn whether one was sent whose answer was lost.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PhoneNumberId, WhatsApp, WhatsAppError};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Anything, within a day of the member's last message.
    Text {
        /// Up to 4,096 characters.
        body: String,
    },
    /// An approved template, at any time.
    Template {
        /// Its name.
        name: String,
        /// The code of its language, such as `de`.
        language: String,
        /// What stands in its gaps, in their order: one line each, for Meta refuses line breaks there.
        variables: Vec<String>,
    },
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// The telephone number, digits only.
    Number(&'a str),
    /// WhatsApp's own id of a person, who may show no number.
    Person(&'a str),
}

/// WhatsApp has the message; whether it arrives is told by webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// WhatsApp's id of the message, `wamid.…`.
    pub message_id: String,
    /// The number as WhatsApp writes it, where it says so.
    pub wa_id: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    contacts: Vec<Contact>,
    messages: [Message; 1],
}

#[derive(Deserialize)]
struct Contact {
    #[serde(default)]
    wa_id: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
}

impl WhatsApp {
    /// Sends a message from our number. `reference` (512 characters at most) comes back with each of its statuses.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`]. Not safe to repeat: sent twice, it arrives twice.
    pub async fn send(
        &self,
        to: Recipient<'_>,
        content: &Content,
        reference: &str,
    ) -> Result<Accepted, WhatsAppError> {
        let from: &PhoneNumberId = &self.phone_number_id;
        let request = self
            .request(Method::POST, from.as_str(), "/messages")
            .json(&written(to, content, reference));
        let Answer { contacts, messages: [message] } =
            self.call("send the message", request).await?;
        let wa_id = contacts.into_iter().next().and_then(|contact| contact.wa_id);
        Ok(Accepted { message_id: message.id, wa_id })
    }
}

fn written(to: Recipient<'_>, content: &Content, reference: &str) -> Value {
    let (field, whom) = match to {
        Recipient::Number(number) => ("to", number),
        Recipient::Person(id) => ("recipient", id),
    };
    let mut message = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "biz_opaque_callback_data": reference,
        field: whom,
    });
    let (kind, body) = match content {
        Content::Text { body } => ("text", json!({ "body": body })),
        Content::Template { name, language, variables } => {
            let parameters: Vec<Value> =
                variables.iter().map(|text| json!({ "type": "text", "text": text })).collect();
            let components = match parameters.is_empty() {
                true => json!([]),
                false => json!([{ "type": "body", "parameters": parameters }]),
            };
            let language = json!({ "policy": "deterministic", "code": language });
            ("template", json!({ "name": name, "language": language, "components": components }))
        }
    };
    if let Value::Object(fields) = &mut message {
        fields.insert("type".to_owned(), kind.into());
        fields.insert(kind.to_owned(), body);
    }
    message
}
