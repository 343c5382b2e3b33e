//! The connection to Redis: whoever speaks on it waits a moment at most, and nobody waits for it to be made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline};
use tokio::time::timeout;

/// So long an answer is waited for: some times what one takes within a data centre, and not much beside a commit.
const ANSWER: Duration = Duration::from_millis(50);

/// So long a connection may take to be made; nobody waits for that.
const CONNECT: Duration = Duration::from_secs(2);

/// So long it is left alone after a failure.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Line {
    client: Client,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    way: Way,
    /// Connections so far: a failure of an old one says nothing of the next.
    count: u64,
    /// It was logged that it does not answer, and it has not answered since.
    is_out: bool,
}

enum Way {
    /// There is none before then.
    Away(Instant),
    Connecting,
    Up(MultiplexedConnection),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Away(_) => "away",
            Self::Connecting => "connecting",
            Self::Up(_) => "up",
        })
    }
}

impl Line {
    pub(super) fn new(client: Client) -> Self {
        let state = State { way: Way::Away(Instant::now()), count: 0, is_out: false };
        Self { client, state: Mutex::new(state) }
    }

    /// Says something; none where there is no connection, no answer in time, or none that can be read.
    pub(super) async fn say<T: FromRedisValue>(self: &Arc<Self>, what: &Pipeline) -> Option<T> {
        let (mut connection, count) = self.connection()?;
        let why = match timeout(ANSWER, what.query_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.answered();
                return Some(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no answer within {ANSWER:?}"),
        };
        self.failed(count, &why);
        None
    }

    /// Asks on a connection of its own whether anybody answers, and how long that took.
    pub(super) async fn ping(&self) -> Result<Duration, String> {
        let mut connection = self.connect().await?;
        let begun = Instant::now();
        ping(&mut connection).await.map(|()| begun.elapsed())
    }

    /// The connection, if there is one. Has it made if there could be one.
    fn connection(self: &Arc<Self>) -> Option<(MultiplexedConnection, u64)> {
        let mut state = self.lock();
        match &state.way {
            Way::Up(connection) => return Some((connection.clone(), state.count)),
            Way::Away(until) if *until <= Instant::now() => state.way = Way::Connecting,
            Way::Away(_) | Way::Connecting => return None,
        }
        drop(state);
        let line = Arc::clone(self);
        tokio::spawn(async move {
            let made = line.connect().await;
            line.made(made);
        });
        None
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT));
        let made = async {
            let connection = self.client.get_multiplexed_async_connection_with_config(&config);
            let mut connection = connection.await.map_err(|error| error.to_string())?;
            ping(&mut connection).await?;
            Ok(connection)
        };
        timeout(CONNECT, made)
            .await
            .unwrap_or_else(|_elapsed| Err(format!("no answer within {CONNECT:?}")))
    }

    fn made(&self, made: Result<MultiplexedConnection, String>) {
        match made {
            Ok(connection) => {
                let mut state = self.lock();
                state.count += 1;
                state.way = Way::Up(connection);
            }
            Err(why) => {
                let mut state = self.lock();
                state.way = Way::Away(Instant::now() + REST);
                state.out(&why);
            }
        }
    }

    fn failed(&self, count: u64, why: &str) {
        let mut state = self.lock();
        if matches!(state.way, Way::Up(_)) && state.count == count {
            state.way = Way::Away(Instant::now() + REST);
            state.out(why);
        }
    }

    fn answered(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.is_out) {
            tracing::info!("Redis answers again");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it is locked leaves it whole: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Says so, once until it answers again.
    fn out(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_out, true) {
            tracing::warn!(
                why,
                "Redis does not answer as it should: locks are asked of Postgres alone, which is slower and as safe"
            );
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> Result<(), String> {
    let answer: String =
        redis::cmd("PING").query_async(connection).await.map_err(|error| error.to_string())?;
    if answer == "PONG" {
        Ok(())
    } else {
        Err("it is no Redis: PING is not answered PONG".to_owned())
    }
}
