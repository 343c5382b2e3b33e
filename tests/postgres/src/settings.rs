//! The settings that a server is started with.

use crate::Error;
use crate::server::Setup;

/// Not for the caller to choose: what keeps the cluster reachable by us alone, what we read of its log,
/// and what its data's durability rests on.
const OWN: [&str; 11] = [
    "data_directory",
    "fsync",
    "full_page_writes",
    "hba_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "password_encryption",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// Refuses settings that are not the caller's to choose.
pub(crate) fn check(chosen: &[(String, String)]) -> Result<(), Error> {
    // The server reads names in this way too.
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    match chosen.iter().find(|(name, _)| OWN.contains(&plain(name).as_str())) {
        Some((name, _)) => Err(Error::OwnSetting { name: name.clone() }),
        None => Ok(()),
    }
}

/// All settings of a server, in order: of two with one name the later one counts.
pub(crate) fn of(setup: &Setup, port: u16) -> Vec<(String, String)> {
    let sockets = match setup.state.usable_socket_dir() {
        Some(dir) => format!("\"{}\"", dir.display()),
        None => String::new(),
    };
    let port = port.to_string();
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1"),
        ("port", &port),
        ("unix_socket_directories", &sockets),
        ("unix_socket_permissions", "0700"),
        ("password_encryption", "scram-sha-256"),
        ("max_connections", "300"),
        ("shared_buffers", "128MB"),
        // Docker gives /dev/shm no more than 64 MB.
        ("dynamic_shared_memory_type", "mmap"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_destination", "stderr"),
        ("logging_collector", "off"),
        ("log_line_prefix", "%m [%p] %q%d "),
    ];
    if setup.ephemeral {
        settings
            .extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name, "off")));
    }
    settings.extend(setup.chosen.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
