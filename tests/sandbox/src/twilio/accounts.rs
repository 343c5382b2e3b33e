//! The main account and its subaccounts, and who may act for them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::keys::Key;
use super::{TwilioState, error, failure, not_found, page};
use crate::Provider;
use crate::exchange::{Answer, Exchange, Route};
use crate::ledger::{Entry, Kind};
use crate::state::fresh_id;

#[derive(Debug)]
pub(crate) struct Account {
    pub(super) sid: String,
    pub(super) friendly_name: String,
    pub(super) keys: Vec<Key>,
    owner: String,
    auth_token: String,
    status: Status,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Suspended,
    Closed,
}

impl Status {
    fn parse(text: &str) -> Result<Self, Answer> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "closed" => Ok(Self::Closed),
            _ => Err(error(400, 20001, "Status must be active, suspended or closed")),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

impl Account {
    pub(super) fn main(sid: &str, auth_token: &str) -> Self {
        Self::open(sid.to_owned(), sid, "Sandbox main account", auth_token.to_owned())
    }

    fn open(sid: String, owner: &str, friendly_name: &str, auth_token: String) -> Self {
        let now = Utc::now();
        Self {
            sid,
            friendly_name: friendly_name.to_owned(),
            keys: Vec::new(),
            owner: owner.to_owned(),
            auth_token,
            status: Status::Active,
            created: now,
            updated: now,
        }
    }

    fn render(&self) -> Value {
        let uri = |rest: &str| format!("/2010-04-01/Accounts/{}{rest}.json", self.sid);
        json!({
            "sid": self.sid, "owner_account_sid": self.owner, "friendly_name": self.friendly_name,
            "auth_token": self.auth_token, "status": self.status.as_str(), "type": "Full",
            "date_created": self.created.to_rfc2822(), "date_updated": self.updated.to_rfc2822(),
            "uri": uri(""), "subresource_uris": {
                "available_phone_numbers": uri("/AvailablePhoneNumbers"),
                "balance": uri("/Balance"),
                "incoming_phone_numbers": uri("/IncomingPhoneNumbers"),
                "keys": uri("/Keys"),
            },
        })
    }

    pub(super) fn effect(&self, operation: &'static str, detail: Value) -> Entry {
        Route::new(operation).subject(Some(self.friendly_name.as_str())).entry(
            Provider::Twilio,
            Kind::Effect,
            detail,
        )
    }

    /// What only whoever acts for it may know.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.auth_token.clone()).chain(self.keys.iter().map(Key::secret))
    }

    fn accepts(&self, user: &str, password: &str) -> bool {
        let token = user == self.sid && password == self.auth_token;
        token || self.keys.iter().any(|key| key.accepts(user, password))
    }
}

/// The SID of the account whose credentials came.
pub(super) fn authenticate(twilio: &TwilioState, request: &Exchange) -> Result<String, Answer> {
    let (user, password) = request.basic().ok_or_else(|| failure(401))?;
    std::iter::once(&twilio.main)
        .chain(&twilio.subaccounts)
        .find(|account| account.accepts(&user, &password))
        .map(|account| account.sid.clone())
        .ok_or_else(|| failure(401))
}

/// The main account may act for all, a subaccount for itself.
pub(super) fn authorize(twilio: &TwilioState, caller: &str, sid: &str) -> Result<(), Answer> {
    let is_main = caller == twilio.main.sid;
    if !is_main && caller != sid {
        return Err(failure(401));
    }
    twilio.account(sid).map(|_| ()).ok_or_else(|| not_found(&format!("/Accounts/{sid}")))
}

/// The account, if it may do something: a suspended or closed one may not.
pub(super) fn active<'a>(twilio: &'a TwilioState, sid: &str) -> Result<&'a Account, Answer> {
    let account = twilio.account(sid).ok_or_else(|| not_found(&format!("/Accounts/{sid}")))?;
    match account.status {
        Status::Active => Ok(account),
        Status::Suspended | Status::Closed => Err(error(403, 20005, "Account not active")),
    }
}

pub(super) fn create(
    twilio: &mut TwilioState,
    caller: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    if caller != twilio.main.sid {
        return Err(failure(401));
    }
    let open = twilio.subaccounts.iter().filter(|account| account.status != Status::Closed).count();
    if open >= twilio.subaccount_limit {
        let message = "Cannot create a new account: the maximum number of subaccounts is reached";
        return Err(error(400, 21480, message));
    }
    let name = request.form("FriendlyName").unwrap_or("SubAccount");
    let account = Account::open(fresh_id("AC"), &twilio.main.sid, name, fresh_id(""));
    let effect = account.effect("twilio.create_subaccount", json!({"sid": account.sid}));
    let answer = Answer::json(201, account.render()).effect(effect);
    twilio.subaccounts.push(account);
    Ok(answer)
}

pub(super) fn list(
    twilio: &TwilioState,
    caller: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    let status = request.query("Status").map(Status::parse).transpose()?;
    let accounts: Vec<Value> = std::iter::once(&twilio.main)
        .chain(&twilio.subaccounts)
        .filter(|account| caller == twilio.main.sid || caller == account.sid)
        .filter(|account| status.is_none_or(|status| account.status == status))
        .filter(|account| {
            request.query("FriendlyName").is_none_or(|name| account.friendly_name == name)
        })
        .map(Account::render)
        .collect();
    page(request, "accounts", &accounts)
}

pub(super) fn get(twilio: &TwilioState, sid: &str) -> Result<Answer, Answer> {
    let account = twilio.account(sid).ok_or_else(|| not_found(&format!("/Accounts/{sid}")))?;
    Ok(Answer::json(200, account.render()))
}

pub(super) fn update(
    twilio: &mut TwilioState,
    sid: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    let status = request.form("Status").map(Status::parse).transpose()?;
    let is_main = sid == twilio.main.sid;
    let account = twilio.account_mut(sid).ok_or_else(|| not_found(&format!("/Accounts/{sid}")))?;
    if account.status == Status::Closed {
        return Err(error(403, 20005, "A closed account stays closed"));
    }
    if is_main && status.is_some() {
        return Err(error(400, 20001, "The main account's status cannot be changed"));
    }
    if let Some(name) = request.form("FriendlyName") {
        account.friendly_name = name.to_owned();
    }
    account.status = status.unwrap_or(account.status);
    account.updated = Utc::now();
    let detail = json!({"sid": sid, "status": account.status.as_str()});
    let effect = account.effect("twilio.update_account", detail);
    let answer = Answer::json(200, account.render()).effect(effect);
    if status == Some(Status::Closed) {
        // The numbers of a closed account are lost.
        twilio.numbers.retain(|number| number.account != sid);
    }
    Ok(answer)
}

/// Only the main account has a balance.
pub(super) fn balance(twilio: &TwilioState, sid: &str) -> Result<Answer, Answer> {
    if sid != twilio.main.sid {
        return Err(not_found(&format!("/Accounts/{sid}/Balance")));
    }
    let body = json!({"account_sid": sid, "balance": twilio.balance, "currency": "EUR"});
    Ok(Answer::json(200, body))
}
