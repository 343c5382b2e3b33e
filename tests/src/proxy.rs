//! A network between a worker and its database that a test can cut at the worst moment.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::tally::{Messages, Said, Tally};

/// When a connection is cut.
#[derive(Debug, Clone)]
pub enum Cut {
    /// The client has said these bytes and the database has acted on them: its answer is swallowed.
    Answer(Vec<u8>),
    /// The client says these bytes: they never arrive.
    Request(Vec<u8>),
    /// The database says these bytes: they never arrive.
    Reply(Vec<u8>),
}

impl Cut {
    /// A COMMIT that takes place and whose answer is lost.
    #[must_use]
    pub fn answer_of_commit() -> Self {
        Self::Answer(b"COMMIT\0".to_vec())
    }

    /// A COMMIT that never arrives.
    #[must_use]
    pub fn commit() -> Self {
        Self::Request(b"COMMIT\0".to_vec())
    }
}

/// How packets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As they come.
    Open,
    /// Not at all: they vanish in both directions, and connections stay open.
    Closed,
    /// What the client says arrives; it hears nothing.
    Deaf,
    /// A byte a second in either direction.
    Trickle,
}

/// A TCP proxy before the database.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Wire {
    tally: Tally,
    target: Mutex<String>,
    armed: Mutex<VecDeque<Cut>>,
    cuts: watch::Sender<usize>,
    way: watch::Sender<Way>,
    /// Bytes that clients have sent.
    heard: AtomicU64,
    /// Goes up when all open connections are to break.
    resets: watch::Sender<usize>,
}

impl Proxy {
    /// Starts a proxy on the loopback before the database of `url`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(url: &str) -> Self {
        Self::before(place(url)).await
    }

    /// Starts a proxy on the loopback before whatever listens at `place`, host and port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn before(place: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            tally: Tally::default(),
            target: Mutex::new(place),
            armed: Mutex::default(),
            cuts: watch::Sender::new(0),
            way: watch::Sender::new(Way::Open),
            heard: AtomicU64::new(0),
            resets: watch::Sender::new(0),
        });
        let closed = CancellationToken::new();
        tokio::spawn(closed.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&wire))));
        Self { address, wire, closed }
    }

    /// A pool through the proxy to the database of `url`, with the same number of connections as a test's own.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn pool(&self, url: &str) -> PgPool {
        let options = PgConnectOptions::from_str(url)
            .unwrap()
            .host("127.0.0.1")
            .port(self.address.port())
            .ssl_mode(sqlx::postgres::PgSslMode::Disable);
        PgPoolOptions::new().max_connections(5).connect_with(options).await.unwrap()
    }

    /// The address of the database of `url` through the proxy, for another program.
    ///
    /// # Panics
    /// When `url` is none.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let direct = format!("{}/", place(url));
        let through = url.replacen(&direct, &format!("{}/", self.address), 1);
        assert_ne!(through, url, "{direct} is not in the address");
        let joint = if through.contains('?') { '&' } else { '?' };
        format!("{through}{joint}sslmode=disable")
    }

    /// The port on the loopback, for what takes no URL.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads new connections to the database of another `url`.
    ///
    /// # Panics
    /// When `url` is none.
    pub fn point_to(&self, url: &str) {
        *self.wire.target.lock().unwrap_or_else(PoisonError::into_inner) = place(url);
    }

    /// Cuts the next connection that fits, once. Several cuts wait for each other in their order.
    pub fn arm(&self, cut: Cut) {
        self.wire.armed.lock().unwrap_or_else(PoisonError::into_inner).push_back(cut);
    }

    /// Forgets the cuts that have not come about.
    pub fn disarm(&self) {
        self.wire.armed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many connections were cut by [`arm`](Self::arm).
    #[must_use]
    pub fn cuts(&self) -> usize {
        *self.wire.cuts.borrow()
    }

    /// What the clients have said so far.
    #[must_use]
    pub fn said(&self) -> Said {
        self.wire.tally.said()
    }

    /// Lets packets vanish (`false`) or pass again; connections stay open.
    pub fn pass(&self, passing: bool) {
        self.lead(if passing { Way::Open } else { Way::Closed });
    }

    /// Says how packets pass from now on; those that were held come first.
    pub fn lead(&self, way: Way) {
        self.wire.way.send_replace(way);
    }

    /// How many bytes clients have sent so far.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.wire.heard.load(Ordering::Relaxed)
    }

    /// Breaks all open connections; new ones are taken.
    pub fn reset(&self) {
        self.wire.resets.send_modify(|resets| *resets += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// Where the database of `url` is.
fn place(url: &str) -> String {
    let options = PgConnectOptions::from_str(url).unwrap();
    format!("{}:{}", options.get_host(), options.get_port())
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let target = wire.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        tokio::spawn(relay(client, server, Arc::clone(&wire)));
    }
}

async fn relay(client: TcpStream, server: TcpStream, wire: Arc<Wire>) {
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Set when the client has said what is to have no answer.
    let doomed = Arc::new(watch::Sender::new(false));
    let mut resets = wire.resets.subscribe();
    tokio::select! {
        () = requests(from_client, to_server, &wire, &doomed) => {}
        () = replies(from_server, to_client, &wire, &doomed) => {}
        _ = resets.changed() => {}
    }
    // Both halves are dropped here: the connection is gone in both directions.
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    wire: &Wire,
    doomed: &watch::Sender<bool>,
) {
    let mut buffer = vec![0; 65_536];
    let mut messages = Messages::default();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default();
        wire.heard.fetch_add(read as u64, Ordering::Relaxed);
        wire.opened(&[Way::Closed]).await;
        messages.read(bytes, &wire.tally);
        match wire.fits(bytes, true) {
            Some(Cut::Request(_)) => return,
            Some(Cut::Answer(_)) => drop(doomed.send_replace(true)),
            Some(Cut::Reply(_)) | None => {}
        }
        if wire.write(&mut to, bytes).await.is_err() {
            return;
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    wire: &Wire,
    doomed: &watch::Sender<bool>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default();
        wire.opened(&[Way::Closed, Way::Deaf]).await;
        if *doomed.borrow() || wire.fits(bytes, false).is_some() {
            return;
        }
        if wire.write(&mut to, bytes).await.is_err() {
            return;
        }
    }
}

impl Wire {
    /// Waits until the way is none of these.
    async fn opened(&self, held: &[Way]) {
        drop(self.way.subscribe().wait_for(|way| !held.contains(way)).await);
    }

    /// Passes bytes on, one by one for as long as they trickle.
    async fn write(&self, to: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
        let mut way = self.way.subscribe();
        for (at, byte) in bytes.iter().enumerate() {
            if *way.borrow_and_update() != Way::Trickle {
                return to.write_all(bytes.get(at..).unwrap_or_default()).await;
            }
            to.write_all(&[*byte]).await?;
            // The next byte, or another way.
            drop(tokio::time::timeout(Duration::from_secs(1), way.changed()).await);
        }
        Ok(())
    }

    /// The first armed cut, if these bytes are what it waits for; it is then spent.
    fn fits(&self, bytes: &[u8], by_client: bool) -> Option<Cut> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let pattern = match armed.front()? {
            Cut::Answer(pattern) | Cut::Request(pattern) if by_client => pattern,
            Cut::Reply(pattern) if !by_client => pattern,
            Cut::Answer(_) | Cut::Request(_) | Cut::Reply(_) => return None,
        };
        if !bytes.windows(pattern.len()).any(|window| window == pattern) {
            return None;
        }
        self.cuts.send_modify(|cuts| *cuts += 1);
        armed.pop_front()
    }
}
