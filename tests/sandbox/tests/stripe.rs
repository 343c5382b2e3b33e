use autopilot_sandbox::{Checkout, PaymentStatus, SubscriptionStatus, sign};
use serde_json::{Value, json};
use stripe_billing::Subscription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{World, expect};

async fn customer(world: &World, checkout: &Checkout) -> String {
    let event = world.sandbox.checkout(checkout).await.expect("a checkout").event;
    event["data"]["object"]["customer"].as_str().expect("a customer").to_owned()
}

#[tokio::test]
async fn a_checkout_leaves_what_the_typed_client_can_read() {
    let world = World::start().await;
    for status in
        [SubscriptionStatus::Active, SubscriptionStatus::Trialing, SubscriptionStatus::Canceled]
    {
        let mut checkout = Checkout::new("ws_1");
        checkout.subscription_status = status;
        let customer = customer(&world, &checkout).await;
        let path = format!("/v1/subscriptions?customer={customer}&status=all&limit=100");
        let answer = expect(world.stripe_get(&path), 200).await;
        let list: stripe_types::List<Subscription> =
            miniserde::json::from_str(&answer.to_string()).expect("the typed list");
        assert_eq!(list.data.len(), 1);
        let subscription = &list.data[0];
        assert_eq!(subscription.metadata["workspace_id"], "ws_1");
        assert_eq!(serde_json::to_value(status).expect("a text"), subscription.status.as_str());
        let item = &subscription.items.data[0];
        assert!(item.current_period_end > item.current_period_start);
        assert_eq!(item.price.unit_amount, Some(9900));
    }
}

#[tokio::test]
async fn the_event_its_session_and_its_customer_belong_together() {
    let world = World::start().await;
    let mut checkout = Checkout::new("ws_1");
    checkout.payment_status = PaymentStatus::Unpaid;
    let event = world.sandbox.checkout(&checkout).await.expect("a checkout").event;
    assert_eq!(event["type"], "checkout.session.completed");
    assert_eq!(event["api_version"], "2026-09-30.endive");
    let session = &event["data"]["object"];
    assert_eq!(session["client_reference_id"], "ws_1");
    assert_eq!(session["metadata"]["workspace_id"], "ws_1");
    assert_eq!(session["payment_status"], "unpaid");
    let text = |member: &str| session[member].as_str().expect("a text");
    let get = async |path: String| expect(world.stripe_get(&path), 200).await;
    assert_eq!(get(format!("/v1/checkout/sessions/{}", text("id"))).await, *session);
    let subscription = get(format!("/v1/subscriptions/{}", text("subscription"))).await;
    assert_eq!(subscription["customer"], session["customer"]);
    let customer = get(format!("/v1/customers/{}", text("customer"))).await;
    assert_eq!(customer["email"], session["customer_details"]["email"]);
    let events = get("/v1/events?type=checkout.session.completed".into()).await;
    assert_eq!(events["data"], json!([event]));
}

#[tokio::test]
async fn the_same_event_id_gives_the_same_event_and_changes_nothing() {
    let world = World::start().await;
    let mut checkout = Checkout::new("ws_1");
    checkout.event_id = Some("evt_1".into());
    let first = world.sandbox.checkout(&checkout).await.expect("a checkout").event;
    let again = world.sandbox.checkout(&checkout).await.expect("a checkout").event;
    assert_eq!(first, again);
    assert_eq!(world.summary().effects_of("stripe.complete_checkout"), 1);
}

/// Takes one delivery; gives its signature header and its body.
async fn endpoint(listener: TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().await.expect("a delivery");
    let mut received = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.expect("bytes");
        received.push_str(std::str::from_utf8(&buffer[..count]).expect("text"));
        let Some((head, body)) = received.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let line = head.lines().find(|line| line.starts_with(name)).expect("a header");
            line[name.len() + 2..].to_owned()
        };
        if body.len() == header("Content-Length").parse::<usize>().expect("a length") {
            stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").await.expect("an answer");
            return (header("Stripe-Signature"), body.to_owned());
        }
    }
}

