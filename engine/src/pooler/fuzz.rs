//! Bytes of Postgres's protocol that no driver and no server sends.

use proptest::prelude::*;

use super::message;
use super::session::Session;
use super::startup::Startup;
use crate::testing::{Edit, mangled};

/// What a driver says: a statement with a name, its use, its end, and a plain one.
fn asked() -> Vec<u8> {
    let mut bytes = Vec::new();
    message::write(&mut bytes, b'P', &[b"s1\0SELECT $1\0\0\0"]);
    message::write(&mut bytes, b'B', &[b"\0s1\0\0\0\0\x01\0\0\0\x01x\0\0"]);
    message::write(&mut bytes, b'D', &[b"Ss1\0"]);
    message::write(&mut bytes, b'C', &[b"Ss1\0"]);
    message::write(&mut bytes, b'S', &[]);
    message::write(&mut bytes, b'Q', &[b"BEGIN\0"]);
    bytes
}

/// What a server answers.
fn answered() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, body) in
        [(b'1', &b""[..]), (b'2', b""), (b'C', b"SELECT 1\0"), (b'Z', b"I"), (b'E', b"SERROR\0\0")]
    {
        message::write(&mut bytes, kind, &[body]);
    }
    bytes
}

proptest! {
    #[test]
    fn what_is_no_protocol_is_an_error_and_never_a_panic(
        asks in proptest::collection::vec(any::<Edit>(), 0..=8), answers in proptest::collection::vec(any::<Edit>(), 0..=8), cut in any::<u8>(),
    ) {
        let mut session = Session::new(&[("application_name".to_owned(), "x".to_owned())]);
        let mut asked = mangled(&asked(), &asks);
        let mut answered = mangled(&answered(), &answers);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        // It comes in pieces, cut anywhere.
        let place = usize::from(cut).min(asked.len());
        let mut rest = asked.split_off(place);
        for _ in 0..3 {
            if session.requests(&mut asked, &mut to_server).is_err()
                || session.replies(&mut answered, &mut to_client).is_err()
            {
                break;
            }
            asked.append(&mut rest);
        }
    }

    #[test]
    fn no_beginning_of_a_session_makes_it_panic(edits in proptest::collection::vec(any::<Edit>(), 0..=8)) {
        let sample = b"\0\x03\0\0user\0me\0database\0d\0options\0-c a=b --c=d\\ e\0\0";
        let _refused = Startup::read(&mangled(sample, &edits));
    }
}
