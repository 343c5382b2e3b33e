//! Which protocol breaks what: leases, limits, locks, cron.

mod lease;
mod limit;
mod lock;
mod tick;
