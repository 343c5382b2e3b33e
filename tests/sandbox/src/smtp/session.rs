//! One conversation with a mail client.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::verb::Verb;
use crate::Provider;
use crate::exchange::Route;
use crate::faults::Fault;
use crate::ledger::{Entry, Kind};
use crate::server::Shared;

/// Longer lines, and mails, than any client of ours sends.
const MAX_LINE: u64 = 64 << 10;
const MAX_MAIL: usize = 4 << 20;

const REFUSED: &str = "535 5.7.8 Username and Password not accepted";
const FAREWELL: &str = "221 2.0.0 Bye";

/// Runs until the client leaves; a broken connection is its own matter.
pub(super) async fn run(stream: TcpStream, shared: &Shared) {
    let session = Session {
        stream: BufReader::new(stream),
        shared,
        authenticated: false,
        recipients: Vec::new(),
    };
    let _broken = session.converse().await;
}

/// A command with all that belongs to it: AUTH's credentials, DATA's mail.
struct Command {
    verb: Verb,
    /// What fault rules match. Never a credential.
    line: String,
    credentials: Option<(String, String)>,
    mail: String,
}

struct Session<'a> {
    stream: BufReader<TcpStream>,
    shared: &'a Shared,
    authenticated: bool,
    recipients: Vec<String>,
}

enum Next {
    Reply(String),
    Drop,
}

