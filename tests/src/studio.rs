//! A studio, its database and its providers: what the tests of the autopilot itself run in.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::ops::runs::{self, RunDetails};
use autopilot_engine::{Job, WorkspaceId};
use autopilot_sandbox::{BundleStatus, Checkout, Credentials, Options, Sandbox, Summary};
use autopilot_workflows::app::{App, MailServer, Settings, WhatsAppLine, registry};
use autopilot_workflows::integrations::courier::{Courier, Targets};
use autopilot_workflows::integrations::http::Timeouts;
use autopilot_workflows::integrations::{email, stripe, twilio, whatsapp};
use autopilot_workflows::provisioning::{self, Provision, Triggered};
use autopilot_workflows::state::{email_accounts, profiles, twilio_accounts, workspaces};
use autopilot_workflows::tenancy::Tenant;
use autopilot_workflows::webhooks::Received;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use autopilot_engine::testing::World;

use crate::vault::vault;

/// The longest call, unless a test waits for calls to time out: a loaded machine is slow.
const CALL: Duration = Duration::from_secs(6);

/// How often a studio that waits looks again.
pub const LOOK_AGAIN: Duration = Duration::from_secs(900);

/// How long a provider may be at a purchase whose answer was lost.
pub const SETTLE: Duration = Duration::from_secs(30);

/// A registered studio, a sandbox of its own, and a world whose jobs are the autopilot's.
pub struct Studio {
    /// The database, the clock and the workers.
    pub world: World<App>,
    /// The providers.
    pub sandbox: Providers,
    /// The studio.
    pub workspace: WorkspaceId,
    call: Duration,
}

/// A sandbox whose ledger is removed when it is dropped.
pub struct Providers {
    sandbox: Sandbox,
    ledger: PathBuf,
}

impl Deref for Providers {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.ledger));
    }
}

impl Studio {
    /// A studio that is registered and has not paid; every integration is configured, numbers are bought in the US.
    ///
    /// # Panics
    /// When the database or the sandbox cannot be made.
    pub async fn new() -> Self {
        Self::with_calls_of(CALL).await
    }

    /// As [`Studio::new`], with calls that give up after `call`.
    ///
    /// # Panics
    /// When the database or the sandbox cannot be made.
    pub async fn with_calls_of(call: Duration) -> Self {
        Self::make(WorkspaceId::now_v7(), call).await
    }

    async fn make(workspace: WorkspaceId, call: Duration) -> Self {
        let ledger = std::env::temp_dir().join(format!("autopilot-{}.jsonl", Uuid::now_v7()));
        let sandbox = Sandbox::start(Options::new(&ledger)).await.expect("the sandbox starts");
        let app = app(&sandbox, call);
        let mut world = World::new(app, registry(), &[&autopilot_workflows::MIGRATOR]).await;
        world.config.queues =
            ["provisioning", "webhooks", "default"].map(|name| (name.to_owned(), 8)).into();
        world.vault = Some(vault(world.pool()).await);
        let mut conn = world.connect().await;
        workspaces::ensure(&mut conn, workspace).await.expect("the studio is registered");
        Self { world, sandbox: Providers { sandbox, ledger }, workspace, call }
    }

    /// A studio that has paid and is bound to its customer, though no event has said so: nothing is enqueued.
    ///
    /// # Panics
    /// When the database or the sandbox cannot be made.
    pub async fn paid() -> Self {
        Self::paid_as(WorkspaceId::now_v7()).await
    }

    /// As [`Studio::paid`], for tests that need the same studio more than once.
    ///
    /// # Panics
    /// When the database or the sandbox cannot be made.
    pub async fn paid_as(workspace: WorkspaceId) -> Self {
        let studio = Self::make(workspace, CALL).await;
        studio.bind(&Checkout::new(studio.workspace.to_string())).await;
        studio
    }

    /// Completes a checkout at Stripe and binds its customer, though no event has said so.
    ///
    /// # Panics
    /// When the sandbox or the database refuses.
    pub async fn bind(&self, checkout: &Checkout) {
        let event = self.event_of(checkout).await;
        let customer = event.pointer("/data/object/customer").and_then(Value::as_str);
        let mut conn = self.world.connect().await;
        workspaces::bind_customer(&mut conn, self.workspace, customer.expect("a customer"))
            .await
            .expect("the customer is bound");
    }

