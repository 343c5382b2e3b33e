//! `studio.health`: what was seen last of each part of a studio. It spans the workspaces: whoever looks at all of them enters none.
//!
//! It is written in the transaction of what it tells of: the end of a provisioning, its tests, a check.

use autopilot_engine::WorkspaceId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::workspaces::Workspace;
use crate::integrations::service::{SMTP, STRIPE, TWILIO, WHATSAPP};

/// A part of a studio.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Component {
    /// What the last provisioning left.
    Provisioning,
    /// Who pays.
    Stripe,
    /// Its telephone.
    Twilio,
    /// Its messages.
    Whatsapp,
    /// Its mail.
    Email,
}

impl Component {
    /// Those that are provided by somebody else.
    pub const INTEGRATIONS: [Self; 4] = [Self::Stripe, Self::Twilio, Self::Whatsapp, Self::Email];

    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Stripe => "stripe",
            Self::Twilio => "twilio",
            Self::Whatsapp => "whatsapp",
            Self::Email => "email",
        }
    }

    /// The part that stands and falls with a service; none with what no studio has for itself.
    #[must_use]
    pub fn of_service(service: &str) -> Option<Self> {
        match service {
            STRIPE => Some(Self::Stripe),
            TWILIO => Some(Self::Twilio),
            WHATSAPP => Some(Self::Whatsapp),
            SMTP => Some(Self::Email),
            _ => None,
        }
    }
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Standing {
    /// As it should.
    Working,
    /// Not as it should.
    Failing,
    /// Somebody else has to do something first.
    Waiting,
    /// It was never set up.
    NotSetUp,
}

impl Standing {
    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::NotSetUp => "not_set_up",
        }
    }
}

/// How bad something is; the worst is the greatest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Severity {
    /// Nothing has to be done.
    Info,
    /// Something does not work, or is about to stop working.
    Warning,
    /// The studio cannot do what it pays for.
    Critical,
}

impl Severity {
    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What is wrong with a part, if it is not nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// How bad it is.
    pub severity: Severity,
    /// What happens without anybody doing anything.
    pub next: String,
    /// What a person does: a command or a setting.
    pub action: String,
}

/// How a part was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The part.
    pub component: Component,
    /// How it stands.
    pub standing: Standing,
    /// One sentence for people: what works, or what does not and why.
    pub detail: String,
    /// What is wrong with it.
    pub wrong: Option<Wrong>,
}

impl Seen {
    /// A part that is as it should be.
    #[must_use]
    pub fn working(component: Component, detail: impl Into<String>) -> Self {
        Self { component, standing: Standing::Working, detail: detail.into(), wrong: None }
    }

    /// A part that is not.
    #[must_use]
    pub fn wrong(
        component: Component,
        standing: Standing,
        detail: impl Into<String>,
        wrong: Wrong,
    ) -> Self {
        Self { component, standing, detail: detail.into(), wrong: Some(wrong) }
    }

    /// Whether somebody or something has to do something about it.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.severity > Severity::Info)
    }
}

/// How a part was found, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What was found.
    pub seen: Seen,
    /// Since when it stands so.
    pub since: DateTime<Utc>,
    /// When it was looked at last.
    pub checked_at: DateTime<Utc>,
}

/// Writes down how parts of a studio were just found. Whether any of them stands otherwise than before.
///
/// # Errors
/// The database's.
pub async fn put(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    seen: &[Seen],
) -> Result<bool, sqlx::Error> {
    let texts = |of: fn(&Seen) -> String| seen.iter().map(of).collect::<Vec<String>>();
    let wrong = |of: fn(&Wrong) -> String| {
        seen.iter().map(|seen| seen.wrong.as_ref().map(of)).collect::<Vec<Option<String>>>()
    };
    let or_nothing =
        |texts: Vec<Option<String>>| texts.into_iter().map(Option::unwrap_or_default).collect();
    let (next, action): (Vec<String>, Vec<String>) = (
        or_nothing(wrong(|wrong| wrong.next.clone())),
        or_nothing(wrong(|wrong| wrong.action.clone())),
    );
    sqlx::query_file_scalar!(
        "src/state/health/put.sql",
        workspace.uuid(),
        &texts(|seen| seen.component.name().to_owned()),
        &texts(|seen| seen.standing.name().to_owned()),
        &wrong(|wrong| wrong.severity.name().to_owned()) as &[Option<String>],
        &texts(|seen| seen.detail.clone()),
        &next,
        &action
    )
    .fetch_one(conn)
    .await
}

/// Forgets what was told of a part, if that is still what is told of it.
///
/// # Errors
/// The database's.
pub async fn take_back(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    told: &Seen,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM studio.health WHERE workspace_id = $1 AND component = $2 AND detail = $3",
        workspace.uuid(),
        told.component.name(),
        told.detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was seen last of all parts of these workspaces.
///
/// # Errors
/// The database's.
pub async fn of(
    conn: &mut PgConnection,
    workspaces: &[WorkspaceId],
) -> Result<Vec<Kept>, sqlx::Error> {
    let ids: Vec<Uuid> = workspaces.iter().map(|workspace| workspace.uuid()).collect();
    let rows = sqlx::query_file!("src/state/health/of.sql", &ids).fetch_all(conn).await?;
    let kept = rows.into_iter().map(|row| Kept {
        workspace: row.workspace,
        seen: Seen {
            component: row.component,
            standing: row.standing,
            detail: row.detail,
            wrong: row.severity.map(|severity| Wrong {
                severity,
                next: row.next,
                action: row.action,
            }),
        },
        since: row.since,
        checked_at: row.checked_at,
    });
    Ok(kept.collect())
}

/// A workspace that something is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwell {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whether it is critical.
    pub is_critical: bool,
}

/// All workspaces whose parts do not all stand as they should.
///
/// # Errors
/// The database's.
pub async fn unwell(conn: &mut PgConnection) -> Result<Vec<Unwell>, sqlx::Error> {
    sqlx::query_file_as!(Unwell, "src/state/health/unwell.sql").fetch_all(conn).await
}

/// At most so many workspaces after this one, in the order of their ids.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut PgConnection,
    after: WorkspaceId,
    limit: u32,
) -> Result<Vec<Workspace>, sqlx::Error> {
    sqlx::query_file_as!(Workspace, "src/state/health/page.sql", after.uuid(), i64::from(limit))
        .fetch_all(conn)
        .await
}

/// How many workspaces there are.
///
/// # Errors
/// The database's.
pub async fn workspaces(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(sum(workspaces), 0)::bigint AS "workspaces!" FROM studio.workspace_tally"#
    )
    .fetch_one(conn)
    .await
}
