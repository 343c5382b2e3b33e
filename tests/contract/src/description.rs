//! A provider's official description, as far as we look into it ourselves: which operation a request is for, and whether
//! the description knows every parameter that it brings.
//!
//! Prism reads known parameters only, so a misspelt one passes it; here it does not.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescriptionError {
    /// The program that reads YAML did not start.
    #[error("cannot run node to read {}: {source}", path.display())]
    Node {
        /// The description's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what we expect.
    #[error("{} is no description: {problem}", path.display())]
    Unreadable {
        /// The description's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The operations of one description.
#[derive(Debug)]
pub(crate) struct Description {
    whole: Value,
    operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// As people write it: `POST /v1/customers`.
    pub(crate) name: String,
    method: String,
    pub(crate) path: Vec<String>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
}

/// A parameter of a path, a query or the headers.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

/// What a request brings.
#[derive(Debug)]
pub(crate) struct Body {
    is_form: bool,
    pub(crate) schema: Value,
}

impl Description {
    /// Reads a description, which is YAML, by way of the program beside Prism.
    pub(crate) fn read(path: &Path, node: &Path) -> Result<Self, DescriptionError> {
        let output = Command::new("node")
            .arg(node.join("as-json.mjs"))
            .arg(path)
            .output()
            .map_err(|source| DescriptionError::Node { path: path.to_owned(), source })?;
        let unreadable = |problem| DescriptionError::Unreadable { path: path.to_owned(), problem };
        if !output.status.success() {
            return Err(unreadable(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let whole = serde_json::from_slice(&output.stdout)
            .map_err(|error| unreadable(error.to_string()))?;
        let operations = operations(&whole);
        if operations.is_empty() {
            return Err(unreadable("it has no operation".to_owned()));
        }
        Ok(Self { whole, operations })
    }

    /// The operation that a request is for.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let fits = |operation: &&Operation| operation.method == method && operation.is_at(path);
        // Of several the one with the fewest placeholders: `/search` is no id.
        self.operations.iter().filter(fits).min_by_key(|operation| operation.placeholders())
    }

    /// The parameters of a query that the operation does not have.
    pub(crate) fn unknown_in_query<'p>(
        &self,
        operation: &Operation,
        names: impl Iterator<Item = &'p str>,
    ) -> Vec<String> {
        let known = |name: &str| {
            let steps = steps(name);
            operation.parameters.iter().filter(|known| known.place == "query").any(|known| {
                steps.split_first().is_some_and(|(first, rest)| {
                    known.name == *first && self.admits(&known.schema, rest)
                })
            })
        };
        names.filter(|name| !known(name)).map(ToOwned::to_owned).collect()
    }

    /// The parameters of a form that the operation does not have.
    pub(crate) fn unknown_in_form<'p>(
        &self,
        operation: &Operation,
        names: impl Iterator<Item = &'p str>,
    ) -> Vec<String> {
        let form = operation.body.as_ref().filter(|body| body.is_form);
        let known = |name: &str| form.is_some_and(|form| self.admits(&form.schema, &steps(name)));
        names.filter(|name| !known(name)).map(ToOwned::to_owned).collect()
    }

    /// Whether a value of this schema may have what lies at `steps`.
    fn admits(&self, schema: &Value, steps: &[&str]) -> bool {
        let schema = self.resolved(schema);
        let Some((first, rest)) = steps.split_first() else { return true };
        let branches = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .filter_map(|branch| schema.get(branch).and_then(Value::as_array))
            .flatten();
        if branches.into_iter().any(|branch| self.admits(branch, steps)) {
            return true;
        }
        if let Some(property) = schema.get("properties").and_then(|all| all.get(first)) {
            return self.admits(property, rest);
        }
        if let Some(items) = schema.get("items")
            && first.bytes().all(|byte| byte.is_ascii_digit())
        {
            return self.admits(items, rest);
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(open)) => *open,
            Some(values) => self.admits(values, rest),
            None => false,
        }
    }

    /// Whether not every text is a value of this schema.
    pub(crate) fn is_described(&self, schema: &Value) -> bool {
        let schema = self.resolved(schema);
        let kind = schema.get("type").and_then(Value::as_str);
        matches!(kind, Some("integer" | "number" | "boolean"))
            || ["enum", "pattern"].iter().any(|rule| schema.get(rule).is_some())
    }

    /// The properties of an object's schema of which not every text is a value.
    pub(crate) fn described_properties(&self, schema: &Value) -> Vec<String> {
        let properties = self.resolved(schema).get("properties").and_then(Value::as_object);
        let described = properties.into_iter().flatten().filter(|(_, one)| self.is_described(one));
        described.map(|(name, _)| name.clone()).collect()
    }

    fn resolved<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let mut schema = schema;
        while let Some(target) = schema.get("$ref").and_then(Value::as_str)
            && let Some(found) = self.whole.pointer(target.trim_start_matches('#'))
        {
            schema = found;
        }
        schema
    }
}

impl Operation {
    fn is_at(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        parts.len() == self.path.len()
            && self.path.iter().zip(parts).all(|(pattern, part)| fits(pattern, part))
    }

    fn placeholders(&self) -> usize {
        self.path.iter().filter(|part| part.contains('{')).count()
    }
}

/// Whether a part of a path is what the description has there: `{Sid}.json` is any id with that ending.
fn fits(pattern: &str, part: &str) -> bool {
    match (pattern.split_once('{'), pattern.split_once('}')) {
        (Some((before, _)), Some((_, after))) => part
            .strip_prefix(before)
            .and_then(|part| part.strip_suffix(after))
            .is_some_and(|id| !id.is_empty()),
        _ => pattern == part,
    }
}

/// `items[0][price]` is `items`, `0`, `price`.
fn steps(name: &str) -> Vec<&str> {
    name.split(['[', ']']).filter(|step| !step.is_empty()).collect()
}

fn operations(whole: &Value) -> Vec<Operation> {
    let paths = whole.get("paths").and_then(Value::as_object);
    let mut operations = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        let shared = item.get("parameters").and_then(Value::as_array);
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let own = operation.get("parameters").and_then(Value::as_array);
            let parameters = shared.into_iter().chain(own).flatten();
            let method = method.to_uppercase();
            operations.push(Operation {
                name: format!("{method} {path}"),
                method,
                path: path.trim_start_matches('/').split('/').map(ToOwned::to_owned).collect(),
                parameters: parameters.filter_map(|one| parameter(whole, one)).collect(),
                body: operation.get("requestBody").and_then(body),
            });
        }
    }
    operations
}

fn parameter(whole: &Value, parameter: &Value) -> Option<Parameter> {
    let parameter = match parameter.get("$ref").and_then(Value::as_str) {
        Some(target) => whole.pointer(target.trim_start_matches('#'))?,
        None => parameter,
    };
    let text = |name: &str| parameter.get(name)?.as_str().map(ToOwned::to_owned);
    Some(Parameter {
        name: text("name")?,
        place: text("in")?,
        required: parameter.get("required").and_then(Value::as_bool).unwrap_or(false),
        schema: parameter.get("schema").cloned().unwrap_or_default(),
    })
}

fn body(body: &Value) -> Option<Body> {
    let content: &Map<String, Value> = body.get("content")?.as_object()?;
    let (kind, described) = content.iter().next()?;
    Some(Body {
        is_form: kind == "application/x-www-form-urlencoded",
        schema: described.get("schema").cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
