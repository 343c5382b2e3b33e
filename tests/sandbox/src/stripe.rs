//! Stripe: customers, subscriptions, checkout sessions, events and the balance.

mod checkout;
mod objects;
mod session;
mod webhook;

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

pub(crate) use checkout::complete;
pub use checkout::{Checkout, PaymentStatus, SubscriptionStatus};
pub use webhook::DeliveryError;
pub(crate) use webhook::deliver;

use crate::Provider;
use crate::exchange::{Answer, Exchange, Route};
use crate::json::text;
use crate::ledger::Kind;
use crate::state::{State, fresh_id};

/// Rendered objects, oldest first, and the answers kept for idempotency keys.
#[derive(Debug, Default)]
pub(crate) struct StripeState {
    customers: Vec<Value>,
    subscriptions: Vec<Value>,
    sessions: Vec<Value>,
    events: Vec<Value>,
    charges: Vec<Value>,
    replays: BTreeMap<String, Replay>,
}

#[derive(Debug)]
struct Replay {
    path: String,
    form: Vec<(String, String)>,
    answer: Answer,
}

enum Call<'a> {
    Customer(&'a str),
    CreateCustomer,
    Subscriptions,
    Subscription(&'a str),
    Session(&'a str),
    Events,
    Charge(&'a str),
    Balance,
    Unknown,
}

fn call(request: &Exchange) -> Call<'_> {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "customers"]) => Call::CreateCustomer,
        ("GET", ["v1", "customers", id]) => Call::Customer(id),
        ("GET", ["v1", "subscriptions"]) => Call::Subscriptions,
        ("GET", ["v1", "subscriptions", id]) => Call::Subscription(id),
        ("GET", ["v1", "checkout", "sessions", id]) => Call::Session(id),
        ("GET", ["v1", "events"]) => Call::Events,
        ("GET", ["v1", "charges", id]) => Call::Charge(id),
        ("GET", ["v1", "balance"]) => Call::Balance,
        _ => Call::Unknown,
    }
}

pub(crate) fn route(state: &State, request: &Exchange) -> Route {
    let stripe = &state.stripe;
    let route = match call(request) {
        Call::CreateCustomer => {
            Route::new("stripe.create_customer").subject(request.form("metadata[workspace_id]"))
        }
        Call::Customer(id) => {
            Route::new("stripe.get_customer").subject(workspace(&stripe.customers, id))
        }
        Call::Subscriptions => Route::new("stripe.list_subscriptions")
            .subject(request.query("customer").and_then(|id| workspace(&stripe.customers, id))),
        Call::Subscription(id) => {
            Route::new("stripe.get_subscription").subject(workspace(&stripe.subscriptions, id))
        }
        Call::Session(id) => {
            Route::new("stripe.get_checkout_session").subject(workspace(&stripe.sessions, id))
        }
        Call::Events => Route::new("stripe.list_events"),
        Call::Charge(_) => Route::new("stripe.get_charge"),
        Call::Balance => Route::new("stripe.get_balance"),
        Call::Unknown => Route::new("stripe.unknown"),
    };
    route.key(request.header("idempotency-key"))
}

pub(crate) fn answer(state: &mut State, request: &Exchange) -> Answer {
    if let Some(refusal) = refuse(state, request) {
        return envelope(refusal);
    }
    let key = request.header("idempotency-key").filter(|_| request.method == Method::POST);
    let Some(key) = key else {
        return envelope(execute(&mut state.stripe, request));
    };
    if let Some(kept) = state.stripe.replays.get(key) {
        return envelope(replay(kept, request));
    }
    let answer = execute(&mut state.stripe, request);
    // A refused parameter is not kept: Stripe keeps what has begun to execute.
    if answer.status < 400 {
        let (path, form) = (request.path.clone(), request.form.clone());
        let mut kept = answer.clone();
        kept.effects.clear();
        state.stripe.replays.insert(key.to_owned(), Replay { path, form, answer: kept });
    }
    envelope(answer)
}

/// The error that Stripe answers with this status.
pub(crate) fn failure(status: u16) -> Answer {
    let kind = if status >= 500 { "api_error" } else { "invalid_request_error" };
    let answer = match status {
        401 => error(401, kind, None, "Invalid API Key provided: sk_test_****"),
        429 => error(429, kind, Some("rate_limit"), "Too many requests hit the API too quickly.")
            .header("stripe-rate-limited-reason", "global-rate"),
        _ => error(status, kind, None, "A failure that a script asked for."),
    };
    envelope(answer)
}

fn refuse(state: &State, request: &Exchange) -> Option<Answer> {
    let basic = request.basic().map(|(user, _)| user);
    let key = request.bearer().map(str::to_owned).or(basic);
    if key.as_deref() != Some(state.credentials.stripe_key.as_str()) {
        return Some(failure(401));
    }
    let message = "Invalid request: the body must be a form (application/x-www-form-urlencoded).";
    request.has_foreign_body().then(|| error(400, "invalid_request_error", None, message))
}

fn replay(kept: &Replay, request: &Exchange) -> Answer {
    if kept.path == request.path && kept.form == request.form {
        return kept.answer.clone().header("idempotent-replayed", "true");
    }
    let message = "Keys for idempotent requests can only be used with the same parameters they \
                   were first used with.";
    error(400, "idempotency_error", None, message)
}

fn execute(stripe: &mut StripeState, request: &Exchange) -> Answer {
    match call(request) {
        Call::CreateCustomer => create_customer(stripe, request),
        Call::Customer(id) => retrieve(&stripe.customers, "customer", id),
        Call::Subscriptions => list_subscriptions(stripe, request),
        Call::Subscription(id) => retrieve(&stripe.subscriptions, "subscription", id),
        Call::Session(id) => retrieve(&stripe.sessions, "checkout.session", id),
        Call::Events => list_events(stripe, request),
        Call::Charge(id) => retrieve(&stripe.charges, "charge", id),
        Call::Balance => Answer::json(200, objects::balance()),
        Call::Unknown => {
            let message =
                format!("Unrecognized request URL ({}: {}).", request.method, request.path);
            error(404, "invalid_request_error", None, &message)
        }
    }
}

fn create_customer(stripe: &mut StripeState, request: &Exchange) -> Answer {
    let metadata = request
        .form
        .iter()
        .filter_map(|(key, value)| {
            let name = key.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((name.to_owned(), Value::from(value.as_str())))
        })
        .collect();
    let id = fresh_id("cus_");
    let customer = objects::customer(
        &id,
        request.form("email"),
        request.form("name"),
        &Value::Object(metadata),
    );
    let effect = Route::new("stripe.create_customer")
        .subject(request.form("metadata[workspace_id]"))
        .key(request.header("idempotency-key"))
        .entry(Provider::Stripe, Kind::Effect, json!({"id": id}));
    stripe.customers.push(customer.clone());
    Answer::json(200, customer).effect(effect)
}

fn list_subscriptions(stripe: &StripeState, request: &Exchange) -> Answer {
    if let Some(id) = request.query("customer")
        && find(&stripe.customers, id).is_none()
    {
        return missing(400, "customer", id, "customer");
    }
    let wanted = request.query("status");
    page("/v1/subscriptions", &stripe.subscriptions, request, |subscription| {
        let status = text(subscription, "/status");
        let over = matches!(status, Some("canceled" | "incomplete_expired"));
        let of_status = match wanted {
            None => status != Some("canceled"),
            Some("all") => true,
            Some("ended") => over,
            Some(other) => status == Some(other),
        };
        of_status
            && request
                .query("customer")
                .is_none_or(|id| text(subscription, "/customer") == Some(id))
    })
}

fn list_events(stripe: &StripeState, request: &Exchange) -> Answer {
    let types: Vec<&str> = (0..20).map_while(|at| request.query(&format!("types[{at}]"))).collect();
    let since = request.query("created[gte]").and_then(|since| since.parse::<i64>().ok());
    // A connected account has a record of its own, which does not repeat whose it is.
    let account = request.header("stripe-account");
    let own: Vec<Value> = stripe
        .events
        .iter()
        .filter(|event| text(event, "/account") == account)
        .cloned()
        .map(|mut event| {
            if let Some(fields) = event.as_object_mut() {
                fields.remove("account");
            }
            event
        })
        .collect();
    page("/v1/events", &own, request, |event| {
        let kind = text(event, "/type").unwrap_or_default();
        let created = event.get("created").and_then(Value::as_i64).unwrap_or_default();
        request.query("type").is_none_or(|wanted| kind == wanted)
            && (types.is_empty() || types.contains(&kind))
            && since.is_none_or(|since| created >= since)
    })
}

/// Something happened, as the event says; nobody is told.
pub(crate) fn happen(stripe: &mut StripeState, event: Value) {
    stripe.events.push(event);
}

/// A customer paid.
pub(crate) fn charge(stripe: &mut StripeState, id: &str, customer: &str) {
    stripe.charges.push(objects::charge(id, customer));
}

/// A list as Stripe pages it: newest first, after the object that the caller saw last.
fn page(
    url: &str,
    objects: &[Value],
    request: &Exchange,
    matches: impl Fn(&Value) -> bool,
) -> Answer {
    let limit = match request.query("limit").map(str::parse::<usize>) {
        None => 10,
        Some(Ok(limit)) if (1..=100).contains(&limit) => limit,
        Some(_) => {
            let message = "Invalid integer: limit must be between 1 and 100.";
            return error(400, "invalid_request_error", Some("parameter_invalid_integer"), message);
        }
    };
    let mut newest = objects.iter().rev().filter(|object| matches(object));
    if let Some(last_seen) = request.query("starting_after") {
        newest.by_ref().find(|object| text(object, "/id") == Some(last_seen));
    }
    let data: Vec<&Value> = newest.by_ref().take(limit).collect();
    let has_more = newest.next().is_some();
    Answer::json(200, json!({"object": "list", "url": url, "has_more": has_more, "data": data}))
}

fn retrieve(objects: &[Value], kind: &str, id: &str) -> Answer {
    match find(objects, id) {
        Some(object) => Answer::json(200, object.clone()),
        None => missing(404, kind, id, "id"),
    }
}

fn find<'a>(objects: &'a [Value], id: &str) -> Option<&'a Value> {
    objects.iter().find(|object| text(object, "/id") == Some(id))
}

fn workspace<'a>(objects: &'a [Value], id: &str) -> Option<&'a str> {
    text(find(objects, id)?, "/metadata/workspace_id")
}

fn missing(status: u16, kind: &str, id: &str, param: &str) -> Answer {
    let message = format!("No such {kind}: '{id}'");
    let body = json!({"error": {
        "type": "invalid_request_error", "code": "resource_missing", "message": message,
        "param": param, "doc_url": "https://stripe.com/docs/error-codes/resource-missing",
    }});
    Answer::json(status, body)
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let error = match code {
        Some(code) => json!({"type": kind, "message": message, "code": code}),
        None => json!({"type": kind, "message": message}),
    };
    Answer::json(status, json!({"error": error}))
}

fn envelope(answer: Answer) -> Answer {
    answer.header("request-id", fresh_id("req_")).header("stripe-version", objects::API_VERSION)
}
