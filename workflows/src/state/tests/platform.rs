//! The tables that span the workspaces.

use std::time::Duration;

use autopilot_engine::{JobId, WorkspaceId};

use super::{database, workspace};
use crate::state::inbox::{self, EventState, Filter, Mark, NewEvent};
use crate::state::provider::Provider;
use crate::state::workspaces::{self, BindError};

#[tokio::test]
async fn a_customer_is_bound_once_and_never_moves() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut conn = db.pool().acquire().await.expect("a connection");
    for _ in 0..2 {
        workspaces::bind_customer(&mut conn, first, "cus_1").await.expect("bound");
    }
    let found = workspaces::by_stripe_customer(&mut conn, "cus_1").await.expect("read");
    assert_eq!(found, Some(first));
    assert_eq!(workspaces::by_stripe_customer(&mut conn, "cus_2").await.expect("read"), None);

    let moved = workspaces::bind_customer(&mut conn, second, "cus_1").await;
    assert!(matches!(moved, Err(BindError::OtherWorkspace { .. })), "{moved:?}");
    let replaced = workspaces::bind_customer(&mut conn, first, "cus_2").await;
    assert!(matches!(&replaced, Err(BindError::OtherCustomer { bound, .. }) if bound == "cus_1"));
    let missing = workspaces::bind_customer(&mut conn, WorkspaceId::now_v7(), "cus_3").await;
    assert!(matches!(missing, Err(BindError::NoWorkspace { .. })), "{missing:?}");

    assert!(workspaces::exists(&mut conn, first).await.expect("read"));
    assert!(!workspaces::exists(&mut conn, WorkspaceId::now_v7()).await.expect("read"));
    drop(conn);
    db.close().await;
}

#[tokio::test]
async fn of_two_workspaces_that_bind_one_customer_at_once_one_is_refused() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut one = db.pool().begin().await.expect("a transaction");
    let mut other = db.pool().acquire().await.expect("a connection");
    workspaces::bind_customer(&mut one, first, "cus_1").await.expect("bound");
    // Not committed, so the other does not see it and waits for it on the unique index.
    let (refused, committed) =
        tokio::join!(workspaces::bind_customer(&mut other, second, "cus_1"), one.commit());
    committed.expect("committed");
    assert!(matches!(refused, Err(BindError::OtherWorkspace { .. })), "{refused:?}");
    drop(other);
    db.close().await;
}

#[tokio::test]
async fn a_change_during_a_run_stays_due_after_the_run() {
    let db = database().await;
    let [first, second] = [workspace(&db).await, workspace(&db).await];
    let mut conn = db.pool().acquire().await.expect("a connection");
    assert_eq!(workspaces::mark_due(&mut conn, WorkspaceId::now_v7()).await.expect("read"), None);
    assert_eq!(workspaces::due_since(&mut conn, first).await.expect("read"), None);
    let mark = workspaces::mark_due(&mut conn, first).await.expect("marked").expect("exists");
    assert_eq!(workspaces::due_since(&mut conn, first).await.expect("read"), Some(mark));
    workspaces::mark_due(&mut conn, second).await.expect("marked");

    let changed = workspaces::mark_due(&mut conn, first).await.expect("marked").expect("exists");
    assert!(!workspaces::settle(&mut conn, first, mark, "completed").await.expect("written"));
    workspaces::record_outcome(&mut conn, second, "failed").await.expect("written");
    let due = workspaces::due(&mut conn, 10).await.expect("read");
    assert_eq!(workspaces::get(&mut conn, WorkspaceId::now_v7()).await.expect("read"), None);
    let seen = workspaces::get(&mut conn, first).await.expect("read").expect("exists");
    assert_eq!((seen.due_since, seen.last_outcome.as_deref()), (Some(changed), Some("completed")));
    let due: Vec<_> = due.iter().map(|d| (d.workspace, d.last_outcome.as_deref())).collect();
    assert_eq!(due, [(second, Some("failed")), (first, Some("completed"))]);
    assert_eq!(workspaces::due(&mut conn, 1).await.expect("read").len(), 1);

    assert!(workspaces::settle(&mut conn, first, changed, "completed").await.expect("written"));
    assert_eq!(workspaces::due(&mut conn, 10).await.expect("read").len(), 1);
    drop(conn);
    db.close().await;
}

#[tokio::test]
async fn a_later_change_has_a_later_mark_also_where_the_clock_of_a_new_primary_is_behind() {
    let db = database().await;
    let one = workspace(&db).await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    workspaces::mark_due(&mut conn, one).await.expect("marked");
    let ahead = "UPDATE studio.workspace SET due_since = due_since + interval '1 hour'";
    sqlx::query(ahead).execute(&mut *conn).await.expect("moved");
    let mark = workspaces::due_since(&mut conn, one).await.expect("read");
    assert!(workspaces::mark_due(&mut conn, one).await.expect("marked") > mark);
    drop(conn);
    db.close().await;
}

