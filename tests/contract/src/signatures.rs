//! Webhook signatures against the providers' own libraries.
//!
//! What those make and take is recorded, so that the process's tests need no library: here it is made anew, and what the sandbox
//! signs is given to them. What we sign for studios' endpoints goes to the library of Standard Webhooks.

use std::path::Path;
use std::process::Stdio;

use autopilot_sandbox::sign;
use autopilot_workflows::integrations::courier::{self, Secret};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use url::form_urlencoded;

use crate::course::Problem;

const SCRIPT: &str = "signatures.mjs";

/// In seconds since 1970; any will do.
const NOW: i64 = 1_800_000_000;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Compared {
    /// How many verdicts of the libraries are recorded, and were compared with what they say now.
    pub(crate) recorded: usize,
    /// How many signatures, the sandbox's and ours, the libraries took.
    pub(crate) taken: usize,
    pub(crate) problems: Vec<String>,
}

/// Compares what the libraries in `folder` say now with what is recorded, and gives them what the sandbox signs.
pub(crate) async fn compare(folder: &Path, record: &Path) -> Result<Compared, Problem> {
    let recorded = tokio::fs::read_to_string(record).await?;
    let mut problems = Vec::new();
    if run(folder, &[], "").await? != recorded {
        problems.push(format!(
            "{} is not what the libraries say: write it anew with `node {SCRIPT}`, and run the tests",
            record.display()
        ));
    }
    let verdicts: Value = serde_json::from_str(&recorded)?;
    let count = |cases: &Value| cases.as_array().map_or(0, Vec::len);
    let recorded = verdicts.as_object().into_iter().flatten().map(|(_, cases)| count(cases)).sum();

    let ours = [deliveries(), told()?].concat();
    let all: Vec<Value> = ours.iter().cloned().chain(ours.iter().cloned().map(changed)).collect();
    let verdicts: Vec<bool> =
        serde_json::from_str(&run(folder, &["check"], &Value::from(all).to_string()).await?)?;
    let (right, wrong) = verdicts.split_at_checked(ours.len()).ok_or("too few verdicts")?;
    for ((delivery, taken), changed_is_taken) in ours.iter().zip(right).zip(wrong) {
        if !taken {
            problems.push(format!("the library refuses what was signed: {delivery}"));
        }
        if *changed_is_taken {
            problems.push(format!("the library takes another body than was signed: {delivery}"));
        }
    }
    let taken = right.iter().filter(|taken| **taken).count();
    Ok(Compared { recorded, taken, problems })
}

/// What the sandbox signs, one of each form.
fn deliveries() -> Vec<Value> {
    let body = r#"{"id":"evt_1","name":"M\u00fcller 💪"}"#;
    let form =
        [("To", "whatsapp:+4930456"), ("Media", "b"), ("Body", "Grüße, 1+1 & 💪"), ("Media", "a")];
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let twilio = |address: &str| {
        let header = sign::twilio("token", address, &form);
        json!({"provider": "twilio", "url": address, "body": text, "header": header, "key": "token"})
    };
    vec![
        json!({"provider": "stripe", "body": body, "header": sign::stripe("whsec_a", NOW, body.as_bytes()), "key": "whsec_a", "now": NOW}),
        json!({"provider": "whatsapp", "body": body, "header": sign::whatsapp("secret", body.as_bytes()), "key": "secret"}),
        twilio("https://studio.example/webhooks/twilio/sms?workspace=1"),
        twilio("https://studio.example:8443/webhooks/twilio/sms"),
    ]
}

/// What we sign for an endpoint: with its secret, and while it changes over with both, as who knows either sees it.
fn told() -> Result<Vec<Value>, Problem> {
    let (new, old) =
        ("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4");
    let (now, body) =
        (Utc::now().timestamp(), r#"{"type":"studio.provisioned","data":{"name":"Müller 💪"}}"#);
    let told = |secrets: &[&str], key: &str| {
        let secrets: Vec<Secret> =
            secrets.iter().map(|secret| Secret::parse(secret)).collect::<Result<_, _>>()?;
        let headers = json!({
            "webhook-id": "msg_1", "webhook-timestamp": now.to_string(),
            "webhook-signature": courier::sign("msg_1", now, body.as_bytes(), &secrets),
        });
        Ok(json!({"provider": "standard", "body": body, "headers": headers, "key": key}))
    };
    [told(&[new], new), told(&[new, old], new), told(&[new, old], old)].into_iter().collect()
}

/// The same with another body.
fn changed(mut delivery: Value) -> Value {
    if let Some(body) = delivery.get_mut("body") {
        *body = format!("{}&more=1", body.as_str().unwrap_or_default()).into();
    }
    delivery
}

/// What the script prints, given this on its standard input.
async fn run(folder: &Path, arguments: &[&str], input: &str) -> Result<String, Problem> {
    let mut node = Command::new("node")
        .arg(folder.join(SCRIPT))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = node.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let output = node.wait_with_output().await?;
    if !output.status.success() {
        return Err(format!("{SCRIPT} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
