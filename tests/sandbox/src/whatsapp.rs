//! The WhatsApp Cloud API: the sending number, messages, templates and subscribed apps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Provider;
use crate::exchange::{Answer, Exchange, Route};
use crate::json::{member, text};
use crate::ledger::Kind;
use crate::state::{State, fresh_id};

/// What WhatsApp remembers.
#[derive(Debug, Default)]
pub(crate) struct WhatsappState {
    subscribed: bool,
    /// When the token expires, in seconds since 1970, 0 for never; nobody is told where none is set.
    expires_at: Option<i64>,
    /// By name and language. A name that was never put here counts as approved, with any variables.
    templates: BTreeMap<(String, String), Template>,
}

/// A message template, as an operator of the sandbox describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The name that messages use.
    pub name: String,
    /// The language's code, such as `de`.
    pub language: String,
    /// Only `APPROVED` ones can be sent.
    pub status: TemplateStatus,
    /// The body's text, with `{{1}}`, `{{2}}` … as variables.
    pub body: String,
}

/// How WhatsApp's review of a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TemplateStatus {
    /// Can be sent.
    Approved,
    /// Not reviewed yet.
    Pending,
    /// Refused.
    Rejected,
    /// Stopped for a while, for its quality.
    Paused,
    /// Stopped for good, for its quality.
    Disabled,
}

impl TemplateStatus {
    /// The error that a message with this template meets.
    fn refusal(self) -> Option<(i64, &'static str)> {
        match self {
            Self::Approved => None,
            Self::Pending | Self::Rejected => Some((132_001, "Template name does not exist")),
            Self::Paused => Some((132_015, "Template is paused")),
            Self::Disabled => Some((132_016, "Template is disabled")),
        }
    }
}

impl WhatsappState {
    pub(crate) fn expire_token(&mut self, expires_at: Option<i64>) {
        self.expires_at = expires_at;
    }

    pub(crate) fn put_template(&mut self, template: Template) {
        let key = (template.name.clone(), template.language.clone());
        self.templates.insert(key, template);
    }
}

enum Call<'a> {
    DebugToken,
    Get(&'a str),
    Send(&'a str),
    SubscribedApps(&'a str),
    Subscribe(&'a str),
    Templates(&'a str),
    Unknown,
}

fn call(request: &Exchange) -> Call<'_> {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["v23.0", "debug_token"]) => Call::DebugToken,
        ("GET", ["v23.0", id]) => Call::Get(id),
        ("POST", ["v23.0", id, "messages"]) => Call::Send(id),
        ("GET", ["v23.0", id, "subscribed_apps"]) => Call::SubscribedApps(id),
        ("POST", ["v23.0", id, "subscribed_apps"]) => Call::Subscribe(id),
        ("GET", ["v23.0", id, "message_templates"]) => Call::Templates(id),
        _ => Call::Unknown,
    }
}

pub(crate) fn route(request: &Exchange) -> Route {
    match call(request) {
        Call::DebugToken => Route::new("whatsapp.debug_token"),
        Call::Get(id) => Route::new("whatsapp.get_phone_number").subject(Some(id)),
        Call::Send(_) => message_route(&request.json().unwrap_or_default()),
        Call::SubscribedApps(id) => Route::new("whatsapp.list_subscribed_apps").subject(Some(id)),
        Call::Subscribe(id) => Route::new("whatsapp.subscribe_app").subject(Some(id)),
        Call::Templates(id) => Route::new("whatsapp.list_templates").subject(Some(id)),
        Call::Unknown => Route::new("whatsapp.unknown"),
    }
}

fn message_route(message: &Value) -> Route {
    Route::new("whatsapp.send_message")
        .subject(recipient(message))
        .key(text(message, "/biz_opaque_callback_data"))
}

fn recipient(message: &Value) -> Option<&str> {
    text(message, "/to").or_else(|| text(message, "/recipient"))
}

pub(crate) fn answer(state: &mut State, request: &Exchange) -> Answer {
    let credentials = &state.credentials;
    if request.bearer() != Some(credentials.whatsapp_token.as_str()) {
        return failure(401);
    }
    let phone = credentials.whatsapp_phone_number_id.as_str();
    let business = credentials.whatsapp_business_account_id.as_str();
    match call(request) {
        Call::DebugToken => token(&state.whatsapp),
        Call::Get(id) if id == phone => phone_number(id),
        Call::Send(id) if id == phone => send(&state.whatsapp, request),
        Call::SubscribedApps(id) if id == business => subscribed_apps(&state.whatsapp),
        Call::Subscribe(id) if id == business => {
            state.whatsapp.subscribed = true;
            let effect = Route::new("whatsapp.subscribe_app").subject(Some(business)).entry(
                Provider::Whatsapp,
                Kind::Effect,
                json!({}),
            );
            Answer::json(200, json!({"success": true})).effect(effect)
        }
        Call::Templates(id) if id == business => templates(&state.whatsapp, request),
        Call::Get(id)
        | Call::Send(id)
        | Call::SubscribedApps(id)
        | Call::Subscribe(id)
        | Call::Templates(id) => {
            let message = format!(
                "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due \
                 to missing permissions, or does not support this operation"
            );
            error(400, 100, "GraphMethodException", &message)
        }
        Call::Unknown => error(400, 2500, "OAuthException", "Unknown path components"),
    }
}

/// The error that WhatsApp answers with this status.
pub(crate) fn failure(status: u16) -> Answer {
    let (code, message) = match status {
        401 => (190, "Error validating access token"),
        403 => (10, "Application does not have permission for this action"),
        429 => (130_429, "(#130429) Rate limit hit"),
        503 => (131_016, "(#131016) Service unavailable"),
        _ => (131_000, "(#131000) Something went wrong"),
    };
    error(status, code, "OAuthException", message)
}

fn phone_number(id: &str) -> Answer {
    let body = json!({
        "id": id, "display_phone_number": "+49 30 55500000", "verified_name": "Sandbox Studio",
        "quality_rating": "GREEN", "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
    });
    Answer::json(200, body)
}

fn token(whatsapp: &WhatsappState) -> Answer {
    match whatsapp.expires_at {
        Some(at) => {
            let data = json!({"type": "SYSTEM_USER", "is_valid": true, "expires_at": at});
            Answer::json(200, json!({ "data": data }))
        }
        None => error(400, 100, "OAuthException", "(#100) You must provide an app access token"),
    }
}

fn subscribed_apps(whatsapp: &WhatsappState) -> Answer {
    let app = json!({"id": "670843887433847", "name": "Sandbox App"});
    let data = if whatsapp.subscribed { vec![app] } else { Vec::new() };
    Answer::json(200, json!({"data": data}))
}

fn templates(whatsapp: &WhatsappState, request: &Exchange) -> Answer {
    let data: Vec<Value> = whatsapp
        .templates
        .values()
        .filter(|template| request.query("name").is_none_or(|name| template.name == name))
        .map(|template| {
            json!({
                "id": format!("{}:{}", template.name, template.language),
                "name": template.name, "language": template.language, "category": "MARKETING",
                "status": template.status,
                "components": [{"type": "BODY", "text": template.body}],
            })
        })
        .collect();
    let paging = json!({"cursors": {"before": "MAZDZD", "after": "MjQZD"}});
    Answer::json(200, json!({"data": data, "paging": paging}))
}

fn send(whatsapp: &WhatsappState, request: &Exchange) -> Answer {
    let Some(message) = request.json() else {
        return parameter_error("the body is not JSON");
    };
    if let Err(refusal) = check(whatsapp, &message) {
        return refusal;
    }
    let to = recipient(&message).unwrap_or_default();
    let id = fresh_id("wamid.");
    let effect = message_route(&message).entry(
        Provider::Whatsapp,
        Kind::Effect,
        json!({"id": id, "type": text(&message, "/type"), "template": text(&message, "/template/name")}),
    );
    let body = json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to.trim_start_matches('+')}],
        "messages": [{"id": id, "message_status": "accepted"}],
    });
    Answer::json(200, body).effect(effect)
}

