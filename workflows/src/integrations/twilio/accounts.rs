//! Subaccounts, the main account's balance, and whether the main account works at all.

use std::fmt;

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;

use super::{AccountSid, Found, Twilio, TwilioError, age, check_friendly_name, rfc2822};

/// A studio's account below the main account.
#[derive(Debug, Clone, Deserialize)]
pub struct Subaccount {
    /// Its id.
    pub sid: AccountSid,
    /// The name that we gave it.
    pub friendly_name: String,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// Its primary token, which signs its webhooks. Seal it, never log it.
    pub auth_token: SecretString,
    /// When it was created.
    #[serde(default, deserialize_with = "rfc2822")]
    pub date_created: Option<DateTime<Utc>>,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Paused; can be activated again.
    Suspended,
    /// Gone for good, with its numbers.
    Closed,
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        })
    }
}

/// What the main account has left; subaccounts spend from the same balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// In millionths of `currency`, rounded towards zero. Twilio updates it with a delay.
    pub micros: i64,
    /// The ISO 4217 code, such as `USD`.
    pub currency: String,
}

#[derive(Deserialize)]
struct Accounts {
    accounts: Vec<Subaccount>,
}

#[derive(Deserialize)]
struct Status {
    status: AccountStatus,
}

#[derive(Deserialize)]
struct RawBalance {
    balance: String,
    currency: String,
}

impl Twilio {
    /// The active subaccount of exactly this name; of several the oldest, with
    /// [`Found::duplicates`] set.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn find_subaccount(
        &self,
        friendly_name: &str,
    ) -> Result<Option<Found<Subaccount>>, TwilioError> {
        check_friendly_name(friendly_name)?;
        let request = self
            .api
            .request(Method::GET, "/2010-04-01/Accounts.json")
            .query(&[("FriendlyName", friendly_name), ("Status", "active")]);
        let mut found: Accounts = self.call(&self.api, "find the subaccount", request).await?;
        // The main account is listed too, and a filter that were to match loosely would adopt a
        // stranger's.
        found.accounts.retain(|account| {
            account.friendly_name == friendly_name
                && account.status == AccountStatus::Active
                && account.sid != self.account
        });
        Ok(Found::oldest_by(found.accounts, |account| age(account.date_created, &account.sid)))
    }

    /// Creates a subaccount. Look it up first and after any lost answer: a second call makes a
    /// second one.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]; 21480 when the main account may not have more of them.
    pub async fn create_subaccount(&self, friendly_name: &str) -> Result<Subaccount, TwilioError> {
        check_friendly_name(friendly_name)?;
        let request = self
            .api
            .request(Method::POST, "/2010-04-01/Accounts.json")
            .form(&[("FriendlyName", friendly_name)]);
        self.call(&self.api, "create the subaccount", request).await
    }

    /// The subaccount as it is now.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn subaccount(&self, sid: &AccountSid) -> Result<Subaccount, TwilioError> {
        let request = self.on_account(Method::GET, sid, ".json");
        self.call(&self.api, "read the subaccount", request).await
    }

    /// The balance of the main account. Subaccounts have none of their own.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn balance(&self) -> Result<Balance, TwilioError> {
        let request = self.on_account(Method::GET, &self.account, "/Balance.json");
        let raw: RawBalance = self.call(&self.api, "read the balance", request).await?;
        match micros(&raw.balance) {
            Some(micros) => Ok(Balance { micros, currency: raw.currency }),
            None => Err(TwilioError::Balance),
        }
    }

    /// Whether Twilio answers, accepts our credentials, and the main account is active.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn ping(&self) -> Result<(), TwilioError> {
        let request = self.on_account(Method::GET, &self.account, ".json");
        let Status { status } = self.call(&self.api, "read the main account", request).await?;
        match status {
            AccountStatus::Active => Ok(()),
            AccountStatus::Suspended | AccountStatus::Closed => {
                Err(TwilioError::MainAccount { status })
            }
        }
    }
}

/// Parses a decimal text exactly; money never passes through a float.
fn micros(text: &str) -> Option<i64> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.trim()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || ![whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
    {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros =
        whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn a_balance_is_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("0.05", Some(50_000)),
            ("-12.5", Some(-12_500_000)),
            ("100", Some(100_000_000)),
            ("1.23456789", Some(1_234_567)),
            ("49.999999", Some(49_999_999)),
            ("", None),
            (".5", None),
            ("1,5", None),
            ("--1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
    }
}
