//! The program: `run`, `start` and `url`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, eventually, is_alive};

/// The program, ended when dropped: a test that fails leaves no server.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            send(&self.0, Signal::TERM);
            self.0.wait().unwrap();
        }
    }
}

/// Starts the program and waits for its first line on standard output.
fn first_line(command: &mut Command) -> (Running, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().to_owned())
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn dies_with_its_parent() -> bool {
    let setpriv = Command::new("setpriv").args(["--pdeathsig", "INT", "true"]).status();
    setpriv.is_ok_and(|status| status.success())
}

#[test]
fn run_gives_the_command_a_database_and_answers_its_exit_code() {
    let scene = Scene::new();
    let script = "echo \"$DATABASE_URL\"; exit 7";
    let output = scene
        .program("run")
        .args(["--database", "mine", "--", "sh", "-c", script])
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    assert!(stdout.starts_with("postgres://autopilot:"), "{stdout}");
    assert!(stdout.trim().ends_with("/mine"), "{stdout}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("postgres: "), "{stderr}");
    assert_eq!(scene.server_pid("ephemeral"), None);
}

#[test]
fn run_passes_a_signal_on_and_stops_the_server_after_the_command() {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = Scene::new();
        // That the command still finds the server when the signal came shows in its exit code.
        let script = "trap 'test -e \"$0/ephemeral/postmaster.pid\" && exit 9' TERM INT; echo up; \
                      while :; do sleep 0.05; done";
        let mut command = scene.program("run");
        command.args(["--", "sh", "-c", script]).arg(scene.state());
        let (mut child, line) = first_line(&mut command);
        assert_eq!(line, "up");
        let server = scene.server_pid("ephemeral").unwrap();
        send(&child.0, signal);
        assert_eq!(child.0.wait().unwrap().code(), Some(9));
        assert!(!is_alive(server));
    }
}

#[test]
fn run_reports_a_command_that_does_not_exist_and_stops_the_server() {
    let scene = Scene::new();
    let output = scene.program("run").args(["--", "no-such-program"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-program"));
    assert_eq!(scene.server_pid("ephemeral"), None);
}

#[test]
fn start_runs_until_a_signal_comes_and_url_finds_it() {
    let scene = Scene::new();
    let url = || scene.program("url").output().unwrap();
    assert!(String::from_utf8_lossy(&url().stderr).contains("no cluster is ready in"));

    let (mut child, line) = first_line(&mut scene.program("start"));
    let expected = line.strip_prefix("DATABASE_URL=").unwrap();
    assert_eq!(String::from_utf8_lossy(&url().stdout).trim(), expected);
    let server = scene.server_pid("ephemeral").unwrap();
    send(&child.0, Signal::TERM);
    assert!(child.0.wait().unwrap().success());
    assert!(!is_alive(server));
    assert!(!url().status.success());
}

#[test]
fn a_server_that_dies_is_started_again_on_its_port() {
    let scene = Scene::new();
    let (mut child, _) = first_line(&mut scene.program("start"));
    let before = scene.server_pid("ephemeral").unwrap();
    let port = scene.server_port("ephemeral").unwrap();
    let pid = i32::try_from(before).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::QUIT).unwrap();
    eventually("another server runs", || {
        scene.server_pid("ephemeral").is_some_and(|pid| pid != before)
    });
    assert_eq!(scene.server_port("ephemeral"), Some(port));
    send(&child.0, Signal::INT);
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn a_kill_9_of_the_program_leaves_no_server_behind() {
    if !dies_with_its_parent() {
        return; // Then the next start ends it, which has a test of its own.
    }
    let scene = Scene::new();
    let (mut child, _) = first_line(&mut scene.program("start"));
    let server = scene.server_pid("ephemeral").unwrap();
    assert!(is_alive(server));
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    eventually("the server ends", || !is_alive(server));
}

#[test]
fn run_uses_the_database_that_is_given_and_starts_nothing() {
    let scene = Scene::new();
    let output = scene
        .program("run")
        .env("DATABASE_URL", "postgres://me@127.0.0.1:1/mine")
        .args(["--", "echo", "ran"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("DATABASE_URL is set, but the database does not answer"), "{message}");
    assert!(!scene.state().exists());
}

#[test]
fn arguments_that_make_no_sense_print_the_usage() {
    let output = Scene::new().program("run").arg("--frobnicate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("--frobnicate") && message.contains("Usage:"), "{message}");
}
