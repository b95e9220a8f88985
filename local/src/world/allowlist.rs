//! Edits of the allowlist table, as an operator makes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_aws::tables::{
    encode_acknowledgement, encode_approver, encode_entry, encode_settings,
};
use gatekeeper_core::acknowledgement::Acknowledgement;
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::policy::{Policy, Rule};

use super::World;
use crate::error::{WorldError, made};
use crate::place::ALLOWLIST;
use crate::topics::subscribe_approver;

impl World {
    /// Writes acknowledgements of findings into the allowlist table, over what is there.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn put_acknowledgements(
        &self,
        acknowledgements: &[Acknowledgement],
    ) -> Result<(), WorldError> {
        let items = acknowledgements.iter().map(encode_acknowledgement);
        self.put_allowlist(items.collect()).await
    }

    /// Writes a policy into the allowlist table, over what is there.
    ///
    /// # Errors
    /// What DynamoDB or the encoding says.
    pub async fn put_policy(&self, policy: &Policy) -> Result<(), WorldError> {
        let mut items = Vec::new();
        for entry in &policy.entries {
            items.push(encode_entry(entry).map_err(|error| made("an entry", &error))?);
        }
        for (scope, settings) in &policy.settings {
            items
                .push(encode_settings(scope, settings).map_err(|error| made("a setting", &error))?);
        }
        for approver in &policy.approvers {
            items.push(encode_approver(approver).map_err(|error| made("an approver", &error))?);
            subscribe_approver(&self.sns, &self.approvals_topic, &approver.id)?;
        }
        self.put_allowlist(items).await
    }

    async fn put_allowlist(
        &self,
        items: Vec<HashMap<String, AttributeValue>>,
    ) -> Result<(), WorldError> {
        for item in items {
            self.tables
                .put_item()
                .table_name(ALLOWLIST)
                .set_item(Some(item))
                .send()
                .await
                .map_err(|error| made("an item of the allowlist", &error))?;
        }
        Ok(())
    }

    /// Takes an approver out of the allowlist table. Their subscription stays.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn remove_approver(&self, id: &ApproverId) -> Result<(), WorldError> {
        self.remove_item("approvers", &format!("approver#{id}"))
            .await
    }

    /// Takes an entry out of the allowlist table.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn remove_entry(&self, rule: &Rule) -> Result<(), WorldError> {
        let sort = format!("{}#{}", rule.effect, rule.principal);
        self.remove_item(&rule.service_id.to_string(), &sort).await
    }

    async fn remove_item(&self, partition: &str, sort: &str) -> Result<(), WorldError> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        self.tables
            .delete_item()
            .table_name(ALLOWLIST)
            .key("service_id", text(partition))
            .key("rule", text(sort))
            .send()
            .await
            .map(drop)
            .map_err(|error| made("a removal", &error))
    }
}
