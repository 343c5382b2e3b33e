//! Redis before the locks: it turns away who would only find a lock busy. It grants nothing, and nothing depends on it.

mod believed;
mod line;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{Busy, LONGEST_TTL, Taken};
use believed::Believed;
use line::Line;

/// What the keys begin with.
const PREFIX: &str = "autopilot:lock:";

/// No key lives longer, however long the lease is: then somebody asks Postgres, and writes it down anew. So a key that is wrong,
/// because Redis stood still and went on, is gone by then.
const LONGEST_KEY: Duration = Duration::from_secs(10);

/// Takes our key away, or gives it to whom Postgres has named; somebody else's key is left. A UUID has 36 characters.
const CORRECT: &str = "local said = redis.call('GET', KEYS[1])
if said and string.sub(said, 1, 36) == ARGV[1] then
    if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 0";

/// A Redis that is asked for a lock before Postgres is, see [`Locks::shedding`](super::Locks::shedding). Cheap to clone; connects by itself,
/// in the background.
///
/// It may be empty, away, hang, lie, or be another one for each process:
///
/// - What it grants, Postgres has to grant as well. So losing it never makes two holders.
/// - Whatever it says, it turns away for a second at most: who asks for the same lock again in that process is answered by Postgres then, and so is
///   who has waited as long as [`acquire_within`](super::Locks::acquire_within) was told to.
/// - Its keys live for ten seconds at most. So who asks once and never again is not turned away for longer after a Redis that stood still goes on.
/// - It has 50 ms to answer. After a failure it is left alone for a second and connected to in the background; that is logged
///   once, until it answers again.
///
/// Deployments that share a Redis need a database of it each (`redis://host:6379/1`):
/// otherwise they turn each other away, for a second at a time.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    line: Arc<Line>,
    believed: Believed,
}

/// Why a Redis cannot be used, or does not answer. Never carries a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// It has no such address.
    #[error(
        "the address of Redis cannot be used ({0}): write redis://host:port, rediss://host:port for TLS, or unix:///path"
    )]
    Address(String),
    /// It did not answer.
    #[error("Redis does not answer: {0}")]
    Away(String),
}

