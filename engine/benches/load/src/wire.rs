//! A relay before the database that counts what is asked of it: exact, whatever the client is written in, and without
//! any setting of the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The codes of the two requests for encryption, which are followed by a start-up message; nothing else is.
const WANTS_ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// A relay on the loopback. Dropping it takes no more connections.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    statements: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// Starts a relay before the server at `target`, as `host:port`.
    pub(crate) async fn start(target: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let statements = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&statements);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), Arc::clone(&counter)));
            }
        });
        Ok(Self { port, statements, accepting })
    }

    /// Where clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many statements were asked for so far: executions of prepared ones, and simple queries, however many
    /// statements those have.
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(client: TcpStream, target: String, statements: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(&target).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::select! {
        () = requests(from_client, to_server, &statements) => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, statements: &AtomicU64) {
    let mut messages = Messages::default();
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default();
        statements.fetch_add(messages.statements(bytes), Ordering::Relaxed);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Finds the messages in what a client says, wherever the packets are cut.
#[derive(Debug, Default)]
struct Messages {
    /// The start-up message, which has no kind, has passed.
    opened: bool,
    header: Vec<u8>,
    /// Bytes of the message that are still to come.
    rest: u32,
}

impl Messages {
    /// How many statements begin in these bytes.
    fn statements(&mut self, bytes: &[u8]) -> u64 {
        let mut statements = 0;
        for byte in bytes {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.header.push(*byte);
            match *self.header.as_slice() {
                [kind, a, b, c, d] if self.opened => {
                    self.rest = u32::from_be_bytes([a, b, c, d]).saturating_sub(4);
                    statements += u64::from(matches!(kind, b'E' | b'Q'));
                    self.header.clear();
                }
                [a, b, c, d, e, f, g, h] => {
                    self.rest = u32::from_be_bytes([a, b, c, d]).saturating_sub(8);
                    self.opened = !WANTS_ENCRYPTION.contains(&u32::from_be_bytes([e, f, g, h]));
                    self.header.clear();
                }
                _ => {}
            }
        }
        statements
    }
}

#[cfg(test)]
mod tests {
    use super::Messages;

    #[test]
    fn statements_are_counted_wherever_the_packets_are_cut() {
        let mut said = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
        said.extend([10_u32.to_be_bytes(), 196_608_u32.to_be_bytes()].concat());
        said.extend(b"EQ");
        for kind in *b"PBESQE" {
            said.extend([kind, 0, 0, 0, 6, b'E', b'Q']);
        }
        for size in 1..=said.len() {
            let mut messages = Messages::default();
            let count: u64 = said.chunks(size).map(|packet| messages.statements(packet)).sum();
            assert_eq!(count, 3, "packets of {size}");
        }
    }
}
