//! What jobs are found by.

/// The longest tag, in bytes, and how many a job may have.
const LONGEST_TAG: usize = 200;
const MOST_TAGS: usize = 16;

/// What is wrong with them, if anything.
pub(super) fn problem(tags: &[String]) -> Option<String> {
    if tags.len() > MOST_TAGS {
        return Some(format!("it has {} tags; {MOST_TAGS} are the most", tags.len()));
    }
    tags.iter().enumerate().find_map(|(place, tag)| {
        if tag.is_empty() || tag.len() > LONGEST_TAG || tag.contains('\0') {
            return Some(format!(
                "its tag {tag:?} has {} bytes; a tag has 1 to {LONGEST_TAG}, none of them NUL",
                tag.len()
            ));
        }
        tags.iter()
            .skip(place + 1)
            .any(|other| other == tag)
            .then(|| format!("it has the tag {tag:?} twice"))
    })
}
