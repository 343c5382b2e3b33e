//! The two calls that the product makes: register a studio at sign-up, and ask how far it is.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Trouble;

/// A client of the program's HTTP interface.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    pub(crate) fn new(base: String, token: String) -> Result<Self, Trouble> {
        // Plain HTTP on loopback; the builder still insists on a provider for TLS.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self { client: Client::builder().no_proxy().build()?, base, token })
    }

    /// What the product does when a studio signs up, before it pays.
    pub(crate) async fn register(&self, studio: Uuid) -> Result<(), Trouble> {
        let body = json!({"name": "Studio Demo", "country": "US"});
        self.call(Method::PUT, &format!("/api/workspaces/{studio}"), Some(&body)).await?;
        Ok(())
    }

    /// How far the provisioning is.
    pub(crate) async fn status(&self, studio: Uuid) -> Result<Value, Trouble> {
        self.call(Method::GET, &format!("/api/autopilot/status?workspaceId={studio}"), None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Trouble> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            Ok(serde_json::from_str(&text).unwrap_or_default())
        } else {
            Err(format!("{path} answered {status}: {text}").into())
        }
    }
}
