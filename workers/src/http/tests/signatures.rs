//! Signatures are taken where the providers' own libraries take them: their verdicts are recorded by `make contract`.

use secrecy::SecretString;
use serde::Deserialize;

use super::super::twilio_signature::{self, Asked};
use super::super::{stripe_signature, whatsapp_signature};

/// What each library says.
#[derive(Deserialize)]
struct Recorded {
    stripe: Vec<Case>,
    twilio: Vec<Case>,
    whatsapp: Vec<Case>,
}

/// One delivery.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    content_type: String,
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
fn compare(cases: &[Case], is_taken: impl Fn(&Case, &[SecretString]) -> bool) {
    for case in cases {
        let expected = case.taken && case.strict.is_none();
        let key = SecretString::from(case.key.clone());
        assert_eq!(is_taken(case, std::slice::from_ref(&key)), expected, "{}", case.name);
        // While a key is changed, either may be the right one.
        let keys = [SecretString::from("another"), key];
        assert_eq!(is_taken(case, &keys), expected, "{}, beside another key", case.name);
        assert!(!is_taken(case, &keys[..1]), "{}, with another key", case.name);
        assert!(!is_taken(case, &[]), "{}, without a key", case.name);
    }
    let taken = cases.iter().filter(|case| case.taken).count();
    assert!(taken >= 2 && cases.len() - taken >= 5, "{taken} of {}", cases.len());
}

#[test]
fn stripes_signature_is_taken_where_its_library_takes_it() {
    compare(&recorded().stripe, |case, keys| {
        let (header, body) = (Some(case.header.as_str()), case.body.as_bytes());
        stripe_signature::verify(header, body, keys, case.now).is_ok()
    });
}

#[test]
fn twilios_signature_is_taken_where_its_library_takes_it() {
    compare(&recorded().twilio, |case, keys| {
        let is_form = case.content_type == "application/x-www-form-urlencoded";
        let asked = Asked { address: &case.url, body: case.body.as_bytes(), is_form };
        twilio_signature::verify(Some(&case.header), asked, keys).is_ok()
    });
}

#[test]
fn whatsapps_signature_is_taken_where_it_is_the_documented_one() {
    compare(&recorded().whatsapp, |case, keys| {
        whatsapp_signature::verify(Some(&case.header), case.body.as_bytes(), keys).is_ok()
    });
}
