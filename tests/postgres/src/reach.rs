//! Whether the server's user can get to a path at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Error;
use crate::user::ServerUser;

/// Checks every directory above `path`, which need not exist yet, and says which one is closed.
///
/// initdb and postgres would only say "Permission denied" on a file deep below the directory that
/// is the reason, which for root is most often `/root` itself.
pub(crate) fn check(path: &Path, user: &ServerUser) -> Result<(), Error> {
    if !user.drops_root {
        return Ok(());
    }
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    // A symbolic link leads to other parents than its name tells.
    let existing = existing.canonicalize().map_err(Error::io("resolve", existing))?;
    let mut ancestors: Vec<&Path> = existing.ancestors().collect();
    ancestors.reverse();
    for dir in ancestors {
        let metadata = fs::metadata(dir).map_err(Error::io("look at", dir))?;
        if metadata.is_dir() && !may_enter(&metadata, user) {
            return Err(Error::ClosedParent {
                path: path.to_owned(),
                parent: dir.to_owned(),
                mode: metadata.mode() & 0o777,
                user: user.name.clone(),
            });
        }
    }
    Ok(())
}

fn may_enter(metadata: &fs::Metadata, user: &ServerUser) -> bool {
    let execute = if metadata.uid() == user.uid {
        0o100
    } else if metadata.gid() == user.gid {
        0o010
    } else {
        0o001
    };
    metadata.mode() & execute != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_closed_parent_is_named_even_when_the_path_does_not_exist_yet() {
        let dir = TempDir::new();
        let user = ServerUser { name: "guest".into(), uid: 54321, gid: 54321, drops_root: true };
        let path = dir.path().join("closed/state/of/mine");
        check(&path, &user).unwrap();

        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let error = check(&path, &user).unwrap_err().to_string();
        assert!(
            error.contains(&format!("cannot enter {} (mode 700)", closed.display())),
            "{error}"
        );
        assert!(error.contains("guest") && error.contains("chmod o+x"), "{error}");
    }
}
