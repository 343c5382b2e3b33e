//! The one JSON object that an adapter prints as its last line.

use anyhow::{Context, Result};
use serde::Serialize;

/// The answer: what ran, how it was set up, and what was measured.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The system with its version.
    pub system: String,
    pub work: String,
    /// The settings that matter for speed, in words.
    pub settings: String,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What a work measured; only the fields that the work has are printed.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// Jobs, rows or workflows per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Median latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99th percentile of the latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Median latency of each window, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_by_window_ms: Option<Vec<f64>>,
    /// 99th percentile of each window, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_by_window_ms: Option<Vec<f64>>,
    /// Dead tuples in the system's tables at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_tuples: Option<i64>,
    /// Bytes of the system's tables, with indexes and TOAST, at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Statements a second of a worker with nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements_per_second: Option<f64>,
    /// Rows that it wrote meanwhile, but for those of the table that it wrote most: that may be a heartbeat's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_writes: Option<i64>,
}

impl Figures {
    /// Names the system with its version, the work, and the settings that it ran with.
    pub fn of(self, system: &str, package: &str, work: &str, settings: String) -> Result<Answer> {
        let system = format!("{system} {}", version(package)?);
        Ok(Answer { system, work: work.to_owned(), settings, figures: self })
    }
}

/// The version of a dependency as this binary was built with it, so that no answer can name a stale one.
pub fn version(package: &str) -> Result<&'static str> {
    let header = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = include_str!("../Cargo.lock")
        .split_once(&header)
        .with_context(|| format!("Cargo.lock holds no package `{package}`"))?;
    let (version, _) = rest.split_once('"').context("Cargo.lock is cut off")?;
    Ok(version)
}

/// Rounds to three decimals: more would pretend a precision that no run has.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_comes_from_the_lock_file() {
        assert!(version("tokio").unwrap().starts_with("1."));
        assert!(version("no-such-package").is_err());
    }
}
