//! What a step does whose provider could not be asked, because the pace of our calls had no turn for it.

use autopilot_engine::{Class, Result, Stop, Wait};

use crate::integrations::http::{CALL_TIMEOUT, NO_TURN};

/// Nobody raises it: the step looks again by itself. A limit that is exact over the fleet can raise it when it has room.
const EVENT: &str = "provider.turn";

/// A step that got no turn waits, which costs a row and no attempt, instead of failing.
pub(crate) fn or_wait<T>(result: Result<T>) -> Result<T> {
    match result {
        Err(Stop::Failed(failure)) if failure.code == NO_TURN => {
            let look_again = match failure.class {
                Class::RateLimited { retry_after } => retry_after,
                Class::TransientNetwork
                | Class::IntegrationOffline
                | Class::ThirdPartyAuthFailed
                | Class::ConfigurationError
                | Class::ProvisioningError
                | Class::UnknownOutcome => None,
            };
            Err(Stop::Waiting(Wait {
                event: EVENT.to_owned(),
                look_again: look_again.unwrap_or(CALL_TIMEOUT),
                reason: failure.message,
            }))
        }
        result => result,
    }
}

/// What was answered, if the provider was asked at all.
pub(super) fn if_asked<T>(result: Result<T>) -> Result<Result<T>> {
    match or_wait(result) {
        Err(Stop::Waiting(wait)) => Err(Stop::Waiting(wait)),
        asked => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use autopilot_engine::Failure;

    use super::*;
    use crate::integrations::http::TransportError;

    #[test]
    fn a_step_without_a_turn_waits_as_long_as_it_waited_for_one() {
        let waited = Duration::from_millis(3_500);
        let error = TransportError::NoTurn { host: "api.example.com:443".to_owned(), waited };
        let Err(Stop::Waiting(wait)) = or_wait::<()>(Err(error.into())) else {
            panic!("it does not wait")
        };
        assert_eq!(wait.look_again, waited);
        assert!(wait.reason.contains("api.example.com:443"), "{}", wait.reason);
    }

    #[test]
    fn every_other_failure_stays_one() {
        let limited = Class::RateLimited { retry_after: None };
        let failed = Stop::Failed(Failure::new(limited, "twilio_20429", "too many requests"));
        assert_eq!(or_wait::<()>(Err(failed.clone())), Err(failed.clone()));
        assert_eq!(if_asked::<()>(Err(failed.clone())), Ok(Err(failed)));
        assert_eq!(if_asked(Ok(7)), Ok(Ok(7)));
    }
}
