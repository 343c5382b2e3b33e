//! WhatsApp's operations.

use autopilot_sandbox::{Credentials, Provider, Sandbox};
use autopilot_workflows::integrations::whatsapp::{
    Config, Content, PhoneNumberId, Recipient, WabaId, WhatsApp,
};

use crate::course::{Course, Problem};
use crate::rig::Rig;

/// Exercises every operation of the adapter; what did not go as it should.
pub(crate) async fn exercise(sandbox: &Sandbox, rig: &Rig) -> Result<Vec<String>, Problem> {
    let mut course = Course::new(sandbox, Provider::Whatsapp);
    let credentials = Credentials::default();
    let number: PhoneNumberId = credentials.whatsapp_phone_number_id.parse()?;
    let waba: WabaId = credentials.whatsapp_business_account_id.parse()?;
    let config = Config::new(credentials.whatsapp_token.into(), number.clone());
    let whatsapp = WhatsApp::new(Config { base_url: rig.url.clone(), ..config })?;
    course.both("ping", async || whatsapp.ping().await).await;
    course.both("phone_number", async || whatsapp.phone_number(&number).await).await;
    course.both("subscribe_app", async || whatsapp.subscribe_app(&waba).await).await;
    course.both("subscribed_apps", async || whatsapp.subscribed_apps(&waba).await).await;
    course.both("template", async || whatsapp.template(&waba, "hello", "de").await).await;
    let text = Content::Text { body: "Wann sehen wir dich?".to_owned() };
    let template = Content::Template {
        name: "hello".to_owned(),
        language: "de".to_owned(),
        variables: vec!["Anna".to_owned()],
    };
    for content in [text, template] {
        let to = Recipient::Number("491701234567");
        course.both("send", async || whatsapp.send(to, &content, "ws/1").await).await;
    }
    let to = Recipient::Person("DE.13491208655302741918");
    let bare = Content::Template {
        name: "hello".to_owned(),
        language: "de".to_owned(),
        variables: Vec::new(),
    };
    course.both("send", async || whatsapp.send(to, &bare, "ws/2").await).await;
    Ok(course.problems)
}
