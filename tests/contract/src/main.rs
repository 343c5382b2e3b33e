//! Whether the adapters speak to the providers as their official descriptions demand, and whether the sandbox answers as they
//! do. `make contract` installs what it needs and runs it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the program's output"
)]

mod course;
mod description;
mod journal;
mod mistakes;
mod openai;
mod prism;
mod relay;
mod rig;
mod signatures;
mod stripe;
mod twilio;
mod whatsapp;

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_sandbox::{Options, Sandbox};
use clap::Parser;

use course::Problem;
use rig::{Rig, Verdict};

/// Holds every exchange of the adapters with the sandbox against the providers' official API descriptions.
#[derive(Parser)]
#[command(name = "contract")]
struct Arguments {
    /// The folder of the descriptions. One that is missing is skipped, by name.
    #[arg(long, env = "CONTRACT_SPECS", default_value = "../shared/specs")]
    specs: PathBuf,
    /// Where Prism and the providers' libraries are installed.
    #[arg(long)]
    node: PathBuf,
    /// What the providers' libraries say of webhook signatures, as the tests of the process know it.
    #[arg(long, default_value = "tests/contract/signatures.json")]
    signatures: PathBuf,
    /// A folder for the sandbox's ledger.
    #[arg(long)]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found wrong.
async fn run(arguments: &Arguments) -> Result<bool, Problem> {
    std::fs::create_dir_all(&arguments.folder)?;
    autopilot_workflows::integrations::http::install_crypto();
    let sandbox = Sandbox::start(Options::new(arguments.folder.join("ledger.jsonl"))).await?;
    let (stripe, twilio, numbers, whatsapp, openai) = tokio::try_join!(
        arguments.rig("stripe", sandbox.stripe_url()),
        arguments.rig("twilio", sandbox.twilio_url()),
        arguments.rig("twilio-numbers-v2", sandbox.twilio_url()),
        arguments.rig("whatsapp", sandbox.whatsapp_url()),
        arguments.rig("openai", sandbox.openai_url()),
    )?;
    let mut problems = Vec::new();
    if let Some(rig) = &stripe {
        problems.extend(stripe::exercise(&sandbox, rig).await?);
    }
    if let (Some(core), Some(numbers)) = (&twilio, &numbers) {
        problems.extend(twilio::exercise(&sandbox, core, numbers).await?);
    }
    if let Some(rig) = &whatsapp {
        problems.extend(whatsapp::exercise(&sandbox, rig).await?);
    }
    if let Some(rig) = &openai {
        problems.extend(openai::exercise(&sandbox, rig).await?);
    }
    println!(
        "description        operations  failed too  exchanges  mistakes refused  lies refused"
    );
    for rig in [&stripe, &twilio, &numbers, &whatsapp, &openai].into_iter().flatten() {
        let verdict = rig.verdict().await;
        tell(&verdict);
        problems.extend(verdict.problems);
    }
    let compared = signatures::compare(&arguments.node, &arguments.signatures).await?;
    println!(
        "signatures: {} verdicts of the providers' libraries compared, {} signatures of the sandbox and of ours are taken by them",
        compared.recorded, compared.taken
    );
    problems.extend(compared.problems);
    for problem in &problems {
        println!("WRONG {problem}");
    }
    sandbox.stop().await;
    Ok(problems.is_empty())
}

impl Arguments {
    /// What runs a description, unless it is not there.
    async fn rig(&self, name: &'static str, sandbox: String) -> Result<Option<Rig>, Problem> {
        let spec = self.specs.join(format!("{name}.yaml"));
        if !spec.is_file() {
            println!("SKIPPED {name}: there is no {}", spec.display());
            return Ok(None);
        }
        Ok(Some(Rig::start(name, &spec, sandbox, &self.node).await?))
    }
}

fn tell(verdict: &Verdict) {
    let Verdict { name, operations, failed, exchanges, mistakes, lies, .. } = verdict;
    println!(
        "{name:<18} {operations:>10}  {failed:>10}  {exchanges:>9}  {mistakes:>16}  {lies:>12}"
    );
}
