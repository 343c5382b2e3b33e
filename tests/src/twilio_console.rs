//! What a person sees and does at Twilio's own console, behind the autopilot's back.

use autopilot_sandbox::Credentials;
use reqwest::Method;
use serde_json::Value;

use crate::studio::Studio;

impl Studio {
    /// The studio's number, as Twilio has it.
    ///
    /// # Panics
    /// When it has none.
    pub async fn number(&self) -> Value {
        self.twilio(Method::GET, &self.number_path().await, &[]).await
    }

    /// Somebody changes where the studio's number reports to.
    ///
    /// # Panics
    /// When it has none.
    pub async fn tamper_with_the_number(&self, voice_url: &str) {
        let path = self.number_path().await;
        self.twilio(Method::POST, &path, &[("VoiceUrl", voice_url)]).await;
    }

    /// Somebody gives the studio's number another name.
    ///
    /// # Panics
    /// When it has none.
    pub async fn rename_the_number(&self, name: &str) {
        let path = self.number_path().await;
        self.twilio(Method::POST, &path, &[("FriendlyName", name)]).await;
    }

    /// Somebody buys a number under the studio's name.
    ///
    /// # Panics
    /// When the studio has no account, or the number cannot be had.
    pub async fn buy_a_number(&self) {
        let account =
            self.world.texts("SELECT account_sid FROM studio.twilio_account").await.concat();
        let (path, name) = (
            format!("{account}/IncomingPhoneNumbers.json"),
            format!("autopilot:ws:{}", self.workspace),
        );
        let order = [("PhoneNumber", "+14150009999"), ("FriendlyName", name.as_str())];
        self.twilio(Method::POST, &path, &order).await;
    }

    /// Somebody closes one of the Twilio accounts; its numbers are lost.
    ///
    /// # Panics
    /// When there is no such account.
    pub async fn close_account(&self, sid: &str) {
        let path = format!("{sid}.json");
        self.twilio(Method::POST, &path, &[("Status", "closed")]).await;
    }

    async fn number_path(&self) -> String {
        let sid: String = self.world.value("SELECT account_sid FROM studio.twilio_account").await;
        let number: String = self.world.value("SELECT sid FROM studio.phone_number").await;
        format!("{sid}/IncomingPhoneNumbers/{number}.json")
    }

    /// Calls Twilio as the main account, as a person at its console would.
    async fn twilio(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let credentials = Credentials::default();
        let url = format!("{}/2010-04-01/Accounts/{path}", self.sandbox.twilio_url());
        let request = reqwest::Client::new()
            .request(method, url)
            .basic_auth(credentials.twilio_account_sid, Some(credentials.twilio_auth_token));
        let request = if form.is_empty() { request } else { request.form(form) };
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        answer.expect("Twilio does it").json().await.expect("Twilio answers JSON")
    }
}
