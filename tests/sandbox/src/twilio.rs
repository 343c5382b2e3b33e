//! Twilio: subaccounts, API keys, numbers, the balance and regulatory bundles.
//!
//! There is no idempotency key: each POST that succeeds makes one more of its kind.

mod accounts;
mod bundles;
mod keys;
mod messages;
mod numbers;

use serde_json::{Value, json};

pub(crate) use accounts::Account;
pub(crate) use bundles::Bundle;
pub use bundles::BundleStatus;
pub(crate) use messages::Direction;
use numbers::Number;

use crate::Options;
use crate::exchange::{Answer, Exchange, Route};
use crate::state::State;

/// Everything that Twilio remembers. The first account is the main one.
#[derive(Debug)]
pub(crate) struct TwilioState {
    pub(crate) balance: String,
    main: Account,
    subaccounts: Vec<Account>,
    subaccount_limit: usize,
    numbers: Vec<Number>,
    /// Where the next search begins: Twilio, too, offers each caller other numbers.
    search_cursor: u32,
    bundles: Vec<Bundle>,
    messages: Vec<Value>,
}

impl TwilioState {
    pub(crate) fn new(options: &Options) -> Self {
        let credentials = &options.credentials;
        Self {
            balance: "250.00".into(),
            main: Account::main(&credentials.twilio_account_sid, &credentials.twilio_auth_token),
            subaccounts: Vec::new(),
            subaccount_limit: options.subaccount_limit,
            numbers: Vec::new(),
            search_cursor: 0,
            bundles: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// What was given out as secret to subaccounts.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.subaccounts.iter().flat_map(Account::secrets).collect()
    }

    /// Creates the bundle, or moves it on.
    pub(crate) fn put_bundle(&mut self, sid: Option<String>, status: BundleStatus) -> Value {
        bundles::put(self, sid, status)
    }

    /// A message comes in for an account or goes out from it, and nobody is told.
    pub(crate) fn put_message(
        &mut self,
        direction: Direction,
        sid: &str,
        account: &str,
        from: &str,
        body: &str,
    ) {
        messages::put(self, direction, sid, account, from, body);
    }

    /// There is no such subaccount any more.
    pub(crate) fn forget_account(&mut self, sid: &str) {
        self.subaccounts.retain(|account| account.sid != sid);
    }

    fn account(&self, sid: &str) -> Option<&Account> {
        std::iter::once(&self.main).chain(&self.subaccounts).find(|account| account.sid == sid)
    }

    fn account_mut(&mut self, sid: &str) -> Option<&mut Account> {
        std::iter::once(&mut self.main)
            .chain(&mut self.subaccounts)
            .find(|account| account.sid == sid)
    }
}

enum Call<'a> {
    CreateAccount,
    ListAccounts,
    Account(&'a str),
    UpdateAccount(&'a str),
    CreateKey(&'a str),
    ListKeys(&'a str),
    DeleteKey(&'a str, &'a str),
    SearchNumbers(&'a str, &'a str),
    BuyNumber(&'a str),
    ListNumbers(&'a str),
    Number(&'a str, &'a str),
    UpdateNumber(&'a str, &'a str),
    ReleaseNumber(&'a str, &'a str),
    Balance(&'a str),
    Messages(&'a str),
    Bundle(&'a str),
    Unknown,
}

impl<'a> Call<'a> {
    fn of(request: &'a Exchange) -> Self {
        let segments = request.segments();
        match segments.as_slice() {
            ["v2", "RegulatoryCompliance", "Bundles", sid] if request.method == "GET" => {
                Self::Bundle(sid)
            }
            ["2010-04-01", parts @ .., last] => match last.strip_suffix(".json") {
                Some(last) => Self::of_2010(request.method.as_str(), parts, last),
                None => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// `last` is the path's last part without `.json`.
    fn of_2010(method: &str, parts: &[&'a str], last: &'a str) -> Self {
        match (method, parts, last) {
            ("POST", [], "Accounts") => Self::CreateAccount,
            ("GET", [], "Accounts") => Self::ListAccounts,
            ("GET", ["Accounts"], sid) => Self::Account(sid),
            ("POST", ["Accounts"], sid) => Self::UpdateAccount(sid),
            ("POST", ["Accounts", sid], "Keys") => Self::CreateKey(sid),
            ("GET", ["Accounts", sid], "Keys") => Self::ListKeys(sid),
            ("DELETE", ["Accounts", sid, "Keys"], key) => Self::DeleteKey(sid, key),
            ("GET", ["Accounts", sid, "AvailablePhoneNumbers", country], "Local") => {
                Self::SearchNumbers(sid, country)
            }
            ("POST", ["Accounts", sid], "IncomingPhoneNumbers") => Self::BuyNumber(sid),
            ("GET", ["Accounts", sid], "IncomingPhoneNumbers") => Self::ListNumbers(sid),
            ("GET", ["Accounts", sid, "IncomingPhoneNumbers"], number) => Self::Number(sid, number),
            ("POST", ["Accounts", sid, "IncomingPhoneNumbers"], number) => {
                Self::UpdateNumber(sid, number)
            }
            ("DELETE", ["Accounts", sid, "IncomingPhoneNumbers"], number) => {
                Self::ReleaseNumber(sid, number)
            }
            ("GET", ["Accounts", sid], "Balance") => Self::Balance(sid),
            ("GET", ["Accounts", sid], "Messages") => Self::Messages(sid),
            _ => Self::Unknown,
        }
    }

    /// The operation's name, and the account in the path.
    fn describe(&self) -> (&'static str, Option<&'a str>) {
        match self {
            Self::CreateAccount => ("twilio.create_subaccount", None),
            Self::ListAccounts => ("twilio.list_accounts", None),
            Self::Account(sid) => ("twilio.get_account", Some(sid)),
            Self::UpdateAccount(sid) => ("twilio.update_account", Some(sid)),
            Self::CreateKey(sid) => ("twilio.create_key", Some(sid)),
            Self::ListKeys(sid) => ("twilio.list_keys", Some(sid)),
            Self::DeleteKey(sid, _) => ("twilio.delete_key", Some(sid)),
            Self::SearchNumbers(sid, _) => ("twilio.search_numbers", Some(sid)),
            Self::BuyNumber(sid) => ("twilio.buy_number", Some(sid)),
            Self::ListNumbers(sid) => ("twilio.list_numbers", Some(sid)),
            Self::Number(sid, _) => ("twilio.get_number", Some(sid)),
            Self::UpdateNumber(sid, _) => ("twilio.update_number", Some(sid)),
            Self::ReleaseNumber(sid, _) => ("twilio.release_number", Some(sid)),
            Self::Balance(sid) => ("twilio.get_balance", Some(sid)),
            Self::Messages(sid) => ("twilio.list_messages", Some(sid)),
            Self::Bundle(_) => ("twilio.get_bundle", None),
            Self::Unknown => ("twilio.unknown", None),
        }
    }
}

pub(crate) fn route(state: &State, request: &Exchange) -> Route {
    let (operation, account) = Call::of(request).describe();
    let named = request.form("FriendlyName").or_else(|| request.query("FriendlyName"));
    let owner = account.and_then(|sid| state.twilio.account(sid));
    Route::new(operation).subject(named.or(owner.map(|owner| owner.friendly_name.as_str())))
}

pub(crate) fn answer(state: &mut State, request: &Exchange) -> Answer {
    let call = Call::of(request);
    execute(&mut state.twilio, request, &call).unwrap_or_else(|refusal| refusal)
}

fn execute(
    twilio: &mut TwilioState,
    request: &Exchange,
    call: &Call<'_>,
) -> Result<Answer, Answer> {
    let caller = accounts::authenticate(twilio, request)?;
    if request.has_foreign_body() {
        let message = "The body must be a form (application/x-www-form-urlencoded).";
        return Err(error(415, 20415, message));
    }
    if let (_, Some(sid)) = call.describe() {
        accounts::authorize(twilio, &caller, sid)?;
    }
    match call {
        Call::CreateAccount => accounts::create(twilio, &caller, request),
        Call::ListAccounts => accounts::list(twilio, &caller, request),
        Call::Account(sid) => accounts::get(twilio, sid),
        Call::UpdateAccount(sid) => accounts::update(twilio, sid, request),
        Call::CreateKey(sid) => keys::create(twilio, sid, request),
        Call::ListKeys(sid) => keys::list(twilio, sid, request),
        Call::DeleteKey(sid, key) => keys::delete(twilio, sid, key),
        Call::SearchNumbers(sid, country) => numbers::search(twilio, sid, country, request),
        Call::BuyNumber(sid) => numbers::buy(twilio, sid, request),
        Call::ListNumbers(sid) => numbers::list(twilio, sid, request),
        Call::Number(sid, number) => numbers::get(twilio, sid, number),
        Call::UpdateNumber(sid, number) => numbers::update(twilio, sid, number, request),
        Call::ReleaseNumber(sid, number) => numbers::release(twilio, sid, number),
        Call::Balance(sid) => accounts::balance(twilio, sid),
        Call::Messages(sid) => messages::list(twilio, sid, request),
        Call::Bundle(sid) => bundles::get(twilio, sid),
        Call::Unknown => Err(not_found(&request.path)),
    }
}

/// The error that Twilio answers with this status.
pub(crate) fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, 20003, "Authenticate"),
        429 => error(429, 20429, "Too Many Requests"),
        _ => error(status, 20500, "A failure that a script asked for."),
    }
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({"code": code, "message": message, "more_info": more_info, "status": status});
    Answer::json(status, body)
}

fn not_found(what: &str) -> Answer {
    error(404, 20404, &format!("The requested resource {what} was not found"))
}

/// A list as Twilio pages it.
fn page(request: &Exchange, member: &'static str, items: &[Value]) -> Result<Answer, Answer> {
    let number = |name, default| match request.query(name).map(str::parse::<usize>) {
        None => Ok(default),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(error(400, 20006, &format!("{name} must be a whole number"))),
    };
    let (page, size) = (number("Page", 0)?, number("PageSize", 50)?.clamp(1, 1000));
    let start = page.saturating_mul(size);
    let shown: Vec<&Value> = items.iter().skip(start).take(size).collect();
    let end = start + shown.len().saturating_sub(1);
    // The links keep the filters: a page that forgot them would show what nobody asked for.
    let filters: String = request
        .query
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "Page" | "PageSize" | "PageToken"))
        .map(|(name, value)| format!("{name}={}&", percent_encode(value)))
        .collect();
    let uri = |page| format!("{}?{filters}PageSize={size}&Page={page}", request.path);
    let next = (start.saturating_add(size) < items.len()).then(|| uri(page + 1));
    let body = json!({
        member: shown, "page": page, "page_size": size, "start": start, "end": end,
        "uri": uri(page), "first_page_uri": uri(0), "next_page_uri": next,
        "previous_page_uri": page.checked_sub(1).map(uri),
    });
    Ok(Answer::json(200, body))
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
