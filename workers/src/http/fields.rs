//! The fields of a request's body: each read with what it must be, everything that is wrong told at once.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::Problem;

/// The object of a body, field by field.
#[derive(Debug)]
pub(super) struct Fields {
    left: Map<String, Value>,
    errors: Vec<String>,
}

impl Fields {
    /// Reads a body. An empty one is an object without fields.
    ///
    /// # Errors
    /// 400 for what is not JSON, 422 for what is no object.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::of(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self::of(fields)),
            Ok(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            ) => Err(invalid(vec!["the body is not a JSON object".to_owned()])),
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    format!("The body is not JSON: {place}."),
                ))
            }
        }
    }

    /// Fields that came another way, such as a query.
    pub(super) const fn of(fields: Map<String, Value>) -> Self {
        Self { left: fields, errors: Vec::new() }
    }

    /// A text that must be there. `None` where it is not as it must be, which [`Self::finish`] tells.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.left.get(name).is_none_or(Value::is_null) {
            self.errors.push(format!("{name}: is missing"));
        }
        self.optional(name, parse)
    }

    /// A text that may be there; null is as good as absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match self.left.remove(name)? {
            Value::Null => return None,
            Value::String(text) => parse(&text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err("is not text".to_owned())
            }
        };
        parsed.map_err(|what| self.errors.push(format!("{name}: {what}"))).ok()
    }

    /// A whole number from 1 to `most` that may be there.
    pub(super) fn count(&mut self, name: &str, most: u32) -> Option<u32> {
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if number.is_none_or(|number| !(1..=most).contains(&number)) {
            self.errors.push(format!("{name}: is not a whole number from 1 to {most}"));
        }
        number
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 with everything that is wrong, fields that nobody asked for included: they are misspelt ones.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        self.errors.extend(self.left.keys().map(|name| format!("{name}: is not known here")));
        if self.errors.is_empty() { Ok(()) } else { Err(invalid(self.errors)) }
    }
}

/// 422 with these mistakes.
pub(super) fn invalid(errors: Vec<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request has fields that cannot be used.")
        .kind("urn:autopilot:invalid-fields", "Invalid fields")
        .errors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<i32, String> {
        text.parse().map_err(|_wrong| "is not a number".to_owned())
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut fields =
            Fields::read(br#"{"a": 1, "b": "x", "c": null, "n": 11, "typo": 1}"#).unwrap();
        assert_eq!(fields.required("a", number), None);
        assert_eq!(fields.optional("b", number), None);
        assert_eq!(fields.optional("c", number), None);
        assert_eq!(fields.required("d", number), None);
        assert_eq!(fields.count("m", 10), None);
        fields.count("n", 10);
        let problem = format!("{:?}", fields.finish().unwrap_err());
        for told in [
            "a: is not text",
            "b: is not a number",
            "d: is missing",
            "n: is not a whole",
            "typo: is not known",
        ] {
            assert!(problem.contains(told), "{told} in {problem}");
        }
        assert!(!problem.contains("c:") && !problem.contains("m:"), "{problem}");
    }

    #[test]
    fn what_is_right_is_read() {
        let mut fields = Fields::read(br#"{"a": "1", "n": 10}"#).unwrap();
        assert_eq!((fields.required("a", number), fields.count("n", 10)), (Some(1), Some(10)));
        fields.finish().unwrap();
        Fields::read(b"").unwrap().finish().unwrap();
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (body, status) in [(&b"{"[..], 400), (b"\xff", 400), (b"[]", 422), (b"null", 422)] {
            assert_eq!(Fields::read(body).unwrap_err().status(), status, "{body:?}");
        }
    }
}
