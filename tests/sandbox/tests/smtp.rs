use autopilot_sandbox::{Fault, Provider, Rule};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::world::World;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(world: &World) -> Self {
        let stream = TcpStream::connect(world.sandbox.smtp_addr()).await.expect("a connection");
        Self(BufReader::new(stream))
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }

    async fn say(&mut self, command: &str) -> String {
        let bytes = format!("{command}\r\n");
        self.0.get_mut().write_all(bytes.as_bytes()).await.expect("a sent line");
        self.line().await
    }

    async fn greeted(world: &World) -> Self {
        let mut client = Self::connect(world).await;
        assert!(client.line().await.starts_with("220 "));
        client.say("EHLO me.test").await;
        client.line().await;
        assert_eq!(client.line().await, "250 AUTH PLAIN LOGIN");
        client
    }
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")))
}

#[tokio::test]
async fn the_right_password_opens_by_plain_and_by_login() {
    let world = World::start().await;
    let (user, password) = (&world.credentials.smtp_user, &world.credentials.smtp_password);
    let mut client = Client::greeted(&world).await;
    assert!(client.say(&plain(user, password)).await.starts_with("235 "));
    assert!(client.say("NOOP").await.starts_with("250 "));
    assert!(client.say("QUIT").await.starts_with("221 "));

    let mut client = Client::greeted(&world).await;
    assert_eq!(client.say("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(client.say(&STANDARD.encode(user)).await, "334 UGFzc3dvcmQ6");
    assert!(client.say(&STANDARD.encode(password)).await.starts_with("235 "));
    let text = std::fs::read_to_string(&world.ledger).expect("a ledger");
    assert!(!text.contains(&STANDARD.encode(password)) && !text.contains(&plain(user, password)));
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_sends_nothing() {
    let world = World::start().await;
    let mut client = Client::greeted(&world).await;
    let refused = client.say(&plain(&world.credentials.smtp_user, "wrong")).await;
    assert!(refused.starts_with("535 5.7.8 "), "{refused}");
    assert!(client.say("MAIL FROM:<a@b.test>").await.starts_with("530 "));
    assert!(client.say("DATA").await.starts_with("503 "));
    assert_eq!(world.summary().effects, 0);
}

#[tokio::test]
async fn a_mail_is_in_the_ledger_before_it_is_confirmed() {
    let world = World::start().await;
    let mut client = Client::greeted(&world).await;
    client.say(&plain(&world.credentials.smtp_user, &world.credentials.smtp_password)).await;
    client.say("MAIL FROM:<studio@sandbox.test>").await;
    client.say("RCPT TO:<member@example.test>").await;
    assert!(client.say("DATA").await.starts_with("354 "));
    let mail = "Subject: Hallo\r\nMessage-ID: <1@sandbox.test>\r\n\r\nText\r\n.";
    assert!(client.say(mail).await.starts_with("250 "));
    let effect = world.records().pop().expect("an effect").entry;
    assert_eq!(effect.operation, "smtp.send_mail");
    assert_eq!(effect.subject.as_deref(), Some("member@example.test"));
    assert_eq!(effect.idempotency_key.as_deref(), Some("<1@sandbox.test>"));
}

#[tokio::test]
async fn faults_reach_the_greeting_and_the_login() {
    let world = World::start().await;
    let busy = Fault::Status { status: 421, retry_after: None, body: None };
    world.sandbox.faults().add(Rule::new(Provider::Smtp, busy).method("CONNECT"));
    assert!(Client::connect(&world).await.line().await.starts_with("421 "));

    world.sandbox.faults().add(Rule::new(Provider::Smtp, Fault::Auth).method("AUTH"));
    let mut client = Client::greeted(&world).await;
    let login = plain(&world.credentials.smtp_user, &world.credentials.smtp_password);
    assert!(client.say(&login).await.starts_with("535 "));
    assert!(client.say(&login).await.starts_with("235 "));

    world.sandbox.faults().add(Rule::new(Provider::Smtp, Fault::ResetBefore).method("NOOP"));
    client.0.get_mut().write_all(b"NOOP\r\n").await.expect("a sent line");
    let error = client.0.read_to_end(&mut Vec::new()).await.expect_err("a broken connection");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
