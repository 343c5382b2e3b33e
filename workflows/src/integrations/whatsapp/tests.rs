//! The error table code by code, and real exchanges against a scripted server.

use autopilot_engine::{Class, Classify, Effect};
use serde_json::json;

use super::*;
use crate::integrations::scripted::{Reply, Server};

async fn whatsapp(script: impl IntoIterator<Item = Reply>) -> (Server, WhatsApp) {
    let server = Server::start(script).await;
    let number = "106853218861309".parse().unwrap();
    let config = Config {
        base_url: server.url("/meta"),
        ..Config::new(SecretString::from("EAAs3cret"), number)
    };
    let whatsapp = WhatsApp::new(config).unwrap();
    (server, whatsapp)
}

fn waba() -> WabaId {
    "4711".parse().unwrap()
}

fn refusal(status: u16, code: u32) -> Reply {
    let error =
        json!({"message": "No.", "type": "OAuthException", "code": code, "fbtrace_id": "A"});
    Reply::json(status, json!({"error": error}))
}

#[tokio::test]
async fn every_code_of_the_error_table_has_its_class() {
    let auth = Class::ThirdPartyAuthFailed;
    let limited = Class::RateLimited { retry_after: None };
    let paused = Class::RateLimited { retry_after: Some(std::time::Duration::from_secs(3600)) };
    let offline = Class::IntegrationOffline;
    let (configuration, refused) = (Class::ConfigurationError, Class::ProvisioningError);
    for (codes, class) in [
        (&[0, 104, 190][..], auth),
        (&[3, 10, 200, 250, 299, 131_005], auth),
        (&[4, 17, 80_007, 130_429], limited),
        (&[131_056], limited),
        (&[131_048, 131_064, 133_016], paused),
        (&[1, 2, 131_000, 131_016, 135_000], offline),
        (&[131_057, 2_494_100], offline),
        (&[368, 131_031, 130_497], refused),
        (&[33, 100, 131_008, 131_009, 131_051, 131_045, 131_037], configuration),
        (&[132_000, 132_005, 132_008, 132_012, 803], configuration),
        (&[131_042, 131_047], refused),
        (&[132_001, 132_007, 132_015, 132_016, 131_063], refused),
        (&[131_026, 131_021, 131_030, 131_062], refused),
        (&[131_049, 130_472, 131_050], refused),
        (&[300, 99_999], configuration),
    ] {
        for &code in codes {
            let (_server, whatsapp) = whatsapp([refusal(400, code)]).await;
            let error = whatsapp.subscribe_app(&waba()).await.unwrap_err();
            assert_eq!((error.class(), error.effect()), (class, Effect::None), "{code}");
            assert_eq!(
                error.class().is_outage(),
                class == offline,
                "{code}: does a breaker count it?"
            );
            assert_eq!(error.code(), format!("whatsapp_{code}"));
            assert!(
                class.retries() || error.action().is_some(),
                "{code}: what should the operator do?"
            );
        }
    }
}

#[test]
fn the_codes_that_the_sender_acts_on_are_told_apart() {
    for (code, meaning) in [
        (131_047, Meaning::WindowClosed),
        (131_049, Meaning::Withheld),
        (130_472, Meaning::Withheld),
        (131_050, Meaning::OptedOut),
        (131_056, Meaning::ThrottledForRecipient),
        (131_026, Meaning::Unreachable),
        (132_001, Meaning::TemplateUnusable),
        (131_048, Meaning::PoorQuality),
        (133_016, Meaning::ThrottledRegistration),
        (131_057, Meaning::Maintenance),
        (199, Meaning::Unknown),
    ] {
        assert_eq!(Meaning::of(code), meaning, "{code}");
    }
}

