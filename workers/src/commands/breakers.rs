//! `autopilot breakers`: providers that are out of order, and what happens next.

use autopilot_engine::ops::breakers::{self, Breaker, Guarded, State, Transition};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::cli::Breakers;
use crate::config::Database;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// What one answer lists, at most.
const MOST: i64 = 1000;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] where what is to be reset is closed.
pub(crate) async fn run(
    command: Breakers,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Breakers::List { provider } => {
            let found = breakers::list(&pool, provider.as_deref(), MOST).await?;
            console.show(&found, || listed(&found))?;
        }
        Breakers::Show { breaker } => {
            let (found, log) = breakers::show(&pool, &breaker).await?;
            let everybody = breakers::whole_of(&pool, &breaker).await?;
            let value = json!({ "breaker": found, "log": log, "everybody": everybody });
            console.show(&value, || shown(&breaker, found.as_ref(), everybody.as_ref(), &log))?;
        }
        Breakers::Trip(change) => {
            breakers::trip(&pool, &change.breaker, &who(), &change.reason).await?;
            let value = json!({ "tripped": change.breaker, "reason": change.reason });
            let name = &change.breaker;
            console.show(&value, || {
                vec![
                    format!("{name} is not called any more, from the next second on; calls under way end"),
                    format!("steps wait and spend no attempt until `autopilot breakers reset {name}`"),
                ]
            })?;
        }
        Breakers::Reset(change) => {
            let name = &change.breaker;
            let woken = breakers::reset(&pool, &change.breaker, &who(), &change.reason).await?;
            let everybody = breakers::whole_of(&pool, name).await?;
            let Some(woken) = woken else {
                let closed = match &everybody {
                    Some(whole) => {
                        format!("{name}: its own breaker is closed; {}", still_open(whole))
                    }
                    None => format!(
                        "{name} is called as ever: its breaker is closed; `autopilot breakers list` shows which are not"
                    ),
                };
                return Err(Fail::new(Exit::NotFound, closed));
            };
            let value = json!({ "reset": change.breaker, "woken": woken, "everybody": everybody });
            console.show(&value, || match &everybody {
                Some(whole) => {
                    vec![format!("{name}: its own breaker is closed now; {}", still_open(whole))]
                }
                None => vec![format!("{name} is called again; {woken} steps that waited go on")],
            })?;
        }
    }
    Ok(Exit::Ok)
}

/// Who is at the keyboard, as far as the system says.
fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    user.map_or_else(|_unset| "command line".to_owned(), |user| format!("{user}, command line"))
}

const HEAD: [&str; 6] = ["BREAKER", "STATE", "SINCE (UTC)", "WAITING", "NEXT", "WHY"];

fn listed(found: &[Breaker]) -> Vec<String> {
    if found.is_empty() {
        return vec![
            "every provider is called: no breaker is open, and none counts failures".to_owned(),
        ];
    }
    let mut lines = table(HEAD, found.iter().map(row).collect());
    if found.iter().any(|breaker| breaker.state.is_open()) {
        lines.push(String::new());
        lines.push(
            "Nobody calls what is open; steps wait and spend no attempt. They go on by themselves when a call that tries it is answered."
                .to_owned(),
        );
    }
    lines
}

fn row(breaker: &Breaker) -> [String; 6] {
    [
        breaker.key.clone(),
        breaker.state.name().to_owned(),
        utc(breaker.opened_at),
        breaker.waiting.to_string(),
        next(breaker),
        breaker.reason.clone(),
    ]
}

/// What happens next, without anybody doing anything.
fn next(breaker: &Breaker) -> String {
    match breaker.state {
        State::Counting => format!("opens after more than {} in a row", breaker.failures),
        State::Open => format!("one call tries it at {}", time(breaker.tried_at)),
        State::Due => "the next call tries it".to_owned(),
        State::Probing => "a call is trying it".to_owned(),
        State::Tripped => format!("nothing until `autopilot breakers reset {}`", breaker.key),
        _ => breaker.state.name().to_owned(),
    }
}

/// What holds a workspace back that has no open breaker of its own.
fn still_open(whole: &Breaker) -> String {
    format!(
        "but {0} is not called for anybody ({1}): `autopilot breakers show {0}`",
        whole.key, whole.reason
    )
}

fn shown(
    guarded: &Guarded,
    found: Option<&Breaker>,
    everybody: Option<&Breaker>,
    log: &[Transition],
) -> Vec<String> {
    let mut lines = match found {
        Some(breaker) => {
            let about = match breaker.workspace {
                Some(workspace) => format!("{} for workspace {workspace}", breaker.service),
                None => format!("{} for every workspace", breaker.service),
            };
            vec![
                format!("{about}: {}", breaker.state.name()),
                format!("why      {}", breaker.reason),
                format!("since    {}", utc(breaker.opened_at)),
                format!("in a row {}", breaker.failures),
                format!("waiting  {} steps", breaker.waiting),
                format!("next     {}", next(breaker)),
            ]
        }
        None if everybody.is_some() => vec![format!("{guarded}: closed")],
        None => vec![format!("{guarded}: closed, it is called as ever")],
    };
    lines.extend(everybody.map(still_open));
    if !log.is_empty() {
        lines.push(String::new());
        let rows = log.iter().map(|log| [utc(log.happened_at), log.what.clone(), log.note.clone()]);
        lines.extend(table(["WHEN (UTC)", "WHAT", "WHY"], rows.collect()));
    }
    lines
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "once it is due".to_owned(), |at| at.format("%T").to_string())
}
