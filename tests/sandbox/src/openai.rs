//! OpenAI: chat completions with a fixed text, and the list of models.

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::Provider;
use crate::exchange::{Answer, Exchange, Route};
use crate::json::{member, text};
use crate::ledger::Kind;
use crate::state::{State, fresh_id};

const MODELS: [&str; 3] = ["gpt-4o-mini", "gpt-4.1-mini", "gpt-5-mini"];
/// When the sandbox's models were made; any time will do, as long as it stays the same.
const MODELS_CREATED: i64 = 1_735_689_600;

enum Call {
    Complete,
    Models,
    Model(String),
    Unknown,
}

fn call(request: &Exchange) -> Call {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "chat", "completions"]) => Call::Complete,
        ("GET", ["v1", "models"]) => Call::Models,
        ("GET", ["v1", "models", id]) => Call::Model((*id).to_owned()),
        _ => Call::Unknown,
    }
}

pub(crate) fn route(request: &Exchange) -> Route {
    match call(request) {
        Call::Complete => completion_route(&request.json().unwrap_or_default()),
        Call::Models => Route::new("openai.list_models"),
        Call::Model(_) => Route::new("openai.get_model"),
        Call::Unknown => Route::new("openai.unknown"),
    }
}

fn completion_route(body: &Value) -> Route {
    let user = text(body, "/safety_identifier").or_else(|| text(body, "/user"));
    Route::new("openai.complete_chat").subject(user)
}

pub(crate) fn answer(state: &mut State, request: &Exchange) -> Answer {
    if request.bearer() != Some(state.credentials.openai_key.as_str()) {
        return failure(401);
    }
    match call(request) {
        Call::Complete => complete(&state.completion, request),
        Call::Models => Answer::json(200, models()),
        Call::Model(id) => match MODELS.iter().find(|known| **known == id) {
            Some(known) => Answer::json(200, model(known)),
            None => {
                let message =
                    format!("The model '{id}' does not exist or you do not have access to it.");
                error(404, "invalid_request_error", Some("model_not_found"), &message)
            }
        },
        Call::Unknown => {
            let message = format!("Invalid URL ({} {})", request.method, request.path);
            error(404, "invalid_request_error", None, &message)
        }
    }
}

/// The error that OpenAI answers with this status.
pub(crate) fn failure(status: u16) -> Answer {
    match status {
        401 => error(
            401,
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided",
        ),
        429 => error(429, "requests", Some("rate_limit_exceeded"), "Rate limit reached"),
        503 => error(503, "server_error", Some("server_is_overloaded"), "The server is overloaded"),
        _ => error(status, "server_error", None, "A failure that a script asked for."),
    }
}

fn models() -> Value {
    let data = MODELS.map(model);
    json!({"object": "list", "data": data})
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": MODELS_CREATED, "owned_by": "sandbox"})
}

fn complete(completion: &str, request: &Exchange) -> Answer {
    let body = request.json().unwrap_or_default();
    let Some(model) = text(&body, "/model") else {
        return missing("model");
    };
    let Some(messages) =
        member(&body, "/messages").as_array().filter(|messages| !messages.is_empty())
    else {
        return missing("messages");
    };
    let content = content(completion, member(&body, "/response_format"));
    let id = fresh_id("chatcmpl-");
    let effect = completion_route(&body).entry(
        Provider::Openai,
        Kind::Effect,
        json!({"id": id, "model": model}),
    );
    // Words are near enough to tokens for a count that nobody pays.
    let prompt: usize = messages
        .iter()
        .filter_map(|message| text(message, "/content"))
        .map(|prompt| prompt.split_whitespace().count())
        .sum();
    let answered = content.split_whitespace().count();
    let body = json!({
        "id": id, "object": "chat.completion", "created": Utc::now().timestamp(), "model": model,
        "choices": [{
            "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": content, "refusal": null, "annotations": []},
        }],
        "usage": {
            "prompt_tokens": prompt, "completion_tokens": answered,
            "total_tokens": prompt + answered,
        },
    });
    Answer::json(200, body).effect(effect)
}

/// The text, or a JSON object around it where the request asks for one.
fn content(completion: &str, format: &Value) -> String {
    match text(format, "/type") {
        Some("json_schema") => {
            from_schema(completion, member(format, "/json_schema/schema")).to_string()
        }
        Some("json_object") => json!({"text": completion}).to_string(),
        Some(_) | None => completion.to_owned(),
    }
}

/// The simplest value of a JSON schema's type, with the text in every string.
fn from_schema(completion: &str, schema: &Value) -> Value {
    match text(schema, "/type") {
        Some("object") => {
            let members = member(schema, "/properties").as_object().cloned().unwrap_or_default();
            let filled: Map<String, Value> = members
                .iter()
                .map(|(name, schema)| (name.clone(), from_schema(completion, schema)))
                .collect();
            filled.into()
        }
        Some("array") => json!([from_schema(completion, member(schema, "/items"))]),
        Some("integer" | "number") => 1.into(),
        Some("boolean") => true.into(),
        Some(_) | None => schema.pointer("/enum/0").cloned().unwrap_or_else(|| completion.into()),
    }
}

fn missing(param: &str) -> Answer {
    let message = format!("Missing required parameter: '{param}'.");
    let error = json!({
        "message": message, "type": "invalid_request_error", "param": param,
        "code": "missing_required_parameter",
    });
    Answer::json(400, json!({"error": error}))
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    Answer::json(status, json!({"error": error})).header("x-request-id", fresh_id("req_"))
}
