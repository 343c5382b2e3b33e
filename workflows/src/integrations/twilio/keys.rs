//! API keys of a subaccount. A key's secret is shown once, when it is created.

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;

use super::{AccountSid, KeySid, Twilio, TwilioError, age, check_friendly_name, rfc2822};

/// A key that exists. Its secret can not be read again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// Its id.
    pub sid: KeySid,
    /// The name that we gave it.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "rfc2822")]
    pub date_created: Option<DateTime<Utc>>,
}

/// A key just created, with the only copy of its secret.
#[derive(Debug, Clone, Deserialize)]
pub struct NewKey {
    /// Its id.
    pub sid: KeySid,
    /// Its secret. Seal it at once: a key whose secret was lost has to be deleted and made anew.
    pub secret: SecretString,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

impl Twilio {
    /// The keys of exactly this name in a subaccount, oldest first, among its first thousand.
    ///
    /// After a crash they are orphans, because nobody has their secrets: delete them and create a
    /// new one.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn list_keys(
        &self,
        account: &AccountSid,
        friendly_name: &str,
    ) -> Result<Vec<Key>, TwilioError> {
        // Twilio offers no filter by name here.
        let request =
            self.on_account(Method::GET, account, "/Keys.json").query(&[("PageSize", "1000")]);
        let Keys { mut keys } = self.call(&self.api, "list the API keys", request).await?;
        keys.retain(|key| key.friendly_name.as_deref() == Some(friendly_name));
        keys.sort_by_key(|key| age(key.date_created, &key.sid));
        Ok(keys)
    }

    /// Creates a key. A second call makes a second one.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`].
    pub async fn create_key(
        &self,
        account: &AccountSid,
        friendly_name: &str,
    ) -> Result<NewKey, TwilioError> {
        check_friendly_name(friendly_name)?;
        let request = self
            .on_account(Method::POST, account, "/Keys.json")
            .form(&[("FriendlyName", friendly_name)]);
        self.call(&self.api, "create the API key", request).await
    }

    /// Deletes a key. One that is gone already counts as deleted, so this may be repeated.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`].
    pub async fn delete_key(&self, account: &AccountSid, key: &KeySid) -> Result<(), TwilioError> {
        let request = self.on_account(Method::DELETE, account, &format!("/Keys/{key}.json"));
        match self.send(&self.api, "delete the API key", request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
