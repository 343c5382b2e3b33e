//! In which order systems take their turns, and with which arguments.

use std::collections::BTreeMap;

use crate::adapter::{Figure, Outcome};
use crate::results::Measured;
use crate::rows::{Arguments, Offered, Row};
use crate::statistics::Spread;
use crate::systems::{Role, System};

/// The work whose rate others are offered a part of.
const DRAIN: &str = "drain";

/// Who runs a row: everybody it is for. Of systems with one name the one that knows the work, so that
/// bare Postgres may be run by different programs.
pub(crate) fn contenders<'a>(row: &Row, systems: &'a [System]) -> Vec<&'a System> {
    let knows = |system: &System| system.works.contains(&row.work);
    let namesake_knows =
        |system: &System| systems.iter().any(|other| other.name == system.name && knows(other));
    let wanted =
        |system: &&System| row.is_for(&system.name) && (knows(system) || !namesake_knows(system));
    systems.iter().filter(wanted).collect()
}

/// The turns of a round (from 0): the same order, begun at another system each time, as far apart as
/// the number of rounds allows. Nobody always comes first, or after the same warm-up.
pub(crate) fn turns<T>(systems: &[T], round: usize, rounds: usize) -> impl Iterator<Item = &T> {
    let first = round * systems.len() / rounds.max(1);
    systems.iter().cycle().skip(first).take(systems.len())
}

/// The rates that systems have drained at: the median of the last run that has any of them.
#[derive(Debug, Default)]
pub(crate) struct Drains(BTreeMap<String, Drain>);

#[derive(Debug)]
struct Drain {
    role: Role,
    run: String,
    arguments: Arguments,
    rates: Vec<f64>,
}

impl Drains {
    /// Takes note of a result, if it is a drain with these arguments.
    pub(crate) fn note(&mut self, measured: &Measured, arguments: &Arguments) {
        let Outcome::Done { answer } = &measured.outcome else { return };
        if answer.work != DRAIN || measured.arguments != *arguments {
            return;
        }
        let Some(Figure::One(rate)) = answer.figures.get("rate") else { return };
        let drain = self.0.entry(measured.system.clone()).or_insert_with(|| Drain {
            role: measured.role,
            run: String::new(),
            arguments: Arguments::new(),
            rates: Vec::new(),
        });
        if drain.run != measured.run {
            drain.run.clone_from(&measured.run);
            drain.arguments.clone_from(&measured.arguments);
            drain.rates.clear();
        }
        drain.rates.push(*rate);
    }

    /// Half of what this system drains, or of what the best peer does, in whole jobs a second.
    fn offered(&self, offered: Offered, system: &str) -> Result<u64, String> {
        let half = |drain: &Drain| Spread::of(&drain.rates).map(|spread| spread.median / 2.0);
        let rate = match offered {
            Offered::HalfOwnDrain => self
                .0
                .get(system)
                .and_then(half)
                .ok_or("its drain rate is not known: run the row drain with it"),
            Offered::HalfBestPeerDrain => self
                .0
                .values()
                .filter(|drain| drain.role == Role::Peer)
                .filter_map(half)
                .max_by(f64::total_cmp)
                .ok_or("no peer's drain rate is known: run the row drain with a peer"),
        }?;
        whole(rate)
    }
}

/// Batches go out a hundred times a second, so the rate is a multiple of that.
fn whole(rate: f64) -> Result<u64, String> {
    let hundreds = (rate / 100.0).round().max(1.0);
    format!("{hundreds:.0}00").parse().map_err(|_ignored| format!("{rate} is no rate"))
}

