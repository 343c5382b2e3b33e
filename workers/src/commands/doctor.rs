//! `autopilot doctor`: everything that can be wrong, looked at once. Writes nothing: the database itself refuses.

mod providers;
mod redis;

use autopilot_engine::doctor::{self, Finding, Verdict};
use autopilot_engine::schema::{self, Fit, Misfit};
use autopilot_engine::secrets::{Vault, VaultError};
use autopilot_workflows::tenancy;
use serde_json::json;
use sqlx::PgPool;

use crate::app;
use crate::config::{Config, Loaded, Pooler, Severity};
use crate::console::{Console, table};
use crate::database::{MIGRATORS, Purpose, reach};
use crate::exit::Exit;
use crate::fail::Fail;

/// Looks, and says what was found; [`Exit::Failed`] if anything must be mended.
///
/// # Errors
/// Only those of writing: whatever cannot be looked at is a finding.
pub(crate) async fn run(loaded: &Loaded, console: Console) -> Result<Exit, Fail> {
    let mut findings = vec![configuration(loaded)];
    let config = loaded.config();
    match reach(&config.database, Purpose::Look).await {
        Ok(pool) => {
            let how = match config.database.pooler {
                Pooler::None => "reachable",
                Pooler::Transaction => "reachable through a pooler in transaction mode",
            };
            findings.push(Finding::ok("database", how));
            findings.extend(database(config, &pool).await);
        }
        Err(fail) => findings.push(Finding::problem(
            "database",
            fail.to_string(),
            "mend that first; the rest of the database was not looked at",
        )),
    }
    findings.push(redis::look(config.redis.url.as_ref()).await);
    findings.extend(Box::pin(providers::look(config)).await);
    let is_well = findings.iter().all(|finding| finding.verdict != Verdict::Problem);
    console.show(&json!({ "ok": is_well, "findings": findings }), || lines(&findings))?;
    Ok(if is_well { Exit::Ok } else { Exit::Failed })
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let row = |finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "PROBLEM",
        };
        let action = finding.action.as_ref().map(|action| format!(" -> {action}"));
        let detail = finding.detail.clone() + &action.unwrap_or_default();
        [verdict.to_owned(), finding.check.to_owned(), detail]
    };
    table(["VERDICT", "CHECK", "DETAIL"], findings.iter().map(row).collect())
}

fn configuration(loaded: &Loaded) -> Finding {
    const CHECK: &str = "configuration";
    let told: Vec<String> = loaded
        .problems()
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    if !told.is_empty() {
        return Finding::problem(CHECK, told.join("; "), "see `autopilot config check`");
    }
    match loaded.problems().len() {
        0 => Finding::ok(CHECK, "nothing is wrong"),
        some => Finding::warning(CHECK, format!("{some} notes"), "see `autopilot config check`"),
    }
}

async fn database(config: &Config, pool: &PgPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(told(doctor::database(pool).await));
    let mut is_current = true;
    for (name, migrator) in MIGRATORS {
        let finding = migrations(name, schema::check(pool, migrator).await);
        is_current &= finding.verdict == Verdict::Ok;
        findings.push(finding);
    }
    if is_current {
        findings.extend(told(doctor::queue(pool).await));
        findings.push(match tenancy::verify(pool).await {
            Ok(()) => Finding::ok("tenancy", "forced row-level security on every tenant's table"),
            Err(breach) => Finding::problem("tenancy", breach.to_string(), "run what it names"),
        });
        findings.push(encryption(config, pool).await);
    }
    findings
}

/// The findings, or the one that nothing could be found out.
fn told(found: Result<Vec<Finding>, sqlx::Error>) -> Vec<Finding> {
    found.unwrap_or_else(|error| {
        let action = "look at the server's log";
        vec![Finding::problem("database", format!("did not answer: {error}"), action)]
    })
}

fn migrations(name: &'static str, fit: Result<Fit, Misfit>) -> Finding {
    let check = match name {
        "engine" => "schema engine",
        _ => "schema studio",
    };
    match fit {
        Ok(Fit::Current) => Finding::ok(check, "up to date"),
        Ok(Fit::NewerButCompatible { unknown }) => {
            Finding::ok(check, format!("newer by {}, and compatible", unknown.len()))
        }
        Err(misfit) => {
            Finding::problem(check, misfit.to_string(), "migrate, or deploy the version that fits")
        }
    }
}

/// Whether the keyring is the one that this database knows. The pool refuses writes, so a key that was never used
/// is not recorded by looking.
async fn encryption(config: &Config, pool: &PgPool) -> Finding {
    const CHECK: &str = "encryption key";
    let keyring = match app::keyring(&config.encryption.keys) {
        Ok(keyring) => keyring,
        Err(fail) => return Finding::problem(CHECK, fail.to_string(), "set ENCRYPTION_KEY"),
    };
    match Vault::open(pool, keyring).await {
        Ok(_vault) => Finding::ok(CHECK, "the keyring is the one that this database knows"),
        Err(VaultError::Database(error)) if is_read_only(&error) => {
            Finding::ok(CHECK, "a key that this database has not seen yet; a worker will record it")
        }
        Err(error) => Finding::problem(CHECK, error.to_string(), "set the right ENCRYPTION_KEY"),
    }
}

/// SQLSTATE 25006: our own refusal to write.
fn is_read_only(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("25006"))
}
