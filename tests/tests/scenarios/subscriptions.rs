//! Approvers' e-mail subscriptions.

use gatekeeper_local::world::World;

use crate::support::*;

const TWO: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
"#;

/// The token in the e-mail by which SNS asks an address to confirm.
fn confirmation(world: &World, address: &str) -> String {
    let mails = world.sns.inbox_of(address);
    let mut tokens = mails.iter().rev().filter_map(|mail| mail.token.clone());
    tokens.next().unwrap()
}

async fn enter(world: &World, name: &str) {
    // This writes the table only; `approver` would also subscribe them.
    let item = gatekeeper_aws::tables::encode_approver(&gatekeeper_core::approver::Approver {
        id: format!("{name}@example.com").parse().unwrap(),
        slack_user_id: None,
        iam_principal: None,
        services: ["*".parse().unwrap()].into(),
        own_accounts: [].into(),
    });
    let put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table());
    put.set_item(Some(item.unwrap())).send().await.unwrap();
}

#[tokio::test]
async fn an_approver_gets_their_approval_emails_and_nobody_else_can_unsubscribe_them() {
    let world = world_of(TWO).await;
    let subscriptions = world.subscriptions();
    for name in ["erin", "frank"] {
        enter(&world, name).await;
        let id = format!("{name}@example.com").parse().unwrap();
        subscriptions.subscribe(&id).await.unwrap();
    }
    let token = confirmation(&world, "erin@example.com");
    let arn = subscriptions.confirm(&token).await.unwrap();
    assert!(subscriptions.is_protected(&arn).await.unwrap());
    // Frank has not confirmed, and gets nothing.
    world.reconcile().await;
    assert_eq!(
        approval_emails(&world, "erin", 3).len(),
        1,
        "hers, and not Frank's"
    );
    assert_eq!(approval_emails(&world, "frank", 3).len(), 0);
    assert!(approval_emails(&world, "erin", 3)[0].contains("as erin@example.com"));
    // The recipient of a forwarded e-mail opens the link at its foot.
    let _ = world.sns.unsubscribe_by_link(&arn);
    settings(&world, "remind_hours: 1").await;
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "erin", 3).len(), 2);
}

#[tokio::test]
async fn a_subscription_that_a_scanner_confirmed_is_recognized() {
    let world = world_of(TWO).await;
    let subscriptions = world.subscriptions();
    let erin = "erin@example.com".parse().unwrap();
    let arn = subscriptions.subscribe(&erin).await.unwrap();
    assert!(
        !subscriptions.is_protected(&arn).await.unwrap(),
        "not confirmed"
    );
    let token = confirmation(&world, "erin@example.com");
    let _ = world.sns.confirm_by_link(&token);
    assert!(!subscriptions.is_protected(&arn).await.unwrap());
    let error = subscriptions.confirm("no token").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("AWS refused ConfirmSubscription"),
        "{error}"
    );
}
