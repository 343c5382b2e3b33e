//! A provisioning that is killed at any boundary, or whose steps run again, buys everything once.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::{
    Providers, Studio, World, bought_once, crash_at_every_step, eventually, repeat_every_step,
};
use autopilot_workflows::app::App;
use autopilot_workflows::provisioning::Provision;
use serde_json::Value;
use tokio::sync::Mutex;

/// One studio, made anew for every crash, and the providers of the world that was made last.
struct Remade {
    workspace: WorkspaceId,
    providers: Mutex<Option<Providers>>,
}

impl Remade {
    fn new() -> Self {
        Self { workspace: WorkspaceId::now_v7(), providers: Mutex::default() }
    }

    async fn world(&self) -> World<App> {
        let Studio { mut world, sandbox, .. } = Studio::paid_as(self.workspace).await;
        // The rescue looks as often as the heart beats.
        world.config.heartbeat = Duration::from_millis(50);
        *self.providers.lock().await = Some(sandbox);
        world
    }

    /// Complete, honest and bought once, as after an undisturbed run.
    async fn check(&self, world: &World<App>, when: &str) {
        let ended = "SELECT concat_ws(' ', status, percent) FROM engine.run_status";
        assert_eq!(world.texts(ended).await, ["completed 100"], "{when}");
        let settled = "studio.workspace WHERE last_outcome = 'completed'";
        assert_eq!(world.count(settled).await, 1, "{when}");
        let providers = self.providers.lock().await;
        let providers = providers.as_ref().unwrap();
        bought_once(&providers.summary().await.unwrap(), when);
        let key: String = world.value("SELECT api_key_sid FROM studio.twilio_account").await;
        let deleted = providers.ledger().await.unwrap().into_iter().any(|record| {
            let sid = record.entry.detail.get("sid").and_then(Value::as_str);
            record.entry.operation == "twilio.delete_key" && sid == Some(&key)
        });
        assert!(!deleted, "the key that is kept was deleted at Twilio, {when}");
    }
}

/// Twilio takes its time, the process dies meanwhile, and the next one finds nothing yet.
#[tokio::test]
async fn nobody_buys_while_what_a_dead_process_asked_for_may_be_under_way() {
    let mut studio = Studio::paid().await;
    studio.world.config.heartbeat = Duration::from_millis(50);
    studio.world.clock.freeze().await.unwrap();
    let hangs = Rule::new(Provider::Twilio, Fault::Hang).method("POST");
    studio.sandbox.faults().add(hangs.path_contains("/IncomingPhoneNumbers.json"));
    studio.trigger().await;
    let process = studio.world.start();
    let orders = async || studio.summary().await.calls_of("twilio.buy_number");
    eventually("a number is ordered", async || orders().await == 1).await;
    process.kill().await;
    studio.world.let_leases_lapse().await;
    studio.world.drain().await;
    assert_eq!(orders().await, 1, "{}", studio.progress().await);
    let run = studio.run().await.run;
    assert_eq!((run.status.as_str(), run.attempt), ("waiting", 0), "no attempt is spent for that");
    studio.buy_a_number().await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("it took place late").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_provisioning_that_is_killed_at_any_boundary_buys_everything_once() {
    let remade = Remade::new();
    let job = Provision { workspace: remade.workspace };
    let crashes = crash_at_every_step(
        async || remade.world().await,
        &job,
        async |world, place| {
            remade.check(world, &format!("killed at {place}")).await;
        },
    )
    .await;
    // Four boundaries of seven steps and of the settling, and two at the end of either job.
    assert_eq!(crashes, 36);
}

#[tokio::test]
async fn a_provisioning_whose_steps_run_again_buys_everything_once() {
    let remade = Remade::new();
    let job = Provision { workspace: remade.workspace };
    let steps = repeat_every_step(
        async || remade.world().await,
        &job,
        async |world, step| {
            remade.check(world, &format!("{step} again")).await;
        },
    )
    .await;
    assert_eq!(steps, 7);
}
