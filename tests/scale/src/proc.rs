//! What Linux says of a process: its CPU time and its memory.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// CPU time and parent of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Clock ticks of its own, and of its children that have ended and were waited for.
    ticks: u64,
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// The CPU time of a process, with that of its children that have ended.
pub(crate) fn cpu(process: u32) -> Result<Duration, Failure> {
    Ok(time(stat(process)?.ticks))
}

/// The CPU time of a process and its children, living or not.
pub(crate) fn cpu_with_children(process: u32) -> Result<Duration, Failure> {
    let mut ticks = stat(process)?.ticks;
    for entry in fs::read_dir("/proc")? {
        let id = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        // Whoever ends meanwhile is counted by its parent, at the next reading.
        if let Some(child) = id.and_then(|id| stat(id).ok()).filter(|stat| stat.parent == process) {
            ticks += child.ticks;
        }
    }
    Ok(time(ticks))
}

/// The process that started this one.
pub(crate) fn parent(process: u32) -> Result<u32, Failure> {
    Ok(stat(process)?.parent)
}

/// The memory of a process.
pub(crate) fn memory(process: u32) -> Result<Memory, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_memory(&text).ok_or_else(|| format!("/proc/{process}/status tells no memory").into())
}

fn stat(process: u32) -> Result<Stat, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse_stat(&text).ok_or_else(|| format!("/proc/{process}/stat cannot be read: {text}").into())
}

fn time(ticks: u64) -> Duration {
    let second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs(ticks / second)
        + Duration::from_secs(ticks % second) / u32::try_from(second).unwrap_or(u32::MAX)
}

/// See proc(5). The name may hold blanks and brackets, so what counts begins behind its last bracket.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn parse_memory(text: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_whatever_name_a_process_has() {
        let text = "42 (a) b) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 1 20 0 9 0 55 66 77";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, ticks: 124 }));
        assert_eq!(parse_stat("42 (a) S 7"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(parse_memory(text), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(parse_memory("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_a_parent_memory_and_used_time() {
        let here = std::process::id();
        assert!(parent(here).unwrap() > 0);
        let memory = memory(here).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        // Read first, because it grows meanwhile.
        let own = cpu(here).unwrap();
        assert!(cpu_with_children(here).unwrap() >= own);
    }
}
