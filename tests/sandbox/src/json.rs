//! Reading members of JSON that may lack them.

use serde_json::Value;

/// The text at a JSON pointer such as `/metadata/workspace_id`.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The value at a JSON pointer, or null.
pub(crate) fn member<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
