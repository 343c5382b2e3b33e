//! The error table row by row, and real exchanges against a scripted server.

mod pages;

use std::time::Duration;

use autopilot_engine::{Class, Classify, Effect};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;
use crate::integrations::phone::E164;
use crate::integrations::scripted::{Reply, Server};

const MAIN: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SUB: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const NAME: &str = "pilar:ws:0190c0de-0000-7000-8000-000000000001";

async fn twilio(script: impl IntoIterator<Item = Reply>) -> (Server, Twilio) {
    let server = Server::start(script).await;
    let config = Config {
        base_url: server.url("/twilio"),
        numbers_base_url: server.url("/twilio-numbers"),
        ..Config::new(MAIN.parse().unwrap(), SecretString::from("t0k3n"))
    };
    let twilio = Twilio::new(config).unwrap();
    (server, twilio)
}

fn sub() -> AccountSid {
    SUB.parse().unwrap()
}

fn account(sid: &str, name: &str, status: &str, created: Option<&str>) -> serde_json::Value {
    json!({"sid": sid, "friendly_name": name, "status": status, "auth_token": "s3cret", "date_created": created})
}

fn sid(prefix: &str, digit: char) -> String {
    format!("{prefix}{}", digit.to_string().repeat(32))
}

fn number(digit: char, created: &str) -> serde_json::Value {
    json!({
        "sid": sid("PN", digit), "phone_number": "+4930123456", "friendly_name": NAME, "date_created": created,
        "voice_url": "https://a.example/voice", "sms_url": "", "status_callback": null,
    })
}

fn webhooks() -> Webhooks {
    Webhooks {
        voice_url: "https://a.example/voice?w=1&x=2".to_owned(),
        sms_url: "https://a.example/sms".to_owned(),
        status_callback: "https://a.example/status".to_owned(),
    }
}

fn purchase() -> Purchase {
    Purchase {
        phone_number: "+4930123456".parse().unwrap(),
        friendly_name: NAME.to_owned(),
        webhooks: webhooks(),
        address_sid: None,
        bundle_sid: Some(sid("BU", 'd').parse().unwrap()),
    }
}

#[tokio::test]
async fn every_code_of_the_error_table_has_its_class_and_effect() {
    let auth = Class::ThirdPartyAuthFailed;
    let limited = Class::RateLimited { retry_after: Some(Duration::from_secs(2)) };
    let (configuration, refused, offline) =
        (Class::ConfigurationError, Class::ProvisioningError, Class::IntegrationOffline);
    for (status, code, class, effect) in [
        (401, 20003, auth, Effect::None),
        (403, 20005, offline, Effect::None),
        (403, 10001, offline, Effect::None),
        (403, 90010, offline, Effect::None),
        (403, 10002, refused, Effect::None),
        (429, 20429, limited, Effect::None),
        (400, 21480, refused, Effect::None),
        (400, 21422, refused, Effect::None),
        (400, 21421, configuration, Effect::None),
        (400, 21451, configuration, Effect::None),
        (400, 21452, refused, Effect::None),
        (400, 21457, configuration, Effect::None),
        (400, 21628, configuration, Effect::None),
        (400, 21631, refused, Effect::None),
        (400, 21613, refused, Effect::None),
        (400, 21649, refused, Effect::None),
        (404, 20404, refused, Effect::None),
        (500, 20500, offline, Effect::Unknown),
        (503, 20503, offline, Effect::Unknown),
        (401, 77777, auth, Effect::None),
        (403, 77777, auth, Effect::None),
        (429, 77777, limited, Effect::None),
        (400, 77777, configuration, Effect::None),
    ] {
        let body = json!({"code": code, "message": "No.", "more_info": "", "status": status});
        let (_server, twilio) =
            twilio([Reply::new(status, &[("retry-after", "2")], body.to_string())]).await;
        let error = twilio.create_subaccount(NAME).await.unwrap_err();
        assert_eq!((error.class(), error.effect()), (class, effect), "{error}");
        assert_eq!(error.class().is_outage(), class == offline, "{code}: does a breaker count it?");
        assert_eq!(error.code(), format!("twilio_{code}"));
        let acts = !class.retries() || [20005, 10001, 90010].contains(&code);
        assert_eq!(error.action().is_some(), acts, "{code}: what should the operator do?");
    }
}

