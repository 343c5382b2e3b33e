//! What happens, in order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use autopilot_postgres::{Database, Options as PostgresOptions};
use autopilot_sandbox::{Checkout, Fault, Options, Provider, Rule, Sandbox};
use serde_json::Value;
use uuid::Uuid;

use crate::Trouble;
use crate::api::Api;
use crate::processes::{Process, Program, until};

const WEBHOOK_SECRET: &str = "whsec_demo_demo_demo_demo_demo_demo";
const API_TOKEN: &str = "the-demo-has-nothing-to-hide-from-you";

/// The state in which each step was last shown.
type Seen = HashMap<String, String>;

/// The demo's cast.
struct Stage {
    sandbox: Sandbox,
    program: Program,
    http: Process,
    api: Api,
    address: String,
    studio: Uuid,
    begun: Instant,
}

/// Tells the story and stops everything; with `keep` it waits for Ctrl-C before it stops.
pub(crate) async fn tell(keep: bool) -> Result<(), Trouble> {
    let begun = Instant::now();
    let options = PostgresOptions { install: true, ..PostgresOptions::from_env() };
    let postgres = tokio::task::spawn_blocking(move || Database::open(&options)).await??;
    println!("{}", postgres.describe());
    let name = format!("demo_{}", Uuid::now_v7().simple());
    let url = postgres.url(&name)?;
    let folder = folder()?;
    let stage = set(&url, &folder, begun).await?;
    let mut seen = HashMap::new();
    let worker = first_act(&stage, &mut seen).await?;
    let worker = second_act(&stage, worker, &mut seen).await?;
    finale(&stage, &folder).await?;
    if keep {
        hint_at_commands(&stage, &folder)?;
        tokio::signal::ctrl_c().await?;
        println!();
    }
    worker.stop()?;
    stage.http.stop()?;
    stage.sandbox.stop().await;
    if let Database::Private(cluster) = postgres {
        cluster.query("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)"))?;
        cluster.stop();
    }
    println!("everything is stopped");
    Ok(())
}

