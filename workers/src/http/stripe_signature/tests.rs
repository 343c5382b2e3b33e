use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

/// Signs with `signer`, verifies with `known`.
fn check(signer: &[&str], known: &[&str]) -> Result<(), SignatureError> {
    verify(Some(&sign(BODY, &secrets(signer), NOW)), BODY, &secrets(known), NOW)
}

#[test]
fn the_signature_is_the_one_that_another_implementation_makes() {
    // printf '1800000000.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac whsec_test
    let header = "t=1800000000,v1=0f1bebceb66c16b38bee6c528eb2e1e8a8b464a6d5ba72f4befa95635b543b07";
    assert_eq!(sign(BODY, &secrets(&["whsec_test"]), NOW), header);
    assert_eq!(verify(Some(header), BODY, &secrets(&["whsec_test"]), NOW), Ok(()));
}

#[test]
fn while_a_secret_is_rolled_either_side_may_know_both() {
    assert_eq!(check(&["old"], &["new", "old"]), Ok(()));
    assert_eq!(check(&["old", "new"], &["new"]), Ok(()));
    assert_eq!(check(&["old", "new"], &["old"]), Ok(()));
    assert_eq!(check(&["old", "new"], &["older", "oldest"]), Err(SignatureError::Mismatch));
    assert_eq!(check(&["old"], &[]), Err(SignatureError::Mismatch));
}

#[test]
fn the_time_may_be_off_by_five_minutes_either_way() {
    let known = secrets(&["whsec_a"]);
    let header = sign(BODY, &known, NOW);
    let table = [
        (300, Ok(())),
        (301, Err(SignatureError::Stale { age: 301 })),
        (-300, Ok(())),
        (-301, Err(SignatureError::Stale { age: -301 })),
        (i64::MAX - NOW, Err(SignatureError::Stale { age: i64::MAX - NOW })),
        (i64::MIN + NOW, Err(SignatureError::Stale { age: i64::MIN + NOW })),
    ];
    for (later, expected) in table {
        let now = NOW.saturating_add(later);
        assert_eq!(verify(Some(&header), BODY, &known, now), expected, "{later}");
    }
}

#[test]
fn only_a_signer_learns_that_the_time_is_off() {
    let header = sign(BODY, &secrets(&["forged"]), NOW - 9_999);
    let refused = verify(Some(&header), BODY, &secrets(&["whsec_a"]), NOW);
    assert_eq!(refused, Err(SignatureError::Mismatch));
}

#[test]
fn another_body_or_time_than_the_signed_one_does_not_match() {
    let known = secrets(&["whsec_a"]);
    let header = sign(BODY, &known, NOW);
    let verify = |header: &str, body: &[u8]| verify(Some(header), body, &known, NOW);
    assert_eq!(verify(&header, &BODY[..BODY.len() - 1]), Err(SignatureError::Mismatch));
    assert_eq!(verify(&header, b""), Err(SignatureError::Mismatch));
    let mut flipped = BODY.to_vec();
    flipped[3] ^= 1;
    assert_eq!(verify(&header, &flipped), Err(SignatureError::Mismatch));
    let moved = header.replace("t=1800000000", "t=1800000001");
    assert_eq!(verify(&moved, BODY), Err(SignatureError::Mismatch));
    let padded = header.replace("t=1800000000", "t=01800000000");
    assert_eq!(verify(&padded, BODY), Err(SignatureError::Mismatch));
}

#[test]
fn other_schemes_do_not_count() {
    let known = secrets(&["whsec_a"]);
    let header = sign(BODY, &known, NOW);
    let extended = format!("v0=1,{header},v2=,scheme=a=b");
    assert_eq!(verify(Some(&extended), BODY, &known, NOW), Ok(()));
    let downgraded = header.replace("v1=", "v0=");
    let refused = verify(Some(&downgraded), BODY, &known, NOW);
    assert_eq!(refused, Err(SignatureError::Malformed("v1 is missing")));
}

#[test]
fn a_header_that_cannot_be_read_says_why() {
    let v1 = "0".repeat(64);
    let table = [
        (String::new(), "a part has no `=`"),
        ("t".to_owned(), "a part has no `=`"),
        (format!("t=1,v1={v1},"), "a part has no `=`"),
        (format!("v1={v1}"), "t is missing"),
        (format!("t=1,t=1,v1={v1}"), "t is there twice"),
        (format!("t=,v1={v1}"), "t is not a number of seconds"),
        (format!("t=-1,v1={v1}"), "t is not a number of seconds"),
        (format!("t=1.5,v1={v1}"), "t is not a number of seconds"),
        ("t=1".to_owned(), "v1 is missing"),
        ("t=1,v1=".to_owned(), "v1 is not 64 hexadecimal digits"),
        (format!("t=1,v1={}g", &v1[1..]), "v1 is not 64 hexadecimal digits"),
        (format!("t=1,v1={v1}00"), "v1 is not 64 hexadecimal digits"),
        (format!("t=1,v1={v1},v1=zz"), "v1 is not 64 hexadecimal digits"),
    ];
    for (header, why) in table {
        let refused = verify(Some(&header), BODY, &secrets(&["whsec_a"]), NOW);
        assert_eq!(refused, Err(SignatureError::Malformed(why)), "{header}");
    }
    assert_eq!(verify(None, BODY, &secrets(&["whsec_a"]), NOW), Err(SignatureError::Missing));
}

#[test]
fn a_signed_time_beyond_every_clock_is_refused() {
    let known = secrets(&["whsec_a"]);
    let time = "99999999999999999999";
    let signature = hex::encode(mac(&known[0], time, BODY).finalize().into_bytes());
    let header = format!("t={time},v1={signature}");
    assert_eq!(verify(Some(&header), BODY, &known, NOW), Err(BAD_TIME));
}

proptest! {
    #[test]
    fn no_header_makes_it_panic_or_believe(header in "\\PC*", body: Vec<u8>, now: i64) {
        prop_assert!(verify(Some(&header), &body, &secrets(&["whsec_a"]), now).is_err());
    }

    #[test]
    fn no_near_miss_makes_it_panic_or_believe(
        header in "(t=[0-9]{0,22},?|v1=[0-9a-f]{60,66},?|v0=x,?|,){0,6}",
        now: i64,
    ) {
        prop_assert!(verify(Some(&header), BODY, &secrets(&["whsec_a"]), now).is_err());
    }

    #[test]
    fn what_was_signed_is_believed(body: Vec<u8>, time in 0..i64::MAX) {
        let known = secrets(&["whsec_a"]);
        prop_assert!(verify(Some(&sign(&body, &known, time)), &body, &known, time).is_ok());
    }
}
