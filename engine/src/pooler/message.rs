//! The messages of Postgres's protocol: found in what was read, and written.

use std::io;
use std::ops::Range;

/// No message that makes sense is longer.
const LONGEST: usize = 1 << 30;

/// A whole message in a buffer: its kind and where its body and its end are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: Range<usize>,
}

/// The message that begins at a place of what was read; none while it is not whole.
///
/// # Errors
/// When this is not the protocol.
pub(super) fn at(read: &[u8], place: usize) -> io::Result<Option<Message>> {
    let Some(&[kind, a, b, c, d]) = read.get(place..place + 5) else { return Ok(None) };
    let length = length([a, b, c, d])?;
    let end = place + 1 + length;
    Ok((read.len() >= end).then_some(Message { kind, body: place + 5..end }))
}

/// The length that a message says it has, itself included.
///
/// # Errors
/// When no message can be that long.
pub(super) fn length(bytes: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if (4..LONGEST).contains(&length) {
        Ok(length)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "this is not Postgres's protocol"))
    }
}

/// Writes a message whose body is made of these parts.
pub(super) fn write(to: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    to.push(kind);
    write_body(to, parts);
}

/// Writes a message without a kind, as the first one of a connection is.
pub(super) fn write_body(to: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        to.extend(*part);
    }
}

/// The text up to the next zero byte, and what follows it.
pub(super) fn text(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((body.get(..end)?, body.get(end + 1..)?))
}

/// What a server says that refuses a connection.
pub(super) fn refusal(what: &str) -> Vec<u8> {
    let mut refusal = Vec::new();
    let parts: [&[u8]; 4] = [b"SFATAL\0VFATAL\0", b"C08006\0M", what.as_bytes(), b"\0\0"];
    write(&mut refusal, b'E', &parts);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_when_it_is_whole() {
        let mut read = Vec::new();
        write(&mut read, b'Q', &[b"SELECT 1", b"\0"]);
        let whole = Message { kind: b'Q', body: 5..14 };
        assert_eq!(at(&read, 0).unwrap(), Some(whole));
        for cut in 0..read.len() {
            assert_eq!(at(&read[..cut], 0).unwrap(), None, "{cut}");
        }
        assert!(at(b"GET / HTTP/1.1", 0).is_err());
        assert!(at(&[b'S', 0, 0, 0, 3], 0).is_err());
    }
}