fn folder() -> Result<PathBuf, Trouble> {
    let folder = Path::new(".state").join("demo");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

/// The sandbox, a migrated database, and the process that receives webhooks.
async fn set(url: &str, folder: &Path, begun: Instant) -> Result<Stage, Trouble> {
    let ledger = folder.join("ledger.jsonl");
    drop(std::fs::remove_file(&ledger));
    let sandbox = Sandbox::start(Options::new(&ledger)).await?;
    println!("providers: a sandbox of Stripe, Twilio, WhatsApp and SMTP at {}", sandbox.base_url());
    let program = Program::beside_us(environment(url, &sandbox), folder)?;
    program.run(&["migrate"])?;
    let ready = folder.join("http.ready");
    drop(std::fs::remove_file(&ready));
    let http = program
        .start("http", &["serve", "--http", "--ready-file", &ready.display().to_string()])?;
    let read = || std::fs::read_to_string(&ready).unwrap_or_default();
    until("the program listens", async || Ok(read().contains(':'))).await?;
    let address = format!("http://{}", read().trim().trim_start_matches("http://"));
    println!("autopilot: HTTP at {address}, process {}", http.pid());
    let api = Api::new(address.clone(), API_TOKEN.to_owned())?;
    Ok(Stage { sandbox, program, http, api, address, studio: Uuid::now_v7(), begun })
}

/// A checkout is paid; the first worker is killed when Twilio has sold the number and not yet said so.
async fn first_act(stage: &Stage, seen: &mut Seen) -> Result<Process, Trouble> {
    // Twilio's answer to the purchase gets lost: the worst moment for a worker to die.
    let lost_answer = Rule::new(Provider::Twilio, Fault::Stall)
        .method("POST")
        .path_contains("/IncomingPhoneNumbers.json");
    stage.sandbox.faults().add(lost_answer);
    stage.api.register(stage.studio).await?;
    let webhook = format!("{}/webhooks/stripe", stage.address);
    let checkout = Checkout::new(stage.studio.to_string()).deliver(&webhook, WEBHOOK_SECRET);
    let delivered = stage.sandbox.checkout(&checkout).await?.delivered;
    stage.say(&format!(
        "a checkout is paid: Stripe's signed webhook for studio {} was answered {}",
        stage.studio,
        delivered.unwrap_or_default()
    ));
    let worker = stage.program.start("worker-a", &["serve", "--workers"])?;
    stage.say(&format!("worker A starts, process {}", worker.pid()));
    until("a number is bought", async || {
        stage.show_progress(seen).await?;
        Ok(stage.sandbox.summary().await?.effects_of("twilio.buy_number") == 1)
    })
    .await?;
    Ok(worker)
}

/// Another worker takes over and finishes.
async fn second_act(stage: &Stage, first: Process, seen: &mut Seen) -> Result<Process, Trouble> {
    let pid = first.pid();
    first.kill()?;
    stage.say(&format!(
        "kill -9 {pid}: worker A is dead, the number is bought, and nobody has noted it"
    ));
    let worker = stage.program.start("worker-b", &["serve", "--workers"])?;
    stage.say(&format!(
        "worker B starts, process {}, and waits for A's lease to run out",
        worker.pid()
    ));
    until("the studio is provisioned", async || {
        let status = stage.show_progress(seen).await?;
        match status.as_str() {
            "completed" => Ok(true),
            "queued" | "running" | "waiting" | "retrying" => Ok(false),
            other => Err(format!("the run ended {other}").into()),
        }
    })
    .await?;
    Ok(worker)
}

/// What the providers' ledger says.
async fn finale(stage: &Stage, folder: &Path) -> Result<(), Trouble> {
    let run = stage.api.status(stage.studio).await?;
    let steps = steps(&run);
    let done = steps.iter().filter(|(_, state)| state == "done").count();
    let ledger = stage.sandbox.summary().await?;
    let (accounts, numbers) =
        (ledger.effects_of("twilio.create_subaccount"), ledger.effects_of("twilio.buy_number"));
    println!();
    println!("  {done}/{} steps done in {:.1} s", steps.len(), stage.begun.elapsed().as_secs_f64());
    println!("  ledger of the providers: {} calls, {} effects", ledger.calls, ledger.effects);
    println!("  subaccounts bought: {accounts}");
    println!("  numbers bought:     {numbers}");
    println!("  ledger and logs:    {}", folder.display());
    println!();
    println!(
        "to look next: `make demo KEEP=1`, README.md for the promises, ARCHITECTURE.md for how they are kept"
    );
    if done == 7 && accounts == 1 && numbers == 1 && ledger.double_effects.is_empty() {
        Ok(())
    } else {
        Err("the ledger or the run is not as promised".into())
    }
}

fn hint_at_commands(stage: &Stage, folder: &Path) -> Result<(), Trouble> {
    let env = folder.join("env.sh");
    stage.program.write_env(&env)?;
    let program = stage.program.file().display();
    println!("it goes on running until Ctrl-C. In another terminal:");
    println!("  . {}", env.display());
    println!("  {program} runs list");
    println!("  {program} provision {} --watch", stage.studio);
    println!("  {program} doctor");
    println!(
        "  curl -H 'Authorization: Bearer {API_TOKEN}' '{}/api/autopilot/status?workspaceId={}'",
        stage.address, stage.studio
    );
    Ok(())
}

impl Stage {
    fn say(&self, text: &str) {
        println!("{:>5.1} s  {text}", self.begun.elapsed().as_secs_f64());
    }

    /// Prints each step that has come further; answers the run's status.
    async fn show_progress(&self, seen: &mut Seen) -> Result<String, Trouble> {
        let run = self.api.status(self.studio).await?;
        for (name, state) in steps(&run) {
            if state != "pending" && seen.get(&name) != Some(&state) {
                if state != "started" && state != "running" {
                    self.say(&format!("  {name}: {state}"));
                }
                seen.insert(name, state);
            }
        }
        let status = run.pointer("/run/status").or_else(|| run.get("status"));
        Ok(status.and_then(Value::as_str).unwrap_or("queued").to_owned())
    }
}

/// The steps of a status answer: name and state.
fn steps(run: &Value) -> Vec<(String, String)> {
    let text = |step: &Value, key: &str| {
        step.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    run.pointer("/run/steps")
        .or_else(|| run.get("steps"))
        .and_then(Value::as_array)
        .map(|steps| steps.iter().map(|step| (text(step, "name"), text(step, "state"))).collect())
        .unwrap_or_default()
}

/// The program's environment: the sandbox as its providers, short leases so that the demo is short.
fn environment(url: &str, sandbox: &Sandbox) -> Vec<(String, String)> {
    let mut env = sandbox.env();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    set("DATABASE_URL", url);
    set("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET);
    set("AUTOPILOT_API_TOKEN", API_TOKEN);
    set("ENCRYPTION_KEY", "demo:nQlm0Sb/jXRTmiZng3CwwyzfU8cevs4j/4Vgz5oARSs=");
    set("PUBLIC_BASE_URL", "https://demo.example");
    set("AUTOPILOT__HTTP__BIND", "127.0.0.1:0");
    set("AUTOPILOT__WORKER__LEASE", "3s");
    set("AUTOPILOT__WORKER__HEARTBEAT_INTERVAL", "500ms");
    set("AUTOPILOT__WORKER__POLL_MAX", "500ms");
    for provider in ["STRIPE", "TWILIO", "WHATSAPP", "OPENAI"] {
        set(&format!("AUTOPILOT__{provider}__CONNECT_TIMEOUT"), "1s");
        set(&format!("AUTOPILOT__{provider}__TIMEOUT"), "1500ms");
    }
    set("AUTOPILOT__SMTP__TIMEOUT", "1500ms");
    env
}
