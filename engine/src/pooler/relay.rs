//! Passes on what clients and the pooler say, each connection with a session of its own.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::message;
use super::session::Session;
use super::startup::Startup;

/// Before a failed `accept` is repeated: it fails where this process has too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// So much is read at once, at least.
const PACKET: usize = 16 << 10;

/// Where a pooler is.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Tcp(String, u16),
    Socket(PathBuf),
}

impl Target {
    pub(super) fn of(options: &PgConnectOptions) -> Self {
        let (host, port) = (options.get_host(), options.get_port());
        let folder = options.get_socket().cloned();
        let folder = folder.or_else(|| host.starts_with('/').then(|| PathBuf::from(host)));
        match folder {
            Some(folder) => Self::Socket(folder.join(format!(".s.PGSQL.{port}"))),
            None => Self::Tcp(host.to_owned(), port),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Takes connections for as long as the process lives.
pub(super) async fn serve(listener: std::net::TcpListener, target: Target) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the translator for poolers ended"),
    };
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let target = target.clone();
        tokio::spawn(async move {
            // Whoever is left sees that the connection has ended.
            if let Err(error) = relay(client, &target).await {
                tracing::debug!(%error, %target, "a connection to the pooler broke");
            }
        });
    }
}

async fn relay(mut client: TcpStream, target: &Target) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    let mut body = vec![0; message::length(length)? - 4];
    client.read_exact(&mut body).await?;
    let Some(startup) = Startup::read(&body) else { return Ok(()) };
    let mut pooler = match target.connect().await {
        Ok(pooler) => pooler,
        Err(error) => {
            let what = format!("the pooler at {target} cannot be reached: {error}");
            return client.write_all(&message::refusal(&what)).await;
        }
    };
    pooler.write_all(&startup.message).await?;
    let mut session = Session::new(&startup.settings);
    let (mut asked, mut answered, mut out) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        asked.reserve(PACKET);
        answered.reserve(PACKET);
        // Also while an answer is awaited, so that a client that is gone is noticed.
        let read = tokio::select! {
            read = client.read_buf(&mut asked) => read?,
            read = pooler.read_buf(&mut answered) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        session.replies(&mut answered, &mut out)?;
        client.write_all(&out).await?;
        out.clear();
        session.requests(&mut asked, &mut out)?;
        pooler.write_all(&out).await?;
        out.clear();
    }
}
