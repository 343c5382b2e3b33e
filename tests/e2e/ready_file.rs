//! The file that tells a supervisor that the program listens tells so of no process but the one that runs.

use autopilot_engine::testing::TestDatabase;
use tokio::process::Command;

use crate::storm::program;

#[tokio::test]
async fn what_a_killed_process_left_in_the_ready_file_is_gone_though_the_next_one_never_listens() {
    let ready = std::env::temp_dir().join(format!("autopilot-ready-{}", uuid::Uuid::now_v7()));
    std::fs::write(&ready, "http://127.0.0.1:1\n").unwrap();
    let empty = TestDatabase::create(&[]).await;
    let serving = Command::new(program())
        .args(["serve", "--http", "--ready-file"])
        .arg(&ready)
        .env_clear()
        .env("DATABASE_URL", empty.url())
        .kill_on_drop(true)
        .output();
    let ended = serving.await.unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("autopilot migrate"), "{told}");
    assert!(!ready.exists(), "a supervisor would take it for the new process's");
    empty.close().await;
}
