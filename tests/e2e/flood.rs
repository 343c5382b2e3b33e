//! The flood in its short form: `make flood` is the long one.

use autopilot_tests::flood::{self, Plan};

use crate::storm::program;

#[tokio::test]
async fn events_that_come_twice_too_early_and_forged_are_each_there_once_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("autopilot-flood-{}", std::process::id()));
    let plan = Plan {
        events: 1_000,
        connections: 16,
        seed: 7,
        key: true,
        program: program(),
        folder: folder.clone(),
    };
    let report = flood::run(&plan).await;
    assert_eq!(report.violations(&plan), Vec::<String>::new(), "{report:?}");
    assert!(report.forged > 0 && report.repeated > 50 && report.early > 20, "{report:?}");
    drop(std::fs::remove_dir_all(folder));
}