fn checkout(headers: &serde_json::Value) -> NewEvent<'_> {
    NewEvent {
        provider: Provider::Stripe,
        event_id: "evt_1",
        event_type: "checkout.session.completed",
        occurred_at: None,
        payload: b"{}",
        headers,
        state: EventState::Received,
        reason: None,
        job: None,
    }
}

#[tokio::test]
async fn an_event_is_recorded_once_and_what_was_processed_stays_processed() {
    let db = database().await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    let headers = serde_json::json!({ "content-type": "application/json" });
    let event = checkout(&headers);
    let again = NewEvent { payload: b"other", ..event };
    let other = NewEvent { event_id: "evt_0", ..event };
    let theirs = NewEvent { provider: Provider::Twilio, ..event };
    let (one, two) = ((Provider::Stripe, "evt_1"), (Provider::Stripe, "evt_0"));
    for (events, new) in [
        (&[event, again][..], &[one][..]),
        (&[again, other], &[two]),
        (&[other, again], &[]),
        (&[theirs, event], &[(Provider::Twilio, "evt_1")]),
    ] {
        let recorded = inbox::record(&mut conn, events, Duration::ZERO).await;
        let expected = new.iter().map(|(provider, id)| (*provider, (*id).to_owned())).collect();
        assert_eq!(recorded.expect("recorded"), expected, "{events:?}");
    }
    let stored =
        inbox::get(&mut conn, Provider::Stripe, "evt_1").await.expect("read").expect("an event");
    assert_eq!((stored.payload.as_slice(), stored.state), (&b"{}"[..], EventState::Received));
    assert_eq!((stored.headers, stored.processed_at), (headers.clone(), None));

    let nobody = Mark {
        state: EventState::Unroutable,
        reason: Some("no workspace has customer cus_1"),
        workspace: None,
        job: None,
    };
    assert!(inbox::mark(&mut conn, Provider::Stripe, "evt_1", &nobody).await.expect("marked"));
    let stuck = inbox::unroutable(&mut conn, &Provider::ALL, None, 10).await.expect("read");
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].reason.as_deref(), nobody.reason);

    let (workspace, job) = (WorkspaceId::now_v7(), JobId::now_v7());
    let done = Mark {
        state: EventState::Processed,
        reason: None,
        workspace: Some(workspace),
        job: Some(job),
    };
    assert!(inbox::mark(&mut conn, Provider::Stripe, "evt_1", &done).await.expect("marked"));
    let failed = Mark { state: EventState::Failed, ..nobody };
    assert!(!inbox::mark(&mut conn, Provider::Stripe, "evt_1", &failed).await.expect("too late"));
    let stored =
        inbox::get(&mut conn, Provider::Stripe, "evt_1").await.expect("read").expect("an event");
    assert_eq!((stored.state, stored.reason), (EventState::Processed, None));
    assert_eq!((stored.workspace, stored.job), (Some(workspace), Some(job)));
    assert!(stored.processed_at.is_some());
    assert!(!inbox::mark(&mut conn, Provider::Stripe, "evt_2", &done).await.expect("unknown"));
    assert!(inbox::unroutable(&mut conn, &Provider::ALL, None, 10).await.expect("read").is_empty());
    drop(conn);
    db.close().await;
}

/// The row's states and the program's are the same set: each one is accepted by the table and read back.
#[tokio::test]
async fn the_table_takes_every_state_of_an_event() {
    let db = database().await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    let headers = serde_json::Value::Null;
    let any = Filter::default();
    for state in [
        EventState::Received,
        EventState::Processed,
        EventState::Unroutable,
        EventState::Ignored,
        EventState::Failed,
    ] {
        let event_id = format!("{state:?}");
        let event = NewEvent {
            provider: Provider::Stripe,
            event_id: &event_id,
            event_type: "t",
            occurred_at: None,
            payload: b"",
            headers: &headers,
            state,
            reason: Some("why"),
            job: None,
        };
        inbox::record(&mut conn, &[event], Duration::ZERO).await.expect("recorded");
        let stored =
            inbox::get(&mut conn, Provider::Stripe, &event_id).await.expect("read").expect("it");
        assert_eq!((stored.state, stored.reason.as_deref()), (state, Some("why")));
        assert_eq!(stored.processed_at.is_none(), state == EventState::Received);
        let mark = Mark { state, reason: None, workspace: None, job: None };
        let marked =
            inbox::mark(&mut conn, Provider::Stripe, &event_id, &mark).await.expect("marked");
        assert_eq!(marked, state != EventState::Processed);
        let stored =
            inbox::get(&mut conn, Provider::Stripe, &event_id).await.expect("read").expect("it");
        assert_eq!(stored.state, state);
        let listed = inbox::list(&mut conn, &Filter { state: Some(state), ..any.clone() }, 10)
            .await
            .expect("read");
        assert_eq!(listed, std::slice::from_ref(&stored));
        assert_eq!(stored.processed_at.is_none(), state == EventState::Received);
    }
    assert_eq!(inbox::list(&mut conn, &any, 10).await.expect("read").len(), 5);
    assert_eq!(inbox::list(&mut conn, &any, 2).await.expect("read").len(), 2);
    drop(conn);
    db.close().await;
}
