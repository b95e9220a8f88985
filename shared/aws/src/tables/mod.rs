//! The two tables. No DynamoDB type leaves this module.
//!
//! | table | partition key | sort key | item |
//! | --- | --- | --- | --- |
//! | allowlist | `service_id`: `vpce-svc-…` or `*` | `rule`: `allow#<principal>`, `deny#<principal>` | an entry |
//! | | | `settings` | a service's settings |
//! | | `approvers` | `approver#<e-mail address>` | an approver |
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
//! | | `refused` | an item of the outbox | what SNS refused for good |
//! | | `state` | `approval-email` | who is subscribed to approval e-mail, by which filter, and whom nothing reaches |
//! | | | `reconcile` | where a reconcile stopped that ran out of time |
//! | | | `managed#<service>` | since when a service has been looked through |
//! | | | `watch#<service>` | what is wrong with a service and since when, and what was |
//!
//! The index `open` of the requests table holds every request that is not gone, by service.

mod allowances;
mod allowlist;
mod approvers;
mod batch_get;
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

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Retryable, Source, failed};
pub(crate) use allowlist::{Ground, PathDenies, PolicyView};
pub use allowlist::{decode_policy_item, encode_entry, encode_settings};
pub(crate) use approvers::Approvers;
pub use approvers::encode_approver;
pub(crate) use batch_get::Items;
pub(crate) use keys::Key;
pub(crate) use links::Link;
pub(crate) use outbox::Left;
pub use prompts::Posting;
pub(crate) use record::{Recorded, Write};
pub(crate) use requests::Slots;
pub(crate) use state::{LookedAfter, Unfinished, Watched};
pub use stream::decode_image;
pub(crate) use unexpected_keys::ScopeKeys;

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The gatekeeper's tables.
#[derive(Debug)]
pub struct Tables {
    client: aws_sdk_dynamodb::Client,
    allowlist: String,
    requests: String,
    clock: Clock,
}

impl Tables {
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
        }
    }
}

/// A query's items, page after page to the end.
async fn all_of(
    query: QueryFluentBuilder,
    retryable: impl FnOnce(Source) -> Retryable,
) -> Result<Vec<Item>, Arc<Error>> {
    query
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| failed("Query", error, retryable))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
