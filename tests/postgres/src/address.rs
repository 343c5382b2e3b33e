//! Where a Postgres URL points to, and whether anything answers there.

use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The hosts of a Postgres URL, of which one has to answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    hosts: Vec<Host>,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Tcp {
        name: String,
        port: u16,
    },
    /// The path of the socket itself.
    Socket(String),
}

impl Address {
    /// Reads `postgres://user:password@host:port,host:port/database?host=..&port=..`, or the same
    /// with `postgresql`. A host that is a path, also with its slashes encoded, is a socket directory.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| unreachable("it does not start with postgres:// or postgresql://"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = path.split('/').next().unwrap_or_default();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let parameter = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name)
        };
        let hosts = parameter("host").map_or(hosts, |(_, value)| value);
        let port = parameter("port").map_or("5432", |(_, value)| value);
        let hosts =
            hosts.split(',').map(|host| Host::parse(host, port)).collect::<Result<_, _>>()?;
        Ok(Self { hosts })
    }

    /// Connects to the first host that answers, and says which that was. Whether it lets us in shows
    /// when somebody logs in.
    pub(crate) fn connect(&self) -> Result<String, Error> {
        let mut reasons = Vec::new();
        for host in &self.hosts {
            match host.connect() {
                Ok(()) => return Ok(host.describe()),
                Err(error) => reasons.push(format!("{}: {error}", host.describe())),
            }
        }
        Err(unreachable(reasons.join("; ")))
    }
}

impl Host {
    fn parse(text: &str, default_port: &str) -> Result<Self, Error> {
        // An IPv6 address has colons of its own, and brackets around it.
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            Some(_) | None => (text, default_port),
        };
        let port = port.parse().map_err(|_ignored| unreachable(format!("{port:?} is no port")))?;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = name.replace("%2F", "/").replace("%2f", "/");
        if name.starts_with('/') {
            return Ok(Self::Socket(format!("{name}/.s.PGSQL.{port}")));
        }
        let name = if name.is_empty() { "localhost".to_owned() } else { name };
        Ok(Self::Tcp { name, port })
    }

    fn connect(&self) -> std::io::Result<()> {
        match self {
            Self::Socket(path) => UnixStream::connect(path).map(drop),
            Self::Tcp { name, port } => {
                let mut last = std::io::Error::other("the name has no address");
                for address in (name.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                        Ok(_) => return Ok(()),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Socket(path) => path.clone(),
            Self::Tcp { name, port } => format!("{name}:{port}"),
        }
    }
}

fn unreachable(reason: impl Into<String>) -> Error {
    Error::Unreachable { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(url: &str) -> Vec<String> {
        Address::parse(url).unwrap().hosts.iter().map(Host::describe).collect()
    }

    #[test]
    fn hosts_ports_and_sockets_are_understood() {
        assert_eq!(described("postgres://u:p@db.example/x"), ["db.example:5432"]);
        assert_eq!(described("postgresql://u:a@b@db:5433,[::1]:5434/x"), ["db:5433", "::1:5434"]);
        assert_eq!(described("postgres://[::1]/x"), ["::1:5432"]);
        assert_eq!(described("postgres:///x"), ["localhost:5432"]);
        assert_eq!(described("postgres://u@%2Frun%2Fpg/x"), ["/run/pg/.s.PGSQL.5432"]);
        assert_eq!(
            described("postgres:///x?host=/run/pg&port=5433&sslmode=disable"),
            ["/run/pg/.s.PGSQL.5433"]
        );
    }

    #[test]
    fn a_url_of_another_kind_or_without_a_sound_port_is_an_error() {
        assert!(Address::parse("mysql://db/x").is_err());
        assert!(Address::parse("postgres://db:port/x").is_err());
    }

    #[test]
    fn an_error_never_repeats_the_password() {
        let error = Address::parse("postgres://u:s3cret@127.0.0.1:1/x").unwrap().connect();
        let text = error.unwrap_err().to_string();
        assert!(text.contains("127.0.0.1:1") && !text.contains("s3cret"), "{text}");
    }
}
