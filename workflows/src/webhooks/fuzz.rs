//! Signed deliveries that nobody meant: each is read or found unreadable, never with a name that a row cannot hold, and the same bytes are the
//! same event.

use autopilot_engine::testing::{Edit, mangled};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::delivery::{Delivery, is_plain};
use super::twilio::{Endpoint, Form};
use super::{form, stripe, twilio, whatsapp};

const STRIPE: [&str; 3] = [
    r#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1700000000,"data":{"object":{"id":"in_1","customer":"cus_1"}}}"#,
    r#"{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter","created":"2026"}"#,
    r#"{"id":"evt_3","type":"customer.subscription.updated","created":-99999999999999}"#,
];

const WHATSAPP: [&str; 2] = [
    r#"{"object":"whatsapp_business_account","entry":[{"id":"1","time":1,"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"contacts":[{"wa_id":"49"}],"messages":[{"id":"wamid.1","from":"49","timestamp":"1","type":"text","text":{"body":"hi"}}]}}]}]}"#,
    r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[{"id":"wamid.2","status":"failed","timestamp":"x","errors":[{"code":1}]}]}},{"field":"account_update","value":{}}]}]}"#,
];

const FORMS: [&str; 3] = [
    "MessageSid=SM1&From=%2B491&To=%2B492&Body=hello+there%21",
    "CallSid=CA1&CallStatus=completed&Duration=3",
    "BundleSid=BU1&Status=twilio-approved",
];

const ENDPOINTS: [Endpoint; 4] =
    [Endpoint::Sms, Endpoint::Voice, Endpoint::Status, Endpoint::Bundle];

fn digest(bytes: &[u8]) -> String {
    format!("digest{}", bytes.len())
}

fn fits(delivery: &Delivery) -> Result<(), TestCaseError> {
    prop_assert!(is_plain(&delivery.id) && is_plain(&delivery.kind), "{delivery:?}");
    Ok(())
}

fn no_headers() -> Value {
    json!({})
}

proptest! {
    #[test]
    fn whatever_stripe_signs_fits_into_the_inbox(
        sample in proptest::sample::select(&STRIPE[..]), edits in proptest::collection::vec(any::<Edit>(), 0..=6),
    ) {
        let body = Bytes::from(mangled(sample.as_bytes(), &edits));
        let read = || stripe::read(body.clone(), no_headers(), digest);
        let (first, again) = (read()?, read()?);
        fits(&first)?;
        prop_assert_eq!(first.id, again.id);
    }

    #[test]
    fn whatever_whatsapp_signs_fits_into_the_inbox(
        sample in proptest::sample::select(&WHATSAPP[..]), edits in proptest::collection::vec(any::<Edit>(), 0..=6),
    ) {
        let body = Bytes::from(mangled(sample.as_bytes(), &edits));
        let read = || whatsapp::read(&body, &no_headers(), digest);
        let (first, again) = (read()?, read()?);
        prop_assert!(!first.is_empty(), "a delivery that leaves no trace");
        for delivery in &first {
            fits(delivery)?;
        }
        let ids = |all: &[Delivery]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&first), ids(&again));
    }

    #[test]
    fn whatever_twilio_signs_fits_into_the_inbox(
        sample in proptest::sample::select(&FORMS[..]),
        endpoint in proptest::sample::select(&ENDPOINTS[..]),
        edits in proptest::collection::vec(any::<Edit>(), 0..=6),
    ) {
        let body = Bytes::from(mangled(sample.as_bytes(), &edits));
        let parameters = form(&body);
        let posted = Form { parameters: &parameters, token: None };
        fits(&twilio::read(endpoint, posted, body.clone(), no_headers(), digest)?)?;
    }
}
