//! `[raw] webhook [--name value …]`.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Autopilot,
    Raw,
}

/// The arguments of one measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) system: System,
    pub(crate) connections: u64,
    pub(crate) seconds: u64,
    /// Connections of the bare insert to its database.
    pub(crate) pool: u32,
    /// Events a second that are prepared: more than can be answered.
    pub(crate) prepare: u64,
}

const USAGE: &str = "usage: autopilot-webhook-load list, or [raw] webhook [--connections 64] [--seconds 10] \
                     [--pool 12] [--prepare 60000]";

impl Arguments {
    /// Reads them; none where the systems are to be listed.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut words = words.peekable();
        if words.next_if(|word| word == "list").is_some() {
            return Ok(None);
        }
        let raw = words.next_if(|word| word == "raw").is_some();
        if words.next().as_deref() != Some(crate::WORK) {
            return Err(USAGE.to_owned());
        }
        let system = if raw { System::Raw } else { System::Autopilot };
        let mut arguments =
            Self { system, connections: 64, seconds: 10, pool: 12, prepare: 60_000 };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} has no value; {USAGE}"))?;
            let number = value
                .parse::<u64>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{name} {value} is no number above 0"))?;
            match name.as_str() {
                "--connections" => arguments.connections = number,
                "--seconds" => arguments.seconds = number,
                "--pool" => {
                    arguments.pool = u32::try_from(number)
                        .map_err(|error| format!("{name} {value}: {error}"))?;
                }
                "--prepare" => arguments.prepare = number,
                other => return Err(format!("there is no {other}; {USAGE}")),
            }
        }
        Ok(Some(arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_system_a_work_and_numbers_are_read() {
        assert_eq!(parse("list").unwrap(), None);
        let plain = parse("webhook").unwrap().unwrap();
        assert_eq!((plain.system, plain.connections, plain.seconds), (System::Autopilot, 64, 10));
        let raw = parse("raw webhook --seconds 3 --pool 8").unwrap().unwrap();
        assert_eq!((raw.system, raw.seconds, raw.pool), (System::Raw, 3, 8));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (words, expected) in [
            ("", "usage"),
            ("drain", "usage"),
            ("webhook --seconds", "--seconds has no value"),
            ("webhook --seconds 0", "--seconds 0"),
            ("webhook --fast 1", "no --fast"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
