//! What a person is told who looks in the middle of it and knows nothing: on the command line, and over HTTP.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use autopilot_engine::WorkspaceId;
use reqwest::Client;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::ready::Ready;

const TOKEN: &str = "a-token-for-the-outage-and-nothing-else";

/// What was told, and how soon.
#[derive(Debug, Clone)]
pub struct Told {
    /// What `autopilot breakers list` prints.
    pub breakers: String,
    /// What `GET …/health?all=true` says of the provider.
    pub fleet: Option<Value>,
    /// What `GET …/health?workspaceId=` says of it for one of the studios.
    pub studio: Option<Value>,
    /// How long the answer over all studios took.
    pub answered_in: Duration,
}

impl Told {
    /// The same in lines, as the program's own command line shows it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["$ autopilot breakers list".to_owned()];
        lines.extend(self.breakers.lines().map(str::to_owned));
        for (query, issue) in [("all=true", &self.fleet), ("workspaceId=…", &self.studio)] {
            lines.push(format!("$ GET /api/autopilot/health?{query}"));
            for member in ["severity", "component", "cause", "whatHappensNext", "action"] {
                let said = issue.as_ref().and_then(|issue| issue[member].as_str());
                lines.push(format!("{member:<16} {}", said.unwrap_or("nothing")));
            }
        }
        lines.push(format!("all of them in {:.0} ms", self.answered_in.as_secs_f64() * 1000.0));
        lines
    }

    /// What is missing for somebody who knows nothing.
    pub(super) fn missing(&self, service: &str) -> Vec<String> {
        let mut missing = Vec::new();
        for part in [service, "open", "spend no attempt", "go on by themselves"] {
            if !self.breakers.contains(part) {
                missing.push(format!("`breakers list` does not say {part:?}"));
            }
        }
        for (who, issue) in [("all studios", &self.fleet), ("one studio", &self.studio)] {
            for (member, part) in [
                ("cause", "is out of order and not called"),
                ("whatHappensNext", "spends no attempt; one call tries"),
                ("whatHappensNext", "goes on by itself"),
                ("action", "nothing has to be done here"),
                ("action", "autopilot breakers show"),
            ] {
                let text = issue.as_ref().and_then(|issue| issue[member].as_str());
                if !text.is_some_and(|text| text.contains(part)) {
                    missing.push(format!(
                        "the health of {who} does not say {part:?} as its {member}: {text:?}"
                    ));
                }
            }
        }
        missing
    }
}

/// Looks as that person would, at the program's own process for HTTP, which is started for it.
pub(super) async fn look(
    program: &Path,
    folder: &Path,
    database: &str,
    service: &str,
    studio: WorkspaceId,
) -> Told {
    let breakers = command(program, folder, database).args(["breakers", "list"]).output().await;
    let breakers = breakers.expect("the program starts; build it first").stdout;
    let ready = Ready::at(folder.join("http.ready"));
    let mut http = serve(program, folder, database, &ready);
    let address = ready.address().await;
    let began = Instant::now();
    let fleet = get(&address, "all=true").await;
    let answered_in = began.elapsed();
    let studio = get(&address, &format!("workspaceId={studio}")).await;
    http.kill().await.expect("it ends");
    Told {
        breakers: String::from_utf8_lossy(&breakers).into_owned(),
        fleet: about(&fleet, service),
        studio: about(&studio, service),
        answered_in,
    }
}

fn command(program: &Path, folder: &Path, database: &str) -> Command {
    let log = File::create(folder.join("operator.log")).expect("a log");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("DATABASE_URL", database)
        .env("AUTOPILOT_API_TOKEN", TOKEN)
        .env("AUTOPILOT__HTTP__BIND", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stderr(Stdio::from(log))
        .kill_on_drop(true);
    command
}

fn serve(program: &Path, folder: &Path, database: &str, ready: &Ready) -> Child {
    let mut command = command(program, folder, database);
    let command = command.args(["serve", "--http", "--ready-file"]).arg(ready.path());
    command.stdout(Stdio::null()).spawn().expect("the program starts")
}

async fn get(address: &str, query: &str) -> Value {
    let asked = Client::new().get(format!("http://{address}/api/autopilot/health?{query}"));
    let answer = asked.bearer_auth(TOKEN).send().await.expect("it answers");
    answer.json().await.expect("the answer is JSON")
}

/// What is told of the service.
fn about(health: &Value, service: &str) -> Option<Value> {
    let begin = format!("{service} is out of order");
    let tells = |issue: &&Value| issue["cause"].as_str().is_some_and(|it| it.contains(&begin));
    health["issues"].as_array()?.iter().find(tells).cloned()
}
