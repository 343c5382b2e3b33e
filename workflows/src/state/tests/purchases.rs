//! What is being bought, and who has to wait for it.

use std::time::Duration;

use autopilot_engine::testing::Clock;

use super::{database, workspace};
use crate::state::now;
use crate::state::purchases::{Begun, Goods, begin, prolong, withdraw};
use crate::tenancy::Tenant;

const SETTLE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn nobody_buys_by_a_look_that_an_earlier_purchase_may_have_outdated() {
    let db = database().await;
    let clock = Clock::install(db.pool()).await.expect("installed");
    clock.freeze().await.expect("frozen");
    let workspace = workspace(&db).await;
    let look = async || {
        let mut conn = db.pool().acquire().await.expect("a connection");
        now(&mut conn).await.expect("the time")
    };
    let begins = async |goods, looked_at| {
        let now = look().await;
        let mut tenant = Tenant::begin(db.pool(), workspace).await.expect("entered");
        let begun = begin(&mut tenant, goods, looked_at, now, SETTLE).await.expect("asked");
        tenant.finish().await.expect("committed");
        begun
    };
    let number = Goods::PhoneNumber;
    let early = look().await;
    let Begun::At(first) = begins(number, early).await else { panic!("nobody else is at it") };
    assert!(matches!(begins(Goods::TwilioAccount, early).await, Begun::At(_)), "of another kind");
    clock.advance(Duration::from_secs(10)).await.expect("later");
    assert_eq!(begins(number, look().await).await, Begun::UnderWay(Duration::from_secs(20)));
    clock.advance(Duration::from_secs(20)).await.expect("settled");
    let stale = begins(number, early).await;
    assert_eq!(stale, Begun::UnderWay(Duration::ZERO), "the look was made before it");
    let late = look().await;
    let Begun::At(second) = begins(number, late).await else { panic!("it is settled") };

    let tell = async |begun_at, is_open| {
        let now = look().await;
        let mut tenant = Tenant::begin(db.pool(), workspace).await.expect("entered");
        let told = if is_open {
            prolong(&mut tenant, number, begun_at, now).await
        } else {
            withdraw(&mut tenant, number, begun_at).await
        };
        told.expect("written");
        tenant.finish().await.expect("committed");
    };
    tell(first, false).await;
    let waits = begins(number, late).await;
    assert_eq!(waits, Begun::UnderWay(SETTLE), "only its own purchase is taken back");
    tell(second, false).await;
    let Begun::At(third) = begins(number, late).await else { panic!("nothing was bought") };
    clock.advance(Duration::from_secs(7)).await.expect("later");
    tell(third, true).await;
    let waits = begins(number, look().await).await;
    assert_eq!(waits, Begun::UnderWay(SETTLE), "from when its answer was lost");
    clock.advance(SETTLE).await.expect("settled");
    assert!(matches!(begins(number, look().await).await, Begun::At(_)));
    db.close().await;
}
