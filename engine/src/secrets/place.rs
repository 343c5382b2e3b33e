//! Where a sealed value stands.

use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use super::VERSION;
use super::key::associated_data;
use crate::WorkspaceId;

/// The one place where a sealed value opens.
///
/// All of it is authenticated with the value, so a value copied elsewhere is refused, not decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant whose data key seals the value.
    pub workspace: WorkspaceId,
    /// The table, with its schema: `app.mailbox`.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What names the row within the workspace: its key, and whatever else must not be swapped under the value.
    /// It appears in errors, so it is never itself a secret.
    pub row: Cow<'a, str>,
}

impl Place<'_> {
    /// The associated data that binds a value to this place and to the data key that seals it.
    pub(super) fn associated_data(&self, data_key: Uuid) -> Vec<u8> {
        associated_data(&[
            &[VERSION],
            self.workspace.uuid().as_bytes(),
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            data_key.as_bytes(),
        ])
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workspace, table, column, row } = self;
        write!(f, "{table}.{column}, row `{row}`, workspace {workspace}")
    }
}
