use super::*;

/// What was said, as a word for each message: its kind, and the text or the name that matters.
fn words(said: &[u8]) -> Vec<String> {
    let (mut words, mut place) = (Vec::new(), 0);
    while let Some(message) = at(said, place).unwrap() {
        let body = String::from_utf8_lossy(&said[message.body.clone()]).replace('\0', " ");
        words.push(format!("{} {}", char::from(message.kind), body.trim()).trim().to_owned());
        place = message.body.end;
    }
    words
}

fn say(messages: &[(u8, &str)]) -> Vec<u8> {
    let mut said = Vec::new();
    for (kind, body) in messages {
        message::write(&mut said, *kind, &[body.as_bytes()]);
    }
    said
}

/// The messages with which sqlx prepares a statement, and with which it runs one.
const PREPARE: [(u8, &str); 3] =
    [(b'P', "sqlx_s_1\0SELECT 1\0\0\0"), (b'D', "Ssqlx_s_1\0"), (b'S', "")];
const RUN: [(u8, &str); 4] =
    [(b'B', "\0sqlx_s_1\0values"), (b'E', "\0\0\0\0\0"), (b'C', "P\0"), (b'S', "")];

const PREPARED: [(u8, &str); 4] = [(b'1', ""), (b't', ""), (b'T', ""), (b'Z', "I")];

impl Session {
    fn ask(&mut self, messages: &[(u8, &str)]) -> Vec<String> {
        let mut out = Vec::new();
        self.requests(&mut say(messages), &mut out).unwrap();
        words(&out)
    }

    fn answer(&mut self, messages: &[(u8, &str)]) -> Vec<String> {
        let mut out = Vec::new();
        self.replies(&mut say(messages), &mut out).unwrap();
        words(&out)
    }
}

fn with_settings() -> Session {
    Session::new(&[("jit".to_owned(), "off".to_owned())])
}

const SET: [&str; 2] = ["P SELECT set_config($1, $2, true)", "E"];

/// The words without the one that binds the settings' values, whose lengths are no text.
fn with_their_settings(mut said: Vec<String>) -> Vec<String> {
    let bound = said.remove(1);
    assert!(bound.contains("jit") && bound.contains("off"), "{bound}");
    said
}

#[test]
fn a_statements_text_goes_along_wherever_it_is_run() {
    let mut session = Session::new(&[]);
    assert_eq!(session.ask(&PREPARE), ["P SELECT 1", "D S", "S"]);
    assert_eq!(session.answer(&PREPARED), ["1", "t", "T", "Z I"]);
    assert_eq!(session.ask(&RUN), ["P SELECT 1", "B values", "E", "C P", "S"]);
    let answers = [(b'1', ""), (b'2', ""), (b'D', "row"), (b'C', "SELECT 1"), (b'Z', "I")];
    // It has not asked for the first one.
    assert_eq!(session.answer(&answers), ["2", "D row", "C SELECT 1", "Z I"]);
}

#[test]
fn the_text_goes_once_where_it_is_prepared_and_run_at_once() {
    let mut session = Session::new(&[]);
    let all = [&PREPARE[..2], &RUN[..]].concat();
    assert_eq!(session.ask(&all), ["P SELECT 1", "D S", "B values", "E", "C P", "S"]);
}

#[test]
fn settings_go_before_the_first_statement_of_each_transaction_and_are_not_answered() {
    let mut session = with_settings();
    session.ask(&PREPARE);
    let set = [(b'1', ""), (b'2', ""), (b'D', "off"), (b'C', "SELECT 1")];
    assert_eq!(session.answer(&[&set[..], &PREPARED].concat()), ["1", "t", "T", "Z I"]);
    for transaction in 0..2 {
        assert_eq!(session.ask(&[(b'Q', "BEGIN\0")]), ["Q BEGIN"]);
        session.answer(&[(b'C', "BEGIN"), (b'Z', "T")]);
        let said = with_their_settings(session.ask(&RUN));
        assert_eq!(said[..2], SET, "{transaction}");
        assert_eq!(said[2..], ["P SELECT 1", "B values", "E", "C P", "S"], "{transaction}");
        let run = [(b'1', ""), (b'2', ""), (b'D', "row"), (b'C', "SELECT 1"), (b'Z', "T")];
        let told = session.answer(&[&set[..], &run].concat());
        assert_eq!(told, ["2", "D row", "C SELECT 1", "Z T"]);
        // The second statement has them already.
        assert_eq!(session.ask(&RUN), ["P SELECT 1", "B values", "E", "C P", "S"]);
        session.answer(&run);
        session.ask(&[(b'Q', "COMMIT\0")]);
        session.answer(&[(b'C', "COMMIT"), (b'Z', "I")]);
    }
}

#[test]
fn settings_that_may_have_gone_with_a_savepoint_are_sent_again() {
    let mut session = with_settings();
    session.ask(&[(b'Q', "BEGIN; SAVEPOINT a\0")]);
    session.answer(&[(b'Z', "T")]);
    session.ask(&PREPARE);
    session.answer(&[(b'E', "no such table"), (b'Z', "E")]);
    session.ask(&[(b'Q', "ROLLBACK TO a\0")]);
    session.answer(&[(b'Z', "T")]);
    assert_eq!(with_their_settings(session.ask(&PREPARE))[..2], SET);
}

#[test]
fn a_vacuum_is_alone_in_its_transaction() {
    let mut session = with_settings();
    let text = "-- Makes room.\nvacuum (SKIP_LOCKED) a";
    let prepare = format!("s\0{text}\0\0\0");
    let shown = format!("P {text}");
    assert_eq!(session.ask(&[(b'P', &prepare), (b'S', "")]), [&shown, "S"]);
    session.answer(&[(b'1', ""), (b'Z', "I")]);
    assert_eq!(session.ask(&[(b'B', "\0s\0"), (b'S', "")]), [&shown, "B", "S"]);
}

#[test]
fn what_is_said_before_the_server_is_ready_waits() {
    let mut session = Session::new(&[]);
    let (mut asked, mut out) = (say(&[(b'Q', "ROLLBACK\0"), (b'Q', "BEGIN\0")]), Vec::new());
    session.requests(&mut asked, &mut out).unwrap();
    assert_eq!(words(&out), ["Q ROLLBACK"]);
    out.clear();
    session.answer(&[(b'C', "ROLLBACK"), (b'Z', "I")]);
    session.requests(&mut asked, &mut out).unwrap();
    assert_eq!(words(&out), ["Q BEGIN"]);
}

#[test]
fn a_text_that_the_server_refused_and_one_that_was_closed_are_forgotten() {
    let mut session = Session::new(&[]);
    session.ask(&PREPARE);
    session.answer(&[(b'E', "a syntax error"), (b'Z', "I")]);
    assert!(session.statements.is_empty());
    session.ask(&PREPARE);
    session.answer(&PREPARED);
    assert_eq!(session.ask(&[(b'C', "Ssqlx_s_1\0"), (b'S', "")]), ["C S", "S"]);
    assert!(session.statements.is_empty());
}

#[test]
fn packets_may_be_cut_anywhere() {
    let said = say(&[&PREPARE[..2], &RUN[..]].concat());
    let mut whole = Vec::new();
    with_settings().requests(&mut said.clone(), &mut whole).unwrap();
    for cut in 0..said.len() {
        let (mut session, mut asked, mut out) = (with_settings(), Vec::new(), Vec::new());
        for part in [&said[..cut], &said[cut..]] {
            asked.extend(part);
            session.requests(&mut asked, &mut out).unwrap();
        }
        assert_eq!(out, whole, "{cut}");
    }
}
