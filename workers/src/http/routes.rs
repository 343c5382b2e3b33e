//! Every address there is, and who guards it. A route without a guard cannot be written down.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use axum::{Router, middleware};

use super::auth::require_token;
use super::limits::{Places, end_in_time, take_place};
use super::problem::Problem;
use super::{
    Http, autopilot, breakers, health, overview, stripe_webhook, twilio_webhook, whatsapp_webhook,
    workspaces,
};

/// What a request must show before its handler does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing. For what tells nothing to strangers.
    Open,
    /// The provider's signature, or the token that was chosen for its handshake, which the handler verifies before it does anything.
    Signature,
    /// The API token.
    Token,
}

/// One method of one address.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) guard: Guard,
    handler: MethodRouter<Http>,
}

/// All routes. [`router`] serves these and no others.
pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, guard, handler| Route { method, path, guard, handler };
    vec![
        route("GET", "/livez", Guard::Open, get(health::live)),
        route("GET", "/readyz", Guard::Open, get(health::ready)),
        route("POST", "/webhooks/stripe", Guard::Signature, post(stripe_webhook::receive)),
        route("POST", "/webhooks/twilio/sms", Guard::Signature, post(twilio_webhook::sms)),
        route("POST", "/webhooks/twilio/status", Guard::Signature, post(twilio_webhook::status)),
        route("POST", "/webhooks/twilio/voice", Guard::Signature, post(twilio_webhook::voice)),
        route("POST", "/webhooks/twilio/bundle", Guard::Signature, post(twilio_webhook::bundle)),
        route("GET", "/webhooks/whatsapp", Guard::Signature, get(whatsapp_webhook::shake_hands)),
        route("POST", "/webhooks/whatsapp", Guard::Signature, post(whatsapp_webhook::receive)),
        route("PUT", "/api/workspaces/{id}", Guard::Token, put(workspaces::register)),
        route("POST", "/api/onboarding/complete", Guard::Token, post(workspaces::complete)),
        route("POST", "/api/autopilot/reprovision", Guard::Token, post(autopilot::reprovision)),
        route("POST", "/api/autopilot/run", Guard::Token, post(autopilot::run_due)),
        route("GET", "/api/autopilot/breakers", Guard::Token, get(breakers::list)),
        route("POST", "/api/autopilot/breakers/trip", Guard::Token, post(breakers::trip)),
        route("POST", "/api/autopilot/breakers/reset", Guard::Token, post(breakers::reset)),
        route("GET", "/api/autopilot/health", Guard::Token, get(overview::show)),
        route("GET", "/api/autopilot/status", Guard::Token, get(autopilot::status)),
    ]
}

/// The server's whole surface: at most `places` guarded requests at once, none longer than `time`.
pub(crate) fn router(http: Http, places: usize, time: Duration) -> Router {
    let places = Places::new(places);
    let router = routes().into_iter().fold(Router::new(), |router, route| {
        tracing::debug!(method = route.method, path = route.path, guard = ?route.guard, "route");
        let handler = match route.guard {
            // Never crowded out: whoever restarts processes asks here.
            Guard::Open => route.handler,
            Guard::Signature => route
                .handler
                .route_layer(middleware::from_fn_with_state(places.clone(), take_place)),
            Guard::Token => route
                .handler
                .route_layer(middleware::from_fn_with_state(places.clone(), take_place))
                .route_layer(middleware::from_fn_with_state(http.token.clone(), require_token)),
        };
        router.route(route.path, handler)
    });
    router
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address."))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .layer(middleware::from_fn_with_state(time, end_in_time))
        .layer(middleware::map_response(private))
        .with_state(http)
}

/// No answer is kept by anybody on the way, nor taken for another type than it says.
async fn private(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderName::from_static("x-content-type-options");
    headers.insert(nosniff, HeaderValue::from_static("nosniff"));
    answer
}
