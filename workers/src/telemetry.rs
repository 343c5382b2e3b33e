//! The log: to standard error, as text for people on a terminal and as JSON for machines elsewhere.
//!
//! What is logged carries ids, never bodies, addresses with a query, or secrets.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter is no filter. `Config` has refused it already.
    #[error("log.filter is not a filter: {0}; write for example \"info\"")]
    Filter(#[from] ParseError),
    /// Somebody has set the process's subscriber before.
    #[error("the log was started twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts the log of this process. Call it once, before anything worth logging.
///
/// # Errors
///
/// When the filter cannot be read, or when it was called before.
pub(crate) fn start(log: &Log) -> Result<(), TelemetryError> {
    let is_terminal = io::stderr().is_terminal();
    Ok(subscriber(log, is_terminal, io::stderr)?.try_init()?)
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(log: &Log, is_terminal: bool, writer: W) -> Result<Subscriber, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter: EnvFilter = log.filter.parse()?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let json = match log.format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    Ok(if json {
        Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish(),
        )
    } else {
        Box::new(builder.with_ansi(is_terminal).finish())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// One line at level info and one below it.
    fn logged(format: LogFormat, is_terminal: bool) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let log = Log { format, filter: "info".to_owned() };
        let subscriber = subscriber(&log, is_terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(job = 7, "claimed");
            tracing::debug!("hidden");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_machine_reads_one_object_a_line() {
        for text in [logged(LogFormat::Auto, false), logged(LogFormat::Json, true)] {
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(line["message"], "claimed");
            assert_eq!(line["job"], 7);
            assert_eq!(line["level"], "INFO");
        }
    }

    #[test]
    fn a_person_reads_text_and_colour_only_on_a_terminal() {
        assert!(logged(LogFormat::Auto, true).contains("\u{1b}["));
        let plain = logged(LogFormat::Text, false);
        assert!(plain.contains("claimed") && plain.contains("job=7"), "{plain}");
        assert!(!plain.contains('\u{1b}') && !plain.contains("hidden"), "{plain}");
    }
}
