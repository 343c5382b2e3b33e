//! Telephone numbers: search, buy in one request, look up, repair their webhooks.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{
    AccountSid, AddressSid, BundleSid, Found, NumberSid, Twilio, TwilioError, age,
    check_friendly_name, non_empty, rfc2822,
};
use crate::integrations::phone::{Country, E164};

/// A number that could be bought when the search ran. Others may be faster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Candidate {
    /// The number.
    pub phone_number: E164,
    /// The town, if it belongs to one.
    #[serde(default)]
    pub locality: Option<String>,
    /// Whose address the country demands: `none`, `any`, `local` or `foreign`.
    #[serde(default)]
    pub address_requirements: Option<String>,
}

/// Where Twilio reports what happens on a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Webhooks {
    /// Asked for instructions when somebody calls.
    pub voice_url: String,
    /// Told of every text message.
    pub sms_url: String,
    /// Told of every change of a call's state.
    pub status_callback: String,
}

/// An order for one number, complete in one request so that no half-configured number can exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Purchase {
    /// The candidate to buy.
    pub phone_number: E164,
    /// The name by which the number is found again, stable per workspace.
    pub friendly_name: String,
    /// Where Twilio reports what happens on it.
    #[serde(flatten)]
    pub webhooks: Webhooks,
    /// The registered address, where the country demands one.
    pub address_sid: Option<AddressSid>,
    /// The approved regulatory bundle, where the country demands one.
    pub bundle_sid: Option<BundleSid>,
}

/// A number that was bought. It costs money every month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its id.
    pub sid: NumberSid,
    /// The number.
    pub phone_number: E164,
    /// The name that we gave it.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// Asked for instructions when somebody calls.
    #[serde(default, deserialize_with = "non_empty")]
    pub voice_url: Option<String>,
    /// Told of every text message.
    #[serde(default, deserialize_with = "non_empty")]
    pub sms_url: Option<String>,
    /// Told of every change of a call's state.
    #[serde(default, deserialize_with = "non_empty")]
    pub status_callback: Option<String>,
    /// When it was bought.
    #[serde(default, deserialize_with = "rfc2822", skip_serializing)]
    pub date_created: Option<DateTime<Utc>>,
}

impl Number {
    /// Whether the number reports to exactly these URLs.
    #[must_use]
    pub fn reports_to(&self, webhooks: &Webhooks) -> bool {
        self.voice_url.as_ref() == Some(&webhooks.voice_url)
            && self.sms_url.as_ref() == Some(&webhooks.sms_url)
            && self.status_callback.as_ref() == Some(&webhooks.status_callback)
    }
}

#[derive(Deserialize)]
struct Available {
    available_phone_numbers: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Bought {
    incoming_phone_numbers: Vec<Number>,
}

impl Twilio {
    /// Up to `limit` local numbers with voice that could be bought now. Empty if there are none.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn search_numbers(
        &self,
        account: &AccountSid,
        country: Country,
        limit: u8,
    ) -> Result<Vec<Candidate>, TwilioError> {
        let resource = format!("/AvailablePhoneNumbers/{country}/Local.json");
        let request = self
            .on_account(Method::GET, account, &resource)
            .query(&[("VoiceEnabled", "true"), ("PageSize", &limit.to_string())]);
        let mut found: Available = self.call(&self.api, "search for a number", request).await?;
        found.available_phone_numbers.truncate(limit.into());
        Ok(found.available_phone_numbers)
    }

    /// The number of exactly this name; of several the oldest, with [`Found::duplicates`] set.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn find_number(
        &self,
        account: &AccountSid,
        friendly_name: &str,
    ) -> Result<Option<Found<Number>>, TwilioError> {
        check_friendly_name(friendly_name)?;
        let request = self
            .on_account(Method::GET, account, "/IncomingPhoneNumbers.json")
            .query(&[("FriendlyName", friendly_name)]);
        let mut found: Bought = self.call(&self.api, "find the number", request).await?;
        found
            .incoming_phone_numbers
            .retain(|number| number.friendly_name.as_deref() == Some(friendly_name));
        Ok(Found::oldest_by(found.incoming_phone_numbers, |number| {
            age(number.date_created, &number.sid)
        }))
    }

    /// Buys a number. Look it up first and after any lost answer: a second call may buy a second
    /// one.
    ///
    /// # Errors
    ///
    /// [`TwilioError::NumberTaken`] if somebody was faster: try the next candidate. Else see
    /// [`TwilioError`].
    pub async fn buy_number(
        &self,
        account: &AccountSid,
        purchase: &Purchase,
    ) -> Result<Number, TwilioError> {
        check_friendly_name(&purchase.friendly_name)?;
        let request =
            self.on_account(Method::POST, account, "/IncomingPhoneNumbers.json").form(purchase);
        self.call(&self.api, "buy the number", request).await
    }

    /// The number as it is now.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn number(
        &self,
        account: &AccountSid,
        sid: &NumberSid,
    ) -> Result<Number, TwilioError> {
        let resource = format!("/IncomingPhoneNumbers/{sid}.json");
        let request = self.on_account(Method::GET, account, &resource);
        self.call(&self.api, "read the number", request).await
    }

    /// Points a number to other URLs. Sets, never adds, so it may be repeated.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`].
    pub async fn update_number_webhooks(
        &self,
        account: &AccountSid,
        sid: &NumberSid,
        webhooks: &Webhooks,
    ) -> Result<Number, TwilioError> {
        let resource = format!("/IncomingPhoneNumbers/{sid}.json");
        let request = self.on_account(Method::POST, account, &resource).form(webhooks);
        self.call(&self.api, "set the number's webhooks", request).await
    }
}
