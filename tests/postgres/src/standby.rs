//! A hot standby of a running cluster, by streaming replication.

use std::path::Path;

use crate::cluster::Cluster;
use crate::initdb::{self, SUPERUSER};
use crate::server::Setup;
use crate::{Error, Options, keeper};

impl Cluster {
    /// Copies this cluster into the state directory of `options` and starts the copy as its standby, which is known to it as
    /// `name`. `port` is where the standby reaches it: its own port, or that of something in between.
    ///
    /// Both have the same superuser and password.
    ///
    /// # Errors
    /// When there is data in that directory already, and whenever the copy cannot be made or started.
    pub fn standby(&self, options: &Options, name: &str, port: u16) -> Result<Self, Error> {
        let (setup, lock) = Self::set_up(options)?;
        setup.state.keep_password(self.password())?;
        initdb::made_whole(&setup, |unfinished| self.copy(&setup, unfinished, name, port))?;
        Self::run(setup, lock, self.password().to_owned())
    }

    /// Lets a standby go on by itself, as a server that can be written to; returns when it is one.
    ///
    /// # Errors
    /// When it is none, or does not become one.
    pub fn promote(&self) -> Result<(), Error> {
        self.query("postgres", "SELECT pg_promote()").map(drop)
    }

    fn copy(&self, setup: &Setup, to: &Path, name: &str, port: u16) -> Result<(), Error> {
        let program = setup.installation.program("pg_basebackup");
        let mut command = keeper::command(&program, &setup.user);
        // Together with the way to the primary and the password, in a file of the data.
        command.arg("--write-recovery-conf").args(["--checkpoint=fast", "--no-password", "-D"]);
        command.arg(to).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", SUPERUSER]);
        command.env("PGPASSWORD", self.password()).env("PGAPPNAME", name);
        initdb::finish(&mut command, &program)
    }
}
