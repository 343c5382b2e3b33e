//! The failover in short form, on two servers of its own: see `make failover`.

use autopilot_tests::storm::failover::{self, Plan, Replication, Report};

use crate::storm::program;

async fn short(replication: Replication, cut_off: usize) -> Report {
    let name = format!("autopilot-failover-{}-{replication:?}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let workflows = 16;
    let program = program();
    let plan = Plan { workflows, workers: 2, replication, cut_off, program, folder };
    let report = failover::run(plan).await;
    drop(std::fs::remove_dir_all(&report.plan.folder));
    assert!(report.acknowledged_before < workflows, "the primary died in the middle: {report:?}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_with_synchronous_replication_loses_nothing_that_was_acknowledged() {
    let report = short(Replication::Synchronous, 0).await;
    assert_eq!(report.verdict.violations(), [""; 0]);
    assert!(report.doctor.starts_with("ok: "), "{}", report.doctor);
}

/// The same checker sees what is lost where nothing waits for the standby, and the doctor has said so before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_with_asynchronous_replication_is_seen_to_lose_what_was_acknowledged() {
    let report = short(Replication::Asynchronous, 2).await;
    assert!(report.verdict.lost >= 2, "{report:?}");
    assert!(report.doctor.contains("jobs that were acknowledged"), "{}", report.doctor);
}
