//! A running sandbox, as tests and the demo hold it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::admin::{self, AdminError, CheckoutOutcome};
use crate::connection::{Breakable, BreakableListener};
use crate::faults::Faults;
use crate::ledger::{LedgerError, Record, Summary, Writer};
use crate::server::{Shared, prefix, router};
use crate::stripe::Checkout;
use crate::twilio::Direction;
use crate::{BundleStatus, Options, Provider, Traffic, smtp};

/// How long requests in flight may take to end when the sandbox stops.
const GRACE: Duration = Duration::from_secs(2);

/// Why a sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} for {protocol}: {source}; choose another port, or 0")]
    Listen {
        /// `HTTP` or `SMTP`.
        protocol: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the socket said.
        source: io::Error,
    },
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A running sandbox. Dropping it stops the servers without waiting for them.
#[derive(Debug)]
pub struct Sandbox {
    http: SocketAddr,
    smtp: SocketAddr,
    shared: Arc<Shared>,
    servers: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Opens the ledger and starts both servers; they accept when this returns.
    ///
    /// # Errors
    /// When an address cannot be listened on or the ledger cannot be opened.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (http_listener, http) = listen("HTTP", options.http).await?;
        let (smtp_listener, smtp) = listen("SMTP", options.smtp).await?;
        let ledger = Writer::open(&options.ledger)?;
        let shared = Arc::new(Shared::new(options, ledger));
        let service = router(&shared).into_make_service_with_connect_info::<Breakable>();
        let stop = shared.stop.clone().cancelled_owned();
        let server = axum::serve(BreakableListener(http_listener), service);
        let web = tokio::spawn(async move {
            // `axum::serve` retries what can fail; its result is always `Ok`.
            let _served = server.with_graceful_shutdown(stop).await;
        });
        let mail = tokio::spawn(smtp::serve(smtp_listener, Arc::clone(&shared)));
        Ok(Self { http, smtp, shared, servers: vec![web, mail] })
    }

    /// Where HTTP listens, such as `http://127.0.0.1:4000`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Where SMTP listens.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// The base address for Stripe's client, without `/v1`.
    pub fn stripe_url(&self) -> String {
        self.url(Provider::Stripe)
    }

    /// The base address for Twilio's two APIs, without `/2010-04-01` and `/v2`.
    pub fn twilio_url(&self) -> String {
        self.url(Provider::Twilio)
    }

    /// The base address for WhatsApp, without `/v23.0`.
    pub fn whatsapp_url(&self) -> String {
        self.url(Provider::Whatsapp)
    }

    /// The base address for OpenAI, with `/v1`, as its clients expect it.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url(Provider::Openai))
    }

    fn url(&self, provider: Provider) -> String {
        format!("{}{}", self.base_url(), prefix(provider))
    }

    /// The environment variables that point the product at this sandbox.
    pub fn env(&self) -> Vec<(String, String)> {
        let credentials = &self.shared.options.credentials;
        [
            ("STRIPE_SECRET_KEY", credentials.stripe_key.clone()),
            ("STRIPE_BASE_URL", self.stripe_url()),
            ("TWILIO_ACCOUNT_SID", credentials.twilio_account_sid.clone()),
            ("TWILIO_AUTH_TOKEN", credentials.twilio_auth_token.clone()),
            ("TWILIO_BASE_URL", self.twilio_url()),
            ("WHATSAPP_API_TOKEN", credentials.whatsapp_token.clone()),
            ("WHATSAPP_PHONE_NUMBER_ID", credentials.whatsapp_phone_number_id.clone()),
            ("WHATSAPP_BUSINESS_ACCOUNT_ID", credentials.whatsapp_business_account_id.clone()),
            ("WHATSAPP_BASE_URL", self.whatsapp_url()),
            ("OPENAI_API_KEY", credentials.openai_key.clone()),
            ("OPENAI_BASE_URL", self.openai_url()),
            ("SMTP_HOST", self.smtp.ip().to_string()),
            ("SMTP_PORT", self.smtp.port().to_string()),
            ("SMTP_USER", credentials.smtp_user.clone()),
            ("SMTP_PASSWORD", credentials.smtp_password.clone()),
            ("SMTP_TLS", "none".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What providers have given out as secret: Twilio's auth tokens of subaccounts, and the secrets of API keys.
    pub fn given_out(&self) -> Vec<String> {
        self.shared.state().twilio.secrets()
    }

    /// The fault rules in force.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What arrived at a provider over HTTP, counted where it arrived.
    pub fn traffic(&self, provider: Provider) -> Traffic {
        self.shared.limits.traffic(provider)
    }

    /// Something happens at Stripe, as this event says, and nobody is told: it stands in Stripe's list of events only.
    pub fn happen(&self, event: Value) {
        crate::stripe::happen(&mut self.shared.state().stripe, event);
    }

    /// A message comes in for a Twilio account, and nobody is told.
    pub fn come_in(&self, sid: &str, account: &str, from: &str, body: &str) {
        self.shared.state().twilio.put_message(Direction::In, sid, account, from, body);
    }

    /// A message goes out from a Twilio account, sent by whoever it was.
    pub fn go_out(&self, sid: &str, account: &str, from: &str, body: &str) {
        self.shared.state().twilio.put_message(Direction::Out, sid, account, from, body);
    }

    /// A customer pays at Stripe: a charge of this id.
    pub fn put_charge(&self, id: &str, customer: &str) {
        crate::stripe::charge(&mut self.shared.state().stripe, id, customer);
    }

    /// Puts a regulatory bundle in a status, as Twilio's reviewers would; a new one. Its SID.
    pub fn put_bundle(&self, status: BundleStatus) -> String {
        let bundle = self.shared.state().twilio.put_bundle(None, status);
        bundle.get("sid").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Twilio forgets a closed subaccount, as it does after thirty days.
    pub fn forget_account(&self, sid: &str) {
        self.shared.state().twilio.forget_account(sid);
    }

    /// When WhatsApp says that its token expires, in seconds since 1970, with 0 for never; none: it does not say.
    pub fn expire_whatsapp_token(&self, at: Option<i64>) {
        self.shared.state().whatsapp.expire_token(at);
    }

    /// Completes a checkout, and delivers its event where the checkout says so.
    ///
    /// # Errors
    /// When the ledger cannot be written or the endpoint cannot be reached. An endpoint that
    /// answers with an error is no error: see [`CheckoutOutcome::delivered`].
    pub async fn checkout(&self, checkout: &Checkout) -> Result<CheckoutOutcome, AdminError> {
        admin::checkout(&self.shared, checkout).await
    }

    /// All records of the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn ledger(&self) -> Result<Vec<Record>, AdminError> {
        admin::read_ledger(&self.shared).await
    }

    /// What the ledger adds up to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn summary(&self) -> Result<Summary, AdminError> {
        Ok(Summary::of(&self.ledger().await?))
    }

    /// Stops both servers. Requests that hang are reset; those in flight get two seconds.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        for mut server in std::mem::take(&mut self.servers) {
            if timeout(GRACE, &mut server).await.is_err() {
                server.abort();
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn listen(
    protocol: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { protocol, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
