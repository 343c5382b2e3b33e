//! Email over SMTP: does the studio's mail server let us in?
//!
//! The host is named by a tenant. So its addresses are resolved here, checked, and connected to as
//! they are, which leaves a name no second chance to point elsewhere.

mod error;
mod reply;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use lettre::transport::smtp::authentication::{Credentials as Login, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Noop;
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::integrations::address::is_public;
use crate::integrations::http::{Timeouts, install_crypto};

pub use error::EmailError;
pub use reply::{EnhancedCode, Reply, Stage};

/// The ports on which mail servers take mail. No other may be named by a tenant, or this would be a
/// port scanner.
const PORTS: [u16; 4] = [25, 465, 587, 2525];

/// A studio's mail server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port: 25, 465, 587 or 2525.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Whom to log in as. Without it only the greeting is checked, which any server gives.
    pub credentials: Option<Credentials>,
    /// Whether private and loopback addresses, and any port, are allowed. For development and tests
    /// only.
    pub allow_private: bool,
    /// How long to wait. Defaults: 5 s to connect, 20 s for the whole handshake.
    pub timeouts: Timeouts,
}

/// Whom to log in as.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name, often the address.
    pub username: String,
    /// The password; with Gmail an app password.
    pub password: SecretString,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte; usual on port 465.
    Implicit,
    /// TLS after STARTTLS, which the server must offer; usual on port 587.
    StartTls,
    /// None. Only to a loopback address, anything else is refused.
    None,
}

impl Tls {
    /// The usual port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

impl Config {
    /// A server on the usual port, to be logged in to.
    #[must_use]
    pub fn new(host: impl Into<String>, tls: Tls, credentials: Credentials) -> Self {
        Self {
            host: host.into(),
            port: tls.port(),
            tls,
            credentials: Some(credentials),
            allow_private: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// A client of one mail server. Cheap to clone; it keeps no connection.
#[derive(Debug, Clone)]
pub struct Email {
    config: Arc<Config>,
}

impl Email {
    /// A client for the server of `config`. Calls nobody.
    #[must_use]
    pub fn new(config: Config) -> Self {
        install_crypto();
        Self { config: Arc::new(config) }
    }

    /// Greets the server, protects the connection, logs in and out. Sends no mail.
    ///
    /// The time limit is ours: lettre's own does not cover reading, and a server that accepts and
    /// says nothing would hold us for ever.
    ///
    /// # Errors
    ///
    /// See [`EmailError`]. Safe to repeat.
    pub async fn ping(&self) -> Result<(), EmailError> {
        let mut stage = Stage::Connect;
        let limit = self.config.timeouts.call;
        let mut connection = match timeout(limit, self.log_in(&mut stage)).await {
            Ok(connection) => connection?,
            Err(_elapsed) => return Err(EmailError::TimedOut { server: self.server(), stage }),
        };
        // We have our answer; a server that is rude at parting does not change it.
        if !matches!(timeout(self.config.timeouts.connect, connection.quit()).await, Ok(Ok(_))) {
            tracing::debug!(server = self.server(), "the mail server did not say goodbye");
        }
        Ok(())
    }

    async fn log_in(&self, stage: &mut Stage) -> Result<AsyncSmtpConnection, EmailError> {
        let hello = ClientId::default();
        let mut connection = self.connect(&hello).await?;
        if self.config.tls == Tls::StartTls {
            *stage = Stage::StartTls;
            if !connection.can_starttls() {
                return Err(EmailError::NoStartTls { server: self.server() });
            }
            let upgraded = connection.starttls(self.tls_parameters()?, &hello).await;
            upgraded.map_err(|error| self.failed(*stage, error))?;
        }
        if let Some(Credentials { username, password }) = &self.config.credentials {
            *stage = Stage::LogIn;
            if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(EmailError::NoLogin { server: self.server() });
            }
            let login = Login::new(username.clone(), password.expose_secret().to_owned());
            let answered = connection.auth(DEFAULT_MECHANISMS, &login).await;
            answered.map_err(|error| self.failed(*stage, error))?;
        }
        *stage = Stage::Probe;
        connection.command(Noop).await.map_err(|error| self.failed(*stage, error))?;
        Ok(connection)
    }

    /// Connects to the first of the server's addresses that answers, up to the end of its greeting.
    async fn connect(&self, hello: &ClientId) -> Result<AsyncSmtpConnection, EmailError> {
        let tls = match self.config.tls {
            Tls::Implicit => Some(self.tls_parameters()?),
            Tls::StartTls | Tls::None => None,
        };
        let limit = Some(self.config.timeouts.connect);
        let mut last = EmailError::NoAddress { server: self.server() };
        for address in self.addresses().await? {
            let tls = tls.clone();
            match AsyncSmtpConnection::connect_tokio1(address, limit, hello, tls, None).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = self.failed(Stage::Connect, error),
            }
        }
        Err(last)
    }

    /// The server's addresses, if we may talk to every one of them.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, EmailError> {
        let Config { host, port, tls, allow_private, .. } = &*self.config;
        if !allow_private && !PORTS.contains(port) {
            return Err(EmailError::Port { server: self.server() });
        }
        let resolved = tokio::net::lookup_host((host.as_str(), *port)).await;
        let addresses: Vec<_> = resolved
            .map_err(|source| EmailError::Resolve { server: self.server(), source })?
            .collect();
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if *tls == Tls::None && !addresses.iter().all(is_loopback) {
            return Err(EmailError::Plaintext { server: self.server() });
        }
        if !allow_private && !addresses.iter().all(|address| is_public(address.ip())) {
            return Err(EmailError::PrivateAddress { server: self.server() });
        }
        Ok(addresses)
    }

    fn tls_parameters(&self) -> Result<TlsParameters, EmailError> {
        TlsParameters::new(self.config.host.clone())
            .map_err(|error| self.failed(Stage::StartTls, error))
    }

    fn failed(&self, stage: Stage, error: lettre::transport::smtp::Error) -> EmailError {
        EmailError::of_smtp(self.server(), stage, error)
    }

    fn server(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }
}
