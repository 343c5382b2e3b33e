//! The places where a secret may have been written.

use std::path::Path;

use reqwest::Client;
use sqlx::{AssertSqlSafe, PgPool};

use crate::chaos::scene::Scene;

/// What somebody can read.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) text: String,
}

/// What the command line tells operators.
const ASKED: [&[&str]; 11] = [
    &["config", "check", "--json"],
    &["doctor", "--json"],
    &["health", "--json"],
    &["runs", "list", "--json"],
    &["jobs", "list", "--json"],
    &["breakers", "list", "--json"],
    &["inbox", "list", "--json"],
    &["repairs", "list", "--json"],
    &["inbox", "gaps", "--json"],
    &["doctor"],
    &["health"],
];

/// What is answered over HTTP, to those who have the token and to those who have not.
const PATHS: [&str; 6] = [
    "/livez",
    "/readyz",
    "/api/autopilot/health?all=true",
    "/api/autopilot/breakers",
    "/api/autopilot/status",
    "/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=guessed&hub.challenge=1",
];

/// The command lines of processes: everybody on the machine can see them.
pub(super) fn processes(pids: &[u32]) -> Vec<Place> {
    let line = |pid: &u32| {
        let read = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&read).into_owned();
        Place { name: format!("the command line of process {pid}"), text }
    };
    pids.iter().map(line).collect()
}

/// What the program answers.
pub(super) async fn answers(scene: &Scene) -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    for asked in ASKED {
        let text = scene.fleet.ask(asked);
        assert!(!text.is_empty(), "{asked:?} tells nothing: the search would say nothing of it");
        found.push(Place { name: format!("the answer to {}", asked.join(" ")), text });
    }
    let (address, client) = (scene.fleet.http_address().await, Client::new());
    let settings = scene.fleet.settings();
    let token = settings.iter().find(|(name, _)| name == "AUTOPILOT_API_TOKEN");
    let right = token.map(|(_, token)| token.as_str()).unwrap_or_default();
    for path in PATHS {
        for token in [right, "a token that somebody guessed"] {
            let asked = client.get(format!("http://{address}{path}")).bearer_auth(token);
            let answer = asked.send().await.expect("it answers");
            let head = format!("{:?}", answer.headers());
            let body = answer.text().await.expect("the answer is text");
            found.push(Place { name: format!("GET {path}"), text: head + &body });
        }
    }
    found
}

/// All files in a folder: logs, the ledger, the history.
pub(super) fn files(folder: &Path) -> Vec<Place> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let read = entries.filter_map(|entry| {
        let path = entry.expect("the folder can be read").path();
        let bytes = std::fs::read(&path).ok()?;
        let name = format!("{}", path.file_name()?.display());
        Some(Place { name, text: String::from_utf8_lossy(&bytes).into_owned() })
    });
    read.collect()
}

/// All rows of all tables, partitions by themselves; bytes are hexadecimal digits in them.
pub(super) async fn rows(pool: &PgPool) -> Vec<Place> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class
         WHERE relkind = 'r' AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(pool)
    .await
    .expect("the database answers");
    let mut found = Vec::new();
    for table in tables {
        let read = AssertSqlSafe(format!("SELECT kept::text FROM {table} AS kept"));
        let rows: Vec<String> =
            sqlx::query_scalar(read).fetch_all(pool).await.expect("the table can be read");
        found.push(Place { name: format!("the table {table}"), text: rows.join("\n") });
    }
    found
}
