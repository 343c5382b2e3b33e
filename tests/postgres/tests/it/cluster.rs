//! The life of a cluster, through the library.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use autopilot_postgres::{Cluster, Error, Options};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, eventually, is_alive, is_root};

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn an_ephemeral_cluster_answers_and_leaves_nothing_running() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    let (pid, port) = (cluster.pid(), cluster.port());

    let settings = "SELECT current_setting('fsync'), current_setting('max_connections'), \
                    current_setting('listen_addresses'), current_setting('TimeZone'), \
                    pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'postgres'";
    let answer = cluster.query("postgres", settings).unwrap();
    assert_eq!(answer, "off|300|127.0.0.1|UTC|UTF8|C");
    let line = cluster.describe();
    assert!(line.starts_with(&format!("postgres: {} from ", cluster.version())), "{line}");
    assert!(line.contains(&format!("port {port}")) && line.ends_with("fsync off"), "{line}");
    assert!(!cluster.admin_url().is_empty() && !line.contains("autopilot:"), "{line}");

    cluster.stop();
    assert!(!is_alive(pid));
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
}

#[test]
fn a_chosen_setting_holds_for_the_run_and_not_longer() {
    let scene = Scene::new();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = vec![pair("max_connections", "37"), pair("jit", "off")];
    let chosen = Options { settings, ..scene.ephemeral() };
    let sql = "SELECT current_setting('max_connections'), current_setting('jit')";
    let mut cluster = Cluster::start(&chosen).unwrap();
    assert_eq!(cluster.query("postgres", sql).unwrap(), "37|off");
    cluster.restart().unwrap();
    assert_eq!(cluster.query("postgres", sql).unwrap(), "37|off");
    cluster.stop();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    assert_eq!(cluster.query("postgres", sql).unwrap(), "300|on");
}

#[test]
fn the_server_does_not_run_as_root_and_its_files_are_private() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    for private in ["ephemeral", "run", "pg.password", "pg.log"] {
        let metadata = fs::metadata(scene.state().join(private)).unwrap();
        assert_eq!(metadata.mode() & 0o077, 0, "{private}");
    }
    if is_root() {
        let owner = fs::metadata(format!("/proc/{}", cluster.pid())).unwrap().uid();
        assert_ne!(owner, 0);
        assert_eq!(owner, fs::metadata(scene.state().join("ephemeral")).unwrap().uid());
    }
}

#[test]
fn a_password_is_asked_for_by_tcp_and_by_socket() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    for host in ["127.0.0.1".into(), scene.state().join("run")] {
        let output = Command::new(cluster.bin_dir().join("psql"))
            .args(["-w", "-X", "-U", "autopilot", "-c", "SELECT 1", "postgres", "-h"])
            .arg(&host)
            .args(["-p", &cluster.port().to_string()])
            .env_remove("PGPASSWORD")
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("no password supplied"), "{}: {message}", host.display());
    }
}

#[test]
fn a_second_instance_is_told_who_owns_the_state_directory() {
    let scene = Scene::new();
    let first = Cluster::start(&scene.ephemeral()).unwrap();
    let error = Cluster::start(&scene.ephemeral()).unwrap_err();
    assert!(matches!(error, Error::Owned { .. }), "{error}");
    let expected = format!("another process (pid {}) owns ", std::process::id());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(first.query("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn committed_data_survives_a_stop_a_crash_and_a_death_of_the_server() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.durable()).unwrap();
    assert!(cluster.describe().ends_with("fsync on"), "{}", cluster.describe());
    cluster.ensure_database("it's; a \"name\"").unwrap();
    cluster.ensure_database("it's; a \"name\"").unwrap();
    let insert = "CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t VALUES (1)";
    let count = "SELECT count(*) FROM t";
    let name = "it's; a \"name\"";
    cluster.query(name, insert).unwrap();
    cluster.stop();

    let mut cluster = Cluster::start(&scene.durable()).unwrap();
    cluster.query(name, insert).unwrap();
    cluster.crash();
    assert!(cluster.exited().is_some());
    let port = cluster.port();
    cluster.restart().unwrap();
    assert_eq!(cluster.port(), port);
    assert_eq!(cluster.query(name, count).unwrap(), "2");

    cluster.query(name, insert).unwrap();
    kill(cluster.pid());
    eventually("the server ends", || cluster.exited().is_some());
    cluster.restart().unwrap();
    assert_eq!(cluster.query(name, count).unwrap(), "3");
}

#[test]
fn a_restart_waits_for_what_a_killed_server_left() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene.ephemeral()).unwrap();
    // Busy with the processor, it notices late that its server is gone.
    let mut busy = Command::new(cluster.bin_dir().join("psql"))
        .args(["-X", "-c", "SELECT count(*) FROM generate_series(1, 3000000)"])
        .arg(cluster.admin_url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_busy = "SELECT count(*) FROM pg_stat_activity \
                   WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%3000000)'";
    eventually("the statement runs", || cluster.query("postgres", is_busy).unwrap() == "1");
    kill(cluster.pid());
    eventually("the server ends", || cluster.exited().is_some());
    cluster.restart().unwrap();
    assert_eq!(cluster.query("postgres", "SELECT 1").unwrap(), "1");
    busy.wait().unwrap();
}

#[test]
fn ctrl_c_does_not_reach_the_server() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    let group = |pid: u32| {
        let pid = pid.to_string();
        Command::new("ps").args(["-o", "pgid=", "-p", &pid]).output().unwrap().stdout
    };
    assert_ne!(group(cluster.pid()), group(std::process::id()));
}

