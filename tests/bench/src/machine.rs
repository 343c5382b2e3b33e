//! The machine that figures were measured on.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// What is stated about the machine. What it does not tell is "unknown".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) model: String,
    pub(crate) memory_gib: Option<f64>,
    pub(crate) os: String,
    pub(crate) kernel: String,
    /// Runnable processes, mean of the minute before the start: near 0 where nothing else ran.
    pub(crate) load_before: Option<f64>,
}

impl Machine {
    /// The one we are on.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let memory = value(&read("/proc/meminfo"), "MemTotal", ':');
        let memory = memory.and_then(|text| text.trim_end_matches("kB").trim().parse::<f64>().ok());
        let os = value(&read("/etc/os-release"), "PRETTY_NAME", '=');
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            model: value(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_else(unknown),
            memory_gib: memory.map(|kilobytes| kilobytes / 1024.0 / 1024.0),
            os: os.map_or_else(unknown, |os| os.trim_matches('"').to_owned()),
            kernel: if kernel.is_empty() { unknown() } else { kernel },
            load_before: read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()),
        }
    }

    /// In one line.
    pub(crate) fn describe(&self) -> String {
        let memory = self.memory_gib.map_or("unknown".to_owned(), |gib| format!("{gib:.1} GiB"));
        format!(
            "{} cores of {}, {memory} of memory, {}, kernel {}",
            self.cores, self.model, self.os, self.kernel
        )
    }
}

/// What stands after the name and the separator, in the first line that has it.
fn value(text: &str, name: &str, separator: char) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_name() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2.0GHz\nmodel name\t: another\n";
        assert_eq!(value(text, "model name", ':'), Some("A CPU @ 2.0GHz".to_owned()));
        assert_eq!(value(text, "flags", ':'), None);
    }

    #[test]
    fn this_machine_has_cores_and_says_so() {
        let here = Machine::here();
        assert!(here.cores > 0 && here.describe().contains(" cores of "), "{}", here.describe());
    }
}
