//! Requests that a description refuses, made of one that it allows.
//!
//! Prism skips without a word what it cannot compile. So of each operation every parameter whose value is described is
//! given a wrong one, and each must be refused: an operation of which nothing is checked is found out.

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use crate::description::{Description, Operation};
use crate::journal::Sent;
use crate::relay::{is_form, lie};

/// No number, no yes or no, no member of any list, and of no pattern.
const WRONG: &str = "not+one";

/// A request with one mistake.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) what: String,
    pub(crate) sent: Sent,
}

/// What can be done wrong about a request that is right.
pub(crate) fn mistakes(
    description: &Description,
    operation: &Operation,
    right: &Sent,
) -> Vec<Mistake> {
    let mut mistakes = vec![anonymous(right)];
    for parameter in &operation.parameters {
        let name = &parameter.name;
        match parameter.place.as_str() {
            "path" if description.is_described(&parameter.schema) => {
                mistakes.extend(in_path(operation, right, name));
            }
            "query" if description.is_described(&parameter.schema) => {
                mistakes.push(in_query(right, name, true));
            }
            "query" if parameter.required => mistakes.push(in_query(right, name, false)),
            _ => {}
        }
    }
    if let Some(body) = &operation.body {
        if is_form(&right.headers) {
            let described = description.described_properties(&body.schema);
            mistakes.extend(described.iter().map(|name| in_form(right, name)));
            mistakes.push(as_json(right));
        } else if let Ok(truth) = serde_json::from_slice::<Value>(&right.body)
            && truth.as_object().is_some_and(|members| !members.is_empty())
        {
            let body = lie(truth).to_string().into();
            mistakes.push(Mistake {
                what: "a body of other types".to_owned(),
                sent: Sent { body, ..right.clone() },
            });
        }
    }
    mistakes
}

fn anonymous(right: &Sent) -> Mistake {
    let mut sent = right.clone();
    sent.headers.remove(AUTHORIZATION);
    Mistake { what: "no credentials".to_owned(), sent }
}

fn in_path(operation: &Operation, right: &Sent, name: &str) -> Option<Mistake> {
    let placeholder = format!("{{{name}}}");
    let place = operation.path.iter().position(|part| part.contains(&placeholder))?;
    let pattern = operation.path.get(place)?;
    let (path, query) = right.path_and_query();
    let mut parts: Vec<String> =
        path.trim_start_matches('/').split('/').map(ToOwned::to_owned).collect();
    *parts.get_mut(place)? = pattern.replace(&placeholder, "wrong");
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let path = format!("/{}{query}", parts.join("/"));
    Some(Mistake {
        what: format!("a wrong {name} in the path"),
        sent: Sent { path, ..right.clone() },
    })
}

/// With a wrong value, or without the parameter.
fn in_query(right: &Sent, name: &str, wrong: bool) -> Mistake {
    let (path, query) = right.path_and_query();
    let path = format!("{path}?{}", with(query, name, wrong.then_some(WRONG)));
    let what = if wrong { format!("a wrong {name}") } else { format!("no {name}") };
    Mistake { what, sent: Sent { path, ..right.clone() } }
}

fn in_form(right: &Sent, name: &str) -> Mistake {
    let form = String::from_utf8_lossy(&right.body);
    let body = with(&form, name, Some(WRONG)).into();
    Mistake { what: format!("a wrong {name} in the form"), sent: Sent { body, ..right.clone() } }
}

/// The parameters with this value of one, or without it.
fn with(parameters: &str, name: &str, value: Option<&str>) -> String {
    let own = format!("{name}=");
    let others = parameters.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with(&own));
    let added = value.map(|value| format!("{own}{value}"));
    others.map(ToOwned::to_owned).chain(added).collect::<Vec<_>>().join("&")
}

fn as_json(right: &Sent) -> Mistake {
    let mut sent = Sent { body: "{}".into(), ..right.clone() };
    sent.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Mistake { what: "JSON instead of a form".to_owned(), sent }
}
