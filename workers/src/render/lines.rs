//! A run as lines of text.

use std::borrow::Cow;

use autopilot_engine::WorkspaceId;
use chrono::{DateTime, Utc};

use super::elapsed::elapsed;
use super::{RunStatus, RunView, StepState, StepView, Style};

/// How many characters the bar has.
const BAR: usize = 30;

/// The run as it stands at `now`, one line an item, without line ends.
///
/// Control characters in names, details and errors become blanks: they come from providers and tenants, and a
/// terminal would obey them.
pub(crate) fn lines(run: &RunView, now: DateTime<Utc>, style: Style) -> Vec<String> {
    let mut lines = vec![title(run), status(run, now, style)];
    if !run.steps.is_empty() {
        lines.push(String::new());
    }
    lines.extend(run.steps.iter().map(|step| self::step(step, run, now, style)));
    let reasons = reasons(run, style);
    if !reasons.is_empty() {
        lines.push(String::new());
    }
    lines.extend(reasons);
    lines
}

/// What the run is.
pub(super) fn title(run: &RunView) -> String {
    if run.workspace == WorkspaceId::NONE {
        format!("{} {}", clean(&run.kind), run.id)
    } else {
        format!("{} {} workspace {}", clean(&run.kind), run.id, run.workspace)
    }
}

/// How the run stands, and how far it has come.
pub(super) fn status(run: &RunView, now: DateTime<Utc>, style: Style) -> String {
    let name = paint(format!("{:<9}", run.status.name()), colour(run.status), style);
    let bar = bar(run.percent, style);
    let time = elapsed(run.started_at, run.finished_at, now).unwrap_or_default();
    format!("{name} {bar} {:>3}%  {time}", run.percent).trim_end().to_owned()
}

/// One step; columns line up over all steps of the run.
pub(super) fn step(step: &StepView, run: &RunView, now: DateTime<Utc>, style: Style) -> String {
    let width = run.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
    let state = paint(format!("{:<7}", step.state.name()), step_colour(step.state), style);
    let name = clean(&step.name);
    let time = elapsed(step.started_at, step.finished_at, now).unwrap_or_default();
    let attempt =
        if step.attempt > 1 { format!("attempt {}", step.attempt) } else { String::new() };
    let detail = clean(step.detail.as_deref().unwrap_or_default());
    let notes = [attempt.as_str(), &detail].into_iter().filter(|note| !note.is_empty());
    let notes = notes.collect::<Vec<_>>().join(", ");
    format!("  {state}  {name:<width$}  {time:>7}  {notes}").trim_end().to_owned()
}

/// Why it does not go on, and what to do.
pub(super) fn reasons(run: &RunView, style: Style) -> Vec<String> {
    let blocked = run.blocked_reason.as_deref().map(|reason| {
        format!("{} {}", paint("reason".to_owned(), Colour::Yellow, style), clean(reason))
    });
    let error = run.error.as_ref().map(|error| {
        let text = error.to_string();
        format!("{}  {}", paint("error".to_owned(), Colour::Red, style), clean(&text))
    });
    let action = run.error.as_ref().and_then(|error| error.action.as_deref()).map(|action| {
        format!("{} {}", paint("action".to_owned(), Colour::Cyan, style), clean(action))
    });
    [blocked, error, action].into_iter().flatten().collect()
}

/// Full only at 100: a bar that is rounded up lies.
fn bar(percent: u8, style: Style) -> String {
    let full = (usize::from(percent.min(100)) * BAR) / 100;
    let [done, open] = match style {
        Style::Plain => ["#", "-"],
        Style::Terminal => ["█", "░"],
    };
    format!("[{}{}]", done.repeat(full), open.repeat(BAR - full))
}

/// Without anything that a terminal would obey or that would break the line.
fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, " ").into()
    } else {
        text.into()
    }
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Grey,
}

const fn colour(status: RunStatus) -> Colour {
    match status {
        RunStatus::Pending | RunStatus::Cancelled => Colour::Grey,
        RunStatus::Running => Colour::Cyan,
        RunStatus::Waiting | RunStatus::Blocked | RunStatus::Degraded => Colour::Yellow,
        RunStatus::Completed => Colour::Green,
        RunStatus::Failed | RunStatus::Review => Colour::Red,
    }
}

const fn step_colour(state: StepState) -> Colour {
    match state {
        StepState::Pending | StepState::Skipped => Colour::Grey,
        StepState::Running => Colour::Cyan,
        StepState::Done => Colour::Green,
        StepState::Waiting => Colour::Yellow,
        StepState::Failed => Colour::Red,
    }
}

fn paint(text: String, colour: Colour, style: Style) -> String {
    let code = match colour {
        Colour::Red => 31,
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Cyan => 36,
        Colour::Grey => 90,
    };
    match style {
        Style::Plain => text,
        Style::Terminal => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
    }
}

#[cfg(test)]
pub(super) mod tests;
