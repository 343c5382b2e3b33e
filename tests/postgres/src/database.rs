//! The database of a run: the one that was given, else a private cluster.

use crate::address::Address;
use crate::{Cluster, Error, Options};

/// The database of a run: the one that `DATABASE_URL` names, else a private cluster.
#[derive(Debug)]
pub enum Database {
    /// One that exists already; nothing was started, and nothing will be stopped.
    Given {
        /// Its URL, as it was given. It may hold a password.
        url: String,
        /// Where it answered, without user and password.
        at: String,
    },
    /// A cluster of our own.
    Private(Box<Cluster>),
}

impl Database {
    /// Takes the database of the options' `database_url` where that is set, after a check that
    /// something answers there: a database that was named but is away is an error, never a reason to
    /// use another one. Otherwise starts a private cluster.
    pub fn open(options: &Options) -> Result<Self, Error> {
        match &options.database_url {
            Some(url) => {
                let at = Address::parse(url)?.connect()?;
                Ok(Self::Given { url: url.clone(), at })
            }
            None => Ok(Self::Private(Box::new(Cluster::start(options)?))),
        }
    }

    /// The URL of the named database, which is created if a private cluster has none of that name. A
    /// database that was given is used as it is, whatever its name.
    pub fn url(&self, name: &str) -> Result<String, Error> {
        match self {
            Self::Given { url, .. } => Ok(url.clone()),
            Self::Private(cluster) => {
                cluster.ensure_database(name)?;
                Ok(cluster.url(name))
            }
        }
    }

    /// Everything about it in one line, without a password.
    pub fn describe(&self) -> String {
        match self {
            Self::Given { at, .. } => {
                format!("postgres: DATABASE_URL, answers at {at}, nothing started")
            }
            Self::Private(cluster) => cluster.describe(),
        }
    }

    /// The private cluster, where there is one.
    pub fn cluster_mut(&mut self) -> Option<&mut Cluster> {
        match self {
            Self::Given { .. } => None,
            Self::Private(cluster) => Some(cluster),
        }
    }
}
