//! Many studios, their providers with the limits of the real ones, and a clock that passes while nobody has anything to do.

use std::num::NonZeroU32;
use std::time::Duration;

use autopilot_engine::testing::World;
use autopilot_engine::{NewJob, WorkspaceId};
use autopilot_sandbox::{Checkout, Limit, Options, Provider, Sandbox};
use autopilot_workflows::app::{App, registry};
use autopilot_workflows::integrations::http::Pace;
use autopilot_workflows::provisioning;
use autopilot_workflows::state::workspaces;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Plan;
use super::reply::Reply;
use super::told::{self, Told};
use crate::studio::app;
use crate::vault::vault;

/// The longest call.
const CALL: Duration = Duration::from_secs(3);

/// Calls that Twilio takes at the same time: it names no rate.
const TWILIO_AT_ONCE: usize = 100;

/// What each provider takes in a second of a live account, as far as it names a rate, and the pace that stays below it. Twilio's is as much as the
/// calls under way at the same time come to at a third of a second each.
const RATES: [(Provider, Option<usize>, u32); 3] = [
    (Provider::Stripe, Some(100), 80),
    (Provider::Twilio, None, 300),
    (Provider::Whatsapp, Some(80), 60),
];

/// Attempts at once in each process.
const SLOTS: usize = 8;

/// So much time passes at once while nobody has anything to do.
const STEP: Duration = Duration::from_secs(1);

pub(super) struct Scene {
    pub(super) world: World<App>,
    pub(super) sandbox: Sandbox,
    studios: Vec<WorkspaceId>,
}

impl Scene {
    pub(super) async fn set(plan: &Plan) -> Self {
        std::fs::create_dir_all(&plan.folder).expect("the folder can be made");
        let ledger = plan.folder.join("ledger.jsonl");
        drop(std::fs::remove_file(&ledger));
        let mut options = Options::new(&ledger);
        options.subaccount_limit = plan.studios + 10;
        let limit = |rate: &Option<usize>| match rate {
            Some(rate) => Limit::per_second(*rate),
            None => Limit::default().at_once(TWILIO_AT_ONCE),
        };
        options.limits = RATES.iter().map(|(which, rate, _)| (*which, limit(rate))).collect();
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let kinds = registry().register::<Reply>();
        let mut world =
            World::new(paced(app(&sandbox, CALL)), kinds, &[&autopilot_workflows::MIGRATOR]).await;
        world.config.queues =
            ["provisioning", "webhooks", "default"].map(|name| (name.to_owned(), SLOTS)).into();
        // A process believes what it has read for a second of its own clock: here that is a minute of the database's.
        world.config.breakers.refresh = Duration::ZERO;
        if !plan.breakers {
            world.config.breakers.failures = u32::MAX;
        }
        world.vault = Some(vault(world.pool()).await);
        let studios = (0..plan.studios).map(|_| WorkspaceId::now_v7()).collect();
        Self { world, sandbox, studios }
    }

    /// All studios have paid and are due, or want a text, in one commit.
    pub(super) async fn begin(&self, plan: &Plan) {
        let mut tx = self.world.pool().begin().await.expect("a transaction begins");
        for studio in &self.studios {
            workspaces::ensure(&mut tx, *studio).await.expect("the studio is registered");
            if plan.provider == Provider::Openai {
                continue;
            }
            let checkout = Checkout::new(studio.to_string());
            let event = self.sandbox.checkout(&checkout).await.expect("it is paid").event;
            let customer = event.pointer("/data/object/customer").and_then(Value::as_str);
            let customer = customer.expect("a customer");
            workspaces::bind_customer(&mut tx, *studio, customer).await.expect("it is bound");
            let triggered = provisioning::trigger(&mut tx, *studio, None).await;
            triggered.expect("it is triggered");
        }
        tx.commit().await.expect("all are due");
        if plan.provider == Provider::Openai {
            let patience = u64::try_from(CALL.as_millis()).unwrap_or(u64::MAX);
            let job = |workspace: &WorkspaceId| {
                let base_url = self.sandbox.openai_url();
                let reply = Reply { workspace: *workspace, base_url, patience };
                NewJob::of(&reply).expect("the job is JSON")
            };
            self.world.add_all(self.studios.iter().map(job).collect()).await;
        }
    }

