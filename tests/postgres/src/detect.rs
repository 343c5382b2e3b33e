//! Finds an installed Postgres.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Options, install};

/// The oldest major version that is accepted.
const OLDEST: u32 = 13;

/// Where packages put the binaries, as (directory, what a version's folder starts with, subfolder).
const PLACES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// An installed Postgres server.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    /// Holds `postgres`, `initdb` and, where they are installed, the client programs.
    pub(crate) bin_dir: PathBuf,
    /// As the server prints it, such as `15.18`.
    pub(crate) version: String,
    major: u32,
}

impl Installation {
    /// The path of one of its programs; its bare name, to be found on `PATH`, where a package
    /// has put the client programs elsewhere.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let path = self.bin_dir.join(name);
        if path.is_file() { path } else { PathBuf::from(name) }
    }

    /// Refuses data that another major version has made: the server would do so too, but late and
    /// without saying what to do.
    pub(crate) fn check_version_of(&self, data: &Path) -> Result<(), Error> {
        match version_of(data) {
            Some(of_data) if of_data != self.major.to_string() => Err(Error::VersionMismatch {
                data: data.to_owned(),
                of_data,
                bin_dir: self.bin_dir.clone(),
                of_binaries: self.version.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn probe(dir: &Path) -> Result<Self, String> {
        let server = dir.join("postgres");
        // A link to the server alone, as in /usr/local/bin: its companions are where it leads to.
        let real = server.canonicalize().map_err(|error| format!("`postgres` in it: {error}"))?;
        let bin_dir = real.parent().unwrap_or(dir).to_owned();
        if !bin_dir.join("initdb").is_file() {
            return Err("there is no `initdb` beside `postgres`".to_owned());
        }
        let output = Command::new(bin_dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("`postgres` in it does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text
            .split_whitespace()
            .nth(2)
            .ok_or_else(|| format!("`postgres --version` in it says {:?}", text.trim()))?;
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(major) if major >= OLDEST => {
                Ok(Self { bin_dir, version: version.to_owned(), major })
            }
            Ok(_) => Err(format!("version {version} is older than {OLDEST}")),
            Err(_) => Err(format!("`postgres --version` in it says {:?}", text.trim())),
        }
    }
}

/// The installation to use for `data`: the one that was named, else the first that can open the
/// data, else the first; when there is none and the options allow it, the one we install.
pub(crate) fn find(options: &Options, data: &Path) -> Result<Installation, Error> {
    if let Some(dir) = &options.bin_dir {
        return Installation::probe(dir)
            .map_err(|reason| Error::BadBinDir { dir: dir.clone(), reason });
    }
    let mut found = installed();
    if found.is_empty() && options.install && install::postgresql()? {
        found = installed();
    }
    let fits = found.iter().position(|installation| installation.check_version_of(data).is_ok());
    found.into_iter().nth(fits.unwrap_or(0)).ok_or(Error::NotInstalled)
}

/// What the `PG_VERSION` of a data directory says; none where there is no data yet.
pub(crate) fn version_of(data: &Path) -> Option<String> {
    fs::read_to_string(data.join("PG_VERSION")).ok().map(|text| text.trim().to_owned())
}

fn installed() -> Vec<Installation> {
    path_dirs()
        .chain(usual_places())
        .filter(|dir| dir.join("postgres").is_file())
        .filter_map(|dir| Installation::probe(&dir).ok())
        .collect()
}

fn path_dirs() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute()).collect::<Vec<_>>().into_iter()
}

/// The directories of all packaged versions, highest version first.
fn usual_places() -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, subfolder) in PLACES {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)) {
                let digits: String = rest.chars().filter(char::is_ascii_digit).take(2).collect();
                found.push((digits.parse().unwrap_or(0), entry.path().join(subfolder)));
            }
        }
    }
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, dir)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn fake(says: &str) -> TempDir {
        let dir = TempDir::new();
        fs::write(dir.path().join("initdb"), "").unwrap();
        dir.script("postgres", &format!("echo '{says}'"));
        dir
    }

    fn probe(says: &str) -> Result<(String, u32), String> {
        let dir = fake(says);
        Installation::probe(dir.path()).map(|found| (found.version, found.major))
    }

    #[test]
    fn versions_of_releases_and_betas_are_understood() {
        assert_eq!(
            probe("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Ok(("15.18".to_owned(), 15))
        );
        assert_eq!(probe("postgres (PostgreSQL) 19beta1"), Ok(("19beta1".to_owned(), 19)));
    }

    #[test]
    fn a_link_to_the_server_leads_to_its_companions() {
        let (real, links) = (fake("postgres (PostgreSQL) 16.2"), TempDir::new());
        let target = real.path().join("postgres");
        std::os::unix::fs::symlink(target, links.path().join("postgres")).unwrap();
        let found = Installation::probe(links.path()).unwrap();
        assert_eq!(found.bin_dir, real.path().canonicalize().unwrap());
    }

    #[test]
    fn an_old_server_and_a_program_that_is_no_server_are_refused() {
        assert_eq!(
            probe("postgres (PostgreSQL) 12.9"),
            Err("version 12.9 is older than 13".to_owned())
        );
        assert!(probe("hello").unwrap_err().contains("says \"hello\""));
    }

    #[test]
    fn a_bin_dir_that_holds_no_postgres_is_an_error_even_where_one_is_installed() {
        let empty = TempDir::new();
        let options = Options { bin_dir: Some(empty.path().to_owned()), ..Options::default() };
        let error = find(&options, Path::new("/nonexistent")).unwrap_err();
        assert!(matches!(&error, Error::BadBinDir { dir, .. } if dir == empty.path()), "{error}");
        assert!(error.to_string().contains("AUTOPILOT_PG_BIN"), "{error}");
    }
}
