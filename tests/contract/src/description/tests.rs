use serde_json::json;

use super::*;

fn description() -> Description {
    let form = json!({
        "type": "object",
        "properties": {
            "limit": { "type": "integer" },
            "name": { "type": "string" },
            "items": { "type": "array", "items": { "$ref": "#/components/schemas/item" } },
            "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
            "either": { "anyOf": [{ "type": "string" }, { "properties": { "start": {} } }] }
        }
    });
    let whole = json!({
        "components": { "schemas": { "item": { "properties": { "price": { "type": "string" } } } } },
        "paths": {
            "/v1/things/{id}": { "get": {} },
            "/v1/things/search": {
                "parameters": [{ "name": "page", "in": "query", "required": true, "schema": { "enum": ["a"] } }],
                "get": {}
            },
            "/Accounts/{Sid}.json": {
                "post": { "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": form } } } }
            }
        }
    });
    Description { operations: operations(&whole), whole }
}

#[test]
fn an_operation_is_found_by_its_path_and_a_name_is_no_id() {
    let description = description();
    let name = |method: &str, path: &str| {
        description.operation(method, path).map(|operation| operation.name.clone())
    };
    assert_eq!(name("GET", "/v1/things/1").as_deref(), Some("GET /v1/things/{id}"));
    assert_eq!(name("GET", "/v1/things/search").as_deref(), Some("GET /v1/things/search"));
    assert_eq!(name("POST", "/Accounts/AC1.json").as_deref(), Some("POST /Accounts/{Sid}.json"));
    for (method, path) in [
        ("POST", "/v1/things/1"),
        ("GET", "/v1/things"),
        ("GET", "/v1/things/1/more"),
        ("POST", "/Accounts/.json"),
        ("POST", "/Accounts/AC1.xml"),
    ] {
        assert_eq!(name(method, path), None, "{method} {path}");
    }
}

#[test]
fn a_parameter_that_the_operation_does_not_have_is_told() {
    let description = description();
    let unknown = |names: &[&str]| {
        let operation = description.operation("POST", "/Accounts/AC1.json").unwrap();
        description.unknown_in_form(operation, names.iter().copied())
    };
    let known =
        ["limit", "name", "items[0][price]", "metadata[anything]", "either", "either[start]"];
    assert_eq!(unknown(&known), Vec::<String>::new());
    let wrong = ["Name", "limits", "items[0][prize]", "items[x][price]", "either[end]"];
    assert_eq!(unknown(&wrong), wrong);
    let search = description.operation("GET", "/v1/things/search").unwrap();
    assert_eq!(description.unknown_in_query(search, ["page", "pages"].into_iter()), ["pages"]);
    assert_eq!(description.unknown_in_form(search, ["page"].into_iter()), ["page"]);
}

#[test]
fn what_takes_every_text_is_not_described() {
    let description = description();
    let operation = description.operation("POST", "/Accounts/AC1.json").unwrap();
    let body = operation.body.as_ref().unwrap();
    assert_eq!(description.described_properties(&body.schema), ["limit"]);
}
