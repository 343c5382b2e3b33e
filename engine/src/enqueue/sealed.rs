//! Payloads that are sealed: what the database, its dumps and the command line hold of them tells nothing.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::NewJob;
use crate::failure::Failure;
use crate::ids::WorkspaceId;
use crate::secrets::{Place, Vault, VaultError, no_keyring};

/// What a sealed payload begins and ends with where it is stored: it is JSON like any other.
const BEGIN: &str = "{\"$sealed\":\"";
const END: &str = "\"}";

impl NewJob {
    /// Seals the payload of a job whose kind is [`SEALED`](crate::Job::SEALED), which cannot be enqueued without; other jobs stay
    /// as they are. What a run spawns or enqueues and what a schedule makes is sealed by the worker.
    ///
    /// # Errors
    /// When the key of the job's workspace cannot be read, opened or made.
    pub async fn sealed(mut self, vault: &Vault) -> Result<Self, VaultError> {
        if self.open {
            self.payload = seal(vault, self.workspace, &self.kind, &self.payload).await?;
            self.open = false;
        }
        Ok(self)
    }
}

/// The same job, sealed where its kind is, by a process that may have no vault.
pub(crate) async fn sealed(job: NewJob, vault: Option<&Vault>) -> Result<NewJob, Failure> {
    if !job.open {
        return Ok(job);
    }
    Ok(Box::pin(job.sealed(vault.ok_or_else(no_keyring)?)).await?)
}

/// Whether a stored payload is sealed.
pub(crate) fn is_sealed(payload: &str) -> bool {
    payload.starts_with(BEGIN)
}

/// Seals a payload for jobs of this kind and workspace.
pub(crate) async fn seal(
    vault: &Vault,
    workspace: WorkspaceId,
    kind: &str,
    payload: &str,
) -> Result<String, VaultError> {
    let sealed = vault.seal(&place(workspace, kind), payload.as_bytes()).await?;
    Ok(format!("{BEGIN}{}{END}", STANDARD.encode(sealed)))
}

/// What was enqueued, of a payload that may be sealed. What opens it is boxed: every attempt asks, and few have something to open.
pub(crate) async fn unseal<'p>(
    vault: Option<&Vault>,
    workspace: WorkspaceId,
    kind: &str,
    payload: &'p str,
) -> Result<Cow<'p, str>, Failure> {
    let Some(sealed) = payload.strip_prefix(BEGIN) else { return Ok(Cow::Borrowed(payload)) };
    let vault = vault.ok_or_else(no_keyring)?;
    Ok(Cow::Owned(Box::pin(opened(vault, &place(workspace, kind), sealed)).await?))
}

/// What stands between a sealed payload's begin and its end.
async fn opened(vault: &Vault, place: &Place<'_>, sealed: &str) -> Result<String, VaultError> {
    let sealed = sealed.strip_suffix(END).and_then(|sealed| STANDARD.decode(sealed).ok());
    let sealed = sealed.ok_or_else(|| VaultError::Malformed { place: place.to_string() })?;
    let plain = vault.unseal(place, &sealed).await?;
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

/// A fork has the payload of another job, so the job's id is no part of it.
fn place(workspace: WorkspaceId, kind: &str) -> Place<'_> {
    Place { workspace, table: "engine.job", column: "payload", row: kind.into() }
}