    /// Starts a process with another configuration: `change` is made to one where everything is configured.
    pub fn configure(&mut self, change: impl FnOnce(&mut App)) {
        let mut app = app(&self.sandbox, self.call);
        change(&mut app);
        self.world.app = Arc::new(app);
    }

    /// The event of a checkout, which is not delivered.
    ///
    /// # Panics
    /// When the sandbox refuses.
    pub async fn event_of(&self, checkout: &Checkout) -> Value {
        self.sandbox.checkout(checkout).await.expect("the checkout completes").event
    }

    /// Completes a checkout, and receives its event as the webhook does.
    ///
    /// # Panics
    /// When the sandbox or the database refuses.
    pub async fn checkout(&self, checkout: &Checkout) -> Received {
        let event = self.event_of(checkout).await;
        self.receive(&event).await
    }

    /// Triggers the studio's provisioning, in a transaction of its own.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn trigger(&self) -> Triggered {
        let mut tx = self.world.pool().begin().await.expect("a transaction begins");
        let triggered = provisioning::trigger(&mut tx, self.workspace, None).await;
        tx.commit().await.expect("the trigger commits");
        triggered.expect("the provisioning is triggered")
    }

    /// Triggers the studio's provisioning and works until nothing is due, without moving the clock.
    ///
    /// # Panics
    /// When that does not end in time.
    pub async fn provision(&self) -> RunDetails {
        self.trigger().await;
        self.world.drain().await;
        self.run().await
    }

    /// The studio's latest provisioning.
    ///
    /// # Panics
    /// When there is none.
    pub async fn run(&self) -> RunDetails {
        let latest = runs::latest(self.world.pool(), self.workspace, Provision::KIND).await;
        let run = latest.expect("the database answers").expect("there is a run");
        runs::show(self.world.pool(), run.id).await.expect("the run is shown")
    }

    /// The latest provisioning in one line: status, percent, and each step that is not done.
    ///
    /// # Panics
    /// When there is none.
    pub async fn progress(&self) -> String {
        let run = self.run().await;
        let mut words = vec![format!("{} {} %", run.run.status, run.run.percent)];
        let open = run.steps.iter().filter(|step| step.state != "done");
        words.extend(open.map(|step| format!("{} {}", step.name, step.state)));
        words.join(", ")
    }

    /// What the ledger adds up to.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn summary(&self) -> Summary {
        self.sandbox.summary().await.expect("the ledger can be read")
    }

    /// Fails unless the studio has exactly one subaccount, one number and one usable API key.
    ///
    /// # Panics
    /// When it has not.
    pub async fn bought_once(&self, when: &str) {
        bought_once(&self.summary().await, when);
    }

    /// Writes the studio's country, and what was registered with Twilio for it.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn settle_in(&self, country: &str, address: Option<&str>, bundle: Option<&str>) {
        let details = profiles::Details {
            name: "Studio".to_owned(),
            country: country.to_owned(),
            locale: "de-DE".to_owned(),
            contact_email: "studio@example.com".to_owned(),
        };
        let begun = Tenant::begin(self.world.pool(), self.workspace).await;
        let mut tenant = begun.expect("the tenant's transaction begins");
        profiles::upsert(&mut tenant, &details).await.expect("the profile is written");
        profiles::set_registration(&mut tenant, address, bundle).await.expect("it is registered");
        tenant.finish().await.expect("the profile commits");
    }

    /// Makes a regulatory bundle at Twilio, or moves one on; its id.
    ///
    /// # Panics
    /// When the sandbox refuses.
    pub async fn bundle(&self, sid: Option<&str>, status: BundleStatus) -> String {
        let bundle = json!({ "sid": sid, "status": status });
        let bundle = self.at_the_sandbox("twilio/bundles", &bundle).await;
        bundle.get("sid").and_then(Value::as_str).expect("a bundle has an id").to_owned()
    }

    /// The secrets that are kept for the studio: subaccount's token, API key's secret, mailbox's password.
    ///
    /// # Panics
    /// When one is not there, or does not open.
    pub async fn secrets(&self) -> Vec<String> {
        let vault = self.world.vault.as_ref().expect("the world has a vault");
        let begun = Tenant::begin(self.world.pool(), self.workspace).await;
        let mut tenant = begun.expect("the tenant's transaction begins");
        let account = twilio_accounts::get(&mut tenant, vault).await.expect("the account opens");
        let mail = email_accounts::get(&mut tenant, vault).await.expect("the mailbox opens");
        tenant.finish().await.expect("the tenant's transaction ends");
        let account = account.expect("there is an account");
        let secrets = [
            account.auth_token,
            account.api_key.expect("a key").secret,
            mail.expect("a mailbox").0.password,
        ];
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
    }

    async fn at_the_sandbox(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/_sandbox/{path}", self.sandbox.base_url());
        let sent = reqwest::Client::new().post(url).json(body).send().await;
        let answer =
            sent.and_then(reqwest::Response::error_for_status).expect("the sandbox does it");
        answer.json().await.expect("the sandbox answers JSON")
    }

    /// Ends the test: fails if a job or a dead letter is left.
    ///
    /// # Panics
    /// When there is one.
    pub async fn finish(self) {
        self.world.finish().await;
    }

    /// Ends a test that leaves jobs or dead letters on purpose.
    pub async fn close(self) {
        self.world.close().await;
    }
}

