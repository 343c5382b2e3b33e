//! With which token Twilio signs: that of the account that a request is about, which the request itself says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autopilot_engine::secrets::{Vault, VaultError};
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::state::routes::{self, Name};
use autopilot_workflows::state::{SealedError, twilio_accounts};
use autopilot_workflows::tenancy::Tenant;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::time::{Instant, error::Elapsed, timeout};

/// How long a token is used without a look: a token that was changed is believed after that, as soon as the database says so.
const FRESH: Duration = Duration::from_secs(60);

/// How long somebody whose older token is known waits for the database.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many are remembered at most, those that were looked up last; what a stranger names is not among them.
const MOST: usize = 50_000;

/// The tokens of our accounts; cheap to clone.
#[derive(Clone)]
pub(super) struct TwilioTokens(Arc<Parts>);

impl fmt::Debug for TwilioTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TwilioTokens(…)")
    }
}

struct Parts {
    main: Option<(String, SecretString)>,
    /// Without it no studio's own token can be read.
    vault: Option<Vault>,
    pool: PgPool,
    known: Mutex<HashMap<String, (Instant, SecretString)>>,
}

/// Why a token could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// It did not answer in time.
    #[error("no answer within {PATIENCE:?}")]
    Late(#[from] Elapsed),
    /// It is sealed and cannot be opened.
    #[error(transparent)]
    Sealed(#[from] SealedError),
}

impl LookupError {
    /// Whether somebody has erased the account's secrets: its token is believed no more.
    const fn is_of_the_erased(&self) -> bool {
        matches!(self, Self::Sealed(SealedError::Vault(VaultError::Erased { .. })))
    }
}

impl TwilioTokens {
    /// Of the main account, and of the studios' as they stand in the database.
    pub(super) fn new(
        main: Option<(String, SecretString)>,
        vault: Option<Vault>,
        pool: PgPool,
    ) -> Self {
        Self(Arc::new(Parts { main, vault, pool, known: Mutex::default() }))
    }

    /// Whether any request can be believed.
    pub(super) fn is_configured(&self) -> bool {
        self.0.main.is_some()
    }

    /// The token of an account, if the account is ours. While it cannot be looked up, as it was known last.
    pub(super) async fn of(&self, account: &str) -> Result<Option<SecretString>, LookupError> {
        if let Some((sid, token)) = &self.0.main
            && sid == account
        {
            return Ok(Some(token.clone()));
        }
        let Some((age, known)) = self.remembered(account) else {
            return self.look_up(account).await;
        };
        if age < FRESH {
            return Ok(Some(known));
        }
        match timeout(PATIENCE, self.look_up(account)).await.map_err(LookupError::from).flatten() {
            Ok(token) => Ok(token),
            Err(error) if error.is_of_the_erased() => {
                self.remember(account, None);
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, account, "an account's token could not be looked up; the last one counts");
                Ok(Some(known))
            }
        }
    }

    async fn look_up(&self, account: &str) -> Result<Option<SecretString>, LookupError> {
        let Parts { vault, pool, .. } = self.0.as_ref();
        let Some(vault) = vault else { return Ok(None) };
        let workspace = {
            let mut conn = pool.acquire().await?;
            routes::find(&mut conn, Name::Account(Provider::Twilio, account)).await?
        };
        let Some(workspace) = workspace else {
            self.remember(account, None);
            return Ok(None);
        };
        let mut tenant = Tenant::begin(pool, workspace).await?;
        let found = twilio_accounts::get(&mut tenant, vault).await?;
        tenant.finish().await?;
        let token =
            found.filter(|found| found.account_sid == account).map(|found| found.auth_token);
        self.remember(account, token.clone());
        Ok(token)
    }

    /// With its age.
    fn remembered(&self, account: &str) -> Option<(Duration, SecretString)> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(account).map(|(at, token)| (at.elapsed(), token.clone()))
    }

    fn remember(&self, account: &str, token: Option<SecretString>) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(account);
        let Some(token) = token else { return };
        if known.len() >= MOST
            && let Some(oldest) =
                known.iter().min_by_key(|(_, (at, _))| *at).map(|(account, _)| account.clone())
        {
            known.remove(&oldest);
        }
        known.insert(account.to_owned(), (Instant::now(), token));
    }
}
