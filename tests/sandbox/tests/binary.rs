use std::process::Stdio;

use autopilot_sandbox::Ledger;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::world::{client, expect, ledger_path};

async fn start(ledger: &std::path::Path) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_autopilot-sandbox"))
        .args(["--port", "0", "--smtp-port", "0", "--ledger"])
        .arg(ledger)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("a pipe");
    let line = BufReader::new(stdout).lines().next_line().await.expect("a line");
    let ready = serde_json::from_str(&line.expect("a ready line")).expect("JSON");
    (child, ready)
}

async fn create(ready: &Value) {
    let env = |name: &str| ready["env"][name].as_str().expect("a variable").to_owned();
    let url = format!("{}/2010-04-01/Accounts.json", env("TWILIO_BASE_URL"));
    let request = client()
        .post(url)
        .basic_auth(env("TWILIO_ACCOUNT_SID"), Some(env("TWILIO_AUTH_TOKEN")))
        .form(&[("FriendlyName", "studio")]);
    expect(request, 201).await;
}

#[tokio::test]
async fn the_binary_tells_its_environment_and_stops_on_sigterm() {
    let (mut child, ready) = start(&ledger_path()).await;
    create(&ready).await;
    let url = format!("{}/_sandbox/summary", ready["base_url"].as_str().expect("an address"));
    assert_eq!(expect(client().get(url), 200).await["effects"], 1);
    let pid = child.id().expect("a running child").to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
    assert!(sent.success());
    assert!(child.wait().await.expect("an end").success());
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let ledger = ledger_path();
    let (mut child, ready) = start(&ledger).await;
    create(&ready).await;
    child.kill().await.expect("a kill");
    assert_eq!(Ledger::read(&ledger).expect("a ledger").len(), 2);
    let (_child, ready) = start(&ledger).await;
    create(&ready).await;
    let records = Ledger::read(&ledger).expect("a ledger");
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
}
