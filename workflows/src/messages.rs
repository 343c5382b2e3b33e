//! A message to a member: written down, sent at most once as far as anybody can know, and followed until it has arrived.
//!
//! WhatsApp has no idempotency key. So what is sent is written down first, its id goes with it, and where an answer was lost nothing
//! is sent again: WhatsApp's own statuses tell whether it went out. Where they say nothing, a person decides, or for a message that
//! nobody waits for, nothing more is done.

use std::time::Duration;

use autopilot_engine::{
    At, Class, Failure, Job, Limit, Result, Retry, Run, Step, Stop, Unique, Wait, WorkspaceId,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::App;
use crate::integrations::service::WHATSAPP;
use crate::integrations::whatsapp::{Accepted, Content, Meaning, Recipient, WhatsAppError};
use crate::state::contacts::Contact;
use crate::state::messages::{self, State};
use crate::state::routes::{self, Name};
use crate::state::{self, contacts};
use crate::tenancy::Tenant;

/// Sends one message to one member.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMessage {
    /// The studio that writes.
    pub workspace: WorkspaceId,
    /// The message's own id: the same one is sent once.
    pub id: Uuid,
    /// To whom.
    pub contact: Uuid,
    /// What.
    pub content: Content,
    /// What becomes of it if nobody can tell whether it was sent.
    pub if_unknown: IfUnknown,
}

/// What becomes of a message of which nobody can tell whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfUnknown {
    /// Nothing more: the next one will do. For what nobody waits for.
    Leave,
    /// It waits for a person, who knows or asks the member.
    Ask,
}

/// Free text is for a day from the member's last message; so much earlier we stop, for the call takes time as well.
const WINDOW: TimeDelta = TimeDelta::seconds(24 * 60 * 60 - 60);

/// How long WhatsApp's status is waited for of a message whose answer was lost.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// WhatsApp takes one message for one person in this time.
const PAIR: Duration = Duration::from_secs(6);

/// What was decided before anything was sent.
#[derive(Debug, Serialize, Deserialize)]
enum Decision {
    Send { wa_id: Option<String>, user_id: Option<String> },
    Withheld,
}

/// How the sending ended.
#[derive(Debug, Serialize, Deserialize)]
enum Sent {
    Accepted(Accepted),
    /// Known from its status only.
    Seen,
    Withheld {
        why: String,
        opted_out: bool,
    },
}

impl Job for SendMessage {
    type App = App;
    const KIND: &'static str = "message.send";
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(4)).cap(Duration::from_secs(600)).retries(8);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    fn unique(&self) -> Option<Unique> {
        Some(Unique::key(self.id.to_string()))
    }

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::rate(format!("whatsapp:{}", self.contact), 1, PAIR)]
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let decision = run.transact("decide", async |tx| self.decide(tx).await).await?;
        let Decision::Send { wa_id, user_id } = decision else { return Ok(()) };
        let to = match (&wa_id, &user_id) {
            (Some(number), _) => Recipient::Number(number),
            (None, Some(person)) => Recipient::Person(person),
            (None, None) => return Ok(()),
        };
        let lookup = async |at: At<'_, App>| self.look(at).await;
        let send = Step::named("send").calls(WHATSAPP);
        let sent = run.reconcile_once(send, lookup, async |at| self.send(at, to).await).await?;
        run.transact("keep", async |tx| self.keep(tx, &sent, to).await).await
    }
}

impl SendMessage {
    /// Writes the message down, unless it must not be sent.
    async fn decide(&self, tx: &mut PgConnection) -> Result<Decision> {
        let now = state::now(&mut *tx).await?;
        let mut tenant = Tenant::enter(tx, self.workspace).await?;
        let Some(contact) = contacts::get(&mut tenant, self.contact).await? else {
            tenant.finish().await?;
            return Err(Stop::Failed(Failure::new(
                Class::ConfigurationError,
                "contact_missing",
                format!("workspace {} has no contact {}", self.workspace, self.contact),
            )));
        };
        let content = serde_json::to_value(&self.content).unwrap_or_default();
        messages::intend(&mut tenant, self.id, self.contact, &content).await?;
        let decision = match refusal(&contact, &self.content, now) {
            Some(why) => {
                let why = json!({ "reason": why });
                messages::come_to(&mut tenant, self.id, State::Withheld, None, Some(&why)).await?;
                Decision::Withheld
            }
            None => Decision::Send { wa_id: contact.wa_id, user_id: contact.user_id },
        };
        tenant.finish().await?;
        Ok(decision)
    }

    async fn send(&self, at: At<'_, App>, to: Recipient<'_>) -> Result<Sent> {
        let Some(line) = at.app.whatsapp.as_ref() else {
            return Err(Stop::Failed(
                Failure::new(
                    Class::ConfigurationError,
                    "whatsapp_not_configured",
                    "nothing can be sent without WhatsApp",
                )
                .action("set WHATSAPP_API_TOKEN, WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_BUSINESS_ACCOUNT_ID, then `autopilot jobs retry`"),
            ));
        };
        if let Some(why) = self.refused_by_now(&at).await? {
            at.asked_nobody();
            return Ok(Sent::Withheld { why: why.to_owned(), opted_out: false });
        }
        let reference = messages::name(self.workspace, self.id);
        match line.client.send(to, &self.content, &reference).await {
            Ok(accepted) => Ok(Sent::Accepted(accepted)),
            Err(error) => match withheld(&error) {
                Some(opted_out) => Ok(Sent::Withheld { why: error.to_string(), opted_out }),
                None => Err(error.into()),
            },
        }
    }