impl Session<'_> {
    async fn converse(mut self) -> io::Result<()> {
        let mut command = Command::new(Verb::Connect, "CONNECT");
        loop {
            match self.meet(&command).await? {
                Next::Drop => return self.stream.get_ref().set_zero_linger(),
                Next::Reply(reply) => self.send(&reply).await?,
            }
            if command.verb == Verb::Quit {
                return Ok(());
            }
            match self.receive().await? {
                Some(received) => command = received,
                None => return Ok(()),
            }
        }
    }

    async fn send(&mut self, reply: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await
    }

    /// The next line; `None` when the client has left.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line);
        Ok((!line.is_empty()).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn receive(&mut self) -> io::Result<Option<Command>> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let (verb, rest) = Verb::parse(&line);
        let mut command = Command::new(verb, &line);
        if verb == Verb::Auth {
            let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
            command.line = format!("AUTH {mechanism}");
            command.credentials = self.credentials(mechanism, initial).await?;
        }
        if verb == Verb::Data && !self.recipients.is_empty() {
            self.send("354 End data with <CR><LF>.<CR><LF>").await?;
            command.mail = self.mail().await?;
        }
        Ok(Some(command))
    }

    async fn credentials(
        &mut self,
        mechanism: &str,
        initial: &str,
    ) -> io::Result<Option<(String, String)>> {
        if mechanism.eq_ignore_ascii_case("PLAIN") {
            let text = self.response("334 ", initial).await?;
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            return Ok(parts.next().zip(parts.next()));
        }
        if mechanism.eq_ignore_ascii_case("LOGIN") {
            // The challenges say "Username:" and "Password:".
            let user = self.response("334 VXNlcm5hbWU6", initial).await?;
            let password = self.response("334 UGFzc3dvcmQ6", "").await?;
            return Ok(Some((user, password)));
        }
        Ok(None)
    }

    /// What the client answers to a challenge, unless it told already; empty if it is no base64.
    async fn response(&mut self, challenge: &str, told: &str) -> io::Result<String> {
        let encoded = if told.is_empty() {
            self.send(challenge).await?;
            self.line().await?.unwrap_or_default()
        } else {
            told.to_owned()
        };
        let decoded = STANDARD.decode(encoded).unwrap_or_default();
        Ok(String::from_utf8(decoded).unwrap_or_default())
    }

    async fn mail(&mut self) -> io::Result<String> {
        let mut mail = String::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                return Ok(mail);
            }
            if mail.len() + line.len() > MAX_MAIL {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            mail.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.push('\n');
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Records the command, meets its fault, takes effect.
    async fn meet(&mut self, command: &Command) -> io::Result<Next> {
        let verb = command.verb;
        let fault = self.shared.faults.strike(Provider::Smtp, verb.name(), &command.line);
        let detail = json!({"line": command.line, "fault": fault.as_ref().map(Fault::name)});
        let call = Route::new(verb.operation()).entry(Provider::Smtp, Kind::Call, detail);
        self.record(call).await?;
        Ok(match fault {
            None => Next::Reply(self.take_effect(command).await?),
            Some(Fault::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Next::Reply(self.take_effect(command).await?)
            }
            Some(Fault::Hang) => {
                self.shared.stop.cancelled().await;
                Next::Drop
            }
            // A mail server does nothing that could come later.
            Some(Fault::ResetBefore | Fault::Late { .. }) => Next::Drop,
            Some(Fault::ResetAfter) => {
                self.take_effect(command).await?;
                Next::Drop
            }
            Some(Fault::Stall) => {
                self.take_effect(command).await?;
                self.shared.stop.cancelled().await;
                Next::Drop
            }
            Some(Fault::Status { status, retry_after: _, body }) => {
                let text = body.as_ref().and_then(|body| body.as_str());
                Next::Reply(format!("{status} {}", text.unwrap_or("scripted failure")))
            }
            Some(Fault::Malformed) => {
                self.take_effect(command).await?;
                Next::Reply("what is this".into())
            }
            Some(Fault::Auth) => Next::Reply(REFUSED.into()),
        })
    }

    async fn take_effect(&mut self, command: &Command) -> io::Result<String> {
        let reply = match command.verb {
            Verb::Connect => "220 sandbox.test ESMTP",
            Verb::Hello => "250-sandbox.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
            Verb::Auth => self.authenticate(command),
            Verb::Noop => "250 2.0.0 OK",
            Verb::Mail if !self.authenticated => "530 5.7.0 Authentication required",
            Verb::Mail => {
                self.recipients.clear();
                "250 2.1.0 OK"
            }
            Verb::Recipient if !self.authenticated => "530 5.7.0 Authentication required",
            Verb::Recipient => {
                self.recipients.push(address(&command.line).to_owned());
                "250 2.1.5 OK"
            }
            Verb::Data if self.recipients.is_empty() => "503 5.5.1 MAIL and RCPT first",
            Verb::Data => {
                self.record(self.sent(&command.mail)).await?;
                self.recipients.clear();
                "250 2.0.0 OK: queued"
            }
            Verb::Reset => {
                self.recipients.clear();
                "250 2.0.0 OK"
            }
            Verb::Quit => FAREWELL,
            Verb::Unknown => "502 5.5.1 Command not implemented",
        };
        Ok(reply.to_owned())
    }

    fn authenticate(&mut self, command: &Command) -> &'static str {
        let wanted = &self.shared.options.credentials;
        self.authenticated = command.credentials.as_ref().is_some_and(|(user, password)| {
            *user == wanted.smtp_user && *password == wanted.smtp_password
        });
        if self.authenticated { "235 2.7.0 Accepted" } else { REFUSED }
    }

    fn sent(&self, mail: &str) -> Entry {
        let header = |name: &str| {
            let mut headers = mail.lines().take_while(|line| !line.is_empty());
            headers.find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let detail = json!({"recipients": self.recipients, "mail_subject": header("Subject")});
        Route::new("smtp.send_mail")
            .subject(self.recipients.first().map(String::as_str))
            .key(header("Message-ID"))
            .entry(Provider::Smtp, Kind::Effect, detail)
    }

    async fn record(&self, entry: Entry) -> io::Result<()> {
        self.shared.record(entry).await.map_err(io::Error::other)
    }
}

impl Command {
    fn new(verb: Verb, line: &str) -> Self {
        Self { verb, line: line.to_owned(), credentials: None, mail: String::new() }
    }
}

/// What stands between the angle brackets.
fn address(line: &str) -> &str {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(line, |(address, _)| address)
}
