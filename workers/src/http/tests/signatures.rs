//! Signatures are taken where the providers' own libraries take them: their verdicts are recorded by `make contract`.

use secrecy::SecretString;
use serde::Deserialize;

use super::super::stripe_signature;

/// What each library says.
#[derive(Deserialize)]
struct Recorded {
    stripe: Vec<Case>,
}

/// One delivery.
#[derive(Deserialize)]
struct Case {
    name: String,
    body: String,
    header: String,
    key: String,
    #[serde(default)]
    now: i64,
    /// Why we refuse what the library takes.
    strict: Option<String>,
    taken: bool,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../../../tests/contract/signatures.json")).unwrap()
}

/// Compares our verdicts; some of each kind must be among them.
fn compare(cases: &[Case], is_taken: impl Fn(&Case) -> bool) {
    for case in cases {
        let expected = case.taken && case.strict.is_none();
        assert_eq!(is_taken(case), expected, "{}", case.name);
    }
    let taken = cases.iter().filter(|case| case.taken).count();
    assert!(taken >= 2 && cases.len() - taken >= 5, "{taken} of {}", cases.len());
}

#[test]
fn stripes_signature_is_taken_where_its_library_takes_it() {
    compare(&recorded().stripe, |case| {
        let secrets = [SecretString::from(case.key.clone())];
        let (header, body) = (Some(case.header.as_str()), case.body.as_bytes());
        stripe_signature::verify(header, body, &secrets, case.now).is_ok()
    });
}
