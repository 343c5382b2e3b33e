//! What can go wrong with a private Postgres, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What went wrong with a private Postgres; the message says where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the cluster could not be used.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}", program = program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}", program = program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to its standard error.
        output: String,
    },
    /// No Postgres server is installed.
    #[error(
        "no Postgres server found on PATH or in the usual places. Do one of these: \
         set DATABASE_URL to a database you have; run `apt install postgresql` (or what your system \
         has) or set AUTOPILOT_PG_BIN to the directory of `postgres` and `initdb`; or run \
         `docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=secret postgres` and set \
         DATABASE_URL=postgres://postgres:secret@127.0.0.1:5432/postgres"
    )]
    NotInstalled,
    /// The directory named for the binaries does not hold a usable Postgres.
    #[error(
        "{dir} holds no usable Postgres: {reason}. Correct AUTOPILOT_PG_BIN, or unset it to search \
         PATH and the usual places", dir = dir.display()
    )]
    BadBinDir {
        /// The directory that was named.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data was made by another major version.
    #[error(
        "the data in {data} was made by Postgres {of_data}, but {bin_dir} holds {of_binaries}: \
         install Postgres {of_data} and name it in AUTOPILOT_PG_BIN, or move the data by dump and \
         restore. Nothing was changed", data = data.display(), bin_dir = bin_dir.display()
    )]
    VersionMismatch {
        /// The data directory.
        data: PathBuf,
        /// What its `PG_VERSION` says.
        of_data: String,
        /// Where the binaries are.
        bin_dir: PathBuf,
        /// Their version.
        of_binaries: String,
    },
    /// A directory above the data or the binaries is closed to the user that runs the server.
    #[error(
        "the server runs as user {user}, who cannot enter {parent} (mode {mode:03o}) on the way to \
         {path}: choose another directory (--state or AUTOPILOT_PG_BIN), or `chmod o+x {parent}`",
        path = path.display(), parent = parent.display()
    )]
    ClosedParent {
        /// What the user needs to reach.
        path: PathBuf,
        /// The directory that is in the way.
        parent: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The user.
        user: String,
    },
    /// The user named for the server does not exist.
    #[error(
        "there is no user {name} to run Postgres as: correct AUTOPILOT_PG_USER, or unset it to \
         take the first of autopilot, postgres, nobody"
    )]
    NoSuchUser {
        /// The name, or the number where only that is known.
        name: String,
    },
    /// We run under a user id that has no name, which initdb refuses.
    #[error(
        "user id {uid} has no entry in the user database, and initdb refuses to work without one: \
         run as a user that has one, or set DATABASE_URL to a database you have"
    )]
    NamelessUser {
        /// The user id.
        uid: u32,
    },
    /// No state directory was named, and there is no home directory to put it in.
    #[error("HOME is not set, so there is no default state directory: name one with --state DIR")]
    NoStateDir,
    /// A setting was chosen that is not the caller's to choose.
    #[error(
        "{name} cannot be set: it keeps the cluster private or its data durable. Leave it out; for \
         tests without fsync there is --ephemeral"
    )]
    OwnSetting {
        /// The name of the setting.
        name: String,
    },
    /// Another process owns the state directory.
    #[error(
        "another process{owner} owns {state}: stop it, or name another directory with --state",
        state = state.display()
    )]
    Owned {
        /// The state directory.
        state: PathBuf,
        /// Who owns it, as ` (pid 1234)`, where that is known.
        owner: String,
    },
    /// A server that we do not own runs on the data.
    #[error(
        "a server of an earlier run (pid {pid}) still holds {data}: end it with `kill -INT {pid}` \
         and start again", data = data.display()
    )]
    Orphan {
        /// The data directory.
        data: PathBuf,
        /// What its `postmaster.pid` says.
        pid: i32,
    },
    /// The data is there but its password is not.
    #[error(
        "{password} is missing, and without it nobody can log in to {data}: put it back, or name \
         another directory with --state", password = password.display(), data = data.display()
    )]
    NoPassword {
        /// Where the password should be.
        password: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// The server ended before it was ready, or was not ready in time.
    #[error("postgres {what}; the end of {log}:\n{tail}", log = log.display())]
    NotReady {
        /// What it did instead.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// No cluster runs in a state directory.
    #[error(
        "no cluster is ready in {state}: start one with `autopilot-postgres start --state {state}`",
        state = state.display()
    )]
    NotRunning {
        /// The state directory.
        state: PathBuf,
    },
    /// The database that `DATABASE_URL` names does not answer.
    #[error(
        "DATABASE_URL is set, but the database does not answer: {reason}. Start it or correct the \
         URL; unset DATABASE_URL to have a private Postgres started"
    )]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// The package could not be installed.
    #[error(
        "apt-get could not install postgresql ({status}): install it by hand, or set DATABASE_URL"
    )]
    Install {
        /// How the installation ended.
        status: ExitStatus,
    },
}

impl Error {
    /// For `map_err`: names the file and what was done with it.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// For `map_err`: names the program that could not be started.
    pub(crate) fn spawn(program: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Spawn { program: program.to_owned(), source }
    }
}
