//! The two tables. No DynamoDB type leaves this module.
//!
//! | table | partition key | sort key | item |
//! | --- | --- | --- | --- |
//! | allowlist | `service_id`: `vpce-svc-…` or `*` | `rule`: `allow#<principal>`, `deny#<principal>` | an entry |
//! | | | `settings` | a service's settings |
//! | | `approvers` | `approver#<e-mail address>` | an approver |
//! | | `acknowledgements` | `<finding>#<service>` | who acknowledged a finding; read only |
//! | requests | `pk`: `vpce-…` | `sk`: `request` | a request |
//! | | | `history#00000001` … | its history, one row for each transition |
//! | | `prompt#vpce-…` | `00000001#C…` … | a review's message in a Slack channel |
//! | | `notice#<announcement id>` | `notice` | a message in Slack of what an announcement tells |
//! | | `usage#<service>#<account>` | `slots` | the endpoints that count against `max_connections` |
//! | | `link#<hash of a token>` | `link` | what an approver's link is bound to |
//! | | `unexpected-keys#<scope>` | `unexpected-keys` | the allowlist items of a scope whose keys judging does not read |
//! | | `held-email#vpce-…` | `held-email` | that a review's approval e-mail is held, or was until when |
//! | | `outbox#0` … `outbox#f` | an endpoint's id and its request's revision, or a finding's message | what is left to be sent of one write |
//! | | `allowance#<approver>` | `allowance` | how many e-mails an address was sent of late |
//! | | `grouping#<service>#<account>` | `email` | which e-mails about an account's reviews went at once, and when others go together |
//! | | `refused` | an item of the outbox | what SNS refused for good |
//! | | `state` | `approval-email` | who is subscribed to approval e-mail, by which filter, and whom nothing reaches |
//! | | | `reconcile` | where a reconcile stopped that ran out of time |
//! | | | `managed#<service>` | since when a service has been looked through |
//! | | | `watch#<service>` | what is wrong with a service and since when, and what was |
//!
//! The index `open` of the requests table holds every request that is not gone, by service.

mod acknowledgements;
mod allowances;
mod allowlist;
mod approvers;
mod batch_get;
mod counted;
mod keys;
mod links;
mod outbox;
mod prompts;
mod reach;
mod record;
mod requests;
mod state;
mod stream;
mod unexpected_keys;
mod unreadable;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::precondition::UnreadablePolicy;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Call, Error, Retryable, Step};
pub use acknowledgements::{decode_acknowledgement_image, encode_acknowledgement};
pub(crate) use allowlist::{ItemCheck, PathDenies, policy_of};
pub use allowlist::{decode_policy_item, encode_entry, encode_settings};
pub(crate) use approvers::Approvers;
pub use approvers::encode_approver;
pub(crate) use batch_get::Items;
pub(crate) use keys::Key;
pub(crate) use links::Link;
pub(crate) use outbox::Left;
pub use prompts::Posting;
pub(crate) use record::Recorded;
pub(crate) use requests::Slots;
pub(crate) use state::{LookedAfter, Unfinished, Watched};
pub use stream::decode_image;
pub(crate) use unexpected_keys::ScopeKeys;
pub(crate) use unreadable::UnreadableItem;
pub use unreadable::{Unencodable, UnreadableAcknowledgement};

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The gatekeeper's tables, as they are read and written in one step.
#[derive(Debug, Clone)]
pub struct Tables {
    client: aws_sdk_dynamodb::Client,
    allowlist: String,
    requests: String,
    clock: Clock,
    step: Step,
}

impl Tables {
    /// Those of the gatekeeper, for who decides.
    pub(crate) fn new(clients: &Clients, config: &Config, clock: Clock) -> Self {
        let (allowlist, requests) = (&config.allowlist_table, &config.requests_table);
        Self::named(clients, allowlist, requests, clock)
    }

    /// The tables of these names, for who reads them without a gatekeeper.
    #[must_use]
    pub fn named(clients: &Clients, allowlist: &str, requests: &str, clock: Clock) -> Self {
        Self {
            client: clients.dynamodb.clone(),
            allowlist: allowlist.to_owned(),
            requests: requests.to_owned(),
            clock,
            step: Step::Judge,
        }
    }

    /// The same for another step: what fails is told as a failure of that.
    #[must_use]
    pub fn for_step(&self, step: Step) -> Self {
        Self {
            step,
            ..self.clone()
        }
    }

    /// A call that reads; `what` says what could not be read if it fails.
    fn reading(&self, operation: &'static str, what: impl Into<String>) -> Call {
        Call::new(self.step, operation, Retryable::ReadTables, what)
    }

    /// A call that writes; `what` says what could not be written if it fails.
    fn writing(
        &self,
        operation: &'static str,
        retryable: Retryable,
        what: impl Into<String>,
    ) -> Call {
        Call::new(self.step_of_writes(), operation, retryable, what)
    }

    /// An item of the allowlist could not be understood when it was read.
    fn unreadable_policy(&self, error: UnreadablePolicy) -> Error {
        Error::unreadable_policy(self.step, error)
    }

    /// Who decides reads to judge, and writes to record.
    fn step_of_writes(&self) -> Step {
        match self.step {
            Step::Judge => Step::Record,
            step => step,
        }
    }
}

/// A query's items, page after page to the end.
async fn all_of(query: QueryFluentBuilder, call: Call) -> Result<Vec<Item>, Arc<Error>> {
    query
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| call.failed(error))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