#[test]
fn durable_and_ephemeral_data_are_never_mixed() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    cluster.ensure_database("only_here").unwrap();
    cluster.stop();
    let cluster = Cluster::start(&scene.durable()).unwrap();
    let sql = "SELECT count(*) FROM pg_database WHERE datname = 'only_here'";
    assert_eq!(cluster.query("postgres", sql).unwrap(), "0");
}

#[test]
fn what_a_killed_initdb_left_is_harmless() {
    let scene = Scene::new();
    // A container gives the same process id each time: also our own may be left.
    for pid in [1, std::process::id()] {
        let half = scene.state().join(format!("data.tmp.{pid}"));
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    }
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    assert_eq!(cluster.query("postgres", "SELECT 1").unwrap(), "1");
    let left = fs::read_dir(scene.state()).unwrap().flatten();
    assert!(!left.into_iter().any(|entry| entry.path().display().to_string().contains("tmp.")));
}

#[test]
fn a_cluster_outlives_the_thread_that_started_it() {
    let scene = Scene::new();
    let options = scene.ephemeral();
    let starter = thread::spawn(move || Cluster::start(&options).unwrap());
    let mut cluster = starter.join().unwrap();
    // A death signal would have been sent when the thread ended, before this asks the server anything.
    assert_eq!(cluster.query("postgres", "SELECT 1").unwrap(), "1");
    assert!(cluster.exited().is_none());
}

#[test]
fn a_long_state_directory_is_served_without_a_socket() {
    let scene = Scene::new();
    let mut options = scene.ephemeral();
    options.state_dir = Some(scene.dir().join("x".repeat(100)));
    let cluster = Cluster::start(&options).unwrap();
    assert_eq!(cluster.query("postgres", "SHOW unix_socket_directories").unwrap(), "");
}

#[test]
fn a_server_that_was_left_behind_is_ended_by_the_next_start() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene.ephemeral()).unwrap();
    let (postgres, port) = (cluster.bin_dir().join("postgres"), cluster.port().to_string());
    cluster.stop();
    let data = scene.state().join("ephemeral");
    let mut command = Command::new(postgres);
    if is_root() {
        let owner = fs::metadata(&data).unwrap();
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.args(["-p", &port, "-c", "unix_socket_directories=", "-D"]).arg(&data);
    let mut orphan = command.current_dir("/").stderr(Stdio::null()).spawn().unwrap();
    eventually("the orphan owns the data", || scene.server_pid("ephemeral") == Some(orphan.id()));

    // Its parent has to wait for it, or it would stay as a zombie that still has its id.
    let reaper = thread::spawn(move || orphan.wait().unwrap());
    if cfg!(target_os = "linux") {
        let cluster = Cluster::start(&scene.ephemeral()).unwrap();
        assert!(reaper.join().unwrap().success());
        assert_eq!(cluster.query("postgres", "SELECT 1").unwrap(), "1");
    }
}

#[test]
fn a_standby_has_what_its_primary_committed_and_goes_on_by_itself_when_promoted() {
    let (first, second) = (Scene::new(), Scene::new());
    let mut primary = Cluster::start(&first.ephemeral()).unwrap();
    let standby = primary.standby(&second.ephemeral(), "second", primary.port()).unwrap();
    primary.query("postgres", "CREATE TABLE kept AS SELECT 1 AS a").unwrap();
    let streams = "SELECT application_name, state FROM pg_stat_replication
                   WHERE replay_lsn >= pg_current_wal_insert_lsn()";
    eventually("the standby has it", || {
        primary.query("postgres", streams).unwrap() == "second|streaming"
    });
    let write = "INSERT INTO kept VALUES (2)";
    let refused = standby.query("postgres", write).unwrap_err().to_string();
    assert!(refused.contains("read-only"), "{refused}");
    primary.crash();
    standby.promote().unwrap();
    standby.query("postgres", write).unwrap();
    assert_eq!(standby.query("postgres", "SELECT sum(a) FROM kept").unwrap(), "3");
}
