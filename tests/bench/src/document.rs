//! A page that is written by hand, but for the part between two lines.

use std::fs;
use std::path::Path;

use crate::error::Error;

pub(crate) const BEGIN: &str = "<!-- bench:begin -->";
pub(crate) const END: &str = "<!-- bench:end -->";

/// What a page that is not there yet begins as.
const SKELETON: &str = include_str!("../skeleton.md");

/// Puts `part` between the two lines of the page, and keeps everything else as it is.
///
/// Fails with [`Error::Markers`] where the lines are not there once each and in this order; then
/// nothing is written.
pub(crate) fn write(path: &Path, part: &str) -> Result<(), Error> {
    let page = if path.exists() {
        fs::read_to_string(path).map_err(Error::io("read", path))?
    } else {
        SKELETON.to_owned()
    };
    let page = replaced(&page, part).ok_or_else(|| Error::Markers {
        path: path.to_owned(),
        begin: BEGIN,
        end: END,
    })?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    fs::write(path, page).map_err(Error::io("write", path))
}

fn replaced(page: &str, part: &str) -> Option<String> {
    if page.matches(BEGIN).count() != 1 || page.matches(END).count() != 1 {
        return None;
    }
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", part.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let page = format!("# Ours\n\n{BEGIN}\nold\n{END}\n\nWhy we lose.\n");
        let once = replaced(&page, "new\n").unwrap();
        assert_eq!(once, format!("# Ours\n\n{BEGIN}\n\nnew\n\n{END}\n\nWhy we lose.\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
    }

    #[test]
    fn a_page_without_the_lines_is_refused_and_not_touched() {
        let folder = Folder::new();
        let path = folder.path().join("BENCHMARKS.md");
        let (missing, reversed) = (format!("# Ours\n{BEGIN}\n"), format!("{END}\n{BEGIN}\n"));
        let (begins, ends) = (format!("{BEGIN}{BEGIN}{END}"), format!("{BEGIN}{END}{END}"));
        for page in ["# Ours\n", &missing, &reversed, &begins, &ends] {
            fs::write(&path, page).unwrap();
            let error = write(&path, "new").unwrap_err().to_string();
            assert!(error.contains("<!-- bench:begin -->"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), page);
        }
    }

    #[test]
    fn a_page_that_is_not_there_is_begun() {
        let folder = Folder::new();
        let path = folder.path().join("new/BENCHMARKS.md");
        write(&path, "| a table |").unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("# Benchmarks\n") && page.contains("| a table |"), "{page}");
        write(&path, "| another |").unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("a table"));
    }
}