fn check(whatsapp: &WhatsappState, message: &Value) -> Result<(), Answer> {
    if text(message, "/messaging_product") != Some("whatsapp") {
        return Err(parameter_error("messaging_product must be whatsapp"));
    }
    if recipient(message).is_none() {
        return Err(parameter_error("to or recipient is required"));
    }
    match text(message, "/type").unwrap_or("text") {
        "text" => match text(message, "/text/body") {
            Some(body) if (1..=4096).contains(&body.chars().count()) => Ok(()),
            _ => Err(parameter_error("text.body must have 1 to 4096 characters")),
        },
        "template" => check_template(whatsapp, member(message, "/template")),
        other => Err(error(400, 131_051, "OAuthException", &format!("Unsupported type: {other}"))),
    }
}

fn check_template(whatsapp: &WhatsappState, sent: &Value) -> Result<(), Answer> {
    let (Some(name), Some(language)) = (text(sent, "/name"), text(sent, "/language/code")) else {
        return Err(parameter_error("template.name and template.language.code are required"));
    };
    let Some(template) = whatsapp.templates.get(&(name.to_owned(), language.to_owned())) else {
        return Ok(());
    };
    if let Some((code, message)) = template.status.refusal() {
        return Err(error(400, code, "OAuthException", &format!("(#{code}) {message}")));
    }
    let components = member(sent, "/components").as_array().map(Vec::as_slice).unwrap_or_default();
    let given = components
        .iter()
        .filter(|component| text(component, "/type") == Some("body"))
        .filter_map(|component| member(component, "/parameters").as_array())
        .map(Vec::len)
        .sum::<usize>();
    if given != template.body.matches("{{").count() {
        let message = "(#132000) Number of parameters does not match the expected number of params";
        return Err(error(400, 132_000, "OAuthException", message));
    }
    Ok(())
}

fn parameter_error(what: &str) -> Answer {
    error(400, 100, "OAuthException", &format!("(#100) Invalid parameter: {what}"))
}

fn error(status: u16, code: i64, kind: &str, message: &str) -> Answer {
    let body = json!({"error": {
        "message": message, "type": kind, "code": code, "fbtrace_id": fresh_id("A"),
    }});
    Answer::json(status, body)
}
