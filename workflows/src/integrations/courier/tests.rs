use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn only_encrypted_addresses_of_the_public_internet_are_taken() {
    for right in [
        "https://hooks.example.com/a?b=c",
        "https://hooks.example.com:443/",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/",
    ] {
        assert!(target(right, Targets::Public).is_ok(), "{right}");
    }
    let table = [
        ("http://hooks.example.com/", TargetError::Scheme),
        ("ftp://hooks.example.com/", TargetError::Scheme),
        ("https://hooks.example.com:8443/", TargetError::Port),
        ("https://user@hooks.example.com/", TargetError::Credentials),
        ("https://:secret@hooks.example.com/", TargetError::Credentials),
        ("https://127.0.0.1/", TargetError::Private),
        // As decimal, octal, hexadecimal, and in part.
        ("https://2130706433/", TargetError::Private),
        ("https://0177.0.0.1/", TargetError::Private),
        ("https://0x7f.1/", TargetError::Private),
        ("https://127.1/", TargetError::Private),
        ("https://169.254.169.254/latest/meta-data", TargetError::Private),
        ("https://[::1]/", TargetError::Private),
        ("https://[::ffff:127.0.0.1]/", TargetError::Private),
        ("https://[fd00:ec2::254]/", TargetError::Private),
        ("https://１２７.０.０.１/", TargetError::Private),
        ("https://[fe80::1%25eth0]/", TargetError::Unreadable),
        ("hooks.example.com", TargetError::Unreadable),
        ("", TargetError::Unreadable),
    ];
    for (wrong, expected) in table {
        assert_eq!(target(wrong, Targets::Public), Err(expected), "{wrong}");
    }
    assert!(target("http://127.0.0.1:8080/", Targets::Any).is_ok());
}

/// Names whose address changes each time: a public one first.
#[derive(Clone)]
struct Rebinding(Arc<AtomicUsize>);

impl Lookup for Rebinding {
    fn lookup(&self, _host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let address = match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => "192.0.2.1",
            _ => "127.0.0.1",
        };
        Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
    }
}

/// A name that always stands for these addresses.
struct Fixed(&'static [&'static str]);

impl Lookup for Fixed {
    fn lookup(&self, _host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let found = self.0.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }
}

async fn post(courier: &Courier, address: &str) -> Result<Posted, PostError> {
    courier.post(address, HeaderMap::new(), b"{}".to_vec()).await
}

#[tokio::test]
async fn a_name_is_judged_when_it_is_connected_to_and_by_all_its_addresses() {
    for private in [
        &["127.0.0.1"][..],
        &["1.1.1.1", "10.0.0.1"],
        &["::1"],
        &["::ffff:10.0.0.1"],
        &["169.254.169.254"],
    ] {
        let courier = Courier::asking(Targets::Public, Fixed(private)).unwrap();
        for name in
            ["https://hooks.example.com/", "https://localhost./", "https://metadata.internal/"]
        {
            let refused = post(&courier, name).await.unwrap_err();
            assert!(matches!(refused, PostError::Private), "{name} {private:?}: {refused}");
        }
    }
    let asked = Arc::new(AtomicUsize::new(1));
    let courier = Courier::asking(Targets::Public, Rebinding(Arc::clone(&asked))).unwrap();
    assert!(matches!(post(&courier, "https://hooks.example.com/").await, Err(PostError::Private)));
    assert_eq!(asked.load(Ordering::Relaxed), 2, "it was asked for this post");
}

#[tokio::test]
async fn an_answer_is_read_as_far_as_it_tells_something_and_no_redirect_is_followed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut asked = Vec::new();
        for head in ["302 Found\r\nLocation: /again", "503 Busy\r\nRetry-After: 7"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            asked.push(String::from_utf8_lossy(&request[..read]).into_owned());
            let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 9000000000\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Whoever stops reading hangs up; who does not would read for hours.
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        }
        asked
    };
    let courier = Courier::new(Targets::Any).unwrap();
    let posted = async {
        let first = post(&courier, &format!("http://{address}/first")).await.unwrap();
        let second = post(&courier, &format!("http://{address}/second")).await.unwrap();
        (first, second)
    };
    let (asked, (redirected, busy)) = tokio::join!(served, posted);
    assert_eq!((redirected.status.as_u16(), redirected.answer.len()), (302, MOST_KEPT));
    assert_eq!((busy.status.as_u16(), busy.retry_after), (503, Some(Duration::from_secs(7))));
    assert!(
        asked[0].starts_with("POST /first ") && asked[1].starts_with("POST /second "),
        "{asked:?}"
    );
}

#[test]
fn the_signature_is_the_one_that_standard_webhooks_shows() {
    // Computed with: printf 'msg_1.1800000000.{"a":1}' | openssl dgst -sha256 -mac hmac -macopt hexkey:… -binary | base64
    let secret = Secret::parse("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").unwrap();
    let other = Secret::parse("whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4").unwrap();
    let one = sign("msg_1", 1_800_000_000, b"{\"a\":1}", std::slice::from_ref(&secret));
    assert_eq!(one, "v1,VVBln9HohJchNRjUrKblwhH/dMeIbo7HL8NvaES92X8=");
    let both = sign("msg_1", 1_800_000_000, b"{\"a\":1}", &[secret.clone(), other]);
    assert!(both.starts_with(&format!("{one} v1,")), "{both}");
    assert_eq!(&*secret.text(), "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    for wrong in ["", "whsec_", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_MDEyMzQ1", "whsec_???"] {
        assert!(Secret::parse(wrong).is_err(), "{wrong}");
    }
}