#[tokio::test]
async fn a_delivery_carries_a_signature_over_its_very_bytes() {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().expect("an address"));
    let taken = tokio::spawn(endpoint(listener));
    let body = json!({"workspace_id": "ws_1", "deliver_to": url, "secret": "whsec_a"});
    let outcome = expect(world.client.post(world.admin("/stripe/checkout")).json(&body), 200).await;
    assert_eq!(outcome["delivered"], 202);
    let (header, delivered) = taken.await.expect("no panic");
    let timestamp =
        header.strip_prefix("t=").and_then(|rest| rest.split_once(',')).expect("a time").0;
    let timestamp = timestamp.parse().expect("a number");
    assert_eq!(header, sign::stripe("whsec_a", timestamp, delivered.as_bytes()));
    let event: Value = serde_json::from_str(&delivered).expect("JSON");
    assert_eq!(event, outcome["event"]);
}

#[tokio::test]
async fn a_delivery_without_its_secret_is_refused() {
    let world = World::start().await;
    let body = json!({"workspace_id": "ws_1", "deliver_to": "http://127.0.0.1:1/"});
    let request = world.client.post(world.admin("/stripe/checkout")).json(&body);
    let error = expect(request, 400).await;
    assert!(error["error"].as_str().expect("a text").contains("secret"));
    assert_eq!(world.summary().effects, 0);
}

#[tokio::test]
async fn a_post_under_the_same_key_is_replayed_and_not_done_again() {
    let world = World::start().await;
    let create = |email: &str| {
        let form = [("email", email), ("metadata[workspace_id]", "ws_1")];
        world.stripe_post("/v1/customers").header("Idempotency-Key", "k1").form(&form)
    };
    let first = expect(create("a@studio.test"), 200).await;
    let again = create("a@studio.test").send().await.expect("an answer");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.expect("JSON"), first);
    assert_eq!(world.summary().effects_of("stripe.create_customer"), 1);
    assert_eq!(world.summary().calls_of("stripe.create_customer"), 2);
    let error = expect(create("b@studio.test"), 400).await;
    assert_eq!(error["error"]["type"], "idempotency_error");
}

#[tokio::test]
async fn a_list_is_filtered_by_status_and_paged() {
    let world = World::start().await;
    let mut checkout = Checkout::new("ws_1");
    checkout.customer = Some("cus_1".into());
    world.sandbox.checkout(&checkout).await.expect("a checkout");
    world.sandbox.checkout(&checkout).await.expect("a checkout");
    checkout.subscription_status = SubscriptionStatus::Canceled;
    world.sandbox.checkout(&checkout).await.expect("a checkout");
    let list = async |query: &str| {
        let path = format!("/v1/subscriptions?customer=cus_1{query}");
        expect(world.stripe_get(&path), 200).await
    };
    let count = |list: &Value| list["data"].as_array().expect("a list").len();
    assert_eq!(count(&list("").await), 2);
    assert_eq!(count(&list("&status=canceled").await), 1);
    let first = list("&status=all&limit=2").await;
    assert_eq!((count(&first), &first["has_more"]), (2, &json!(true)));
    let last = first["data"][1]["id"].as_str().expect("an id");
    let rest = list(&format!("&status=all&starting_after={last}")).await;
    assert_eq!((count(&rest), &rest["has_more"]), (1, &json!(false)));
}

#[tokio::test]
async fn wrong_keys_bodies_and_ids_are_refused_as_stripe_does() {
    let world = World::start().await;
    expect(
        world
            .client
            .get(format!("{}/v1/balance", world.sandbox.stripe_url()))
            .bearer_auth("sk_wrong"),
        401,
    )
    .await;
    expect(world.stripe_post("/v1/customers").json(&json!({})), 400).await;
    let error = expect(world.stripe_get("/v1/subscriptions/sub_none"), 404).await;
    assert_eq!(error["error"]["code"], "resource_missing");
    let error = expect(world.stripe_get("/v1/subscriptions?customer=cus_none"), 400).await;
    assert_eq!(error["error"]["code"], "resource_missing");
    expect(world.stripe_get("/v1/subscriptions?limit=101"), 400).await;
    expect(world.stripe_get("/v1/refunds"), 404).await;
}
