//! What names stand for, judged at the moment of connecting: the address that was looked at is the one that is connected to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Targets;
use crate::integrations::address::is_public;

/// Says what a name stands for.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of a host.
    fn lookup(&self, host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// As the system says.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name stands for an address that is not of the public Internet.
#[derive(Debug, thiserror::Error)]
#[error("not of the public Internet")]
pub(super) struct PrivateAddress;

/// Refuses names of which any address is not public.
pub(super) struct Guard<L> {
    targets: Targets,
    lookup: Arc<L>,
}

impl<L: Lookup> Guard<L> {
    pub(super) fn new(targets: Targets, lookup: L) -> Self {
        Self { targets, lookup: Arc::new(lookup) }
    }
}

impl<L: Lookup> Resolve for Guard<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let (targets, lookup) = (self.targets, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            // One bad address is enough: which of them would be connected to is chance.
            if targets == Targets::Public && !found.iter().all(|address| is_public(*address)) {
                return Err(PrivateAddress.into());
            }
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
