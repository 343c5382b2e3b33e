//! Following a run: a terminal sees one picture that changes, anything else a line for each change.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::lines::{lines, reasons, status, step, title};
use super::{RunView, Style};

/// Follows a run until it cannot go on by itself, and returns it as it then stands.
///
/// `next` answers with the run as it stands now; when to answer is its business: at once the first time, then
/// after a change, or after a pause if the clock on the screen shall run on.
///
/// # Errors
///
/// Those of `next`, and those of writing to the screen.
pub(crate) async fn watch<E: From<io::Error>>(
    mut next: impl AsyncFnMut() -> Result<RunView, E>,
    clock: impl Fn() -> DateTime<Utc>,
    screen: &mut Screen<impl Write>,
) -> Result<RunView, E> {
    loop {
        let run = next().await?;
        screen.show(&run, clock())?;
        if run.status.exit().is_some() {
            return Ok(run);
        }
    }
}

/// Where a followed run is shown.
#[derive(Debug)]
pub(crate) struct Screen<W> {
    output: W,
    style: Style,
    shown: Option<RunView>,
    /// Lines on a terminal that the next picture replaces.
    height: usize,
}

impl<W: Write> Screen<W> {
    /// An empty screen; its first picture is drawn where the cursor is.
    pub(crate) const fn new(output: W, style: Style) -> Self {
        Self { output, style, shown: None, height: 0 }
    }

    /// Shows the run as it stands at `now`.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(crate) fn show(&mut self, run: &RunView, now: DateTime<Utc>) -> io::Result<()> {
        let text = match self.style {
            Style::Plain => unlines(&changes(self.shown.as_ref(), run, now)),
            Style::Terminal => self.picture(&lines(run, now, self.style)),
        };
        self.shown = Some(run.clone());
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }

    /// One write for the whole picture, so that it does not flicker. The terminal does not wrap lines
    /// meanwhile: a wrapped line would take two rows, and the next picture would start a row too low.
    fn picture(&mut self, lines: &[String]) -> String {
        let back = match self.height {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A\r\u{1b}[J"),
        };
        self.height = lines.len();
        format!("{back}\u{1b}[?7l{}\u{1b}[?7h", unlines(lines))
    }
}

fn unlines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What is new since the run was last shown.
fn changes(before: Option<&RunView>, run: &RunView, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = Vec::new();
    if before.is_none() {
        lines.push(title(run));
    }
    for step in &run.steps {
        let known = |old: &&super::StepView| old.name == step.name;
        let old = before.and_then(|before| before.steps.iter().find(known));
        let same = old.is_some_and(|old| {
            (old.state, old.attempt, &old.detail) == (step.state, step.attempt, &step.detail)
        });
        if !same {
            lines.push(self::step(step, run, now, Style::Plain));
        }
    }
    let stands = |run: &RunView| (run.status, run.percent);
    if before.map(stands) != Some(stands(run)) {
        lines.push(status(run, now, Style::Plain));
    }
    let why = reasons(run, Style::Plain);
    if before.map(|before| reasons(before, Style::Plain)).as_ref() != Some(&why) {
        lines.extend(why);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::{at, run, step as step_in};
    use super::super::{RunStatus, StepState, percent};
    use super::*;

    /// Three moments of one run: the second changes nothing but the clock.
    fn moments() -> Vec<RunView> {
        let mut first =
            run(vec![step_in("buy", StepState::Running), step_in("call", StepState::Pending)]);
        first.steps[0].started_at = Some(at(0));
        let mut last = first.clone();
        last.steps[0].state = StepState::Done;
        last.steps[0].finished_at = Some(at(2));
        last.steps[1].state = StepState::Skipped;
        last.steps[1].detail = Some("TWILIO_ACCOUNT_SID is not set".to_owned());
        last.status = RunStatus::Completed;
        last.finished_at = Some(at(3));
        last.percent = percent(&last.steps);
        vec![first.clone(), first, last]
    }

    async fn watched(style: Style) -> (RunView, String) {
        let mut moments = moments().into_iter();
        let mut output = Vec::new();
        let next = async move || moments.next().ok_or_else(|| io::Error::other("asked too often"));
        let last = watch(next, || at(1), &mut Screen::new(&mut output, style)).await.unwrap();
        (last, String::from_utf8(output).unwrap())
    }

    #[tokio::test]
    async fn a_pipe_sees_each_change_once() {
        let (last, text) = watched(Style::Plain).await;
        assert_eq!(last.status, RunStatus::Completed);
        assert_eq!(
            text,
            "\
studio.provision 00000000-0000-0000-0000-000000000001 workspace 00000000-0000-0000-0000-000000000002
  running  buy      1.0s
  pending  call
running   [------------------------------]   0%  1.0s
  done     buy      2.0s
  skipped  call           TWILIO_ACCOUNT_SID is not set
completed [###############---------------]  50%  3.0s
"
        );
    }

    #[tokio::test]
    async fn a_terminal_sees_one_picture_that_is_drawn_over() {
        let (_, text) = watched(Style::Terminal).await;
        let pictures: Vec<_> = text.split("\u{1b}[5A\r\u{1b}[J").collect();
        assert_eq!(pictures.len(), 3, "{text:?}");
        for picture in pictures {
            assert!(picture.starts_with("\u{1b}[?7l"), "{picture:?}");
            assert!(picture.ends_with("\n\u{1b}[?7h"), "{picture:?}");
            assert_eq!(picture.lines().count(), 6, "five lines and what ends the picture");
        }
    }

    #[tokio::test]
    async fn an_error_of_the_source_ends_the_watch() {
        let next = async || Err(io::Error::other("the database is gone"));
        let mut screen = Screen::new(Vec::new(), Style::Plain);
        let error = watch(next, || at(1), &mut screen).await.unwrap_err();
        assert_eq!(error.to_string(), "the database is gone");
    }
}
