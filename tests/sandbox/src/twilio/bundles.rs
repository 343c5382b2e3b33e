//! Regulatory bundles: the papers that a country wants before it lets a number go.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{TwilioState, not_found};
use crate::exchange::Answer;
use crate::state::fresh_id;

/// How far a bundle's review has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleStatus {
    /// Not handed in yet.
    Draft,
    /// Handed in.
    PendingReview,
    /// Somebody looks at it.
    InReview,
    /// Refused.
    TwilioRejected,
    /// Good for buying numbers.
    TwilioApproved,
    /// Good for buying numbers until Twilio decides otherwise.
    ProvisionallyApproved,
}

impl BundleStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingReview => "pending-review",
            Self::InReview => "in-review",
            Self::TwilioRejected => "twilio-rejected",
            Self::TwilioApproved => "twilio-approved",
            Self::ProvisionallyApproved => "provisionally-approved",
        }
    }

    fn permits_purchase(self) -> bool {
        match self {
            Self::TwilioApproved | Self::ProvisionallyApproved => true,
            Self::Draft | Self::PendingReview | Self::InReview | Self::TwilioRejected => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Bundle {
    sid: String,
    account: String,
    status: BundleStatus,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
}

impl Bundle {
    fn render(&self) -> Value {
        let date = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let url =
            format!("https://numbers.twilio.com/v2/RegulatoryCompliance/Bundles/{}", self.sid);
        json!({
            "sid": self.sid, "account_sid": self.account, "status": self.status.as_str(),
            "regulation_sid": "RN5a0db0c5a0db0c5a0db0c5a0db0c5a0d", "valid_until": null,
            "friendly_name": "Sandbox bundle", "email": "studio@sandbox.test",
            "status_callback": null, "date_created": date(self.created),
            "date_updated": date(self.updated),
            "links": {
                "evaluations": format!("{url}/Evaluations"),
                "item_assignments": format!("{url}/ItemAssignments"),
            },
            "url": url,
        })
    }
}

/// Creates the bundle under the main account, or moves it on; without a SID a new one.
pub(super) fn put(twilio: &mut TwilioState, sid: Option<String>, status: BundleStatus) -> Value {
    let now = Utc::now();
    let sid = sid.unwrap_or_else(|| fresh_id("BU"));
    if let Some(bundle) = twilio.bundles.iter_mut().find(|bundle| bundle.sid == sid) {
        bundle.status = status;
        bundle.updated = now;
        return bundle.render();
    }
    let account = twilio.main.sid.clone();
    let bundle = Bundle { sid, account, status, created: now, updated: now };
    let rendered = bundle.render();
    twilio.bundles.push(bundle);
    rendered
}

pub(super) fn get(twilio: &TwilioState, sid: &str) -> Result<Answer, Answer> {
    let bundle = twilio.bundles.iter().find(|bundle| bundle.sid == sid);
    let bundle =
        bundle.ok_or_else(|| not_found(&format!("/RegulatoryCompliance/Bundles/{sid}")))?;
    Ok(Answer::json(200, bundle.render()))
}

/// Whether this bundle exists and lets a number be bought.
pub(super) fn permits_purchase(twilio: &TwilioState, sid: &str) -> bool {
    twilio.bundles.iter().any(|bundle| bundle.sid == sid && bundle.status.permits_purchase())
}
