use std::fs::OpenOptions;
use std::io::Write as _;

use autopilot_sandbox::{Kind, Ledger, LedgerError, Options};
use serde_json::json;

use crate::world::{World, expect, ledger_path};

#[tokio::test]
async fn call_and_effect_are_on_disk_when_the_answer_arrives() {
    let world = World::start().await;
    for round in 1..=20 {
        let account = world.create_subaccount(&format!("studio {round}")).await;
        let records = world.records();
        let last = records.last().expect("an effect");
        assert_eq!(last.entry.kind, Kind::Effect);
        assert_eq!(last.entry.detail["sid"], account["sid"]);
        assert_eq!(records.len(), 2 * round);
    }
}

#[tokio::test]
async fn a_call_precedes_its_effect_and_both_name_the_studio() {
    let world = World::start().await;
    world.create_subaccount("pilar:ws:1").await;
    let told: Vec<_> = world
        .records()
        .into_iter()
        .map(|record| (record.seq, record.entry.kind, record.entry.operation, record.entry.subject))
        .collect();
    let (operation, subject) = ("twilio.create_subaccount".to_owned(), "pilar:ws:1".to_owned());
    assert_eq!(
        told,
        [
            (1, Kind::Call, operation.clone(), Some(subject.clone())),
            (2, Kind::Effect, operation, Some(subject)),
        ]
    );
}

#[tokio::test]
async fn concurrent_requests_leave_a_ledger_without_gaps() {
    let world = World::start().await;
    let sends: Vec<_> = (0..40)
        .map(|n| {
            let name = format!("studio {n}");
            world.twilio_post("/Accounts.json", &[("FriendlyName", name.as_str())])
        })
        .map(|request| tokio::spawn(request.send()))
        .collect();
    for send in sends {
        assert_eq!(send.await.expect("no panic").expect("an answer").status(), 201);
    }
    let numbers: Vec<u64> = world.records().iter().map(|record| record.seq).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<u64>>());
    assert_eq!(world.summary().double_effects, []);
}

#[tokio::test]
async fn no_credential_reaches_the_ledger() {
    let world = World::start().await;
    let account = world.create_subaccount("studio").await;
    let sid = account["sid"].as_str().expect("a sid");
    let path = format!("/Accounts/{sid}/Keys.json");
    let key = expect(world.twilio_post(&path, &[]), 201).await;
    let text = std::fs::read_to_string(&world.ledger).expect("a ledger");
    for secret in [&account["auth_token"], &key["secret"]] {
        assert!(!text.contains(secret.as_str().expect("a secret")));
    }
    assert!(!text.contains(&world.credentials.twilio_auth_token));
}

#[tokio::test]
async fn a_torn_last_line_is_left_out_and_a_restart_continues_the_numbering() {
    let path = ledger_path();
    let world = World::with(Options::new(&path)).await;
    world.create_subaccount("before").await;
    world.sandbox.stop().await;
    let mut file = OpenOptions::new().append(true).open(&path).expect("the ledger");
    file.write_all(br#"{"seq":3,"at":"2026-01-01T00:"#).expect("a torn line");
    assert_eq!(Ledger::read(&path).expect("readable").len(), 2);

    let world = World::with(Options::new(&path)).await;
    world.create_subaccount("after").await;
    let numbers: Vec<u64> = world.records().iter().map(|record| record.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_damaged_line_inside_is_an_error_that_names_it() {
    let path = ledger_path();
    std::fs::write(&path, "no record\n").expect("a file");
    let error = Ledger::read(&path).expect_err("damage");
    assert!(matches!(error, LedgerError::Corrupt { line: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_message_intent_that_is_sent_twice_counts_as_double() {
    let world = World::start().await;
    let url = format!(
        "{}/v23.0/{}/messages",
        world.sandbox.whatsapp_url(),
        world.credentials.whatsapp_phone_number_id
    );
    let send = async |intent: &str| {
        let message = json!({
            "messaging_product": "whatsapp", "to": "+491", "type": "text",
            "text": {"body": "Hallo"}, "biz_opaque_callback_data": intent,
        });
        expect(world.whatsapp(world.client.post(&url)).json(&message), 200).await
    };
    send("a").await;
    send("b").await;
    assert_eq!(world.summary().double_effects, []);
    send("a").await;
    let doubles = world.summary().double_effects;
    assert_eq!(doubles.len(), 1);
    assert_eq!((doubles[0].subject.as_str(), doubles[0].count), ("a", 2));
}

#[tokio::test]
async fn a_provider_that_ignores_keys_finds_nothing_and_repeats_what_is_repeated() {
    let options = Options { ignores_keys: true, ..Options::new(ledger_path()) };
    let world = World::with(options).await;
    world.create_subaccount("studio").await;
    let found = expect(world.twilio_get("/Accounts.json?FriendlyName=studio"), 200).await;
    assert_eq!(found["accounts"], json!([]));
    world.create_subaccount("studio").await;
    let customer = || {
        let request = world.stripe_post("/v1/customers").header("idempotency-key", "one");
        expect(request.form(&[("name", "studio")]), 200)
    };
    let (first, second) = (customer().await, customer().await);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(world.summary().double_effects.len(), 1, "the ledger tells of the two accounts");
}
