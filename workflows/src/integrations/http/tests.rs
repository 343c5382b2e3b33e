//! Real exchanges against a scripted server.

use std::time::Duration;

use autopilot_engine::{Class, Classify, Effect};
use reqwest::Method;

use super::*;
use crate::integrations::scripted::{Reply, Server, refused};

fn transport(base: &str) -> Transport {
    Transport::new(base, Timeouts::default()).unwrap()
}

/// A transport that gives up soon. The peer never answers, so the time decides nothing but the
/// wait.
fn impatient(base: &str) -> Transport {
    let call = Duration::from_millis(100);
    Transport::new(base, Timeouts { call, ..Timeouts::default() }).unwrap()
}

async fn failure(transport: &Transport, method: Method) -> TransportError {
    match transport.send(transport.request(method, "/v1/things")).await {
        Ok(answer) => panic!("answered {}", answer.status),
        Err(error) => error,
    }
}

fn assert_diagnosis(error: &TransportError, class: Class, code: &str, effect: Effect) {
    assert_eq!(
        (error.class(), error.code().as_ref(), error.effect()),
        (class, code, effect),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_connection_has_no_effect() {
    let (_socket, origin) = refused();
    let error = failure(&transport(&origin), Method::POST).await;
    assert_diagnosis(&error, Class::TransientNetwork, "http_connect", Effect::None);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_timeout_after_a_write_is_unknown_and_after_a_read_is_nothing() {
    let server = Server::start([Reply::Silence, Reply::Silence]).await;
    let transport = impatient(&server.url(""));
    let write = failure(&transport, Method::POST).await;
    assert_diagnosis(&write, Class::TransientNetwork, "http_timeout", Effect::Unknown);
    let read = failure(&transport, Method::GET).await;
    assert_diagnosis(&read, Class::TransientNetwork, "http_timeout", Effect::None);
}

#[tokio::test]
async fn a_reset_after_a_write_is_unknown_and_is_not_repeated() {
    let server = Server::start([Reply::Reset, Reply::json(200, "{}")]).await;
    let transport = transport(&server.url(""));
    let error = failure(&transport, Method::POST).await;
    assert_diagnosis(&error, Class::TransientNetwork, "http_broken", Effect::Unknown);
    server.request();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown() {
    let half = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"sid\":".to_vec();
    let server = Server::start([Reply::Raw(half)]).await;
    let error = failure(&transport(&server.url("")), Method::POST).await;
    assert_diagnosis(&error, Class::TransientNetwork, "http_broken", Effect::Unknown);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_but_its_status_counts() {
    let huge = "x".repeat(MAX_ANSWER + 1);
    let script = [Reply::json(201, &huge), Reply::json(500, &huge), Reply::json(200, &huge)];
    let server = Server::start(script).await;
    let transport = transport(&server.url(""));
    let created = failure(&transport, Method::POST).await;
    assert_diagnosis(&created, Class::IntegrationOffline, "http_too_large", Effect::Executed);
    let failed = failure(&transport, Method::POST).await;
    assert_diagnosis(&failed, Class::IntegrationOffline, "http_too_large", Effect::Unknown);
    let read = failure(&transport, Method::GET).await;
    assert_diagnosis(&read, Class::IntegrationOffline, "http_too_large", Effect::None);
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    let server = Server::start([Reply::json(200, "x".repeat(MAX_ANSWER))]).await;
    let transport = transport(&server.url(""));
    let answer = transport.send(transport.request(Method::GET, "/")).await.ok().unwrap();
    assert_eq!(answer.body.len(), MAX_ANSWER);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::start([Reply::new(302, &[("location", "/elsewhere")], "")]).await;
    let transport = transport(&server.url(""));
    let answer = transport.send(transport.request(Method::GET, "/here")).await.ok().unwrap();
    assert_eq!(answer.status.as_u16(), 302);
    assert_eq!(server.request().line, "GET /here");
}

#[tokio::test]
async fn the_path_prefix_of_the_base_url_is_kept_and_we_say_who_we_are() {
    for prefix in ["/twilio", "/twilio/"] {
        let server = Server::start([Reply::json(200, "{}")]).await;
        let transport = transport(&server.url(prefix));
        let request = transport.request(Method::GET, "/2010/Accounts.json").query(&[("a", "b c")]);
        transport.send(request).await.ok().unwrap();
        assert_eq!(server.request().line, "GET /twilio/2010/Accounts.json?a=b+c");
        assert_eq!(server.request().header("user-agent"), Some(USER_AGENT));
    }
}

#[tokio::test]
async fn retry_after_is_read_from_the_answer() {
    let dates = [
        ("retry-after", "Wed, 21 Oct 2026 07:28:09 GMT"),
        ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
    ];
    for (headers, expected) in
        [(&[("retry-after", "7")][..], Some(7)), (&dates[..], Some(9)), (&[][..], None)]
    {
        let server = Server::start([Reply::new(429, headers, "")]).await;
        let transport = transport(&server.url(""));
        let answer = transport.send(transport.request(Method::GET, "/")).await.ok().unwrap();
        assert_eq!(answer.retry_after(), expected.map(Duration::from_secs));
    }
}

#[test]
fn a_base_url_that_cannot_work_is_refused_with_its_reason() {
    for (base, reason) in [
        ("api.twilio.com", "not a URL"),
        ("ftp://api.twilio.com", "http://"),
        ("https://key@api.twilio.com", "credentials"),
        ("https://api.twilio.com/?a=b", "query"),
    ] {
        let error = Transport::new(base, Timeouts::default()).unwrap_err();
        assert_diagnosis(&error, Class::ConfigurationError, "http_base_url", Effect::None);
        assert!(error.to_string().contains(reason), "{base}: {error}");
    }
}

#[test]
fn a_credential_with_a_line_break_is_a_configuration_error() {
    let transport = transport("http://127.0.0.1:9");
    let request = transport.request(Method::GET, "/").header("authorization", "a\nb");
    let error = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(transport.send(request))
        .err()
        .unwrap();
    assert_diagnosis(&error, Class::ConfigurationError, "http_request", Effect::None);
    assert!(!error.to_string().contains("a\nb"));
}

#[test]
fn a_status_alone_is_diagnosed_row_by_row() {
    let offline = Class::IntegrationOffline;
    let limited = Class::RateLimited { retry_after: Some(Duration::from_secs(3)) };
    for (status, class, effect) in [
        (200, offline, Effect::Executed),
        (302, Class::ConfigurationError, Effect::None),
        (401, Class::ThirdPartyAuthFailed, Effect::None),
        (403, offline, Effect::Unknown),
        (404, Class::ConfigurationError, Effect::None),
        (405, Class::ConfigurationError, Effect::None),
        (408, Class::TransientNetwork, Effect::Unknown),
        (415, Class::ConfigurationError, Effect::None),
        (429, limited, Effect::None),
        (500, offline, Effect::Unknown),
        (502, offline, Effect::Unknown),
        (503, offline, Effect::Unknown),
        (504, offline, Effect::Unknown),
    ] {
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        let retry_after = Some(Duration::from_secs(3));
        let write = diagnose_status("x", status, Access::Write, retry_after);
        assert_eq!((write.class, write.effect), (class, effect), "{status}");
        let read = diagnose_status("x", status, Access::Read, retry_after);
        assert_eq!((read.class, read.effect), (class, Effect::None), "{status}");
    }
}

#[tokio::test]
async fn a_call_without_a_turn_is_not_made_and_has_no_effect() {
    let one = std::num::NonZeroU32::MIN;
    let server = Server::start([Reply::json(200, "{}"), Reply::json(200, "{}")]).await;
    // A turn a day: the first call takes it.
    let day = std::num::NonZeroU32::new(86_400).unwrap();
    let transport = impatient(&server.url("")).paced(Pace::per_second(one, day));
    let other = transport.clone();
    transport.send(transport.request(Method::POST, "/")).await.ok().unwrap();
    let error = failure(&other, Method::POST).await;
    let waited = Duration::from_millis(50);
    let limited = Class::RateLimited { retry_after: Some(waited) };
    assert_diagnosis(&error, limited, NO_TURN, Effect::None);
    server.request();
}

#[tokio::test]
async fn waiting_for_a_turn_is_part_of_the_calls_time() {
    let (call, rate) = (Duration::from_secs(2), std::num::NonZeroU32::new(2).unwrap());
    let server = Server::start([Reply::json(200, "{}"), Reply::Silence]).await;
    let transport = Transport::new(&server.url(""), Timeouts { call, ..Timeouts::default() });
    let transport = transport.unwrap().paced(Pace::per_second(rate, std::num::NonZeroU32::MIN));
    transport.send(transport.request(Method::GET, "/")).await.ok().unwrap();
    let mut second = transport.request(Method::GET, "/").build().unwrap();
    transport.take_turn(&mut second).await.unwrap();
    let left = second.timeout().copied().unwrap();
    assert!(left < call, "{left:?} are left of {call:?}");
}
