//! What is refused, and in which words.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use autopilot_postgres::{Cluster, Database, Error, Options};

use crate::scene::{Scene, is_root};

#[test]
fn data_of_another_major_version_is_refused_and_not_touched() {
    let scene = Scene::new();
    let version = scene.state().join("pg/PG_VERSION");
    fs::create_dir_all(scene.state().join("pg")).unwrap();
    fs::write(scene.state().join("pg.password"), "secret").unwrap();
    fs::write(&version, "9.6\n").unwrap();
    let error = Cluster::start(&scene.durable()).unwrap_err();
    assert!(
        matches!(&error, Error::VersionMismatch { of_data, .. } if of_data == "9.6"),
        "{error}"
    );
    assert!(error.to_string().contains("dump and restore"), "{error}");
    assert_eq!(fs::read_to_string(&version).unwrap(), "9.6\n");
    assert_eq!(fs::read_dir(scene.state().join("pg")).unwrap().count(), 1);
}

#[test]
fn a_closed_parent_directory_is_named_and_nothing_is_made_in_it() {
    if !is_root() {
        return; // Without root the server runs as ourselves, who can enter our own directories.
    }
    let scene = Scene::new();
    fs::set_permissions(scene.dir(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::start(&scene.durable()).unwrap_err();
    let parent = scene.dir().canonicalize().unwrap();
    assert!(
        matches!(&error, Error::ClosedParent { parent: named, .. } if *named == parent),
        "{error}"
    );
    assert!(error.to_string().contains("--state"), "{error}");
    assert!(!scene.state().exists());
}

#[test]
fn a_bin_dir_without_a_server_is_refused() {
    let scene = Scene::new();
    let options = Options { bin_dir: Some(scene.dir().to_owned()), ..scene.durable() };
    let error = Cluster::start(&options).unwrap_err();
    assert!(matches!(error, Error::BadBinDir { .. }), "{error}");
}

#[test]
fn a_server_that_does_not_start_is_reported_with_the_end_of_its_log() {
    let scene = Scene::new();
    Cluster::start(&scene.ephemeral()).unwrap().stop();
    let config = scene.state().join("ephemeral/postgresql.conf");
    fs::write(&config, "no_such_setting = on\n").unwrap();
    let error = Cluster::start(&scene.ephemeral()).unwrap_err().to_string();
    assert!(error.contains("ended before it was ready"), "{error}");
    assert!(error.contains("unrecognized configuration parameter \"no_such_setting\""), "{error}");
}

#[test]
fn a_setting_that_would_open_the_cluster_or_endanger_its_data_is_refused() {
    for name in ["fsync", "Listen-Addresses", "port"] {
        let scene = Scene::new();
        let settings = vec![(name.to_owned(), "off".to_owned())];
        let error = Cluster::start(&Options { settings, ..scene.durable() }).unwrap_err();
        assert!(matches!(&error, Error::OwnSetting { name: named } if named == name), "{error}");
        assert!(!scene.state().exists());
    }
}

#[test]
fn a_given_database_that_is_away_is_an_error_and_no_reason_to_start_another() {
    let scene = Scene::new();
    let url = Some("postgres://me:s3cret@127.0.0.1:1/mine".to_owned());
    let options = Options { database_url: url, ..scene.durable() };
    let error = Database::open(&options).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(!scene.state().exists());
}

#[test]
fn a_given_database_is_used_as_it_is() {
    let scene = Scene::new();
    let server = Cluster::start(&scene.ephemeral()).unwrap();
    let other = Scene::new();
    let url = server.url("postgres");
    let options = Options { database_url: Some(url.clone()), ..other.durable() };
    let database = Database::open(&options).unwrap();
    assert_eq!(database.url("autopilot").unwrap(), url);
    assert!(database.describe().contains(&format!("127.0.0.1:{}", server.port())));
    assert!(!other.state().exists());
}
