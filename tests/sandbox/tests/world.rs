//! A sandbox with a ledger of its own, and a client that knows its credentials.

use std::path::PathBuf;
use std::sync::Once;

use autopilot_sandbox::{Credentials, Ledger, Options, Record, Sandbox, Summary};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    pub(crate) ledger: PathBuf,
}

pub(crate) fn ledger_path() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.jsonl", Uuid::now_v7()))
}

/// The client wants a TLS provider even where it speaks plain HTTP only.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().expect("no provider yet");
    });
    Client::new()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Options::new(ledger_path())).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let (ledger, credentials) = (options.ledger.clone(), options.credentials.clone());
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        Self { sandbox, client: client(), credentials, ledger }
    }

    pub(crate) fn stripe_get(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.stripe_url());
        self.client.get(url).bearer_auth(&self.credentials.stripe_key)
    }

    pub(crate) fn stripe_post(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.stripe_url());
        self.client.post(url).bearer_auth(&self.credentials.stripe_key)
    }

    /// A request with the main account's credentials.
    fn twilio(&self, method: Method, path: &str) -> RequestBuilder {
        let main = &self.credentials;
        self.twilio_as(&main.twilio_account_sid, &main.twilio_auth_token, method, path)
    }

    pub(crate) fn twilio_as(
        &self,
        user: &str,
        password: &str,
        method: Method,
        path: &str,
    ) -> RequestBuilder {
        let url = format!("{}/2010-04-01{path}", self.sandbox.twilio_url());
        self.client.request(method, url).basic_auth(user, Some(password))
    }

    pub(crate) fn twilio_get(&self, path: &str) -> RequestBuilder {
        self.twilio(Method::GET, path)
    }

    pub(crate) fn twilio_post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.twilio(Method::POST, path).form(form)
    }

    pub(crate) fn twilio_delete(&self, path: &str) -> RequestBuilder {
        self.twilio(Method::DELETE, path)
    }

    pub(crate) async fn create_subaccount(&self, name: &str) -> Value {
        let request = self.twilio_post("/Accounts.json", &[("FriendlyName", name)]);
        expect(request, 201).await
    }

    pub(crate) fn whatsapp(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.credentials.whatsapp_token)
    }

    pub(crate) fn admin(&self, path: &str) -> String {
        format!("{}/_sandbox{path}", self.sandbox.base_url())
    }

    /// What is on disk at this moment.
    pub(crate) fn records(&self) -> Vec<Record> {
        Ledger::read(&self.ledger).expect("a readable ledger")
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary::of(&self.records())
    }
}

/// Sends, checks the status, gives the body.
pub(crate) async fn expect(request: RequestBuilder, status: u16) -> Value {
    let response: Response = request.send().await.expect("an answer");
    let (got, body) = (response.status(), response.text().await.expect("a body"));
    assert_eq!(got, status, "{body}");
    serde_json::from_str(&body).unwrap_or(Value::String(body))
}
