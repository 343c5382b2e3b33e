//! What a status alone says, for answers in which the provider gives no code of its own.

use std::time::Duration;

use autopilot_engine::Class;
use reqwest::StatusCode;

use super::Access;
use crate::integrations::diagnosis::Diagnosis;

/// Diagnoses an answer by its status. `provider` begins the code, as in `twilio_http_502`.
///
/// A refusal (4xx) was not executed. A server error or an answer that is not the provider's own (a
/// proxy's page) leaves a write unknown.
pub(crate) fn diagnose_status(
    provider: &str,
    status: StatusCode,
    access: Access,
    retry_after: Option<Duration>,
) -> Diagnosis {
    let code = format!("{provider}_http_{}", status.as_u16());
    match status.as_u16() {
        401 => Diagnosis::new(Class::ThirdPartyAuthFailed, code)
            .action(format!("check the credentials of {provider}")),
        408 => Diagnosis::new(Class::TransientNetwork, code).effect(access.if_lost()),
        429 => Diagnosis::new(Class::RateLimited { retry_after }, code),
        300..=399 | 404 | 405 | 415 => Diagnosis::new(Class::ConfigurationError, code)
            .action(format!("check base_url of {provider}: nothing of theirs is at this path")),
        200..=299 => Diagnosis::new(Class::IntegrationOffline, code).effect(access.if_executed()),
        _ => Diagnosis::new(Class::IntegrationOffline, code).effect(access.if_lost()),
    }
}
