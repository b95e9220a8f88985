//! Edits of the policy, as operators make them, mistakes included.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::schedule::{REGIONS, Schedule};

type Item = Vec<(&'static str, AttributeValue)>;

/// One edit.
pub(crate) async fn edit(schedule: &mut Schedule) {
    match schedule.chance.u32(0..100) {
        0..12 => approver(schedule).await,
        12..58 => {
            let rule = rule(schedule);
            let item = conditions(schedule, rule.starts_with("allow"));
            put(schedule, &rule, item).await;
        }
        58..76 => remove(schedule).await,
        76..90 => {
            let item = settings(schedule);
            put(schedule, "settings", item).await;
        }
        90..93 => {
            let item = conditions(schedule, false);
            put(
                schedule,
                "deny#o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*",
                item,
            )
            .await;
        }
        93..97 => {
            let item = mistake(schedule);
            let rule = if schedule.chance.f64() < 0.3 {
                "settings".to_owned()
            } else {
                rule(schedule)
            };
            put(schedule, &rule, item).await;
        }
        _ => correct(schedule).await,
    }
}

/// The approvers in these schedules. The last two are one person.
pub(crate) const APPROVERS: [(&str, &str); 4] = [
    ("alice@example.com", "U0ALICE"),
    ("bob@example.com", "U0BOB"),
    ("carol@example.com", "U0CAROL"),
    ("c.smith@example.com", "U0CAROL"),
];

/// Enters all of them.
pub(crate) async fn approvers(schedule: &mut Schedule) {
    for (id, slack) in APPROVERS {
        let item = vec![
            ("services", AttributeValue::Ss(vec!["*".to_owned()])),
            ("slack_user_id", AttributeValue::S(slack.to_owned())),
        ];
        put_at(schedule, "approvers", &format!("approver#{id}"), item).await;
    }
}

/// Somebody becomes an approver, or is now one for other services or accounts.
async fn approver(schedule: &mut Schedule) {
    let (id, slack) = APPROVERS[schedule.chance.usize(0..APPROVERS.len())];
    let service = if schedule.chance.f64() < 0.7 {
        "*".to_owned()
    } else {
        schedule.service()
    };
    let mut item = vec![
        ("services", AttributeValue::Ss(vec![service])),
        ("slack_user_id", AttributeValue::S(slack.to_owned())),
    ];
    if schedule.chance.f64() < 0.2 {
        item.push(("own_accounts", AttributeValue::Ss(vec![schedule.account()])));
    }
    put_at(schedule, "approvers", &format!("approver#{id}"), item).await;
}

fn rule(schedule: &mut Schedule) -> String {
    let effect = if schedule.chance.f64() < 0.65 {
        "allow"
    } else {
        "deny"
    };
    let endpoint = schedule.endpoint();
    let principal = match (schedule.chance.u32(0..10), endpoint) {
        (0..2, Some(endpoint)) => endpoint,
        (2..4, _) => "*".to_owned(),
        _ => schedule.account(),
    };
    format!("{effect}#{principal}")
}

fn conditions(schedule: &mut Schedule, allow: bool) -> Item {
    let mut item = Vec::new();
    let chance = &mut schedule.chance;
    if allow && chance.f64() < 0.4 {
        item.push((
            "max_connections",
            AttributeValue::N(chance.u32(0..3).to_string()),
        ));
    }
    if chance.f64() < 0.25 {
        let mut regions = vec![REGIONS[chance.usize(0..2)].to_owned()];
        if chance.f64() < 0.3 {
            regions = REGIONS.map(str::to_owned).to_vec();
        }
        item.push(("regions", AttributeValue::Ss(regions)));
    }
    if chance.f64() < 0.3 {
        let seconds = if chance.bool() {
            chance.u64(1..300)
        } else {
            chance.u64(300..200_000)
        };
        let end = schedule.world.clock.now() + Duration::from_secs(seconds);
        item.push(("expires_at", AttributeValue::S(end.to_string())));
    }
    item
}

fn settings(schedule: &mut Schedule) -> Item {
    let mut item = Vec::new();
    let chance = &mut schedule.chance;
    let words: [(&str, &[&str]); 4] = [
        ("on_unlisted", &["review", "reject", "reject"]),
        ("on_deadline", &["keep", "reject", "reject"]),
        ("out_of_band", &["record", "alert", "revert"]),
        ("revoke", &["off", "report", "enforce", "enforce"]),
    ];
    for (name, words) in words {
        if chance.bool() {
            let word = words[chance.usize(0..words.len())].to_owned();
            item.push((name, AttributeValue::S(word)));
        }
    }
    let numbers = [
        ("approvals_required", 4),
        ("review_hours", 24),
        ("remind_hours", 8),
        ("revoke_grace_hours", 3),
        ("revoke_at_most", 4),
    ];
    for (name, below) in numbers {
        if chance.bool() {
            let number = AttributeValue::N(chance.u32(0..below).to_string());
            item.push((name, number));
        }
    }
    item
}

/// An item that no reader understands completely.
fn mistake(schedule: &mut Schedule) -> Item {
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let mistakes = [
        ("expires", s("2020-01-01T00:00:00Z")),
        ("regions", s(REGIONS[0])),
        ("max_connections", s("2")),
        ("expires_at", s("tomorrow")),
        ("on_unlisted", s("accept")),
    ];
    vec![mistakes[schedule.chance.usize(0..mistakes.len())].clone()]
}

async fn put(schedule: &mut Schedule, rule: &str, item: Item) {
    let scope = if schedule.chance.f64() < 0.4 {
        "*".to_owned()
    } else {
        schedule.service()
    };
    put_at(schedule, &scope, rule, item).await;
}

async fn put_at(schedule: &Schedule, scope: &str, rule: &str, item: Item) {
    let mut put = schedule
        .world
        .tables()
        .put_item()
        .table_name(schedule.world.allowlist_table())
        .item("service_id", AttributeValue::S(scope.to_owned()))
        .item("rule", AttributeValue::S(rule.to_owned()));
    for (name, value) in item {
        put = put.item(name, value);
    }
    put.send().await.unwrap();
}

async fn remove(schedule: &mut Schedule) {
    let keys = schedule.wire.ledger().policy.keys();
    if keys.is_empty() {
        return;
    }
    let key = keys[schedule.chance.usize(0..keys.len())].clone();
    take_out(schedule, &key).await;
}

async fn take_out(schedule: &Schedule, (scope, rule): &(String, String)) {
    schedule
        .world
        .tables()
        .delete_item()
        .table_name(schedule.world.allowlist_table())
        .key("service_id", AttributeValue::S(scope.clone()))
        .key("rule", AttributeValue::S(rule.clone()))
        .send()
        .await
        .unwrap();
}

/// Every mistake is noticed, and removed or corrected.
pub(crate) async fn correct(schedule: &mut Schedule) {
    let malformed = schedule.wire.ledger().policy.malformed();
    for key in malformed {
        if schedule.chance.bool() {
            take_out(schedule, &key).await;
        } else {
            put_at(schedule, &key.0, &key.1, Vec::new()).await;
        }
    }
}
