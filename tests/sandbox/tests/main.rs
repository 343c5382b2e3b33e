//! Proves what the sandbox promises to the tests that rely on it.

#[cfg(test)]
mod binary;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod stripe;
#[cfg(test)]
mod twilio;
#[cfg(test)]
mod world;
