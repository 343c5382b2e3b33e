use autopilot_sandbox::{DoubleEffect, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, expect, ledger_path};

const ADDRESS: &str = "ADaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn studio(world: &World) -> String {
    text(&world.create_subaccount("pilar:ws:1").await["sid"]).to_owned()
}

async fn candidate(world: &World, account: &str, country: &str) -> String {
    let path = format!("/Accounts/{account}/AvailablePhoneNumbers/{country}/Local.json");
    let found = expect(world.twilio_get(&path), 200).await;
    text(&found["available_phone_numbers"][0]["phone_number"]).to_owned()
}

async fn bundle(world: &World, sid: Option<&str>, status: &str) -> String {
    let body = json!({"sid": sid, "status": status});
    let request = world.client.post(world.admin("/twilio/bundles")).json(&body);
    text(&expect(request, 200).await["sid"]).to_owned()
}

#[tokio::test]
async fn every_post_makes_another_one_even_under_an_idempotency_key() {
    let world = World::start().await;
    let create = || {
        world
            .twilio_post("/Accounts.json", &[("FriendlyName", "pilar:ws:1")])
            .header("Idempotency-Key", "the same")
    };
    let (first, second) = (expect(create(), 201).await, expect(create(), 201).await);
    assert_ne!(first["sid"], second["sid"]);
    let double = DoubleEffect {
        operation: "twilio.create_subaccount".into(),
        subject: "pilar:ws:1".into(),
        count: 2,
    };
    assert_eq!(world.sandbox.summary().await.expect("a summary").double_effects, [double]);
}

#[tokio::test]
async fn accounts_are_found_by_exact_name_and_status() {
    let world = World::start().await;
    let sid = studio(&world).await;
    world.create_subaccount("pilar:ws:12").await;
    let find = async |status: &str| {
        let path = format!("/Accounts.json?FriendlyName=pilar%3Aws%3A1&Status={status}");
        let found = expect(world.twilio_get(&path), 200).await["accounts"].clone();
        found.as_array().expect("a list").iter().map(|it| text(&it["sid"]).to_owned()).collect()
    };
    let found: Vec<String> = find("active").await;
    assert_eq!(found, [sid.as_str()]);
    let path = format!("/Accounts/{sid}.json");
    expect(world.twilio_post(&path, &[("Status", "suspended")]), 200).await;
    let found: Vec<String> = find("active").await;
    assert!(found.is_empty());
    let found: Vec<String> = find("suspended").await;
    assert_eq!(found, [sid]);
}

#[tokio::test]
async fn a_list_is_paged_and_its_links_keep_the_filter() {
    let world = World::start().await;
    for _ in 0..3 {
        world.create_subaccount("a & b").await;
    }
    let first =
        expect(world.twilio_get("/Accounts.json?FriendlyName=a%20%26%20b&PageSize=2"), 200).await;
    assert_eq!(first["accounts"].as_array().expect("a list").len(), 2);
    let next = text(&first["next_page_uri"]).trim_start_matches("/2010-04-01");
    let second = expect(world.twilio_get(next), 200).await;
    assert_eq!(second["accounts"].as_array().expect("a list").len(), 1);
    assert_eq!(second["next_page_uri"], Value::Null);
}

#[tokio::test]
async fn a_json_body_is_refused_in_twilios_error_shape() {
    let world = World::start().await;
    let (user, token) =
        (&world.credentials.twilio_account_sid, &world.credentials.twilio_auth_token);
    let request = world.twilio_as(user, token, Method::POST, "/Accounts.json");
    let request = request.json(&json!({"FriendlyName": "x"}));
    let error = expect(request, 415).await;
    assert_eq!(error["status"], 415);
    for member in ["code", "message", "more_info"] {
        assert!(!error[member].is_null(), "{member}");
    }
    assert_eq!(world.summary().effects, 0);
}

