//! The state directory: where everything of a cluster lives.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::user::ServerUser;
use crate::{Error, Options, reach};

/// The longest path of a socket that every system accepts: 104 bytes on macOS, 108 on Linux, one
/// of them for the end of the string.
const SOCKET_PATH_LIMIT: usize = 103;

/// The log of former runs is moved aside when it has grown past this many bytes.
const LOG_LIMIT: u64 = 16 << 20;

/// The state directory: where everything of a cluster lives.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The directory that was named, or the default one; it need not exist.
    pub(crate) fn locate(options: &Options) -> Result<Self, Error> {
        let root = match &options.state_dir {
            Some(dir) => dir.clone(),
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/autopilot"),
            None => match (env::var_os("XDG_STATE_HOME"), env::var_os("HOME")) {
                (Some(state), _) if !state.is_empty() => PathBuf::from(state).join("autopilot"),
                (_, Some(home)) => PathBuf::from(home).join(".local/state/autopilot"),
                (_, None) => return Err(Error::NoStateDir),
            },
        };
        let root = std::path::absolute(&root).map_err(Error::io("resolve", &root))?;
        Ok(Self { root })
    }

    /// Makes the directory and what the server's user needs in it, after a check that the user can
    /// get there: nothing is made in a place that is closed.
    pub(crate) fn prepare(&self, user: &ServerUser) -> Result<(), Error> {
        reach::check(&self.root, user)?;
        if !self.root.exists() {
            fs::create_dir_all(&self.root).map_err(Error::io("create", &self.root))?;
            // Whatever the umask, the server's user has to pass through.
            fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755))
                .map_err(Error::io("open up", &self.root))?;
            reach::check(&self.root, user)?;
        }
        private_dir(&self.socket_dir(), user)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Clusters with and without fsync have data of their own: a durable one must never have run
    /// without it, not even for a moment.
    pub(crate) fn data(&self, ephemeral: bool) -> PathBuf {
        self.root.join(if ephemeral { "ephemeral" } else { "pg" })
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("pg.lock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("pg.log")
    }

    /// Entered by the server's user only.
    pub(crate) fn socket_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The socket directory, unless its path is too long for a socket, or holds what separates and
    /// quotes paths in the server's settings: then the server is reached by TCP only.
    pub(crate) fn usable_socket_dir(&self) -> Option<PathBuf> {
        let dir = self.socket_dir();
        let longest = dir.as_os_str().len() + "/.s.PGSQL.65535".len();
        let plain = !dir.as_os_str().as_bytes().iter().any(|byte| b",\"'\\".contains(byte));
        (longest <= SOCKET_PATH_LIMIT && plain).then_some(dir)
    }

    /// The user id that owns the data, where there is data.
    pub(crate) fn owner_of_data(&self, ephemeral: bool) -> Option<u32> {
        fs::metadata(self.data(ephemeral)).ok().map(|metadata| metadata.uid())
    }

    /// Opens the log for the server to append to, and says where this run's part starts.
    pub(crate) fn open_log(&self) -> Result<(File, u64), Error> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
            fs::rename(&path, self.root.join("pg.log.old")).map_err(Error::io("rename", &path))?;
        }
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log = log.map_err(Error::io("open", &path))?;
        let length = log.metadata().map_err(Error::io("look at", &path))?.len();
        Ok((log, length))
    }

    fn password_file(&self) -> PathBuf {
        self.root.join("pg.password")
    }

    /// The superuser's password, where one was made.
    pub(crate) fn password(&self) -> Result<Option<String>, Error> {
        let path = self.password_file();
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        Ok(Some(text.trim().to_owned()).filter(|password| !password.is_empty()))
    }

    /// The password, made now if there is none. It cannot be made anew for `data` that is there.
    pub(crate) fn ensure_password(&self, data: &Path) -> Result<String, Error> {
        if let Some(password) = self.password()? {
            return Ok(password);
        }
        let path = self.password_file();
        if data.exists() {
            return Err(Error::NoPassword { password: path, data: data.to_owned() });
        }
        let password = random_password()?;
        self.keep_password(&password)?;
        Ok(password)
    }

    /// Keeps a password for whoever starts the cluster later.
    pub(crate) fn keep_password(&self, password: &str) -> Result<(), Error> {
        let path = self.password_file();
        // By rename: a file that is there is whole.
        let half = self.root.join("pg.password.tmp");
        write_private(&half, password)?;
        fs::rename(&half, &path).map_err(Error::io("create", &path))
    }
}

/// Makes a directory that only the server's user can enter, if it is not there.
pub(crate) fn private_dir(dir: &Path, user: &ServerUser) -> Result<(), Error> {
    if !dir.exists() {
        DirBuilder::new().mode(0o700).create(dir).map_err(Error::io("create", dir))?;
    }
    user.own(dir)
}

/// Writes a file that only its owner can read, in place of any that was there.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    if path.exists() {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(Error::io("create", path))?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("write", path))
}

/// 192 bits as hexadecimal digits, which need no quoting in a URL.
fn random_password() -> Result<String, Error> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 24];
    let mut random = File::open(source).map_err(Error::io("open", source))?;
    random.read_exact(&mut bytes).map_err(Error::io("read", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn state(root: &Path) -> StateDir {
        StateDir { root: root.to_owned() }
    }

    #[test]
    fn a_long_or_quoted_path_leaves_no_socket_directory() {
        assert!(state(Path::new("/var/lib/autopilot")).usable_socket_dir().is_some());
        assert!(state(&Path::new("/tmp").join("x".repeat(90))).usable_socket_dir().is_none());
        assert!(state(Path::new("/tmp/a,b")).usable_socket_dir().is_none());
    }

    #[test]
    fn a_password_is_kept_private_and_is_the_same_next_time() {
        let dir = TempDir::new();
        let state = state(dir.path());
        let data = dir.path().join("pg");
        let password = state.ensure_password(&data).unwrap();
        assert_eq!(password.len(), 48);
        assert_eq!(state.ensure_password(&data).unwrap(), password);
        assert_eq!(fs::metadata(state.password_file()).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lost_password_is_not_made_anew_for_data_that_is_there() {
        let dir = TempDir::new();
        let data = dir.path().join("pg");
        fs::create_dir(&data).unwrap();
        let error = state(dir.path()).ensure_password(&data).unwrap_err();
        assert!(matches!(error, Error::NoPassword { .. }), "{error}");
    }
}
