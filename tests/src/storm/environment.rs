//! The settings of the processes, and how fast a storm is.

use std::time::Duration;

use super::fleet::Settings;
use super::{Random, WEBHOOK_SECRET};

/// How long a silent process keeps its jobs in a short storm.
const LEASE: Duration = Duration::from_secs(3);

/// How often the processes say that they live, and how often they are struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Leases of three seconds, a strike every 0.3 to 0.9 s: kills and pauses.
    Short,
    /// Lease, heartbeat and timeouts as they are by default, a kill every 1.5 to 2.5 s.
    Production,
}

impl Pace {
    /// Until the next strike.
    pub(super) fn next_strike(self, random: &mut Random) -> Duration {
        let (least, more) = match self {
            Self::Short => (300, 600),
            Self::Production => (1_500, 1_000),
        };
        Duration::from_millis(least + random.below(more))
    }

    /// How late the providers answer, so that calls are under way when the kill comes.
    pub(super) const fn answers_after(self) -> Duration {
        match self {
            Self::Short => Duration::from_millis(80),
            Self::Production => Duration::from_millis(400),
        }
    }
}

/// What the processes are told. Of a short pace leases are short, so that a storm is; the relations between the times are those of
/// production.
pub(super) fn environment(
    pace: Pace,
    database: &[(&str, &str)],
    sandbox: &[(String, String)],
) -> Settings {
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let mut env = sandbox.to_vec();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    for (name, value) in database {
        set(name, value);
    }
    set("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET);
    set("ENCRYPTION_KEY", "storm:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=");
    set("PUBLIC_BASE_URL", "https://storm.example");
    set("AUTOPILOT_API_TOKEN", "a-token-for-the-storm-and-nothing-else");
    set("AUTOPILOT__HTTP__BIND", "127.0.0.1:0");
    set("AUTOPILOT__LOG__FORMAT", "json");
    set("AUTOPILOT__LOG__FILTER", "warn");
    if pace == Pace::Production {
        return env;
    }
    set("AUTOPILOT__WORKER__LEASE", &millis(LEASE));
    set("AUTOPILOT__WORKER__HEARTBEAT_INTERVAL", "750ms");
    set("AUTOPILOT__WORKER__POLL_MAX", "500ms");
    for provider in ["STRIPE", "TWILIO", "WHATSAPP", "OPENAI"] {
        set(&format!("AUTOPILOT__{provider}__CONNECT_TIMEOUT"), "1s");
        set(&format!("AUTOPILOT__{provider}__TIMEOUT"), "1500ms");
    }
    set("AUTOPILOT__SMTP__TIMEOUT", "1500ms");
    set("AUTOPILOT__PROVISIONING__SETTLE", "3s");
    env
}
