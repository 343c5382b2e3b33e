//! Redis, really asked. Whatever it says is no problem: only speed depends on it.

use autopilot_engine::Redis;
use autopilot_engine::doctor::Finding;
use secrecy::SecretString;

const CHECK: &str = "redis";

/// Asks the Redis that is configured, if one is, whether it answers.
pub(super) async fn look(url: Option<&SecretString>) -> Finding {
    let Some(url) = url else {
        return Finding::ok(CHECK, "not configured; locks are asked of Postgres alone");
    };
    let asked = match Redis::new(url) {
        Ok(redis) => redis.ping().await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(took) => Finding::ok(
            CHECK,
            format!("answers within {took:.1?}; losing it costs speed, never correctness"),
        ),
        Err(error) => Finding::warning(
            CHECK,
            format!("{error}; locks are as safe without it, and slower where many want the same"),
            "start it, or correct or remove RATE_LIMIT_REDIS_URL",
        ),
    }
}

#[cfg(test)]
mod tests {
    use autopilot_engine::doctor::Verdict;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn whatever_redis_says_it_is_no_problem_and_the_word_says_what_depends_on_it() {
        let none = look(None).await;
        assert_eq!(none.verdict, Verdict::Ok);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: SecretString = format!("redis://{}", listener.local_addr().unwrap()).into();
        let serve = async {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut said = [0; 1_024];
            while let Ok(read @ 1..) = client.read(&mut said).await {
                // How it introduces itself needs answers as well; what they are is all the same.
                let commands = said[..read].iter().filter(|byte| **byte == b'*').count();
                client.write_all("+PONG\r\n".repeat(commands).as_bytes()).await.unwrap();
            }
        };
        let answers = tokio::select! {
            finding = look(Some(&url)) => finding,
            () = serve => panic!("it went away"),
        };
        assert_eq!(answers.verdict, Verdict::Ok, "{answers:?}");
        assert!(answers.detail.contains("costs speed, never correctness"), "{answers:?}");

        drop(listener);
        for url in [url, "redis://:canary@127.0.0.1:1".to_owned().into()] {
            let away = look(Some(&url)).await;
            assert_eq!(away.verdict, Verdict::Warning);
            assert!(away.detail.contains("does not answer"), "{away:?}");
            assert!(away.detail.contains("as safe without it"), "{away:?}");
            assert!(!format!("{away:?}").contains("canary"), "{away:?}");
        }
    }
}
