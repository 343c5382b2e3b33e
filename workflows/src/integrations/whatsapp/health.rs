//! What Meta says about a number, a template and a subscription.

use serde::{Deserialize, Serialize};

/// A number of the Cloud API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// The number as people read it, such as `+49 30 123456`.
    pub display_phone_number: String,
    /// The name that members see, once Meta has verified it.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// How members rated recent messages.
    #[serde(default)]
    pub quality_rating: Quality,
    /// Whether it is connected, if Meta says so.
    #[serde(default)]
    pub status: Option<LineStatus>,
}

/// How members rated the messages of recent days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Quality {
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low: Meta is about to limit the number.
    Red,
    /// Not rated yet.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Whether a number can send and receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LineStatus {
    /// It can.
    Connected,
    /// It can not, in Meta's word, such as `PENDING`, `BANNED` or `RESTRICTED`.
    NotConnected(String),
}

impl From<String> for LineStatus {
    fn from(word: String) -> Self {
        match word.as_str() {
            // The API says CONNECTED, its description LINKED.
            "CONNECTED" | "LINKED" => Self::Connected,
            _ => Self::NotConnected(word),
        }
    }
}

impl From<LineStatus> for String {
    fn from(status: LineStatus) -> Self {
        match status {
            LineStatus::Connected => "CONNECTED".to_owned(),
            LineStatus::NotConnected(word) => word,
        }
    }
}

/// An app that gets the events of a business account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribedApp {
    /// The app's id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Meta wraps an app in its examples and not in its schema.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum AppEntry {
    Wrapped { whatsapp_business_api_data: SubscribedApp },
    Bare(SubscribedApp),
}

impl From<AppEntry> for SubscribedApp {
    fn from(entry: AppEntry) -> Self {
        match entry {
            AppEntry::Wrapped { whatsapp_business_api_data: app } | AppEntry::Bare(app) => app,
        }
    }
}

/// A message template in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its language, such as `de` or `en_US`.
    pub language: String,
    /// Whether it may be sent.
    pub status: TemplateStatus,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`. Meta may change it.
    #[serde(default)]
    pub category: Option<String>,
}

/// Whether a template may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TemplateStatus {
    /// It may.
    Approved,
    /// Meta examines it.
    Pending,
    /// Meta examines it again after an objection.
    InAppeal,
    /// Refused; it has to be written anew.
    Rejected,
    /// Withdrawn for some hours because members disliked it.
    Paused,
    /// Withdrawn for good because members disliked it.
    Disabled,
    /// Any other word: not to be sent.
    #[serde(other)]
    Other,
}

impl TemplateStatus {
    /// Whether it may be sent now.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        match self {
            Self::Approved => true,
            Self::Pending
            | Self::InAppeal
            | Self::Rejected
            | Self::Paused
            | Self::Disabled
            | Self::Other => false,
        }
    }

    /// Whether waiting helps without anybody doing anything.
    #[must_use]
    pub const fn is_under_review(self) -> bool {
        match self {
            Self::Pending | Self::InAppeal | Self::Paused => true,
            Self::Approved | Self::Rejected | Self::Disabled | Self::Other => false,
        }
    }
}
