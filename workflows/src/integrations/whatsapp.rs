//! WhatsApp Cloud API: is the number usable, do its events reach us, may the template be sent?

mod error;
mod health;
mod ids;
mod meaning;
mod send;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::integrations::http::{Pace, Timeouts, Transport};

pub use error::WhatsAppError;
pub use health::{Line, LineStatus, Quality, SubscribedApp, Template, TemplateStatus};
pub use ids::{NotAGraphId, PhoneNumberId, WabaId};
pub use meaning::Meaning;
pub use send::{Accepted, Content, Recipient};

/// Where the Graph API lives.
pub const BASE_URL: &str = "https://graph.facebook.com";

/// The version of the Graph API that we speak.
pub const API_VERSION: &str = "v23.0";

/// A studio's number and token, and where to reach Meta.
#[derive(Debug, Clone)]
pub struct Config {
    /// Default [`BASE_URL`].
    pub base_url: String,
    /// The token of a system user with `whatsapp_business_messaging` and
    /// `whatsapp_business_management`.
    pub access_token: SecretString,
    /// The number that [`WhatsApp::ping`] reads.
    pub phone_number_id: PhoneNumberId,
    /// How long to wait. Defaults: 5 s to connect, 20 s for a call.
    pub timeouts: Timeouts,
}

impl Config {
    /// The real Meta, with this token and number.
    #[must_use]
    pub fn new(access_token: SecretString, phone_number_id: PhoneNumberId) -> Self {
        let base_url = BASE_URL.to_owned();
        Self { base_url, access_token, phone_number_id, timeouts: Timeouts::default() }
    }
}

/// A client of one studio's number. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WhatsApp {
    transport: Transport,
    token: Arc<SecretString>,
    phone_number_id: PhoneNumberId,
}

#[derive(Deserialize)]
struct Listed<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Done {
    success: bool,
}

impl WhatsApp {
    /// A client for the number of `config`. Calls nobody.
    ///
    /// # Errors
    ///
    /// A transport error if the base URL or the TLS set-up cannot be used.
    pub fn new(config: Config) -> Result<Self, WhatsAppError> {
        Ok(Self {
            transport: Transport::new(&config.base_url, config.timeouts)?,
            token: Arc::new(config.access_token),
            phone_number_id: config.phone_number_id,
        })
    }

    /// The same client, whose calls and whose clones' calls take turns at this pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { transport: self.transport.paced(pace), ..self }
    }

    /// The same connections for another studio: setting up TLS anew for each would be dear.
    #[must_use]
    pub fn for_studio(&self, access_token: SecretString, phone_number_id: PhoneNumberId) -> Self {
        Self { transport: self.transport.clone(), token: Arc::new(access_token), phone_number_id }
    }

    /// A number: how it is shown, how Meta rates it, whether it is connected.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`]. Safe to repeat.
    pub async fn phone_number(&self, id: &PhoneNumberId) -> Result<Line, WhatsAppError> {
        let request = self
            .request(Method::GET, id.as_str(), "")
            .query(&[("fields", "id,display_phone_number,verified_name,quality_rating,status")]);
        self.call("read the phone number", request).await
    }

    /// Subscribes our app to the events of a business account. Subscribing twice is subscribing
    /// once.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`].
    pub async fn subscribe_app(&self, waba: &WabaId) -> Result<(), WhatsAppError> {
        const OPERATION: &str = "subscribe the app to the business account";
        let request =
            self.request(Method::POST, waba.as_str(), "/subscribed_apps").json(&json!({}));
        match self.call(OPERATION, request).await? {
            Done { success: true } => Ok(()),
            Done { success: false } => Err(WhatsAppError::NotDone { operation: OPERATION }),
        }
    }

    /// The apps that get the events of a business account.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`]. Safe to repeat.
    pub async fn subscribed_apps(
        &self,
        waba: &WabaId,
    ) -> Result<Vec<SubscribedApp>, WhatsAppError> {
        let request = self.request(Method::GET, waba.as_str(), "/subscribed_apps");
        let apps: Listed<health::AppEntry> = self.call("list the subscribed apps", request).await?;
        Ok(apps.data.into_iter().map(SubscribedApp::from).collect())
    }

    /// A template of exactly this name and language, which are examined one by one.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`]. Safe to repeat.
    pub async fn template(
        &self,
        waba: &WabaId,
        name: &str,
        language: &str,
    ) -> Result<Option<Template>, WhatsAppError> {
        let request =
            self.request(Method::GET, waba.as_str(), "/message_templates").query(&[("name", name)]);
        let found: Listed<Template> = self.call("read the template", request).await?;
        // Meta's filter also lets through names that merely contain it.
        Ok(found.data.into_iter().find(|found| found.name == name && found.language == language))
    }

    /// Whether Meta answers, accepts our token, and lets us see our number.
    ///
    /// # Errors
    ///
    /// See [`WhatsAppError`]. Safe to repeat.
    pub async fn ping(&self) -> Result<(), WhatsAppError> {
        self.phone_number(&self.phone_number_id).await.map(drop)
    }

    fn request(&self, method: Method, id: &str, edge: &str) -> RequestBuilder {
        self.transport
            .request(method, &format!("/{API_VERSION}/{id}{edge}"))
            .bearer_auth(self.token.expose_secret())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, WhatsAppError> {
        let answer = self.transport.send(request).await?;
        if !answer.status.is_success() {
            return Err(WhatsAppError::of_answer(operation, &answer));
        }
        answer.json().map_err(|source| WhatsAppError::Unreadable {
            operation,
            source,
            access: answer.access,
        })
    }
}