#[tokio::test]
async fn a_subaccount_acts_for_itself_and_for_nobody_else() {
    let world = World::start().await;
    let (one, two) = (world.create_subaccount("one").await, world.create_subaccount("two").await);
    let numbers = |account: &Value, user: &Value, password: &Value| {
        let path = format!("/Accounts/{}/IncomingPhoneNumbers.json", text(&account["sid"]));
        world.twilio_as(text(user), text(password), Method::GET, &path)
    };
    expect(numbers(&one, &one["sid"], &one["auth_token"]), 200).await;
    let error = expect(numbers(&two, &one["sid"], &one["auth_token"]), 401).await;
    assert_eq!(error["code"], 20003);
    expect(numbers(&one, &one["sid"], &two["auth_token"]), 401).await;
}

#[tokio::test]
async fn a_keys_secret_is_told_once_and_opens_the_account_until_it_is_deleted() {
    let world = World::start().await;
    let account = studio(&world).await;
    let keys = format!("/Accounts/{account}/Keys.json");
    let key = expect(world.twilio_post(&keys, &[("FriendlyName", "worker")]), 201).await;
    let listed = expect(world.twilio_get(&keys), 200).await;
    assert_eq!(listed["keys"][0]["sid"], key["sid"]);
    assert!(listed["keys"][0].get("secret").is_none());

    let with_key = || {
        let path = format!("/Accounts/{account}/IncomingPhoneNumbers.json");
        world.twilio_as(text(&key["sid"]), text(&key["secret"]), Method::GET, &path)
    };
    expect(with_key(), 200).await;
    let path = format!("/Accounts/{account}/Keys/{}.json", text(&key["sid"]));
    expect(world.twilio_delete(&path), 204).await;
    expect(with_key(), 401).await;
    assert_eq!(world.summary().effects_of("twilio.delete_key"), 1);
}

#[tokio::test]
async fn a_german_number_wants_an_approved_bundle_and_an_address() {
    let world = World::start().await;
    let account = studio(&world).await;
    let number = candidate(&world, &account, "DE").await;
    let path = format!("/Accounts/{account}/IncomingPhoneNumbers.json");
    let buy = |more: &[(&str, &str)]| {
        let mut form = vec![("PhoneNumber", number.as_str()), ("FriendlyName", "pilar:ws:1")];
        form.extend(more);
        world.twilio_post(&path, &form)
    };
    assert_eq!(expect(buy(&[("AddressSid", ADDRESS)]), 400).await["code"], 21649);
    let sid = bundle(&world, None, "in-review").await;
    let papers = [("AddressSid", ADDRESS), ("BundleSid", sid.as_str())];
    assert_eq!(expect(buy(&papers), 400).await["code"], 21649);
    bundle(&world, Some(&sid), "twilio-approved").await;
    assert_eq!(expect(buy(&papers[1..]), 400).await["code"], 21631);
    assert_eq!(world.summary().effects_of("twilio.buy_number"), 0);

    let bought = expect(buy(&papers), 201).await;
    assert_eq!(bought["phone_number"], number.as_str());
    assert_eq!(expect(buy(&papers), 400).await["code"], 21422);
    let found = expect(world.twilio_get(&format!("{path}?FriendlyName=pilar%3Aws%3A1")), 200).await;
    assert_eq!(found["incoming_phone_numbers"], json!([bought]));
}

#[tokio::test]
async fn a_bundle_tells_its_status() {
    let world = World::start().await;
    let sid = bundle(&world, None, "pending-review").await;
    let url = format!("{}/v2/RegulatoryCompliance/Bundles/{sid}", world.sandbox.twilio_url());
    let credentials = &world.credentials;
    let get = || {
        world
            .client
            .get(&url)
            .basic_auth(&credentials.twilio_account_sid, Some(&credentials.twilio_auth_token))
    };
    assert_eq!(expect(get(), 200).await["status"], "pending-review");
    bundle(&world, Some(&sid), "twilio-rejected").await;
    assert_eq!(expect(get(), 200).await["status"], "twilio-rejected");
}