/// Fails unless exactly one subaccount and one number were bought, and one API key is left.
///
/// # Panics
/// When it is not so.
pub fn bought_once(summary: &Summary, when: &str) {
    let effects = |operation| summary.effects_of(operation);
    assert_eq!(effects("twilio.create_subaccount"), 1, "subaccounts, {when}");
    assert_eq!(effects("twilio.buy_number"), 1, "numbers, {when}");
    assert_eq!(effects("twilio.create_key") - effects("twilio.delete_key"), 1, "keys, {when}");
    assert_eq!(summary.double_effects, [], "{when}");
}

/// Everything configured, and pointing at the sandbox.
pub(crate) fn app(sandbox: &Sandbox, call: Duration) -> App {
    let credentials = Credentials::default();
    let timeouts = Timeouts { connect: call, call };
    let stripe = stripe::Stripe::new(stripe::Config {
        base_url: sandbox.stripe_url(),
        secret_key: credentials.stripe_key.into(),
        timeouts,
    });
    let account = credentials.twilio_account_sid.parse().expect("an account SID");
    let mut main = twilio::Config::new(account, credentials.twilio_auth_token.into());
    main.base_url = sandbox.twilio_url();
    main.numbers_base_url = sandbox.twilio_url();
    main.timeouts = timeouts;
    let phone_number: whatsapp::PhoneNumberId =
        credentials.whatsapp_phone_number_id.parse().expect("a number's id");
    let line = whatsapp::WhatsApp::new(whatsapp::Config {
        base_url: sandbox.whatsapp_url(),
        access_token: credentials.whatsapp_token.into(),
        phone_number_id: phone_number.clone(),
        timeouts,
    });
    let mail = email::Config {
        host: sandbox.smtp_addr().ip().to_string(),
        port: sandbox.smtp_addr().port(),
        tls: email::Tls::None,
        credentials: Some(email::Credentials {
            username: credentials.smtp_user,
            password: credentials.smtp_password.into(),
        }),
        allow_private: true,
        timeouts,
    };
    App {
        stripe: Some(stripe.expect("Stripe's client")),
        twilio: Some(twilio::Twilio::new(main).expect("Twilio's client")),
        whatsapp: Some(WhatsAppLine {
            client: line.expect("WhatsApp's client"),
            phone_number,
            business_account: credentials
                .whatsapp_business_account_id
                .parse()
                .expect("a business account's id"),
        }),
        courier: Courier::new(Targets::Any).expect("a courier"),
        email: Some(MailServer { client: email::Email::new(mail.clone()), config: mail }),
        provisioning: Settings {
            public_base_url: "https://autopilot.example".to_owned(),
            default_country: "US".parse().expect("a country"),
            candidates: 5,
            regulated_countries: vec!["DE".parse().expect("a country")],
            look_again: LOOK_AGAIN,
            settle: SETTLE,
        },
    }
}