#[tokio::test]
async fn a_server_error_leaves_a_write_unknown_and_a_read_not() {
    for reply in [|| refusal(500, 2), || refusal(500, 99_999), || Reply::html(502)] {
        let (_server, whatsapp) = whatsapp([reply(), reply()]).await;
        let write = whatsapp.subscribe_app(&waba()).await.unwrap_err();
        assert_eq!((write.class(), write.effect()), (Class::IntegrationOffline, Effect::Unknown));
        let read = whatsapp.ping().await.unwrap_err();
        assert_eq!((read.class(), read.effect()), (Class::IntegrationOffline, Effect::None));
    }
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait_even_without_a_known_code() {
    let limit = |code: u32| {
        let body = json!({"error": {"code": code, "message": "Slow", "type": "x"}}).to_string();
        Reply::new(429, &[("retry-after", "9")], body)
    };
    let expected = Class::RateLimited { retry_after: Some(std::time::Duration::from_secs(9)) };
    for code in [4, 131_048, 99_999] {
        let (_server, whatsapp) = whatsapp([limit(code)]).await;
        assert_eq!(whatsapp.ping().await.unwrap_err().class(), expected, "{code}");
    }
}

#[tokio::test]
async fn a_refused_token_is_not_quoted() {
    let quoting = json!({"error": {"message": "Malformed access token EAAs3cret", "type": "OAuthException", "code": 190}});
    let (_server, whatsapp) = whatsapp([Reply::json(401, quoting)]).await;
    let error = whatsapp.ping().await.unwrap_err();
    assert_eq!(error.class(), Class::ThirdPartyAuthFailed);
    let shown = format!("{error} {error:?} {whatsapp:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_number_is_read_with_its_quality_and_status() {
    let number = |quality: &str, status: &str| {
        Reply::json(
            200,
            json!({
                "id": "106853218861309", "display_phone_number": "+49 30 123456", "verified_name": "Studio",
                "quality_rating": quality, "status": status,
            }),
        )
    };
    let (server, whatsapp) = whatsapp([
        number("GREEN", "CONNECTED"),
        number("NA", "BANNED"),
        Reply::json(200, json!({"id": "1", "display_phone_number": "+49 30 1"})),
    ])
    .await;
    let id = "106853218861309".parse().unwrap();
    let line = whatsapp.phone_number(&id).await.unwrap();
    assert_eq!((line.quality_rating, line.status), (Quality::Green, Some(LineStatus::Connected)));
    assert_eq!(line.verified_name.as_deref(), Some("Studio"));
    let banned = whatsapp.phone_number(&id).await.unwrap();
    assert_eq!(banned.quality_rating, Quality::Unknown);
    assert_eq!(banned.status, Some(LineStatus::NotConnected("BANNED".to_owned())));
    assert_eq!(whatsapp.phone_number(&id).await.unwrap().status, None);
    let request = &server.requests()[0];
    assert_eq!(
        request.line,
        "GET /meta/v23.0/106853218861309?fields=id%2Cdisplay_phone_number%2Cverified_name%2Cquality_rating%2Cstatus"
    );
    assert_eq!(request.header("authorization"), Some("Bearer EAAs3cret"));
}

#[tokio::test]
async fn an_app_is_subscribed_and_seen() {
    let (server, whatsapp) = whatsapp([
        Reply::json(200, json!({"success": true})),
        Reply::json(200, json!({"success": false})),
        Reply::json(200, json!({"data": [
            {"whatsapp_business_api_data": {"id": "1", "name": "Bot", "link": "https://x.example"}},
            {"id": "2"},
        ]})),
    ])
    .await;
    whatsapp.subscribe_app(&waba()).await.unwrap();
    let error = whatsapp.subscribe_app(&waba()).await.unwrap_err();
    assert_eq!(error.code(), "whatsapp_not_done");
    let apps = whatsapp.subscribed_apps(&waba()).await.unwrap();
    let ids: Vec<_> = apps.iter().map(|app| app.id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /meta/v23.0/4711/subscribed_apps");
    assert_eq!(
        (request.body.as_str(), request.header("content-type")),
        ("{}", Some("application/json"))
    );
}

#[tokio::test]
async fn a_template_is_found_by_its_exact_name_and_language() {
    let template = |name: &str, language: &str, status: &str| json!({"id": "1", "name": name, "language": language, "status": status, "category": "MARKETING"});
    for (word, status, usable, waits) in [
        ("APPROVED", TemplateStatus::Approved, true, false),
        ("PENDING", TemplateStatus::Pending, false, true),
        ("IN_APPEAL", TemplateStatus::InAppeal, false, true),
        ("REJECTED", TemplateStatus::Rejected, false, false),
        ("PAUSED", TemplateStatus::Paused, false, true),
        ("DISABLED", TemplateStatus::Disabled, false, false),
        ("ARCHIVED", TemplateStatus::Other, false, false),
    ] {
        let data = [
            template("coach_weekly_v2", "de", "APPROVED"),
            template("coach_weekly", "en_US", "APPROVED"),
            template("coach_weekly", "de", word),
        ];
        let (server, whatsapp) = whatsapp([Reply::json(200, json!({"data": data}))]).await;
        let found = whatsapp.template(&waba(), "coach_weekly", "de").await.unwrap().unwrap();
        assert_eq!(found.status, status);
        assert_eq!((status.is_usable(), status.is_under_review()), (usable, waits), "{word}");
        assert_eq!(
            server.request().line,
            "GET /meta/v23.0/4711/message_templates?name=coach_weekly"
        );
    }
    let (_server, whatsapp) = whatsapp([Reply::json(200, json!({"data": []}))]).await;
    assert_eq!(whatsapp.template(&waba(), "coach_weekly", "de").await.unwrap(), None);
}

#[tokio::test]
async fn another_studios_client_uses_its_own_token_and_number() {
    let (server, whatsapp) =
        whatsapp([Reply::json(200, json!({"id": "7", "display_phone_number": "+49 30 7"}))]).await;
    let other = whatsapp.for_studio(SecretString::from("EAAother"), "7".parse().unwrap());
    other.ping().await.unwrap();
    let request = server.request();
    assert!(request.line.starts_with("GET /meta/v23.0/7?"), "{}", request.line);
    assert_eq!(request.header("authorization"), Some("Bearer EAAother"));
}

#[tokio::test]
async fn a_malformed_success_of_a_write_is_executed() {
    let (_server, whatsapp) = whatsapp([Reply::html(200)]).await;
    let error = whatsapp.subscribe_app(&waba()).await.unwrap_err();
    assert_eq!((error.code().as_ref(), error.effect()), ("whatsapp_unreadable", Effect::Executed));
}
