//! The rules of ARCHITECTURE.md that neither the compiler nor a lint can check, read from the sources. Each check is
//! also shown something that breaks it.

mod documents;
mod links;
mod sources;
mod statements;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};

/// A file below the root: its path with `/`, and its text.
type File = (String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with this ending below a folder.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.ends_with(ending) {
                found.push((path.clone(), read(&path)));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

/// The sources of a crate without its tests: what stands in files or folders of tests, or behind `cfg(test)` at the
/// end of a file.
fn code(folder: &str) -> Vec<File> {
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    files(folder, ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, without_tests(&text).to_owned()))
        .collect()
}

fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").and_then(|tests| text.get(..tests)).unwrap_or(text)
}

/// Where one of these stands outside a comment, as `path:line: word`.
fn places(files: &[File], words: &[&str], comments: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in (1..).zip(text.lines()) {
            if !comments && line.trim_start().starts_with("//") {
                continue;
            }
            let line = line.to_lowercase();
            let hits = words.iter().filter(|word| line.contains(*word));
            found.extend(hits.map(|word| format!("{path}:{number}: {word}")));
        }
    }
    found
}

fn sample(path: &str, text: &str) -> Vec<File> {
    vec![(path.to_owned(), text.to_owned())]
}

const NOTHING: [&str; 0] = [];
