//! Studios that are provisioned at the same time do not touch each other.

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::Checkout;
use autopilot_tests::Studio;
use autopilot_workflows::state::{phone_numbers, twilio_accounts, workspaces};
use autopilot_workflows::tenancy::Tenant;

#[tokio::test]
async fn studios_provisioned_at_once_have_accounts_and_numbers_of_their_own_and_see_no_others() {
    let studio = Studio::new().await;
    let mut studios = vec![studio.workspace];
    studios.extend((0..5).map(|_| WorkspaceId::now_v7()));
    for workspace in &studios {
        let mut conn = studio.world.connect().await;
        workspaces::ensure(&mut conn, *workspace).await.unwrap();
        let _received = studio.checkout(&Checkout::new(workspace.to_string())).await;
    }
    studio.world.drain().await;
    assert_eq!(studio.world.count("engine.run_status WHERE status = 'completed'").await, 6);
    let summary = studio.summary().await;
    assert_eq!(summary.double_effects, []);
    assert_eq!(
        (summary.effects_of("twilio.create_subaccount"), summary.effects_of("twilio.buy_number")),
        (6, 6)
    );

    let vault = studio.world.vault.clone().unwrap();
    let sids = "SELECT account_sid FROM studio.twilio_account ORDER BY workspace_id";
    let mut seen = Vec::new();
    studios.sort();
    for workspace in &studios {
        let mut tenant = Tenant::begin(studio.world.pool(), *workspace).await.unwrap();
        seen.push(twilio_accounts::get(&mut tenant, &vault).await.unwrap().unwrap().account_sid);
        let others: Vec<String> = studio
            .world
            .texts(&format!(
                "SELECT sid FROM studio.phone_number WHERE workspace_id <> '{workspace}'"
            ))
            .await;
        assert_eq!(others.len(), 5);
        for sid in others {
            assert_eq!(phone_numbers::get(&mut tenant, &sid).await.unwrap(), None, "{sid}");
        }
        tenant.finish().await.unwrap();
    }
    assert_eq!(studio.world.texts(sids).await, seen);
    studio.finish().await;
}