#[tokio::test]
async fn a_server_error_while_reading_leaves_nothing_unknown() {
    let body = json!({"code": 20500, "message": "Oops"});
    let (_server, twilio) = twilio([Reply::json(500, body)]).await;
    assert_eq!(twilio.ping().await.unwrap_err().effect(), Effect::None);
}

#[tokio::test]
async fn an_answer_that_is_not_twilios_is_offline_and_a_lost_one_is_executed() {
    let (_server, twilio) = twilio([
        Reply::html(502),
        Reply::html(404),
        Reply::html(200),
        Reply::json(201, json!({"sid": "nonsense", "auth_token": "s3cret"})),
    ])
    .await;
    for (code, class, effect) in [
        ("twilio_http_502", Class::IntegrationOffline, Effect::Unknown),
        ("twilio_http_404", Class::ConfigurationError, Effect::None),
        ("twilio_unreadable", Class::IntegrationOffline, Effect::Executed),
        ("twilio_unreadable", Class::IntegrationOffline, Effect::Executed),
    ] {
        let error = twilio.create_subaccount(NAME).await.unwrap_err();
        assert_eq!((error.class(), error.effect()), (class, effect), "{error}");
        assert_eq!(error.code(), code);
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_number_that_is_gone_asks_for_the_next_candidate() {
    let body = json!({"code": 21422, "message": "+4930123456 is not available."});
    let (_server, twilio) = twilio([Reply::json(400, body)]).await;
    let error = twilio.buy_number(&sub(), &purchase()).await.unwrap_err();
    assert!(matches!(error, TwilioError::NumberTaken { .. }), "{error}");
}

#[tokio::test]
async fn a_subaccount_is_created_by_form_as_the_main_account() {
    let created = account(SUB, NAME, "active", Some("Thu, 30 Jul 2026 20:00:00 +0000"));
    let (server, twilio) = twilio([Reply::json(201, created)]).await;
    let subaccount = twilio.create_subaccount(NAME).await.unwrap();
    assert_eq!((subaccount.sid, subaccount.status), (sub(), AccountStatus::Active));
    assert_eq!(subaccount.auth_token.expose_secret(), "s3cret");

    let request = server.request();
    assert_eq!(request.line, "POST /twilio/2010-04-01/Accounts.json");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{MAIN}:t0k3n")));
    assert_eq!(request.header("authorization"), Some(basic.as_str()));
    assert_eq!(request.body, "FriendlyName=pilar%3Aws%3A0190c0de-0000-7000-8000-000000000001");
}

#[tokio::test]
async fn no_debug_output_shows_a_secret() {
    let (_server, twilio) = twilio([
        Reply::json(200, account(SUB, NAME, "active", None)),
        Reply::json(201, json!({"sid": sid("SK", 'c'), "secret": "s3cret"})),
    ])
    .await;
    let subaccount = twilio.subaccount(&sub()).await.unwrap();
    let key = twilio.create_key(&sub(), NAME).await.unwrap();
    let shown = format!("{twilio:?} {subaccount:?} {key:?}");
    assert!(!shown.contains("t0k3n") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn of_several_subaccounts_of_one_name_the_oldest_is_adopted_and_the_rest_reported() {
    let main = account(MAIN, NAME, "active", Some("Thu, 30 Jul 2015 20:00:00 +0000"));
    let younger = account(&sid("AC", '1'), NAME, "active", Some("Fri, 31 Jul 2026 20:00:00 +0000"));
    let undated = account(&sid("AC", '2'), NAME, "active", None);
    let oldest = account(SUB, NAME, "active", Some("Thu, 30 Jul 2026 20:00:00 +0000"));
    let closed = account(&sid("AC", '3'), NAME, "closed", Some("Wed, 29 Jul 2026 20:00:00 +0000"));
    let other =
        account(&sid("AC", '4'), "pilar", "active", Some("Wed, 29 Jul 2026 20:00:00 +0000"));
    let (server, twilio) = twilio([
        Reply::json(200, json!({"accounts": [main, younger, undated, oldest, closed, other]})),
        Reply::json(200, json!({"accounts": []})),
    ])
    .await;
    let found = twilio.find_subaccount(NAME).await.unwrap().unwrap();
    assert_eq!((found.oldest.sid.as_str(), found.duplicates), (SUB, 2));
    assert!(found.is_ambiguous());
    assert!(twilio.find_subaccount(NAME).await.unwrap().is_none());
    let line = &server.requests()[0].line;
    assert!(
        line.starts_with("GET /twilio/2010-04-01/Accounts.json?FriendlyName=pilar%3Aws%3A"),
        "{line}"
    );
    assert!(line.ends_with("&Status=active"), "{line}");
}

#[tokio::test]
async fn keys_are_found_by_name_and_deleting_one_twice_is_no_error() {
    let keys = json!({"keys": [
        {"sid": sid("SK", 'b'), "friendly_name": NAME, "date_created": "Fri, 31 Jul 2026 20:00:00 +0000"},
        {"sid": sid("SK", 'c'), "friendly_name": NAME, "date_created": "Thu, 30 Jul 2026 20:00:00 +0000"},
        {"sid": sid("SK", 'd'), "friendly_name": "a person's", "date_created": null},
    ]});
    let (server, twilio) = twilio([
        Reply::json(200, keys),
        Reply::new(204, &[], ""),
        Reply::json(404, json!({"code": 20404, "message": "not found"})),
    ])
    .await;
    let found = twilio.list_keys(&sub(), NAME).await.unwrap();
    let sids: Vec<_> = found.iter().map(|key| key.sid.as_str()).collect();
    assert_eq!(sids, [sid("SK", 'c'), sid("SK", 'b')]);
    twilio.delete_key(&sub(), &found[0].sid).await.unwrap();
    twilio.delete_key(&sub(), &found[0].sid).await.unwrap();
    let expected = format!("DELETE /twilio/2010-04-01/Accounts/{SUB}/Keys/{}.json", found[0].sid);
    assert_eq!(server.requests()[1].line, expected);
}

#[tokio::test]
async fn a_number_is_bought_complete_in_one_request() {
    let (server, twilio) =
        twilio([Reply::json(201, number('e', "Thu, 30 Jul 2026 20:00:00 +0000"))]).await;
    let bought = twilio.buy_number(&sub(), &purchase()).await.unwrap();
    assert_eq!((bought.sid.as_str(), bought.sms_url), (sid("PN", 'e').as_str(), None));
    let request = server.request();
    assert_eq!(
        request.line,
        format!("POST /twilio/2010-04-01/Accounts/{SUB}/IncomingPhoneNumbers.json")
    );
    let expected = [
        "PhoneNumber=%2B4930123456".to_owned(),
        "FriendlyName=pilar%3Aws%3A0190c0de-0000-7000-8000-000000000001".to_owned(),
        "VoiceUrl=https%3A%2F%2Fa.example%2Fvoice%3Fw%3D1%26x%3D2".to_owned(),
        "SmsUrl=https%3A%2F%2Fa.example%2Fsms".to_owned(),
        "StatusCallback=https%3A%2F%2Fa.example%2Fstatus".to_owned(),
        format!("BundleSid={}", sid("BU", 'd')),
    ];
    assert_eq!(request.body, expected.join("&"));
}

#[tokio::test]
async fn numbers_are_searched_found_read_and_repaired() {
    let available = json!({"available_phone_numbers": [
        {"phone_number": "+4930123456", "locality": "Berlin", "address_requirements": "local"},
        {"phone_number": "+4930123457"}, {"phone_number": "+4930123458"},
    ]});
    let (older, younger) = (
        number('f', "Thu, 30 Jul 2026 20:00:00 +0000"),
        number('e', "Fri, 31 Jul 2026 20:00:00 +0000"),
    );
    let (server, twilio) = twilio([
        Reply::json(200, available),
        Reply::json(200, json!({"incoming_phone_numbers": [younger, older]})),
        Reply::json(200, number('f', "Thu, 30 Jul 2026 20:00:00 +0000")),
        Reply::json(200, number('f', "Thu, 30 Jul 2026 20:00:00 +0000")),
    ])
    .await;
    let candidates = twilio.search_numbers(&sub(), "DE".parse().unwrap(), 2).await.unwrap();
    assert_eq!(candidates.len(), 2);
    assert_eq!(candidates[0].phone_number, "+4930123456".parse::<E164>().unwrap());
    let found = twilio.find_number(&sub(), NAME).await.unwrap().unwrap();
    assert_eq!((found.oldest.sid.as_str(), found.duplicates), (sid("PN", 'f').as_str(), 1));
    let read = twilio.number(&sub(), &found.oldest.sid).await.unwrap();
    assert!(!read.reports_to(&webhooks()));
    twilio.update_number_webhooks(&sub(), &read.sid, &webhooks()).await.unwrap();

    let requests = server.requests();
    let base = format!("/twilio/2010-04-01/Accounts/{SUB}");
    assert_eq!(
        requests[0].line,
        format!("GET {base}/AvailablePhoneNumbers/DE/Local.json?VoiceEnabled=true&PageSize=2")
    );
    let one = format!("{base}/IncomingPhoneNumbers/{}.json", sid("PN", 'f'));
    assert_eq!(requests[2].line, format!("GET {one}"));
    assert_eq!(requests[3].line, format!("POST {one}"));
    assert!(requests[3].body.starts_with("VoiceUrl=https%3A%2F%2Fa.example%2Fvoice"));
}

#[tokio::test]
async fn a_bundle_is_read_from_the_regulatory_host_in_each_of_its_states() {
    for (text, status, approved, under_review) in [
        ("draft", BundleStatus::Draft, false, false),
        ("pending-review", BundleStatus::PendingReview, false, true),
        ("in-review", BundleStatus::InReview, false, true),
        ("twilio-rejected", BundleStatus::TwilioRejected, false, false),
        ("twilio-approved", BundleStatus::TwilioApproved, true, false),
        ("provisionally-approved", BundleStatus::ProvisionallyApproved, true, false),
    ] {
        let (server, twilio) = twilio([Reply::json(200, json!({"status": text}))]).await;
        let sid: BundleSid = sid("BU", '1').parse().unwrap();
        assert_eq!(twilio.bundle(&sid).await.unwrap(), status);
        assert_eq!(
            (status.is_approved(), status.is_under_review()),
            (approved, under_review),
            "{text}"
        );
        let expected = format!("GET /twilio-numbers/v2/RegulatoryCompliance/Bundles/{sid}");
        assert_eq!(server.request().line, expected);
    }
}

#[tokio::test]
async fn a_suspended_main_account_is_offline_and_says_what_to_do() {
    let (_server, twilio) = twilio([
        Reply::json(200, account(MAIN, "Main", "active", None)),
        Reply::json(200, account(MAIN, "Main", "suspended", None)),
    ])
    .await;
    twilio.ping().await.unwrap();
    let error = twilio.ping().await.unwrap_err();
    assert_eq!(
        (error.class(), error.code().as_ref()),
        (Class::IntegrationOffline, "twilio_account_inactive")
    );
    assert!(error.action().unwrap().contains("balance"));
}

#[tokio::test]
async fn the_balance_is_the_main_accounts() {
    let (server, twilio) = twilio([
        Reply::json(200, json!({"account_sid": MAIN, "balance": "49.99", "currency": "EUR"})),
        Reply::json(200, json!({"account_sid": MAIN, "balance": "lots", "currency": "EUR"})),
    ])
    .await;
    let balance = twilio.balance().await.unwrap();
    assert_eq!(balance, Balance { micros: 49_990_000, currency: "EUR".to_owned() });
    assert_eq!(
        server.request().line,
        format!("GET /twilio/2010-04-01/Accounts/{MAIN}/Balance.json")
    );
    assert_eq!(twilio.balance().await.unwrap_err().class(), Class::IntegrationOffline);
}

#[tokio::test]
async fn a_friendly_name_that_twilio_would_refuse_is_not_sent() {
    let (server, twilio) = twilio([]).await;
    for name in [String::new(), "x".repeat(65)] {
        let error = twilio.create_subaccount(&name).await.unwrap_err();
        assert_eq!(error.code(), "twilio_friendly_name");
    }
    assert!(server.requests().is_empty());
}
