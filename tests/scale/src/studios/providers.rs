//! How many calls the providers take, and at which pace the program is told to make them.

use std::collections::HashMap;

use autopilot_sandbox::{Limit, Provider as Which};

use crate::Failure;
use crate::arguments::Arguments;

/// Calls that Twilio takes at the same time.
const TWILIO_AT_ONCE: usize = 100;

/// A rate that nothing reaches.
const UNPACED: usize = 1_000_000;

/// A provider with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) which: Which,
    pub(super) name: &'static str,
    /// Its section in the program's configuration.
    section: &'static str,
    /// Calls that it takes in any second.
    pub(super) limit: usize,
    /// Calls a second that the program makes at most; none is any number.
    pub(super) pace: Option<usize>,
}

/// All of them, with the program's own defaults: 25 calls a second to Stripe are what its test mode takes, and what
/// each live endpoint takes. 80 messages a second are Meta's for a number. Twilio names no rate: it limits the calls
/// under way, which is enforced too; its rate here is what its paths would bear at 1 s a call.
/// `--stripe-limit N` sets another limit and a pace of four fifths, `--pace off` lets the program call as it likes.
pub(super) fn of(arguments: &Arguments) -> Result<Vec<Provider>, Failure> {
    let paced = match arguments.get("pace", "on".to_owned())?.as_str() {
        "on" => true,
        "off" => false,
        other => return Err(format!("--pace is on or off, not {other:?}").into()),
    };
    let stripe: usize = arguments.get("stripe-limit", 25)?;
    let provider = |which, name, section, limit, pace| Provider {
        which,
        name,
        section,
        limit,
        pace: paced.then_some(pace),
    };
    Ok(vec![
        provider(Which::Stripe, "Stripe", "STRIPE", stripe, stripe * 4 / 5),
        provider(Which::Twilio, "Twilio", "TWILIO", TWILIO_AT_ONCE, 80),
        provider(Which::Whatsapp, "WhatsApp", "WHATSAPP", 80, 60),
    ])
}

/// As the stand-in enforces them.
pub(super) fn limits(providers: &[Provider]) -> HashMap<Which, Limit> {
    let limit = |provider: &Provider| match provider.which {
        Which::Twilio => Limit::per_second(provider.limit).at_once(TWILIO_AT_ONCE),
        Which::Stripe | Which::Whatsapp | Which::Openai | Which::Smtp => {
            Limit::per_second(provider.limit)
        }
    };
    providers.iter().map(|provider| (provider.which, limit(provider))).collect()
}

/// The variables that set the program's pace.
pub(super) fn env(providers: &[Provider]) -> Vec<(String, String)> {
    let variable = |provider: &Provider| {
        let pace = provider.pace.unwrap_or(UNPACED);
        (format!("AUTOPILOT__{}__CALLS_PER_SECOND", provider.section), pace.to_string())
    };
    providers.iter().map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Provider> {
        of(&Arguments::parse(text.split_whitespace().map(str::to_owned)).unwrap()).unwrap()
    }

    #[test]
    fn every_pace_stays_a_fifth_below_its_limit() {
        for provider in parse("").into_iter().chain(parse("--stripe-limit 100")) {
            assert!(provider.pace.unwrap() * 5 <= provider.limit * 4, "{provider:?}");
        }
    }

    #[test]
    fn without_a_pace_the_program_is_told_a_rate_that_it_never_reaches() {
        let providers = parse("--pace off");
        let (name, value) = env(&providers).swap_remove(0);
        assert_eq!(
            (name.as_str(), value.as_str()),
            ("AUTOPILOT__STRIPE__CALLS_PER_SECOND", "1000000")
        );
        assert_eq!(limits(&providers)[&Which::Stripe], Limit::per_second(25));
    }
}
