//! Input that is almost right: what a parser meets when somebody means it ill, or a wire was cut.

/// A change of some bytes: where, of which sort, and with what. Any numbers will do, so that a test can draw them at random.
pub type Edit = (u16, u8, u8);

/// What parsers stumble over.
const STUMBLING: [&[u8]; 16] = [
    b"\0",
    b"\"",
    b"'",
    b"\\",
    b"%00",
    b"%",
    b"\r\n",
    b"{",
    b"]",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"\xff\xfe",
    "\u{202e}".as_bytes(),
    "\u{1f4a5}".as_bytes(),
    b"<script>",
];

/// The sample with these changes, one after the other: bits turned, bytes replaced, put in, taken out or repeated, the end cut off, and what
/// parsers stumble over.
#[must_use]
pub fn mangled(sample: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for &(place, sort, byte) in edits {
        let place = usize::from(place) % (bytes.len() + 1);
        let some = usize::from(byte).min(bytes.len() - place);
        match sort % 7 {
            0 => bytes.iter_mut().skip(place).take(1).for_each(|own| *own ^= 1 << (byte % 8)),
            1 => bytes.iter_mut().skip(place).take(1).for_each(|own| *own = byte),
            2 => bytes.insert(place, byte),
            3 => drop(bytes.drain(place..place + some)),
            4 => {
                let again = bytes.get(place..place + some).unwrap_or_default().to_vec();
                drop(bytes.splice(place..place, again));
            }
            5 => bytes.truncate(place),
            _ => {
                let stone = STUMBLING.get(usize::from(byte) % STUMBLING.len()).copied();
                drop(bytes.splice(place..place, stone.unwrap_or_default().iter().copied()));
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::mangled;

    #[test]
    fn each_sort_of_change_does_what_it_says_wherever_it_is() {
        let one = |edit| mangled(b"sample", &[edit]);
        assert_eq!(one((0, 0, 0)), b"rample");
        assert_eq!(one((1, 1, b'i')), b"simple");
        assert_eq!(one((6, 2, b's')), b"samples");
        assert_eq!(one((0, 3, 2)), b"mple");
        assert_eq!(one((2, 4, 2)), b"sampmple");
        assert_eq!(one((3, 5, 0)), b"sam");
        assert_eq!(one((1, 6, 2)), b"s'ample");
        for place in [0, 6, 7, u16::MAX] {
            for sort in 0..=u8::MAX {
                let _any = mangled(b"sample", &[(place, sort, 255), (place, sort, 0)]);
                let _empty = mangled(b"", &[(place, sort, 255)]);
            }
        }
    }
}
