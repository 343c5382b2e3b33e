//! Everything that is tried.

use std::time::Duration;

use super::trial::{Control, Trial};
use super::{
    canaries, clocks, connections, crashes, disk, drains, keyring, memory, network, outages,
    programs, statements, storms,
};

/// Everything that is tried, in its order.
pub const TRIALS: &[Trial] = &[
    Trial {
        id: "T1",
        breaks: "workers: kill -9 and SIGSTOP past the lease (T7)",
        limit: minutes(10),
        run: storms::storm,
        controls: &[
            Control { what: "no fence (T2)", sees: "stale writes", run: storms::no_fence },
            Control { what: "no keys", sees: "double effects", run: storms::no_keys },
        ],
    },
    Trial {
        id: "T1p",
        breaks: "workers: kill -9, lease and heartbeat as by default",
        limit: minutes(8),
        run: storms::production,
        controls: &[],
    },
    Trial {
        id: "T3",
        breaks: "the process at every boundary of a run",
        limit: minutes(5),
        run: programs::crash_points,
        controls: &[],
    },
    Trial {
        id: "T4",
        breaks: "the database server: SIGKILL and immediate stop",
        limit: minutes(8),
        run: crashes::crashes,
        controls: &[Control {
            what: "commits do not wait for the disk",
            sees: "lost",
            run: crashes::not_durable,
        }],
    },
    Trial {
        id: "T5",
        breaks: "connections: terminated, all taken, all waiting for a lock",
        limit: minutes(5),
        run: connections::connections,
        controls: &[],
    },
    Trial {
        id: "T6",
        breaks: "the network before the database: black hole, half open, 1 byte/s, cut in COMMIT",
        limit: minutes(8),
        run: network::network,
        controls: &[Control { what: "no fence", sees: "stale writes", run: network::no_fence }],
    },
    Trial {
        id: "T8",
        breaks: "the workers' clocks: +1 h, -2 d, jumping",
        limit: minutes(4),
        run: clocks::clocks,
        controls: &[],
    },
    Trial {
        id: "T9",
        breaks: "Redis: emptied, killed, standing still, lying, reached by half",
        limit: minutes(5),
        run: programs::redis,
        controls: &[],
    },
    Trial {
        id: "T10",
        breaks: "each provider: away for ten minutes of the database's clock",
        limit: minutes(15),
        run: outages::outages,
        controls: &[Control {
            what: "no breakers",
            sees: "attempted twice",
            run: outages::no_breakers,
        }],
    },
    Trial {
        id: "T11",
        breaks: "nothing: events that come twice, too early, forged",
        limit: minutes(6),
        run: programs::flood,
        controls: &[Control {
            what: "the inbox has no key",
            sees: "in the inbox",
            run: programs::flood_without_key,
        }],
    },
    Trial {
        id: "T12",
        breaks: "the disk: full, for the data and for the WAL",
        limit: minutes(6),
        run: disk::full,
        controls: &[],
    },
    Trial {
        id: "T13",
        breaks: "vacuum: a snapshot held under steady load",
        limit: minutes(6),
        run: programs::soak,
        controls: &[],
    },
    Trial {
        id: "T14",
        breaks: "the order of transitions, against the model",
        limit: minutes(5),
        run: programs::model,
        controls: &[],
    },
    Trial {
        id: "T15",
        breaks: "the code: stored runs on today's",
        limit: minutes(3),
        run: programs::replay,
        controls: &[],
    },
    Trial {
        id: "T16",
        breaks: "what others write: requests, signatures, command lines, settings, protocols",
        limit: minutes(5),
        run: programs::fuzz,
        controls: &[],
    },
    Trial {
        id: "T17",
        breaks: "schedules: five processes, clock changes",
        limit: minutes(3),
        run: programs::cron,
        controls: &[],
    },
    Trial {
        id: "T18",
        breaks: "fairness: one workspace's backlog",
        limit: minutes(3),
        run: programs::turns,
        controls: &[],
    },
    Trial {
        id: "T19",
        breaks: "workers: SIGTERM under load",
        limit: minutes(8),
        run: drains::drains,
        controls: &[],
    },
    Trial {
        id: "T20",
        breaks: "the walls between tenants",
        limit: minutes(3),
        run: programs::isolation,
        controls: &[],
    },
    Trial {
        id: "T21",
        breaks: "the key that seals: changed while workers are killed",
        limit: minutes(5),
        run: keyring::rotation,
        controls: &[Control {
            what: "the old key goes first",
            sees: "lacks key `old`",
            run: keyring::not_rewrapped,
        }],
    },
    Trial {
        id: "T22",
        breaks: "nothing: secrets are looked for wherever something is written",
        limit: minutes(4),
        run: canaries::canaries,
        controls: &[Control {
            what: "a token is kept unsealed",
            sees: "found in the table",
            run: canaries::unsealed,
        }],
    },
    Trial {
        id: "T24",
        breaks: "the queue's statements, one at a time",
        limit: minutes(12),
        run: statements::broken,
        controls: &[Control {
            what: "no test is asked",
            sees: "no test saw anything",
            run: statements::nobody_asked,
        }],
    },
    Trial {
        id: "M1",
        breaks: "workers: memory that runs out",
        limit: minutes(4),
        run: memory::memory,
        controls: &[],
    },
];

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
