//! The table of replies row by row, and real conversations with a scripted mail server.

use std::sync::Mutex;
use std::time::Duration;

use autopilot_engine::{Class, Classify, Effect};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

const GREETING: &str = "220 mail.example ESMTP";
const HELLO: &str = "250-mail.example\r\n250 AUTH PLAIN LOGIN";

/// A mail server that greets, then answers each line with the next reply; after the last it waits.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(replies: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (lines, replies) = (Arc::clone(&heard), replies.to_vec());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut stream = BufStream::new(listener.accept().await.unwrap().0);
            for (turn, reply) in replies.into_iter().enumerate() {
                if turn > 0 {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.is_err() {
                        return; // A TLS handshake is no line; what matters is how we answered it.
                    }
                    lines.lock().unwrap().push(line.trim_end().to_owned());
                }
                stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.read_to_end(&mut Vec::new()).await.ok();
        });
        Self { port, heard, _task: task }
    }

    fn email(&self, tls: Tls) -> Email {
        Email::new(Config { port: self.port, ..config(tls) })
    }
}

fn config(tls: Tls) -> Config {
    let password = SecretString::from("s3cret");
    let credentials = Credentials { username: "studio".to_owned(), password };
    Config { allow_private: true, ..Config::new("127.0.0.1", tls, credentials) }
}

async fn refusal(replies: &[&'static str], tls: Tls) -> EmailError {
    let server = Server::start(replies).await;
    server.email(tls).ping().await.unwrap_err()
}

fn assert_diagnosis(error: &EmailError, class: Class, code: &str) {
    assert_eq!((error.class(), error.code().as_ref()), (class, code), "{error}");
    assert_eq!(error.effect(), Effect::None);
    assert!(class.retries() || error.action().is_some(), "{error}: what should the operator do?");
}

#[tokio::test]
async fn a_good_server_is_greeted_logged_in_to_probed_and_left() {
    let script = [GREETING, HELLO, "235 2.7.0 ok", "250 ok", "221 bye"];
    let server = Server::start(&script).await;
    server.email(Tls::None).ping().await.unwrap();
    let heard = server.heard.lock().unwrap().clone();
    let verbs: Vec<_> = heard.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["EHLO", "AUTH", "NOOP", "QUIT"]);
}

#[tokio::test]
async fn each_way_to_refuse_has_its_class() {
    let limited = Class::RateLimited { retry_after: None };
    let (auth, offline, configuration) =
        (Class::ThirdPartyAuthFailed, Class::IntegrationOffline, Class::ConfigurationError);
    let login = |reply| vec![GREETING, HELLO, reply];
    for (script, class, code) in [
        (login("535 5.7.8 Bad credentials"), auth, "smtp_535"),
        (login("534 5.7.9 Application-specific password required"), auth, "smtp_534"),
        (login("530 5.7.0 Must issue a STARTTLS command first"), configuration, "smtp_530"),
        (login("454 4.7.0 Temporary authentication failure"), Class::TransientNetwork, "smtp_454"),
        (vec!["421 4.3.2 Closing"], offline, "smtp_421"),
        (vec!["421-4.7.0 Unusual rate\r\n421 4.7.0 of mail"], limited, "smtp_421"),
        (vec!["554 No SMTP service here"], configuration, "smtp_554"),
        (vec![GREETING, "250 mail.example"], configuration, "smtp_no_login"),
        (vec!["HTTP/1.1 400 Bad Request"], offline, "smtp_protocol"),
    ] {
        let error = refusal(&script, Tls::None).await;
        assert_diagnosis(&error, class, code);
    }
}

#[tokio::test]
async fn starttls_is_required_and_no_password_is_sent_without_it() {
    let server = Server::start(&[GREETING, HELLO, "235 ok", "250 ok"]).await;
    let error = server.email(Tls::StartTls).ping().await.unwrap_err();
    assert_diagnosis(&error, Class::ConfigurationError, "smtp_no_starttls");
    assert_eq!(server.heard.lock().unwrap().len(), 1, "only EHLO");
}