    /// Lets time pass up to an instant.
    pub(super) async fn pass_until(&self, end: DateTime<Utc>) {
        while self.now().await < end {
            self.pass().await;
        }
    }

    /// Lets time pass until nothing is left to do, at the latest up to an instant. When that was.
    pub(super) async fn pass_until_done(&self, latest: DateTime<Utc>) -> DateTime<Utc> {
        loop {
            let now = self.now().await;
            if now >= latest || self.world.count("engine.job").await == 0 {
                return now;
            }
            self.pass().await;
        }
    }

    /// A second passes at once where nobody has anything to do, and as it does elsewhere otherwise.
    async fn pass(&self) {
        let busy = "engine.job WHERE state = 1 OR lane <> 9 AND run_at <= engine.now()";
        if self.world.count(busy).await == 0 {
            self.world.clock.advance_alive(STEP).await.expect("time passes");
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn now(&self) -> DateTime<Utc> {
        self.world.clock.now().await.expect("the clock is read")
    }

    /// When the provider's breaker did this.
    pub(super) async fn log(&self, plan: &Plan, what: &str) -> Vec<DateTime<Utc>> {
        let times =
            "SELECT happened_at FROM engine.breaker_log WHERE key = $1 AND what = $2 ORDER BY id";
        sqlx::query_scalar(times)
            .bind(plan.provider.to_string())
            .bind(what)
            .fetch_all(self.world.pool())
            .await
            .expect("the log is read")
    }

    /// What is told of it to a person who looks now.
    pub(super) async fn look(&self, plan: &Plan) -> Told {
        let service = plan.provider.to_string();
        let studio = *self.studios.first().expect("there is a studio");
        told::look(&plan.program, &plan.folder, &self.world.url(), &service, studio).await
    }

    /// Calls that may be under way when the breaker opens.
    pub(super) fn at_once(&self, plan: &Plan) -> usize {
        plan.processes * SLOTS * 3 + 5
    }

    pub(super) async fn done(&self, plan: &Plan) -> usize {
        let done = if plan.provider == Provider::Openai {
            "engine.history WHERE kind = 'test.reply' AND outcome = 'completed'"
        } else {
            "engine.run_status WHERE status = 'completed' AND steps = 7 AND steps_done = 7"
        };
        usize::try_from(self.world.count(done).await).unwrap_or(0)
    }

    /// Runs that were set aside or that spent more than one attempt.
    pub(super) async fn harmed(&self) -> usize {
        let dead = self.world.count("engine.dead_letter").await;
        let again = self.world.count("engine.history WHERE attempt > 1").await;
        usize::try_from(dead + again).unwrap_or(0)
    }

    /// Calls that were over a provider's rate.
    pub(super) fn refused(&self) -> usize {
        RATES.iter().map(|(which, _, _)| self.sandbox.traffic(*which).refused).sum()
    }

    pub(super) async fn clear(self) {
        self.sandbox.stop().await;
        self.world.close().await;
    }
}

/// The same, calling no provider more often than it takes.
fn paced(app: App) -> App {
    let pace = |which: Provider| {
        let (_, _, calls) = RATES.iter().find(|(other, _, _)| *other == which)?;
        Some(Pace::per_second(NonZeroU32::new(*calls)?, NonZeroU32::MIN))
    };
    let of = |which| pace(which).expect("it has a rate");
    App {
        stripe: app.stripe.map(|stripe| stripe.paced(of(Provider::Stripe))),
        twilio: app.twilio.map(|twilio| twilio.paced(of(Provider::Twilio))),
        whatsapp: app.whatsapp.map(|mut line| {
            line.client = line.client.paced(of(Provider::Whatsapp));
            line
        }),
        ..app
    }
}
