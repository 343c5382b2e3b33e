//! Why a job stands aside, in words.

use crate::ids::JobId;
use crate::limit::ORDER;

/// What a job stands aside for, as its row says it, in words for an operator; and behind whom, where jobs run in order and that
/// is known.
#[must_use]
pub fn why_aside(blocked_on: &str, behind: Option<JobId>) -> String {
    let Some((what, name)) = blocked_on.split_once(':') else {
        return format!("it stands aside for {blocked_on}");
    };
    if what != "limit" {
        return format!(
            "{what} {name} is paused; `autopilot pauses remove {blocked_on}` lets it go on"
        );
    }
    match (name.strip_prefix(ORDER), behind) {
        (Some(key), Some(first)) => format!(
            "jobs of {key:?} run in order, and {first} has not ended; see `autopilot jobs show {first}`"
        ),
        (Some(key), None) => {
            format!("jobs of {key:?} run in order, and one before it has not ended")
        }
        (None, _) => format!("as many as the limit {name:?} allows are running"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_names_what_holds_it_back() {
        let first = JobId::now_v7();
        for (blocked_on, behind, told) in [
            ("limit:pair/1", None, "\"pair/1\" allows".to_owned()),
            ("limit:order/member/3", None, "\"member/3\" run in order, and one before".to_owned()),
            ("limit:order/member/3", Some(first), format!("and {first} has not ended")),
            (
                "kind:studio.provision",
                None,
                "`autopilot pauses remove kind:studio.provision`".to_owned(),
            ),
            ("workspace:7", None, "workspace 7 is paused".to_owned()),
            ("of a later version", None, "aside for of a later version".to_owned()),
        ] {
            let text = why_aside(blocked_on, behind);
            assert!(text.contains(&told), "{text}");
        }
    }
}
