//! WhatsApp and OpenAI: the text and its sending.

use serde_json::{Value, json};

use crate::world::{World, expect};

fn message(kind: &str, content: Value) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+4917612345678",
        "type": kind, kind: content, "biz_opaque_callback_data": "intent-1",
    })
}

async fn send(world: &World, message: &Value, status: u16) -> Value {
    let id = &world.credentials.whatsapp_phone_number_id;
    let url = format!("{}/v23.0/{id}/messages", world.sandbox.whatsapp_url());
    expect(world.whatsapp(world.client.post(url)).json(message), status).await
}

async fn whatsapp(world: &World, path: &str) -> Value {
    let url = format!("{}/v23.0/{path}", world.sandbox.whatsapp_url());
    expect(world.whatsapp(world.client.get(url)), 200).await
}

#[tokio::test]
async fn a_message_is_accepted_and_its_intent_is_in_the_ledger() {
    let world = World::start().await;
    let sent = send(&world, &message("text", json!({"body": "Hallo"})), 200).await;
    assert!(sent["messages"][0]["id"].as_str().expect("an id").starts_with("wamid."));
    assert_eq!(sent["contacts"][0]["wa_id"], "4917612345678");
    let effect = world.records().pop().expect("an effect").entry;
    assert_eq!(effect.operation, "whatsapp.send_message");
    assert_eq!(effect.subject.as_deref(), Some("+4917612345678"));
    assert_eq!(effect.idempotency_key.as_deref(), Some("intent-1"));
}

#[tokio::test]
async fn a_described_template_is_held_to_its_status_and_its_variables() {
    let world = World::start().await;
    let describe = async |status: &str| {
        let template = json!({
            "name": "coach", "language": "de", "status": status, "body": "Hallo {{1}}, {{2}}",
        });
        expect(world.client.post(world.admin("/whatsapp/templates")).json(&template), 204).await;
    };
    let with = |count: usize| {
        let parameters = vec![json!({"type": "text", "text": "x"}); count];
        let components = json!([{"type": "body", "parameters": parameters}]);
        let language = json!({"policy": "deterministic", "code": "de"});
        message(
            "template",
            json!({"name": "coach", "language": language, "components": components}),
        )
    };
    describe("APPROVED").await;
    send(&world, &with(2), 200).await;
    assert_eq!(send(&world, &with(1), 400).await["error"]["code"], 132_000);
    describe("PAUSED").await;
    assert_eq!(send(&world, &with(2), 400).await["error"]["code"], 132_015);
    let business = world.credentials.whatsapp_business_account_id.clone();
    let listed = whatsapp(&world, &format!("{business}/message_templates?name=coach")).await;
    assert_eq!(listed["data"][0]["status"], "PAUSED");
    assert_eq!(world.summary().effects_of("whatsapp.send_message"), 1);
}

#[tokio::test]
async fn an_app_is_subscribed_once_it_was_asked_for() {
    let world = World::start().await;
    let path = format!("{}/subscribed_apps", world.credentials.whatsapp_business_account_id);
    assert_eq!(whatsapp(&world, &path).await["data"], json!([]));
    let url = format!("{}/v23.0/{path}", world.sandbox.whatsapp_url());
    let answer = expect(world.whatsapp(world.client.post(url)), 200).await;
    assert_eq!(answer["success"], true);
    assert_eq!(whatsapp(&world, &path).await["data"].as_array().expect("a list").len(), 1);
    assert_eq!(world.summary().effects_of("whatsapp.subscribe_app"), 1);
}

#[tokio::test]
async fn whatsapps_errors_have_the_graph_shape() {
    let world = World::start().await;
    let url = format!("{}/v23.0/1", world.sandbox.whatsapp_url());
    let error = expect(world.client.get(&url).bearer_auth("wrong"), 401).await;
    assert_eq!(error["error"]["code"], 190);
    let error = expect(world.whatsapp(world.client.get(&url)), 400).await;
    assert_eq!(error["error"]["code"], 100);
    for member in ["message", "type"] {
        assert!(error["error"][member].is_string(), "{member}");
    }
    let number = whatsapp(&world, &world.credentials.whatsapp_phone_number_id).await;
    assert_eq!(number["quality_rating"], "GREEN");
}

fn completion(world: &World, body: &Value) -> reqwest::RequestBuilder {
    let url = format!("{}/chat/completions", world.sandbox.openai_url());
    world.client.post(url).bearer_auth(&world.credentials.openai_key).json(body)
}

#[tokio::test]
async fn the_model_answers_its_text_in_the_shape_that_was_asked_for() {
    let world = World::start().await;
    let mut body = json!({
        "model": "gpt-5-mini", "messages": [{"role": "user", "content": "Schreib etwas"}],
        "safety_identifier": "ws_1",
    });
    let answer = expect(completion(&world, &body), 200).await;
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["role"]),
        (&json!("stop"), &json!("assistant"))
    );
    let text = choice["message"]["content"].clone();
    let schema = json!({"type": "object", "properties": {"line": {"type": "string"}}});
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let answer = expect(completion(&world, &body), 200).await;
    let content = answer["choices"][0]["message"]["content"].as_str().expect("a text");
    assert_eq!(serde_json::from_str::<Value>(content).expect("JSON"), json!({"line": text}));
    assert_eq!(world.summary().effects_by_subject["openai.complete_chat"]["ws_1"], 2);
}

#[tokio::test]
async fn openais_errors_name_their_code() {
    let world = World::start().await;
    let error = expect(completion(&world, &json!({"model": "gpt-5-mini"})), 400).await;
    assert_eq!(error["error"]["param"], "messages");
    let url = format!("{}/models", world.sandbox.openai_url());
    let error = expect(world.client.get(&url).bearer_auth("wrong"), 401).await;
    assert_eq!(error["error"]["code"], "invalid_api_key");
    let key = &world.credentials.openai_key;
    let models = expect(world.client.get(&url).bearer_auth(key), 200).await;
    assert_eq!(models["object"], "list");
}
