//! Step 6: what the coach starts with. What the studio has changed since is left alone.

use autopilot_engine::{Result, WorkspaceId};
use chrono::NaiveTime;
use sqlx::PgConnection;

use crate::state::ai_rules::{self, AiRule};
use crate::state::coach_settings::{self, CoachSettings};
use crate::tenancy::Tenant;

/// The rules of every new studio: name, instruction.
const RULES: [(&str, &str); 3] = [
    (
        "stay_with_the_studio",
        "Write only about training, courses, opening hours and membership of this studio. Decline everything else in one friendly sentence.",
    ),
    (
        "no_medical_advice",
        "Give no medical advice and no diagnosis. With pain, injury or illness, recommend a doctor and offer to ask a trainer to call back.",
    ),
    (
        "respect_a_no",
        "When a member wants no more messages, confirm it in one sentence and write nothing further.",
    ),
];

/// Seeds the rules and the coach's defaults, disabled until the studio enables it.
pub(super) async fn seed(conn: &mut PgConnection, workspace: WorkspaceId) -> Result {
    let mut tenant = Tenant::enter(conn, workspace).await?;
    let present = ai_rules::list(&mut tenant).await?;
    for (position, (name, prompt)) in (1..).zip(RULES) {
        if present.iter().all(|rule| rule.name != name) {
            let rule = AiRule {
                name: name.to_owned(),
                enabled: true,
                prompt: prompt.to_owned(),
                position,
            };
            ai_rules::upsert(&mut tenant, &rule).await?;
        }
    }
    if coach_settings::get(&mut tenant).await?.is_none() {
        coach_settings::upsert(&mut tenant, &defaults()).await?;
    }
    tenant.finish().await?;
    Ok(())
}

fn defaults() -> CoachSettings {
    let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
    CoachSettings {
        enabled: false,
        language: "de".to_owned(),
        tone: "warm, short, motivating; address the member informally".to_owned(),
        window_start: hour(9),
        window_end: hour(18),
        time_zone: "Europe/Berlin".to_owned(),
    }
}
