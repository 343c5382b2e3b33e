//! A private cluster, from start to stop.

use std::path::Path;
use std::process::ExitStatus;

use crate::client::Client;
use crate::initdb::{self, SUPERUSER};
use crate::lock::{self, Lock};
use crate::server::{Server, Setup};
use crate::state::StateDir;
use crate::user::ServerUser;
use crate::{Error, Options, detect, reach, settings};

/// A running private Postgres. It is stopped when dropped, and, where util-linux's `setpriv` is
/// installed, also when this process is killed.
#[derive(Debug)]
pub struct Cluster {
    setup: Setup,
    password: String,
    server: Server,
    lock: Lock,
}

impl Cluster {
    /// Finds an installed Postgres, makes the cluster if there is none yet, starts it, and returns
    /// when it accepts connections.
    ///
    /// Takes about two seconds the first time and a fraction of one later. Nothing of what failed is
    /// left running, and data that is there is never changed to make a start succeed.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let (setup, lock) = Self::set_up(options)?;
        let password = setup.state.ensure_password(&setup.data)?;
        initdb::ensure(&setup, &password)?;
        Self::run(setup, lock, password)
    }

    /// Finds out how a server is started, and takes its state directory.
    pub(crate) fn set_up(options: &Options) -> Result<(Setup, Lock), Error> {
        settings::check(&options.settings)?;
        let state = StateDir::locate(options)?;
        let data = state.data(options.ephemeral);
        let owner = state.owner_of_data(options.ephemeral);
        let user = ServerUser::choose(options.user.as_deref(), owner)?;
        state.prepare(&user)?;
        let lock = Lock::acquire(&state, options.lock_timeout)?;
        let installation = detect::find(options, &data)?;
        reach::check(&installation.bin_dir, &user)?;
        installation.check_version_of(&data)?;
        let (ephemeral, chosen) = (options.ephemeral, options.settings.clone());
        Ok((Setup { installation, user, state, data, ephemeral, chosen }, lock))
    }

    /// Starts the server of data that is there.
    pub(crate) fn run(setup: Setup, mut lock: Lock, password: String) -> Result<Self, Error> {
        let server = Server::start(&setup, None)?;
        lock.publish(&setup.state, server.port)?;
        Ok(Self { setup, password, server, lock })
    }

    /// The URL of the cluster that another process runs in the options' state directory.
    ///
    /// Fails with [`Error::NotRunning`] where no cluster is ready there.
    pub fn url_of_running(options: &Options, database: &str) -> Result<String, Error> {
        let state = StateDir::locate(options)?;
        match (lock::published_port(&state)?, state.password()?) {
            (Some(port), Some(password)) => Ok(url(&password, port, database)),
            (None, _) | (_, None) => Err(Error::NotRunning { state: state.root().to_owned() }),
        }
    }

    /// The URL of a database of the cluster, as its superuser. It holds the password.
    pub fn url(&self, database: &str) -> String {
        url(&self.password, self.server.port, database)
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The URL of the database `postgres`, which every cluster has.
    pub fn admin_url(&self) -> String {
        self.url("postgres")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The directory of the binaries.
    pub fn bin_dir(&self) -> &Path {
        &self.setup.installation.bin_dir
    }

    /// The version of the server, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.setup.installation.version
    }

    /// Everything about the cluster in one line, without the password.
    pub fn describe(&self) -> String {
        format!(
            "postgres: {} from {}, data {}, port {}, user {}, fsync {}",
            self.version(),
            self.bin_dir().display(),
            self.setup.data.display(),
            self.port(),
            self.setup.user.name,
            if self.setup.ephemeral { "off" } else { "on" },
        )
    }

    /// Runs statements by `psql` and answers their rows as text, one a line, columns separated by
    /// `|`. For set-up and checks; a program that works with the data brings a client of its own.
    pub fn query(&self, database: &str, sql: &str) -> Result<String, Error> {
        self.client().query(database, sql, &[])
    }

    /// Creates a database if there is none of that name.
    pub fn ensure_database(&self, name: &str) -> Result<(), Error> {
        let sql = "SELECT format('CREATE DATABASE %I', :'name') \
                   WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n";
        self.client().query("postgres", sql, &[("name", name)]).map(drop)
    }

    /// How the server ended, if it has ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.server.exited()
    }

    /// Stops the server without a checkpoint, as a crash would, and waits for its end. What was
    /// committed is recovered by [`restart`](Self::restart), unless the cluster is ephemeral.
    pub fn crash(&mut self) {
        self.server.crash();
    }

    /// Starts the server again on the same port, after it was stopped or has ended by itself.
    pub fn restart(&mut self) -> Result<(), Error> {
        let port = self.server.port;
        self.server.stop();
        self.server = Server::start(&self.setup, Some(port))?;
        self.lock.publish(&self.setup.state, port)
    }

    /// Stops the server: by fast shutdown, which rolls back what is open, and by an immediate one
    /// where that takes longer than a minute. The same happens when the cluster is dropped.
    pub fn stop(self) {
        drop(self);
    }

    fn client(&self) -> Client<'_> {
        Client {
            installation: &self.setup.installation,
            port: self.server.port,
            password: &self.password,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.stop();
    }
}

fn url(password: &str, port: u16, database: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut name = String::new();
    for byte in database.bytes() {
        if plain(byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{name}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_a_database_is_quoted_in_its_url() {
        assert_eq!(
            super::url("secret", 5433, "my db/ü"),
            "postgres://autopilot:secret@127.0.0.1:5433/my%20db%2F%C3%BC"
        );
    }
}
