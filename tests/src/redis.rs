//! A Redis of its own for a test, which may be flushed, killed and stood still; and one that lies.

mod liar;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use autopilot_engine::testing::eventually;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

pub use liar::{Liar, Lie};

/// The program, where it is not on the path.
const VARIABLE: &str = "AUTOPILOT_REDIS_BIN";

/// A server that keeps nothing, in a folder of its own, reached through a socket there. It is killed, by its process id, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl RedisServer {
    /// Starts one. None where there is no program: then the test that asks is named as skipped, past the harness's capture.
    ///
    /// # Panics
    /// When a program that is named or found does not start.
    pub async fn start() -> Option<Self> {
        let Some(program) = program() else {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let told = format!(
                "skipped: {test}, as far as it needs a Redis: there is no redis-server or valkey-server on the path, and {VARIABLE} is not set\n"
            );
            // Not eprintln, which the harness keeps to itself where a test passes.
            drop(std::io::stderr().write_all(told.as_bytes()));
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("autopilot-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let child = spawn(&program, &folder);
        let server = Self { program, folder, child };
        server.answers().await;
        Some(server)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> SecretString {
        format!("unix://{}", self.socket().display()).into()
    }

    /// Says something in one line, and returns the first line of the answer; none where nobody answers.
    pub async fn say(&self, what: &str) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).await.ok()?;
        stream.write_all(format!("{what}\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.ok()?;
        (!answer.is_empty()).then(|| answer.trim_end().to_owned())
    }

    /// Empties it.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn flush(&self) {
        assert_eq!(self.say("FLUSHALL").await.as_deref(), Some("+OK"));
    }

    /// kill -9.
    ///
    /// # Panics
    /// When there is nobody to kill.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, in the same place.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        drop(std::fs::remove_file(self.socket()));
        self.child = spawn(&self.program, &self.folder);
        self.answers().await;
    }

    /// Lets it stand still, with whatever it was asked.
    ///
    /// # Panics
    /// When there is nobody.
    pub fn stand_still(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Lets it go on, and do what it was asked meanwhile.
    ///
    /// # Panics
    /// When there is nobody.
    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap()
    }

    async fn answers(&self) {
        eventually("Redis answers", async || self.say("PING").await.as_deref() == Some("+PONG"))
            .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        ["redis-server", "valkey-server"]
            .iter()
            .map(|name| folder.join(name))
            .find(|program| program.is_file())
    })
}

fn spawn(program: &Path, folder: &Path) -> Child {
    Command::new(program)
        .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly", "no"])
        .args(["--daemonize", "no"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program that is named, or the first on the path, starts")
}
