//! Deliveries of Stripe's events, as the process hands them to the inbox.

use std::time::Duration;

use autopilot_workflows::webhooks::{Delivery, Received, receive, stripe};
use serde_json::{Value, json};

use crate::studio::Studio;

/// A delivery of Stripe's whose signature was verified.
///
/// # Panics
/// When its job is no JSON.
#[must_use]
pub fn delivery(body: impl Into<Vec<u8>>) -> Delivery {
    let body: Vec<u8> = body.into();
    let read = stripe::read(body.into(), json!({}), |_| "digest".to_owned());
    read.expect("the delivery is read")
}

impl Studio {
    /// Receives an event as the webhook does, in a transaction of its own.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn receive(&self, event: &Value) -> Received {
        let received = self.receive_all(&[delivery(event.to_string())]).await;
        received.into_iter().next().expect("an answer")
    }

    /// Receives deliveries as the webhook does, in a transaction of their own.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn receive_all(&self, deliveries: &[Delivery]) -> Vec<Received> {
        let mut tx = self.world.pool().begin().await.expect("a transaction begins");
        let deliveries: Vec<&Delivery> = deliveries.iter().collect();
        let received = receive(&mut tx, &deliveries, Duration::ZERO).await;
        tx.commit().await.expect("the deliveries commit");
        received.expect("the deliveries are received")
    }
}
