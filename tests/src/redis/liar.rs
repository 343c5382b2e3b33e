//! Something that is taken for a Redis and is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How it lies. What a new connection says first is answered as Redis does, so that it is believed to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// What is no answer at all.
    Nonsense,
    /// A number, whatever the question.
    WrongType,
    /// An error, whatever the question.
    Refuses,
    /// The beginning of an answer that is longer than any memory.
    Endless,
    /// Nothing, ever.
    Silent,
    /// Nothing, and the connection is gone.
    HangsUp,
    /// Every lock is somebody's, for a second more.
    AllAreTaken,
    /// Every lock is yours.
    AllAreYours,
}

impl Lie {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Nonsense,
        Self::WrongType,
        Self::Refuses,
        Self::Endless,
        Self::Silent,
        Self::HangsUp,
        Self::AllAreTaken,
        Self::AllAreYours,
    ];
}

/// A server on the loopback that lies.
#[derive(Debug)]
pub struct Liar {
    address: SocketAddr,
    lies: Arc<AtomicUsize>,
    closed: CancellationToken,
}

impl Liar {
    /// Starts it.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closed = CancellationToken::new();
        let stop = closed.clone();
        let lies = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&lies);
        tokio::spawn(closed.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(stop.clone().run_until_cancelled_owned(answer(
                    client,
                    lie,
                    Arc::clone(&told),
                )));
            }
        }));
        Self { address, lies, closed }
    }

    /// How often it was asked for a lock and lied.
    #[must_use]
    pub fn lies(&self) -> usize {
        self.lies.load(Ordering::Relaxed)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> SecretString {
        format!("redis://{}", self.address).into()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

async fn answer(client: TcpStream, lie: Lie, lies: Arc<AtomicUsize>) {
    let (from, mut to) = client.into_split();
    let mut lines = BufReader::new(from).lines();
    // The key's value, as the last SET gave it.
    let mut last = String::new();
    loop {
        let Some(words) = command(&mut lines).await else { return };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.first() == Some(&"SET") {
            lies.fetch_add(1, Ordering::Relaxed);
        }
        let said = match (words.as_slice(), lie) {
            (["CLIENT", ..], _) => "+OK\r\n".to_owned(),
            (["PING"], _) => "+PONG\r\n".to_owned(),
            (_, Lie::Nonsense) => "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
            (_, Lie::WrongType) => ":7\r\n".to_owned(),
            (_, Lie::Refuses) => "-LOADING it takes its time\r\n".to_owned(),
            (_, Lie::Endless) => "$536870911\r\nx".to_owned(),
            (_, Lie::Silent) => String::new(),
            (_, Lie::HangsUp) => return,
            (["SET", ..], Lie::AllAreTaken) => "$-1\r\n".to_owned(),
            (["GET", ..], Lie::AllAreTaken) => bulk("01920000-0000-7000-8000-000000000000/60000"),
            (["SET", _, value, ..], Lie::AllAreYours) => {
                last = (*value).to_owned();
                "+OK\r\n".to_owned()
            }
            (["GET", ..], Lie::AllAreYours) => bulk(&last),
            (["PTTL", ..], _) => ":1000\r\n".to_owned(),
            (_, Lie::AllAreTaken | Lie::AllAreYours) => ":0\r\n".to_owned(),
        };
        if to.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

type Lines = tokio::io::Lines<BufReader<tokio::net::tcp::OwnedReadHalf>>;

/// One command, its first word in capitals. What is said holds line breaks in scripts only, so those are counted out by the words' lengths.
async fn command(lines: &mut Lines) -> Option<Vec<String>> {
    let count: usize = lines.next_line().await.ok()??.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let length: usize = lines.next_line().await.ok()??.strip_prefix('$')?.parse().ok()?;
        let mut word = lines.next_line().await.ok()??;
        while word.len() < length {
            word.push('\n');
            word.push_str(&lines.next_line().await.ok()??);
        }
        words.push(if words.is_empty() { word.to_uppercase() } else { word });
    }
    Some(words)
}
