//! Pages of messages are followed to the end, on the same account only.

use autopilot_engine::{Class, Classify as _};
use chrono::DateTime;
use serde_json::json;

use super::{sub, twilio};
use crate::integrations::scripted::Reply;

#[tokio::test]
async fn messages_are_read_page_by_page_and_never_elsewhere() {
    let own = format!("/2010-04-01/Accounts/{}/Messages.json?Page=1&PageToken=x", sub());
    let message = |sid: &str, direction: &str| {
        json!({
            "sid": sid, "direction": direction, "from": "+4930123", "to": "+4930456", "body": "Hallo",
            "date_sent": "Sun, 16 Aug 2026 03:45:01 +0000",
        })
    };
    let page = |next: serde_json::Value| {
        let messages = [message("SM1", "inbound"), message("SM2", "outbound-api")];
        Reply::json(200, json!({ "messages": messages, "next_page_uri": next }))
    };
    let elsewhere = "/2010-04-01/Accounts/AC0/Messages.json?Page=1";
    let script = [page(own.clone().into()), page(serde_json::Value::Null), page(elsewhere.into())];
    let (server, twilio) = twilio(script).await;
    let since = DateTime::UNIX_EPOCH;
    let first = twilio.messages(&sub(), since, None).await.unwrap();
    assert_eq!(first.inbound.iter().map(|one| one.sid.as_str()).collect::<Vec<_>>(), ["SM1"]);
    assert_eq!(first.inbound[0].sent_at.map(|at| at.timestamp()), Some(1_786_851_901));
    let second = twilio.messages(&sub(), since, first.next.as_ref()).await.unwrap();
    assert_eq!(second.next, None);
    // To stop there in silence would be to say that nothing is missing.
    let error = twilio.messages(&sub(), since, None).await.unwrap_err();
    assert_eq!(error.class(), Class::IntegrationOffline, "{error}");
    let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].contains("/Messages.json?DateSent%3E=1970-01-01T00%3A00%3A00Z"), "{lines:?}");
    assert_eq!(lines[1], format!("GET /twilio{own}"));
    assert_eq!(lines.len(), 3);
}
