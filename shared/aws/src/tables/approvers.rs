//! Reads all approvers.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::policy::PolicyItem;

use super::Allowlist;
use super::allowlist::decode_policy_item;
use super::item::{Item, all_of, text};
use super::keys::APPROVERS;
use crate::error::Error;

/// All approvers that can be read, with the items they came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Approvers {
    pub(crate) list: Vec<Approver>,
    items: BTreeMap<ApproverId, Item>,
    /// What is wrong with those that cannot. They decide nothing; the others do.
    pub(crate) malformed: Vec<Arc<Error>>,
}

impl Approvers {
    /// An approver's item as it was read.
    pub(crate) fn item(&self, id: &ApproverId) -> Option<&Item> {
        self.items.get(id)
    }
}

impl Allowlist {
    /// Reads all approvers, consistently. There are tens, of all services together.
    pub(crate) async fn approvers(&self) -> Result<Approvers, Arc<Error>> {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.allowlist)
            .consistent_read(true)
            .key_condition_expression("service_id = :approvers")
            .expression_attribute_values(":approvers", text(APPROVERS));
        let mut approvers = Approvers::default();
        let call = self
            .db
            .reading("dynamodb:Query", "the approvers could not be read");
        for item in all_of(query, call).await? {
            match decode_policy_item(&item) {
                Ok(PolicyItem::Approver(approver)) => {
                    approvers.items.insert(approver.id.clone(), item);
                    approvers.list.push(approver);
                }
                // Nothing else is in this partition.
                Ok(PolicyItem::Entry(_) | PolicyItem::Settings(..)) => {}
                Err(error) => approvers
                    .malformed
                    .push(self.db.unreadable_policy(error).into()),
            }
        }
        Ok(approvers)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::tables::allowlist::encode_approver;
    use aws_sdk_dynamodb::types::AttributeValue;

    fn approver() -> Approver {
        Approver {
            id: "alice@example.com".parse().unwrap(),
            slack_user_id: Some("U0ALICE".parse().unwrap()),
            iam_principal: Some(
                "arn:aws:sts::111122223333:assumed-role/Approver/*"
                    .parse()
                    .unwrap(),
            ),
            services: ["*".parse().unwrap()].into(),
            own_accounts: ["000000000001".parse().unwrap()].into(),
        }
    }

    #[test]
    fn an_approver_is_read_as_they_are_written() {
        let item = encode_approver(&approver()).unwrap();
        assert_eq!(
            decode_policy_item(&item).unwrap(),
            PolicyItem::Approver(approver())
        );
    }

    #[test]
    fn sets_as_dynamodb_writes_them_are_read_too() {
        let mut item = encode_approver(&approver()).unwrap();
        let services = AttributeValue::Ss(vec!["vpce-svc-0a1b2c3d4e5f60718".to_owned()]);
        item.insert("services".to_owned(), services);
        let PolicyItem::Approver(read) = decode_policy_item(&item).unwrap() else {
            panic!("an approver")
        };
        assert_eq!(read.services.len(), 1);
    }

    #[test]
    fn what_cannot_be_understood_whole_is_no_approver() {
        let cases = [
            (
                "rule",
                "approver#Alice@example.com",
                "write \"alice@example.com\"",
            ),
            ("rule", "allow#000000000001", "write approver# and"),
            ("services", "*", "write a list: [\"*\"]"),
            ("slack_user_id", "alice", "write a Slack user id"),
            ("iam_principal", "*", "write an IAM principal's ARN"),
            ("accounts", "x", "did you mean own_accounts?"),
        ];
        for (name, value, expected) in cases {
            let mut item = encode_approver(&approver()).unwrap();
            item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
            let error = decode_policy_item(&item).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}={value}: {error}");
            assert!(
                error.starts_with("the allowlist item approvers / "),
                "{error}"
            );
        }
    }
}
