//! What a process believes of its lease and of what it holds.

use super::*;
use crate::strain::Strains;

#[tokio::test]
async fn l4_a_process_that_missed_its_heartbeats_starts_no_call() {
    let long_ago = Instant::now().checked_sub(Duration::from_secs(11)).unwrap();
    let lease = Lease::new(Duration::from_secs(10), long_ago, Strains::default());
    assert!(!lease.outlasts(Duration::from_secs(1)).await);
    lease.confirm(Instant::now());
    assert!(lease.outlasts(Duration::from_secs(1)).await);
}

#[tokio::test]
async fn l3_a_call_waits_for_the_renewal_of_a_lease_that_is_too_short_for_it() {
    let earlier = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
    let lease = Lease::new(Duration::from_secs(10), earlier, Strains::default());
    let waiting = lease.outlasts(Duration::from_secs(7));
    tokio::pin!(waiting);
    let early = futures_poll_once(waiting.as_mut()).await;
    assert_eq!(early, None, "5 s are left, 7 s are needed");
    lease.confirm(Instant::now());
    assert!(waiting.await);
}

#[tokio::test]
async fn a_job_that_is_lost_drops_its_attempt_and_no_other() {
    let lease = Lease::new(Duration::from_secs(10), Instant::now(), Strains::default());
    let claim = || Claim { job: JobId::now_v7(), token: 1 };
    let (one, other, late) = (claim(), claim(), claim());
    assert!(lease.claimed([one, other, late].into_iter()).is_empty());
    let attempt = || tokio::spawn(std::future::pending::<()>());
    let (one_runs, other_runs, late_runs) = (attempt(), attempt(), attempt());
    lease.begin(vec![(one, one_runs.abort_handle()), (other, other_runs.abort_handle())]);
    lease.lose(one);
    lease.lose(late);
    lease.begin(vec![(late, late_runs.abort_handle())]);
    assert!(one_runs.await.unwrap_err().is_cancelled());
    assert!(late_runs.await.unwrap_err().is_cancelled(), "lost before it began");
    assert!(!other_runs.is_finished());
    let starting = claim();
    lease.start(starting);
    assert!(!lease.confirmed().contains(&starting), "the heartbeat must not miss it");
    assert!(lease.held().contains(&starting), "a drain gives it back");
    lease.end();
    assert!(other_runs.await.unwrap_err().is_cancelled(), "the whole incarnation ended");
}

#[tokio::test]
async fn an_attempt_that_writes_its_end_is_not_dropped_because_the_job_is_gone() {
    let lease = Lease::new(Duration::from_secs(10), Instant::now(), Strains::default());
    let claim = || Claim { job: JobId::now_v7(), token: 1 };
    let (one, early) = (claim(), claim());
    assert!(lease.claimed([one, early].into_iter()).is_empty());
    let attempt = || tokio::spawn(std::future::pending::<()>());
    let (one_runs, early_runs) = (attempt(), attempt());
    lease.begin(vec![(one, one_runs.abort_handle())]);
    lease.ending(one);
    // It was so quick that nobody has noted its beginning yet.
    lease.ending(early);
    lease.begin(vec![(early, early_runs.abort_handle())]);
    assert_eq!(lease.confirmed(), [], "the heartbeat must not miss them");
    lease.lose(one);
    lease.lose(early);
    tokio::task::yield_now().await;
    assert!(!one_runs.is_finished() && !early_runs.is_finished());
    lease.end();
    assert!(one_runs.await.unwrap_err().is_cancelled(), "the whole incarnation ended");
    assert!(early_runs.await.unwrap_err().is_cancelled(), "the whole incarnation ended");
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
