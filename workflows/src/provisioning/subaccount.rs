//! Step 2: a Twilio account of the studio's own, with an API key, both sealed at rest.
//!
//! Twilio has no idempotency keys, so the name decides: whatever bears the studio's name is adopted, and only
//! where nothing does is anything created. An answer that was lost is healed by the next attempt's look-up.

use std::str::FromStr;

use autopilot_engine::secrets::Vault;
use autopilot_engine::{At, Class, Failure, Result, Stop};
use serde::{Deserialize, Serialize};

use super::friendly_name;
use super::purchase;
use crate::app::App;
use crate::integrations::twilio::{AccountSid, AccountStatus, Subaccount, Twilio};
use crate::state;
use crate::state::provider::Provider;
use crate::state::purchases::Goods;
use crate::state::routes;
use crate::state::twilio_accounts::{self, ApiKey, TwilioAccount};
use crate::tenancy::Tenant;

/// The studio's account.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) sid: AccountSid,
    /// How many more accounts bear the studio's name; anything but 0 is for a person to look at.
    pub(super) duplicates: usize,
}

pub(super) async fn ensure(at: At<'_, App>) -> Result<Account> {
    let Some(twilio) = at.app.twilio.as_ref() else {
        return Err(Stop::skip(
            "Twilio is not configured: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
        ));
    };
    let vault = at.vault().ok_or_else(|| Stop::Failed(no_keyring()))?;
    let kept = kept(&at, vault).await?;
    let (account, duplicates) = match usable(twilio, kept.as_ref()).await? {
        Some(account) => (account, 0),
        None => adopt_or_create(&at, twilio).await?,
    };
    let api_key = match kept.filter(|kept| kept.account_sid == account.sid.as_str()) {
        Some(TwilioAccount { api_key: Some(key), .. }) => key,
        Some(_) | None => new_key(&at, twilio, &account.sid).await?,
    };
    let sid = account.sid.clone();
    keep(&at, vault, account, api_key).await?;
    Ok(Account { sid, duplicates })
}

async fn kept(at: &At<'_, App>, vault: &Vault) -> Result<Option<TwilioAccount>> {
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let kept = twilio_accounts::get(&mut tenant, vault).await?;
    tenant.finish().await?;
    Ok(kept)
}

/// The account that we know already, if Twilio still has it and it is not closed.
async fn usable(twilio: &Twilio, kept: Option<&TwilioAccount>) -> Result<Option<Subaccount>> {
    let Some(kept) = kept else { return Ok(None) };
    let Ok(sid) = AccountSid::from_str(&kept.account_sid) else { return Ok(None) };
    let account = match twilio.subaccount(&sid).await {
        Ok(account) => account,
        // Closed ones are deleted after thirty days.
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match account.status {
        AccountStatus::Active => Ok(Some(account)),
        AccountStatus::Closed => Ok(None),
        AccountStatus::Suspended => Err(Stop::Failed(
            Failure::new(
                Class::ProvisioningError,
                "twilio_subaccount_suspended",
                format!("the studio's Twilio account {sid} is suspended"),
            )
            .action("reactivate it in the Twilio console, then `autopilot runs retry`"),
        )),
    }
}

async fn adopt_or_create(at: &At<'_, App>, twilio: &Twilio) -> Result<(Subaccount, usize)> {
    let name = friendly_name(at.workspace);
    let looked_at = state::now_of(at.pool).await?;
    if let Some(found) = twilio.find_subaccount(&name).await? {
        return Ok((found.oldest, found.duplicates));
    }
    let call = twilio.create_subaccount(&name);
    Ok((purchase::buy(at, Goods::TwilioAccount, looked_at, call).await??, 0))
}

/// A key's secret stands only in the answer that creates it, so keys whose secret was lost in a crash are deleted.
async fn new_key(at: &At<'_, App>, twilio: &Twilio, account: &AccountSid) -> Result<ApiKey> {
    let name = friendly_name(at.workspace);
    for orphan in twilio.list_keys(account, &name).await? {
        at.before_call().await?;
        twilio.delete_key(account, &orphan.sid).await?;
    }
    at.before_call().await?;
    let key = twilio.create_key(account, &name).await?;
    Ok(ApiKey { sid: key.sid.into(), secret: key.secret })
}

async fn keep(at: &At<'_, App>, vault: &Vault, account: Subaccount, api_key: ApiKey) -> Result {
    let row = TwilioAccount {
        account_sid: account.sid.into(),
        auth_token: account.auth_token,
        api_key: Some(api_key),
    };
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    twilio_accounts::upsert(&mut tenant, vault, &row).await?;
    tenant.finish().await?;
    // By it Twilio's callbacks find their studio, and the token that they are signed with.
    let provider = Provider::Twilio;
    routes::replace_account(&mut tx, provider, &row.account_sid, at.workspace).await?;
    tx.commit().await?;
    Ok(())
}

pub(crate) fn no_keyring() -> Failure {
    Failure::new(
        Class::ConfigurationError,
        "no_keyring",
        "credentials are kept sealed only, and there is no key to seal them with",
    )
    .action("set ENCRYPTION_KEY to id:key, the key from `openssl rand -base64 32`")
}
