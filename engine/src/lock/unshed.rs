//! Nothing before Postgres: where the feature `redis` is off.

use std::time::Duration;

use uuid::Uuid;

use super::{Busy, Taken};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shed;

pub(super) struct Asked;

impl Shed {
    pub(super) async fn ask(
        &self,
        _name: &str,
        _holder: Uuid,
        _ttl: Duration,
        _may_turn_away: bool,
    ) -> Result<Asked, Busy> {
        Ok(Asked)
    }

    pub(super) async fn decided(
        &self,
        _asked: Asked,
        _name: &str,
        _holder: Uuid,
        _ttl: Duration,
        _answer: Option<&Taken>,
    ) {
    }

    pub(super) async fn renewed(&self, _name: &str, _holder: Uuid, _ttl: Duration) {}

    pub(super) async fn released(&self, _name: &str, _holder: Uuid) {}
}
