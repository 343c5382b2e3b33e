//! Says in words what a crash or a failover can lose (P1 holds while Postgres keeps its committed data).

use super::Finding;

const CHECK: &str = "commits";

/// What the server promises about commits, and who follows it.
#[derive(Debug)]
pub(super) struct Commits<'a> {
    pub(super) level: &'a str,
    /// `synchronous_standby_names`.
    pub(super) names: &'a str,
    pub(super) in_recovery: bool,
    /// Standbys that are connected.
    pub(super) connected: i64,
    /// Those of them that commits wait for.
    pub(super) waited_for: i64,
    /// Those whose state this login may not see.
    pub(super) hidden: i64,
}

impl Commits<'_> {
    pub(super) fn finding(&self) -> Finding {
        let Self { level, names, connected, .. } = self;
        let set = "set synchronous_standby_names and leave synchronous_commit on";
        if self.in_recovery {
            let what = "this is a standby: nothing can be written to it";
            return Finding::problem(
                CHECK,
                what,
                "let DATABASE_URL name the primary, or promote this one",
            );
        }
        if *level == "off" {
            return Finding::problem(
                CHECK,
                "synchronous_commit is off: a crash and a failover lose the last commits, also those that were acknowledged",
                "set synchronous_commit to on",
            );
        }
        if names.is_empty() && *connected == 0 {
            let what = format!(
                "synchronous_commit is {level}, no standby is connected: a crash loses nothing; without this server's disk \
                 everything since the last backup is lost"
            );
            return Finding::ok(CHECK, what);
        }
        if names.is_empty() {
            let what = format!(
                "standbys connected: {connected}, none of them synchronous: a crash loses nothing, but a failover loses what had \
                 not reached the standby, also jobs that were acknowledged and steps that were done; steps are then done again \
                 under the same keys"
            );
            let restart = "; else restart every process at such a failover, before it reaches the standby: a run must \
                           not go on from what only its process remembers";
            return Finding::warning(CHECK, what, format!("{set}{restart}"));
        }
        if *level == "local" {
            let what = format!(
                "synchronous_commit is local: nothing waits for the synchronous standbys {names}; a failover loses what had not \
                 reached them, also jobs that were acknowledged"
            );
            return Finding::warning(CHECK, what, "set synchronous_commit to on");
        }
        if self.waited_for == 0 && self.hidden == 0 {
            let what = format!(
                "no synchronous standby of {names} is connected: every commit waits for one"
            );
            let action = "mend the standby, or take it out of synchronous_standby_names";
            return Finding::problem(CHECK, what, action);
        }
        let also = if *level == "remote_write" {
            ", unless that one's machine crashes as well"
        } else {
            ""
        };
        let what = format!(
            "synchronous_commit is {level}, synchronous standbys: {names}: a crash loses nothing, nor does a failover to one \
             of them{also}"
        );
        Finding::ok(CHECK, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const ALONE: Commits<'_> = Commits {
        level: "on",
        names: "",
        in_recovery: false,
        connected: 0,
        waited_for: 0,
        hidden: 0,
    };

    #[test]
    fn what_a_failover_can_lose_is_said_in_words() {
        use Verdict::{Ok, Problem, Warning};
        let names = "standby";
        for (commits, verdict, says) in [
            (ALONE, Ok, "since the last backup"),
            (Commits { level: "off", ..ALONE }, Problem, "also those that were acknowledged"),
            (
                Commits { connected: 1, ..ALONE },
                Warning,
                "a failover loses what had not reached the standby",
            ),
            (Commits { connected: 2, waited_for: 1, names, ..ALONE }, Ok, "nor does a failover"),
            (Commits { connected: 1, hidden: 1, names, ..ALONE }, Ok, "nor does a failover"),
            (Commits { connected: 1, names, ..ALONE }, Problem, "every commit waits"),
            (
                Commits { level: "local", connected: 1, waited_for: 1, names, ..ALONE },
                Warning,
                "nothing waits",
            ),
            (
                Commits { level: "remote_write", connected: 1, waited_for: 1, names, ..ALONE },
                Ok,
                "as well",
            ),
            (Commits { in_recovery: true, ..ALONE }, Problem, "this is a standby"),
        ] {
            let finding = commits.finding();
            assert_eq!(finding.verdict, verdict, "{commits:?}");
            assert!(finding.detail.contains(says), "{}", finding.detail);
            assert_eq!(finding.action.is_some(), verdict != Ok, "{commits:?}");
        }
    }
}
