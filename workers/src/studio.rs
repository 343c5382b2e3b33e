//! What operators and the product itself ask of a studio: register it, describe it, provision it.
//!
//! HTTP and the command line share these. Each does its work in the caller's transaction and runs no workflow code.

use autopilot_engine::{EnqueueError, WorkspaceId};
use autopilot_workflows::integrations::phone::Country;
use autopilot_workflows::integrations::twilio::{AddressSid, BundleSid};
use autopilot_workflows::provisioning::{self, Triggered};
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::state::routes::{self, Name};
use autopilot_workflows::state::{profiles, workspaces};
use autopilot_workflows::tenancy::Tenant;
use autopilot_workflows::webhooks::route_again;
use sqlx::PgConnection;

/// What a studio says of itself. What is absent stays as it is, or takes its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) country: Option<Country>,
    pub(crate) locale: Option<String>,
    pub(crate) contact_email: Option<String>,
    pub(crate) twilio_address: Option<AddressSid>,
    pub(crate) twilio_bundle: Option<BundleSid>,
}

/// Registers the workspace; says whether it is new.
///
/// # Errors
/// The database's.
pub(crate) async fn register(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<bool, EnqueueError> {
    let known = workspaces::exists(&mut *conn, workspace).await?;
    workspaces::ensure(&mut *conn, workspace).await?;
    // Before anything else of it, as everybody does.
    workspaces::hold(&mut *conn, workspace).await?;
    if !known {
        // What came before may be of this workspace.
        route_again(conn).await?;
    }
    Ok(!known)
}

/// A connected account of Stripe's belongs to another studio, and an account never moves. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whose it is.
    pub(crate) owner: WorkspaceId,
}

/// A connected account of Stripe's is the studio's: its events are, from now on and also those that came before.
///
/// # Errors
/// The database's: among them a workspace that is not registered.
pub(crate) async fn connect(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    account: &str,
) -> Result<Result<(), Taken>, EnqueueError> {
    let name = Name::Account(Provider::Stripe, account);
    let owner = routes::claim(&mut *conn, name, workspace).await?;
    if owner != workspace {
        return Ok(Err(Taken { owner }));
    }
    route_again(conn).await?;
    Ok(Ok(()))
}

/// Writes down what the studio says of itself.
///
/// # Errors
/// The database's: among them a workspace that is not registered.
pub(crate) async fn describe(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    said: &Description,
    default_country: Country,
) -> Result<(), sqlx::Error> {
    let mut tenant = Tenant::enter(conn, workspace).await?;
    let known = profiles::get(&mut tenant).await?;
    let country = said.country.map(|country| country.to_string());
    let country = country
        .or_else(|| known.as_ref().map(|known| known.country.clone()))
        .unwrap_or_else(|| default_country.to_string());
    let locale = said.locale.clone().or_else(|| known.as_ref().map(|known| known.locale.clone()));
    let contact = said.contact_email.clone();
    let details = profiles::Details {
        name: said.name.clone(),
        locale: locale.unwrap_or_else(|| usual_locale(&country).to_owned()),
        country,
        contact_email: contact.or(known.map(|known| known.contact_email)).unwrap_or_default(),
    };
    profiles::upsert(&mut tenant, &details).await?;
    let address = said.twilio_address.as_ref().map(AddressSid::as_str);
    let bundle = said.twilio_bundle.as_ref().map(BundleSid::as_str);
    profiles::set_registration(&mut tenant, address, bundle).await?;
    tenant.finish().await
}

/// The language that a studio probably speaks which has not said.
fn usual_locale(country: &str) -> &'static str {
    match country {
        "DE" | "AT" | "CH" => "de-DE",
        _ => "en-US",
    }
}

/// Starts the studio's provisioning or joins the run under way, where what waits looks again at once; nothing for
/// a workspace that is not registered.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn provision(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<Triggered>, EnqueueError> {
    if workspaces::exists(&mut *conn, workspace).await? {
        Ok(Some(provisioning::trigger(conn, workspace, None).await?))
    } else {
        Ok(None)
    }
}
