//! Regulatory bundles: the documents without which some countries give no number.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{BundleSid, Twilio, TwilioError};

/// How far the examination of a bundle has come. It takes days and ends with a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleStatus {
    /// Not submitted yet: the studio's documents are missing.
    Draft,
    /// Submitted, nobody has looked yet.
    PendingReview,
    /// Somebody looks at it.
    InReview,
    /// Refused; the studio must correct its documents.
    TwilioRejected,
    /// Good to buy numbers with.
    TwilioApproved,
    /// Good to buy numbers with, until a later examination.
    ProvisionallyApproved,
}

impl BundleStatus {
    /// Whether numbers can be bought with it.
    #[must_use]
    pub const fn is_approved(self) -> bool {
        match self {
            Self::TwilioApproved | Self::ProvisionallyApproved => true,
            Self::Draft | Self::PendingReview | Self::InReview | Self::TwilioRejected => false,
        }
    }

    /// Whether waiting helps: Twilio has it and has not decided.
    #[must_use]
    pub const fn is_under_review(self) -> bool {
        match self {
            Self::PendingReview | Self::InReview => true,
            Self::Draft
            | Self::TwilioRejected
            | Self::TwilioApproved
            | Self::ProvisionallyApproved => false,
        }
    }
}

#[derive(Deserialize)]
struct Bundle {
    status: BundleStatus,
}

impl Twilio {
    /// The status of a bundle of the main account: this API knows no account in its path.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn bundle(&self, sid: &BundleSid) -> Result<BundleStatus, TwilioError> {
        let path = format!("/v2/RegulatoryCompliance/Bundles/{sid}");
        let request = self.regulatory.request(Method::GET, &path);
        let Bundle { status } =
            self.call(&self.regulatory, "read the regulatory bundle", request).await?;
        Ok(status)
    }
}