#[tokio::test]
async fn two_numbers_for_one_studio_are_a_double_effect() {
    let world = World::start().await;
    let account = studio(&world).await;
    let path = format!("/Accounts/{account}/IncomingPhoneNumbers.json");
    for _ in 0..2 {
        let number = candidate(&world, &account, "US").await;
        let form = [("PhoneNumber", number.as_str()), ("FriendlyName", "pilar:ws:1")];
        expect(world.twilio_post(&path, &form), 201).await;
    }
    let doubles = world.summary().double_effects;
    assert_eq!(doubles.len(), 1);
    assert_eq!((doubles[0].operation.as_str(), doubles[0].count), ("twilio.buy_number", 2));
}

#[tokio::test]
async fn a_number_is_reconfigured_and_released() {
    let world = World::start().await;
    let account = studio(&world).await;
    let number = candidate(&world, &account, "US").await;
    let list = format!("/Accounts/{account}/IncomingPhoneNumbers.json");
    let bought = expect(world.twilio_post(&list, &[("PhoneNumber", number.as_str())]), 201).await;
    let path = format!("/Accounts/{account}/IncomingPhoneNumbers/{}.json", text(&bought["sid"]));
    let form = [("VoiceUrl", "https://example.com/voice")];
    expect(world.twilio_post(&path, &form), 200).await;
    assert_eq!(expect(world.twilio_get(&path), 200).await["voice_url"], form[0].1);
    expect(world.twilio_delete(&path), 204).await;
    assert_eq!(expect(world.twilio_get(&path), 404).await["code"], 20404);
    expect(world.twilio_post(&list, &[("PhoneNumber", number.as_str())]), 201).await;
}

#[tokio::test]
async fn a_suspended_account_buys_nothing_and_a_closed_one_stays_closed() {
    let world = World::start().await;
    let account = studio(&world).await;
    let number = candidate(&world, &account, "US").await;
    let path = format!("/Accounts/{account}.json");
    expect(world.twilio_post(&path, &[("Status", "suspended")]), 200).await;
    let numbers = format!("/Accounts/{account}/IncomingPhoneNumbers.json");
    let error = expect(world.twilio_post(&numbers, &[("PhoneNumber", number.as_str())]), 403).await;
    assert_eq!(error["code"], 20005);
    expect(world.twilio_post(&path, &[("Status", "closed")]), 200).await;
    expect(world.twilio_post(&path, &[("Status", "active")]), 403).await;
}

#[tokio::test]
async fn the_number_of_open_subaccounts_is_limited() {
    let mut options = Options::new(ledger_path());
    options.subaccount_limit = 1;
    let world = World::with(options).await;
    let account = studio(&world).await;
    let error = expect(world.twilio_post("/Accounts.json", &[("FriendlyName", "x")]), 400).await;
    assert_eq!(error["code"], 21480);
    let path = format!("/Accounts/{account}.json");
    expect(world.twilio_post(&path, &[("Status", "closed")]), 200).await;
    world.create_subaccount("y").await;
}

#[tokio::test]
async fn only_the_main_account_has_a_balance() {
    let world = World::start().await;
    expect(world.client.post(world.admin("/twilio/balance/12.50")), 204).await;
    let main = &world.credentials.twilio_account_sid;
    let balance = expect(world.twilio_get(&format!("/Accounts/{main}/Balance.json")), 200).await;
    assert_eq!(balance["balance"], "12.50");
    let account = studio(&world).await;
    expect(world.twilio_get(&format!("/Accounts/{account}/Balance.json")), 404).await;
}

#[tokio::test]
async fn two_searches_offer_different_numbers_first() {
    let world = World::start().await;
    let account = studio(&world).await;
    let first = candidate(&world, &account, "US").await;
    assert_ne!(first, candidate(&world, &account, "US").await);
}
