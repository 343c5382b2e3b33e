//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How the process ends. The numbers are part of the command line's contract and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for was done.
    Ok = 0,
    /// The thing itself failed: the run failed, the doctor found problems.
    Failed = 1,
    /// The command line or the configuration is wrong. Nothing was done.
    Usage = 2,
    /// The job, run, workspace or breaker does not exist.
    NotFound = 3,
    /// The database cannot be reached.
    Unreachable = 4,
    /// The database is not as this program needs it: its schema is older or newer, or does not keep the tenants
    /// apart.
    Schema = 5,
    /// A second SIGINT or SIGTERM ended the process at once. Its jobs run elsewhere when their lease ends.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