#[tokio::test]
async fn implicit_tls_against_a_plain_port_is_a_configuration_error() {
    let error = refusal(&[GREETING], Tls::Implicit).await;
    assert_diagnosis(&error, Class::ConfigurationError, "smtp_not_tls");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_does_not_hold_us() {
    let server = Server::start(&[]).await;
    let call = Duration::from_millis(100);
    let timeouts = Timeouts { call, ..Timeouts::default() };
    let email = Email::new(Config { port: server.port, timeouts, ..config(Tls::None) });
    let error = email.ping().await.unwrap_err();
    assert_diagnosis(&error, Class::TransientNetwork, "smtp_timeout");
    assert!(error.to_string().contains("greeting"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_the_network() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let error = Email::new(Config { port, ..config(Tls::None) }).ping().await.unwrap_err();
    assert_diagnosis(&error, Class::TransientNetwork, "smtp_network");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_private_address_is_refused_however_it_is_written() {
    for host in ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "10.0.0.1"] {
        for tls in [Tls::Implicit, Tls::StartTls] {
            let config = Config { host: host.to_owned(), allow_private: false, ..config(tls) };
            let error = Email::new(config).ping().await.unwrap_err();
            assert_diagnosis(&error, Class::ConfigurationError, "smtp_private_address");
        }
    }
}

#[tokio::test]
async fn a_tenant_may_name_mail_ports_only() {
    let config = Config { port: 22, allow_private: false, ..config(Tls::StartTls) };
    let error = Email::new(config).ping().await.unwrap_err();
    assert_diagnosis(&error, Class::ConfigurationError, "smtp_port");
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_the_network() {
    let host = format!("{}.invalid", "x".repeat(64)); // A label has 63 characters at most.
    let error = Email::new(Config { host, ..config(Tls::StartTls) }).ping().await.unwrap_err();
    assert_diagnosis(&error, Class::TransientNetwork, "smtp_resolve");
}

#[tokio::test]
async fn without_tls_only_this_machine_is_spoken_to() {
    for host in ["10.0.0.1", "192.0.2.1", "2606:4700::1111"] {
        let config = Config { host: host.to_owned(), ..config(Tls::None) };
        let error = Email::new(config).ping().await.unwrap_err();
        assert_diagnosis(&error, Class::ConfigurationError, "smtp_plaintext");
    }
}

#[tokio::test]
async fn no_output_shows_the_password_or_the_servers_text() {
    let error = refusal(&[GREETING, HELLO, "535 5.7.8 c3VyZWx5 internal.lan"], Tls::None).await;
    assert!(error.to_string().ends_with("refused the login: 535 5.7.8"), "{error}");
    let shown = format!("{error:?} {:?}", Email::new(config(Tls::None)));
    assert!(!shown.contains("s3cret") && !shown.contains("internal.lan"), "{shown}");
}

#[test]
fn every_reply_of_the_table_has_its_class_by_stage() {
    use Class::{ConfigurationError, ProvisioningError, ThirdPartyAuthFailed, TransientNetwork};

    let limited = Class::RateLimited { retry_after: None };
    let mailbox_busy = Some(EnhancedCode(4, 2, 1));
    for (code, enhanced, stage, class) in [
        (450, mailbox_busy, Stage::Message, limited),
        (450, None, Stage::Message, TransientNetwork),
        (451, None, Stage::Message, TransientNetwork),
        (452, mailbox_busy, Stage::Message, TransientNetwork),
        (550, None, Stage::Message, ProvisioningError),
        (552, None, Stage::Message, ProvisioningError),
        (553, None, Stage::Message, ProvisioningError),
        (554, None, Stage::Message, ProvisioningError),
        (530, None, Stage::Message, ConfigurationError),
        (454, None, Stage::StartTls, TransientNetwork),
        (504, None, Stage::LogIn, ConfigurationError),
        (538, None, Stage::LogIn, ConfigurationError),
        (550, None, Stage::LogIn, ThirdPartyAuthFailed),
        (500, None, Stage::Probe, ConfigurationError),
    ] {
        let reply = Reply { code, enhanced };
        let error = EmailError::Refused { server: "mail.example:465".to_owned(), stage, reply };
        assert_diagnosis(&error, class, &format!("smtp_{code}"));
    }
}

#[test]
fn a_message_whose_answer_was_lost_may_have_gone_out() {
    let lost = |stage| EmailError::TimedOut { server: "mail.example:465".to_owned(), stage };
    assert_eq!(lost(Stage::Message).effect(), Effect::Unknown);
    assert_eq!(lost(Stage::LogIn).effect(), Effect::None);
}

#[test]
fn an_enhanced_code_is_read_from_the_beginning_of_the_text_only() {
    assert_eq!("5.7.8 no".parse(), Ok(EnhancedCode(5, 7, 8)));
    for text in ["", "no 5.7.8", "5.7", "3.1.1 x", "5.7.8.9", "5.x.8"] {
        assert_eq!(text.parse::<EnhancedCode>(), Err(()), "{text}");
    }
}
