//! L12 for locks: an answer that was lost is asked for again, not guessed.

use std::time::Duration;

use autopilot_engine::{Acquired, Held, LockError, Locks, PgPool};
use autopilot_tests::{Cut, Lab, Proxy, World};

const MINUTE: Duration = Duration::from_secs(60);

/// The name stands among the values of each statement.
const NAME: &str = "the-lock";

/// Both ways an answer can be lost: its statement took place, or it never arrived.
fn both() -> [Cut; 2] {
    [Cut::Answer(NAME.as_bytes().to_vec()), Cut::Request(NAME.as_bytes().to_vec())]
}

struct Behind {
    world: World<Lab>,
    proxy: Proxy,
    pool: PgPool,
    locks: Locks,
}

impl Behind {
    async fn a_proxy() -> Self {
        let world = Lab::noting().await;
        let proxy = Proxy::start(&world.url()).await;
        let pool = proxy.pool(&world.url()).await;
        Self { world, proxy, locks: Locks::new(pool.clone()), pool }
    }

    async fn held(&self) -> Held {
        match self.locks.acquire(NAME, MINUTE).await.unwrap() {
            Acquired::Held(held) => held,
            Acquired::Busy(busy) => panic!("{busy:?}"),
        }
    }

    /// Whether it is somebody's, as somebody else sees it who does not go through the proxy.
    async fn taken(&self) -> bool {
        self.world.count("engine.lock WHERE holder IS NOT NULL AND until > engine.clock()").await
            == 1
    }

    async fn close(self) {
        self.pool.close().await;
        self.world.close().await;
    }
}

#[tokio::test]
async fn l12_a_lock_whose_answer_was_lost_is_taken_once() {
    for cut in both() {
        let stand = Behind::a_proxy().await;
        stand.proxy.arm(cut);
        let held = stand.held().await;
        assert_eq!(stand.proxy.cuts(), 1);
        let row =
            format!("engine.lock WHERE holder = '{}' AND fence = {}", held.holder(), held.fence());
        assert_eq!(
            stand.world.count(&row).await,
            1,
            "the row is ours, under the fence that we know"
        );
        assert_eq!(
            stand.world.value::<i64>("SELECT last_value FROM engine.lock_fence").await,
            held.fence(),
            "it was taken once"
        );
        held.release().await.unwrap();
        assert!(!stand.taken().await);
        stand.close().await;
    }
}

#[tokio::test]
async fn l12_a_renewal_and_a_return_whose_answers_were_lost_took_place() {
    for (renewal, release) in both().into_iter().zip(both()) {
        let stand = Behind::a_proxy().await;
        let mut held = stand.held().await;
        stand.proxy.arm(renewal);
        held.renew(10 * MINUTE).await.unwrap();
        let long = "engine.lock WHERE until > engine.clock() + interval '9 minutes'";
        assert_eq!(stand.world.count(long).await, 1);
        stand.proxy.arm(release);
        held.release().await.unwrap();
        assert_eq!(stand.proxy.cuts(), 2);
        assert!(!stand.taken().await);
        stand.close().await;
    }
}

#[tokio::test]
async fn l12_a_lock_whose_answer_was_lost_twice_is_unknown_and_free_in_time() {
    let stand = Behind::a_proxy().await;
    let [answer, request] = both();
    stand.proxy.arm(answer);
    stand.proxy.arm(request);
    let asked = stand.locks.acquire(NAME, MINUTE).await;
    let Err(LockError::Unknown { ttl: MINUTE, .. }) = &asked else { panic!("{asked:?}") };
    let told = asked.unwrap_err().to_string();
    assert!(told.contains(NAME) && told.contains("60s"), "{told}");
    assert!(stand.taken().await);
    assert!(matches!(stand.locks.acquire(NAME, MINUTE).await.unwrap(), Acquired::Busy(_)));
    stand.world.clock.advance(MINUTE).await.unwrap();
    stand.held().await.release().await.unwrap();
    stand.close().await;
}