    /// Why it must not be sent any more: it may have waited for long since that was decided, and the member have written STOP meanwhile.
    async fn refused_by_now(&self, at: &At<'_, App>) -> Result<Option<&'static str>> {
        let mut tx = at.begin().await?;
        let now = state::now(&mut tx).await?;
        let mut tenant = Tenant::enter(&mut tx, self.workspace).await?;
        let contact = contacts::get(&mut tenant, self.contact).await?;
        tenant.finish().await?;
        tx.commit().await?;
        Ok(match contact {
            Some(contact) => refusal(&contact, &self.content, now),
            None => Some("the member is not known any more"),
        })
    }

    /// What is known of a message that may have been sent: its status tells, sooner or later. It is never sent again by itself.
    async fn look(&self, at: At<'_, App>) -> Result<Option<Sent>> {
        at.asked_nobody();
        let mut tx = at.begin().await?;
        let now = state::now(&mut tx).await?;
        let mut tenant = Tenant::enter(&mut tx, self.workspace).await?;
        let known = messages::get(&mut tenant, self.id).await?;
        if known.is_none_or(|known| known.state != State::Intended) {
            return Ok(Some(Sent::Seen));
        }
        let since = messages::doubt(&mut tenant, self.id, now).await?;
        tenant.finish().await?;
        tx.commit().await?;
        let waited = (now - since).to_std().unwrap_or_default();
        if waited < PATIENCE {
            return Err(Stop::Waiting(Wait {
                event: status_event(self.workspace, self.id),
                look_again: PATIENCE.saturating_sub(waited),
                reason: "it is not known whether the message was sent; WhatsApp's status will tell"
                    .to_owned(),
            }));
        }
        match self.if_unknown {
            IfUnknown::Leave => Ok(Some(Sent::Withheld {
                why: "it is not known whether it was sent, and nobody waits for it".to_owned(),
                opted_out: false,
            })),
            IfUnknown::Ask => Err(Stop::Failed(
                Failure::new(
                    Class::UnknownOutcome,
                    "message_unknown",
                    format!("message {} may have been sent: its answer was lost, and no status has come for half an hour", self.id),
                )
                .action("ask the member, or look it up in WhatsApp Manager; then `autopilot runs resolve` with --done or --redo"),
            )),
        }
    }

    /// What came of it, and by which names its statuses and answers find their studio.
    async fn keep(&self, tx: &mut PgConnection, sent: &Sent, to: Recipient<'_>) -> Result {
        let now = state::now(&mut *tx).await?;
        let mut tenant = Tenant::enter(&mut *tx, self.workspace).await?;
        let (message_id, has_reached) = match sent {
            Sent::Accepted(accepted) => {
                let id = Some(accepted.message_id.as_str());
                messages::come_to(&mut tenant, self.id, State::Accepted, id, None).await?;
                (id, true)
            }
            Sent::Seen => (None, true),
            Sent::Withheld { why, opted_out } => {
                let why: Value = json!({ "reason": why });
                messages::come_to(&mut tenant, self.id, State::Withheld, None, Some(&why)).await?;
                if *opted_out {
                    contacts::opted_out(&mut tenant, self.contact, now).await?;
                }
                (None, false)
            }
        };
        tenant.finish().await?;
        if let Some(id) = message_id {
            routes::put(&mut *tx, Name::Message(id), self.workspace).await?;
        }
        // Whoever answers answers the studio that wrote last, and one whose message never went out did not write.
        if has_reached {
            let (Recipient::Number(whom) | Recipient::Person(whom)) = to;
            routes::put(tx, Name::Contact(whom), self.workspace).await?;
        }
        Ok(())
    }
}

/// The event that a message's status is.
pub(crate) fn status_event(workspace: WorkspaceId, id: Uuid) -> String {
    format!("whatsapp.status/{}", messages::name(workspace, id))
}

/// Why this must not be sent to this member now.
fn refusal(contact: &Contact, content: &Content, now: DateTime<Utc>) -> Option<&'static str> {
    if contact.opted_out_at.is_some() {
        return Some("the member wants no messages any more");
    }
    let is_open = contact.last_inbound_at.is_some_and(|last| now < last + WINDOW);
    match content {
        Content::Text { .. } if !is_open => {
            Some("the member has not written for a day: only an approved template may be sent")
        }
        Content::Text { .. } | Content::Template { .. } => None,
    }
}

/// Whether an error means that the message is not to be sent, rather than that something is wrong; and whether for good.
fn withheld(error: &WhatsAppError) -> Option<bool> {
    match error.meaning()? {
        Meaning::OptedOut => Some(true),
        Meaning::Withheld | Meaning::WindowClosed => Some(false),
        Meaning::Token
        | Meaning::Permission
        | Meaning::Throttled
        | Meaning::ThrottledForRecipient
        | Meaning::PoorQuality
        | Meaning::ThrottledRegistration
        | Meaning::Outage
        | Meaning::Maintenance
        | Meaning::Blocked
        | Meaning::BadRequest
        | Meaning::NotFound
        | Meaning::Payment
        | Meaning::TemplateUnusable
        | Meaning::Unreachable
        | Meaning::Unknown => None,
    }
}
