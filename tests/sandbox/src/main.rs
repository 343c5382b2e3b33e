//! Runs the sandbox until it is told to stop.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use autopilot_sandbox::{Options, Sandbox};
use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Stands in for Stripe, Twilio, WhatsApp, OpenAI and an SMTP server, on loopback.
///
/// Prints one line of JSON when it is ready: the addresses, and the environment variables that
/// point the product at it. SIGTERM and SIGINT stop it.
#[derive(Parser)]
#[command(name = "autopilot-sandbox")]
struct Arguments {
    /// Port for HTTP; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port for SMTP; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    smtp_port: u16,
    /// File for the ledger; appended to if it exists.
    #[arg(long)]
    ledger: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { port, smtp_port, ledger } = Arguments::parse();
    let mut options = Options::new(ledger);
    options.http = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    options.smtp = SocketAddr::from((Ipv4Addr::LOCALHOST, smtp_port));
    // Before the ready line, so that whoever reads it may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let sandbox = Sandbox::start(options).await?;
    announce(&sandbox);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the ready line is this program's output")]
fn announce(sandbox: &Sandbox) {
    let env: Map<String, Value> =
        sandbox.env().into_iter().map(|(name, value)| (name, value.into())).collect();
    let ready = json!({
        "base_url": sandbox.base_url(), "smtp_addr": sandbox.smtp_addr().to_string(),
        "stripe_url": sandbox.stripe_url(), "twilio_url": sandbox.twilio_url(),
        "whatsapp_url": sandbox.whatsapp_url(), "openai_url": sandbox.openai_url(), "env": env,
    });
    println!("{ready}");
}
