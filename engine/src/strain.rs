//! What keeps the database from doing what it is asked, told apart: a full disk, a full pool, a slow server.
//!
//! A process survives all of them: what could not be written is tried again, and nothing that was acknowledged is lost. Whoever meets one
//! notes it in the [`Strains`] of its process. The log says it once, with what to do; the heartbeat writes what was met of late beside
//! the process, where the doctor and [`ops::strains`](crate::ops::strains) read it.

mod noted;

use std::fmt;

use serde::Serialize;

use crate::failure::Classify as _;
pub use noted::Strains;

/// What keeps the database from doing what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strain {
    /// The server's disk has no room.
    FullDisk,
    /// The server cannot be reached, or does not answer.
    Away,
    /// It takes no writes.
    ReadOnly,
    /// The server has no memory left.
    FullMemory,
    /// The server has no connection left.
    FullServer,
    /// All connections of this process are taken.
    FullPool,
    /// The server takes longer than a second for a heartbeat.
    Slow,
}

impl Strain {
    /// All of them, the most severe first.
    pub const ALL: [Self; 7] = [
        Self::FullDisk,
        Self::Away,
        Self::ReadOnly,
        Self::FullMemory,
        Self::FullServer,
        Self::FullPool,
        Self::Slow,
    ];

    /// What an error of the database is a sign of; none where it is about what was asked.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        Self::of_code(&error.code())
    }

    /// The same, of the code of a [`Failure`](crate::Failure).
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        match code.strip_prefix("database_")? {
            "53100" => Some(Self::FullDisk),
            "53200" => Some(Self::FullMemory),
            "53300" => Some(Self::FullServer),
            "25006" => Some(Self::ReadOnly),
            "pool_timed_out" => Some(Self::FullPool),
            "unreachable" => Some(Self::Away),
            state if state.starts_with("57P") || state.starts_with("08") => Some(Self::Away),
            _ => None,
        }
    }

    /// The one that a name stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strain| strain.name() == name)
    }

    /// The stable name, as it stands in rows and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullDisk => "full_disk",
            Self::Away => "away",
            Self::ReadOnly => "read_only",
            Self::FullMemory => "full_memory",
            Self::FullServer => "full_server",
            Self::FullPool => "full_pool",
            Self::Slow => "slow",
        }
    }

    /// Whether nothing can be written while it lasts, by anybody.
    #[must_use]
    pub const fn stops_all(self) -> bool {
        match self {
            Self::FullDisk | Self::Away | Self::ReadOnly | Self::FullMemory => true,
            Self::FullServer | Self::FullPool | Self::Slow => false,
        }
    }

    /// What is wrong, for people.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::FullDisk => "the database server's disk is full",
            Self::Away => "the database cannot be reached, or does not answer",
            Self::ReadOnly => "the database takes no writes",
            Self::FullMemory => "the database server has no memory left",
            Self::FullServer => "the database server has no connection left",
            Self::FullPool => "all connections of the process are taken",
            Self::Slow => "the database takes longer than a second for a heartbeat",
        }
    }

    /// What happens without anybody doing anything.
    #[must_use]
    pub const fn what_happens_next(self) -> &'static str {
        match self {
            Self::FullDisk | Self::Away | Self::ReadOnly | Self::FullMemory => {
                "nothing that was acknowledged is lost; what cannot be written is refused or tried again, and all goes on by itself when this is over"
            }
            Self::FullServer | Self::FullPool => {
                "who has a connection goes on; who needs one is refused or tries again"
            }
            Self::Slow => {
                "all goes on, later; jobs are taken over only when a heartbeat stays away for a whole lease"
            }
        }
    }

    /// What a person does.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::FullDisk => {
                "make room where the server keeps its data and its WAL; if the server has ended, start it"
            }
            Self::Away => {
                "look whether the server runs and the network reaches it, and at its log; then check DATABASE_URL"
            }
            Self::ReadOnly => {
                "point DATABASE_URL at the primary, and look at default_transaction_read_only"
            }
            Self::FullMemory => "give the server memory, or lower its work_mem or max_connections",
            Self::FullServer => {
                "end what takes the connections (pg_stat_activity), raise the server's max_connections, or lower database.max_connections of each process"
            }
            Self::FullPool => {
                "look in pg_stat_activity what this process's connections do; then raise database.max_connections, or lower worker.queues"
            }
            Self::Slow => {
                "look at the server's load and in pg_stat_activity; `autopilot doctor` knows of old snapshots and locks"
            }
        }
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for strain in Strain::ALL {
            assert_eq!(Strain::named(strain.name()), Some(strain));
        }
        assert_eq!(Strain::named("tired"), None);
    }

    #[test]
    fn what_is_about_the_question_is_no_strain() {
        for code in
            ["database_23505", "database_40001", "database", "http_timeout", "database_57014"]
        {
            assert_eq!(Strain::of_code(code), None, "{code}");
        }
        assert_eq!(Strain::of(&sqlx::Error::RowNotFound), None);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(Strain::of(&sqlx::Error::Io(reset)), Some(Strain::Away));
        assert_eq!(Strain::of(&sqlx::Error::PoolTimedOut), Some(Strain::FullPool));
        assert_eq!(Strain::of_code("database_57P03"), Some(Strain::Away));
    }
}
