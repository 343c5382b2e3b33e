//! Which protocol breaks what: leases, limits, cron.

mod lease;
mod limit;
mod tick;