impl Redis {
    /// A Redis at this address: `redis://[user:password@]host:port[/database]`, `rediss://…` over TLS, or `unix:///path`. Asks nobody yet.
    ///
    /// # Errors
    /// When that is no address.
    pub fn new(url: &SecretString) -> Result<Self, RedisError> {
        let client = redis::Client::open(url.expose_secret())
            .map_err(|error| RedisError::Address(error.to_string()))?;
        let inner = Inner { line: Arc::new(Line::new(client)), believed: Believed::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks whether it answers, on a connection of its own, and how long that took.
    ///
    /// # Errors
    /// [`RedisError::Away`] when it does not within two seconds.
    pub async fn ping(&self) -> Result<Duration, RedisError> {
        self.inner.line.ping().await.map_err(RedisError::Away)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

/// What stands before Postgres: a Redis, or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Shed(pub(super) Option<Redis>);

/// What Redis said of a lock that somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nobody had it: now the key is ours.
    Ours,
    Theirs(Busy),
    /// Nothing that can be used.
    Nothing,
}

/// What Redis has been asked, to be told what Postgres has decided.
pub(super) struct Asked(Said);

impl Shed {
    /// Asks for `holder`. Answers who has it, where Redis says so and may be believed; then nobody else is asked.
    pub(super) async fn ask(
        &self,
        name: &str,
        holder: Uuid,
        ttl: Duration,
        may_turn_away: bool,
    ) -> Result<Asked, Busy> {
        let Some(redis) = &self.0 else { return Ok(Asked(Said::Nothing)) };
        match redis.inner.claim(name, holder, ttl).await {
            Said::Theirs(busy) if may_turn_away && redis.inner.believed.is(name) => Err(busy),
            said @ (Said::Ours | Said::Theirs(_) | Said::Nothing) => Ok(Asked(said)),
        }
    }

    /// Tells Redis what Postgres has decided, where that is something else than Redis said.
    pub(super) async fn decided(
        &self,
        asked: Asked,
        name: &str,
        holder: Uuid,
        ttl: Duration,
        answer: Option<&Taken>,
    ) {
        let Some(redis) = &self.0 else { return };
        let inner = &redis.inner;
        match (answer, asked.0) {
            (Some(Taken::Held { .. }), said) => {
                inner.believed.forget(name);
                if matches!(said, Said::Theirs(_)) {
                    inner.note(name, holder, ttl).await;
                }
            }
            (Some(Taken::Busy(busy)), said) => {
                inner.believed.again(name);
                if said == Said::Ours {
                    inner.correct(name, holder, Some(*busy)).await;
                }
            }
            (None, Said::Ours) => inner.correct(name, holder, None).await,
            (None, Said::Theirs(_) | Said::Nothing) => {}
        }
    }

    /// Postgres has renewed a lock.
    pub(super) async fn renewed(&self, name: &str, holder: Uuid, ttl: Duration) {
        if let Some(redis) = &self.0 {
            redis.inner.note(name, holder, ttl).await;
        }
    }

    /// Postgres has taken a lock back.
    pub(super) async fn released(&self, name: &str, holder: Uuid) {
        if let Some(redis) = &self.0 {
            redis.inner.believed.forget(name);
            redis.inner.correct(name, holder, None).await;
        }
    }
}

impl Inner {
    async fn claim(&self, name: &str, holder: Uuid, lease: Duration) -> Said {
        let (key, mark) = (key(name), Mark { holder, lease });
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(&key).arg(mark.to_string()).arg("NX").arg("PX").arg(mark.lives());
        pipe.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        self.line.say(&pipe).await.map_or(Said::Nothing, |answer| read(answer, holder))
    }

    /// Writes down who has a lock, whoever had the key.
    async fn note(&self, name: &str, holder: Uuid, lease: Duration) {
        let (mut pipe, mark) = (redis::pipe(), Mark { holder, lease });
        pipe.cmd("SET").arg(key(name)).arg(mark.to_string()).arg("PX").arg(mark.lives()).ignore();
        let _: Option<()> = self.line.say(&pipe).await;
    }

    /// Our key is wrong: somebody else has the lock, or nobody knows.
    async fn correct(&self, name: &str, holder: Uuid, busy: Option<Busy>) {
        let theirs = busy.filter(|busy| !busy.remaining.is_zero());
        let theirs =
            theirs.and_then(|busy| Some(Mark { holder: busy.holder?, lease: busy.remaining }));
        let (other, lives) =
            theirs.map_or((String::new(), 1), |mark| (mark.to_string(), mark.lives()));
        let mut pipe = redis::pipe();
        pipe.cmd("EVAL").arg(CORRECT).arg(1).arg(key(name)).arg(holder.to_string());
        pipe.arg(other).arg(lives).ignore();
        let _: Option<()> = self.line.say(&pipe).await;
    }
}

/// What stands in a key: who has the lock, and for how long when that was written. As text `holder/milliseconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    holder: Uuid,
    lease: Duration,
}

impl Mark {
    /// How long its key lives, in milliseconds. At least one: Redis takes no key that has expired already.
    fn lives(&self) -> u64 {
        millis(self.lease.min(LONGEST_KEY)).max(1)
    }

    fn parse(text: &str) -> Option<Self> {
        let (holder, lease) = text.split_once('/')?;
        let lease = Duration::from_millis(lease.parse().ok()?);
        Some(Self { holder: Uuid::try_parse(holder).ok()?, lease })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.holder.hyphenated(), millis(self.lease))
    }
}

/// What the answers to SET, GET and PTTL mean. A key that none of us can have written says nothing.
fn read((set, get, left): (Option<String>, Option<String>, i64), ours: Uuid) -> Said {
    let Some(mark) = get.as_deref().and_then(Mark::parse) else { return Said::Nothing };
    let Ok(left @ 1..) = u64::try_from(left) else { return Said::Nothing };
    match (set, mark.holder == ours) {
        (Some(_), true) => Said::Ours,
        (None, false) if left <= mark.lives() && mark.lease <= LONGEST_TTL => {
            let remaining = mark.lease.saturating_sub(Duration::from_millis(mark.lives() - left));
            Said::Theirs(Busy { holder: Some(mark.holder), remaining })
        }
        (Some(_), false) | (None, true | false) => Said::Nothing,
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_none_of_us_can_have_written_is_not_believed() {
        let (ours, theirs) = (Uuid::now_v7(), Uuid::now_v7());
        let said = |set: Option<&str>, get: &str, left| {
            let get = (!get.is_empty()).then(|| get.to_owned());
            read((set.map(str::to_owned), get, left), ours)
        };
        let by = |holder, seconds| Mark { holder, lease: Duration::from_secs(seconds) }.to_string();
        let until = |seconds| {
            Said::Theirs(Busy { holder: Some(theirs), remaining: Duration::from_secs(seconds) })
        };
        assert_eq!(said(Some("OK"), &by(ours, 5), 5_000), Said::Ours);
        assert_eq!(said(None, &by(theirs, 5), 2_000), until(2));
        assert_eq!(said(None, &by(theirs, 60), 4_000), until(54), "a key lives for ten seconds");
        for (get, left) in [
            ("", -2),
            (&*by(theirs, 5), -1),
            (&by(theirs, 5), 0),
            (&by(theirs, 5), 5_001),
            (&by(theirs, 60), 10_001),
            (&by(theirs, 3_601), 1_000),
            (&theirs.to_string(), 1_000),
            ("somebody/1000", 1_000),
            (&by(ours, 5), 1_000),
        ] {
            assert_eq!(said(None, get, left), Said::Nothing, "{get} {left}");
        }
        assert_eq!(said(Some("OK"), &by(theirs, 5), 1_000), Said::Nothing);
        assert_eq!(said(Some("OK"), "", -2), Said::Nothing);
    }

    #[test]
    fn an_address_that_cannot_be_used_is_told_without_its_password() {
        for url in
            ["canary", "redis://:canary@host:port", "redis://u:canary@h/canary", "http://:canary@h"]
        {
            let told = Redis::new(&url.into()).unwrap_err().to_string();
            assert!(told.contains("write redis://host:port"), "{told}");
            assert!(!told.contains("canary"), "{told}");
        }
        for url in
            ["redis://h", "redis://u:p@h:6379/3", "rediss://h:6380", "unix:///run/redis.sock"]
        {
            assert!(Redis::new(&url.into()).is_ok(), "{url}");
        }
    }
}