/// The arguments of a row for a system, or why it cannot be run now.
pub(crate) fn arguments(
    row: &Row,
    system: &str,
    drains: &Drains,
    quick: bool,
) -> Result<Arguments, String> {
    let mut arguments = row.arguments(quick);
    if let Some(offered) = row.offered {
        arguments.insert("rate".to_owned(), drains.offered(offered, system)?);
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::rows;
    use crate::systems::Program;
    use crate::testing::measured;

    fn order(systems: &[char], round: usize, rounds: usize) -> String {
        turns(systems, round, rounds).collect()
    }

    #[test]
    fn every_round_begins_with_another_system_and_has_all() {
        let systems = ['a', 'b', 'c', 'd', 'e', 'f'];
        let orders: Vec<_> = (0..3).map(|round| order(&systems, round, 3)).collect();
        assert_eq!(orders, ["abcdef", "cdefab", "efabcd"]);
        assert_eq!(
            (0..4).map(|round| order(&['a', 'b'], round, 4)).collect::<String>(),
            "ababbaba"
        );
        assert_eq!(order(&[], 1, 3), "");
    }

    #[test]
    fn a_row_is_run_by_those_it_is_for_and_once_under_a_name() {
        let system = |name: &str, work: &str, program| System {
            name: name.to_owned(),
            role: Role::Raw,
            works: vec![work.to_owned()],
            program: Program::Adapter(vec![PathBuf::from(program)]),
        };
        let systems = [
            system("autopilot", "workflow", "load"),
            system("raw", "webhook", "load"),
            system("raw", "drain", "pgbench"),
            system("a", "drain", "peers"),
        ];
        let names = |row: &Row| {
            let contenders = contenders(row, &systems).into_iter();
            contenders.map(|system| format!("{} {}", system.name, system.works[0])).collect()
        };
        let drain: Vec<String> = names(&row("drain"));
        assert_eq!(drain, ["autopilot workflow", "raw drain", "a drain"]);
        let only_ours: Vec<String> = names(&row("workflow-256"));
        assert_eq!(only_ours, ["autopilot workflow"]);
    }

    fn drains(results: &[(&str, &str, Role, f64)]) -> Drains {
        let mut drains = Drains::default();
        for (run, system, role, rate) in results {
            let mut measured = measured("drain", system, *role, *rate);
            (*run).clone_into(&mut measured.run);
            drains.note(&measured, &Arguments::new());
        }
        drains
    }

    fn row(name: &str) -> Row {
        rows::load(&[name.to_owned()]).unwrap().remove(0)
    }

    #[test]
    fn a_system_is_offered_half_of_the_median_of_its_last_run() {
        let drains = drains(&[
            ("old", "autopilot", Role::Ours, 1.0),
            ("new", "autopilot", Role::Ours, 90_000.0),
            ("new", "autopilot", Role::Ours, 160_000.0),
            ("new", "autopilot", Role::Ours, 162_311.0),
            ("new", "a", Role::Peer, 100.0),
        ]);
        let rate =
            |row: &Row, system: &str| arguments(row, system, &drains, false).map(|all| all["rate"]);
        let own = row("loaded-pickup-own");
        assert_eq!(rate(&own, "autopilot"), Ok(80_000));
        assert_eq!(rate(&own, "a"), Ok(100));
        assert!(rate(&own, "b").unwrap_err().contains("drain rate is not known"));
        assert_eq!(arguments(&own, "a", &drains, true).unwrap()["seconds"], 10);
    }

    #[test]
    fn all_are_offered_half_of_what_the_best_peer_drains_which_is_not_us() {
        let best = drains(&[
            ("r", "autopilot", Role::Ours, 160_000.0),
            ("r", "raw", Role::Raw, 200_000.0),
            ("r", "a", Role::Peer, 19_000.0),
            ("r", "b", Role::Peer, 47_840.0),
        ]);
        let common = row("loaded-pickup-common");
        for system in ["autopilot", "a", "never seen"] {
            assert_eq!(arguments(&common, system, &best, false).unwrap()["rate"], 23_900);
        }
        let alone = drains(&[("r", "autopilot", Role::Ours, 1.0)]);
        assert!(arguments(&common, "autopilot", &alone, false).unwrap_err().contains("no peer"));
    }

    #[test]
    fn a_shortened_drain_says_nothing_about_a_whole_one() {
        let mut drains = Drains::default();
        let whole: Arguments = [("jobs".to_owned(), 50_000)].into();
        drains.note(&measured("drain", "autopilot", Role::Ours, 5.0), &whole);
        assert!(arguments(&row("loaded-pickup-own"), "autopilot", &drains, false).is_err());
    }
}
