//! Reads a world into what the page shows.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::{Config, MANAGED_TAG, Managed};
use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::tables::{Tables, decode_policy_item};
use gatekeeper_core::acknowledgement::ACKNOWLEDGEMENTS;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::policy::{PolicyItem, Principal, Scope};
use local_aws::{Delivery, Ec2, SlackMessage, Sns};
use tokio::sync::watch;

use super::chat::Chat;
use super::state::{Allowlist, Connection, Mail, Mailbox, Recorded, Service, State, Unreadable};
use crate::dynamodb::DynamoDb;
use crate::place::{READER, environment};
use crate::slack::Workspace;

/// More than this many connections, or mails to one person, nobody reads.
const SHOWN: usize = 50;

/// A world as the page needs it.
pub(crate) struct Source {
    pub(crate) ec2: Ec2,
    pub(crate) sns: Sns,
    pub(crate) slack: Option<Arc<Workspace>>,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) tables: aws_sdk_dynamodb::Client,
    pub(crate) reader: Arc<Tables>,
    pub(crate) config: Config,
    pub(crate) approvals_topic: String,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    /// Whether the world has stopped.
    pub(crate) stopped: watch::Receiver<bool>,
}

/// Why the page could not be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// A table could not be read.
    #[error("the table {table} could not be read: {detail}")]
    Scan { table: String, detail: String },
    /// A request or its history could not be read.
    #[error("a request could not be read")]
    Request(#[from] Arc<Error>),
    /// The template could not be filled in.
    #[error("the page could not be put together")]
    Render(#[from] askama::Error),
}

/// Reads, and remembers what does not change.
pub(super) struct Reader {
    pub(super) source: Source,
    /// Requests by endpoint, as of the revision that was read.
    requests: Mutex<BTreeMap<EndpointId, Recorded>>,
}

/// What the page's handlers share.
pub(super) type Shared = Arc<Reader>;

/// What tells, without reading the tables, that they need not be read again.
#[derive(PartialEq)]
pub(super) struct Glance {
    writes: u64,
    services: Vec<local_aws::Service>,
    connections: Vec<local_aws::Connection>,
    subscriptions: usize,
    deliveries: usize,
    slack: Option<(u64, Vec<SlackMessage>)>,
}

type Item = HashMap<String, AttributeValue>;

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            requests: Mutex::default(),
        }
    }

    /// As long as it stays the same, so does what [`Reader::read`] gives.
    pub(super) fn glance(&self) -> Glance {
        Glance {
            writes: self.source.dynamodb.writes(),
            services: self.source.ec2.services(),
            connections: self.source.ec2.connections(),
            subscriptions: self.source.sns.subscriptions().len(),
            deliveries: self.source.sns.inbox().len(),
            slack: self.source.slack.as_ref().map(|slack| slack.glance()),
        }
    }

    /// The addresses of the world, for clients that read no HTML.
    pub(super) fn index(&self) -> String {
        let address = self.source.address;
        format!(
            "PrivateLink Gatekeeper, local world\n\n\
             Page      http://{address}/ in a browser\n\
             EC2       http://{address}/ec2\n\
             SNS       http://{address}/sns\n\
             DynamoDB  http://{address}/dynamodb\n\
             E-mails   http://{address}/sns/inbox?endpoint={READER}\n"
        )
    }

    /// The variables that point an SDK or the AWS CLI here.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        environment(self.source.address)
    }

    /// The world as it is now.
    pub(super) async fn read(&self) -> Result<State, ReadError> {
        let services = self.source.ec2.services();
        let allowlist = self.allowlist(&services).await?;
        let services: Vec<Service> = services
            .iter()
            .map(|service| self.service(service, &allowlist))
            .collect();
        let mut connections = self.connections(&services, &allowlist).await?;
        connections.sort_by(|one, other| {
            (other.created_at, &other.endpoint_id).cmp(&(one.created_at, &one.endpoint_id))
        });
        let more_connections = connections.len().saturating_sub(SHOWN);
        connections.truncate(SHOWN);
        Ok(State {
            services,
            connections,
            more_connections,
            mailboxes: self.mailboxes(),
            chat: self
                .source
                .slack
                .as_ref()
                .map(|slack| Chat::read(slack, &allowlist.approvers)),
            allowlist,
        })
    }

    fn service(&self, service: &local_aws::Service, allowlist: &Allowlist) -> Service {
        let (key, value) = MANAGED_TAG;
        let scope: Option<Scope> = service.id.parse().ok();
        let settings = scope.and_then(|scope| allowlist.settings.get(&scope));
        Service {
            id: service.id.clone(),
            label: settings.and_then(|settings| settings.get("name").cloned()),
            name: service.name(),
            managed: match &self.source.config.managed {
                Managed::Tagged => service.tags.get(key).is_some_and(|tag| tag == value),
                Managed::Listed(ids) => ids.iter().any(|id| id.as_str() == service.id),
            },
            acceptance_required: service.acceptance_required,
        }
    }

    async fn allowlist(&self, services: &[local_aws::Service]) -> Result<Allowlist, ReadError> {
        let mut allowlist = Allowlist::default();
        let scopes = services
            .iter()
            .filter_map(|service| service.id.parse().ok());
        for scope in scopes.chain([Scope::Every]) {
            allowlist.settings.insert(scope, BTreeMap::new());
        }
        for item in self.scan(&self.source.config.allowlist_table, None).await? {
            if text(&item, "service_id") == ACKNOWLEDGEMENTS {
                continue;
            }
            match decode_policy_item(&item) {
                Ok(PolicyItem::Entry(entry)) => allowlist.entries.push(entry),
                Ok(PolicyItem::Settings(scope, settings)) => {
                    allowlist.ignored.extend(settings.ignored);
                    allowlist.settings.insert(scope, as_texts(&item));
                }
                Ok(PolicyItem::Approver(approver)) => allowlist.approvers.push(approver),
                Err(error) => allowlist.unreadable.push(Unreadable {
                    service_id: text(&item, "service_id"),
                    rule: text(&item, "rule"),
                    problem: error.to_string(),
                }),
            }
        }
        allowlist
            .entries
            .sort_by(|one, other| one.rule().cmp(other.rule()));
        allowlist
            .approvers
            .sort_by(|one, other| one.id.cmp(&other.id));
        Ok(allowlist)
    }

    async fn connections(
        &self,
        services: &[Service],
        allowlist: &Allowlist,
    ) -> Result<Vec<Connection>, ReadError> {
        let is_managed = |id: &str| services.iter().any(|one| one.id == id && one.managed);
        let label = |id: &str| services.iter().find(|one| one.id == id)?.label.clone();
        let mut requests = self.requests().await?;
        let mut connections = Vec::new();
        for seen in self.source.ec2.connections() {
            let request = seen
                .endpoint_id
                .parse()
                .ok()
                .and_then(|id: EndpointId| requests.remove(&id));
            connections.push(Connection {
                customer: customer(allowlist, &seen.service_id, &seen.owner)
                    .or_else(|| request.as_ref()?.request.customer.clone()),
                service_label: label(&seen.service_id),
                managed: is_managed(&seen.service_id),
                created_at: seen.created_at,
                state: Some(seen.state),
                endpoint_id: seen.endpoint_id,
                service_id: seen.service_id,
                account_id: seen.owner,
                region: seen.region,
                request,
            });
        }
        for recorded in requests.into_values() {
            let request = &recorded.request;
            let (service, account) = (request.service_id.as_str(), request.account_id.as_str());
            connections.push(Connection {
                endpoint_id: request.endpoint_id.to_string(),
                service_id: service.to_owned(),
                account_id: account.to_owned(),
                region: request.region.to_string(),
                customer: customer(allowlist, service, account)
                    .or_else(|| request.customer.clone()),
                created_at: request.opened_at,
                state: None,
                service_label: label(service),
                managed: is_managed(service),
                request: Some(recorded),
            });
        }
        Ok(connections)
    }

    /// All requests. Only those that changed since the last time are read with their history.
    async fn requests(&self) -> Result<BTreeMap<EndpointId, Recorded>, ReadError> {
        let tables = &self.source.reader;
        let mut known = self.known().clone();
        let mut requests = BTreeMap::new();
        let table = &self.source.config.requests_table;
        for item in self.scan(table, Some("request")).await? {
            let Ok(id) = text(&item, "pk").parse::<EndpointId>() else {
                continue;
            };
            let revision = item.get("revision").and_then(|value| value.as_n().ok());
            let is_current =
                |one: &Recorded| revision.is_some_and(|n| *n == one.request.revision.to_string());
            if let Some(recorded) = known.remove(&id).filter(is_current) {
                requests.insert(id, recorded);
            } else if let Some(request) = tables.request(&id).await? {
                let history = tables.history(&id).await?;
                requests.insert(id, Recorded { request, history });
            }
        }
        self.known().clone_from(&requests);
        Ok(requests)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<EndpointId, Recorded>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A table's items, or those with this sort key.
    async fn scan(&self, table: &str, sort: Option<&str>) -> Result<Vec<Item>, ReadError> {
        let mut scan = self
            .source
            .tables
            .scan()
            .table_name(table)
            .consistent_read(true);
        if let Some(sort) = sort {
            scan = scan
                .filter_expression("sk = :sort")
                .expression_attribute_values(":sort", AttributeValue::S(sort.to_owned()));
        }
        scan.into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| ReadError::Scan {
                table: table.to_owned(),
                detail: chain(&error),
            })
    }

    /// Everybody who is subscribed by e-mail, and what they got.
    fn mailboxes(&self) -> Vec<Mailbox> {
        let mut mailboxes: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for subscription in self.source.sns.subscriptions() {
            if is_email(&subscription.protocol) {
                mailboxes.entry(subscription.endpoint).or_default();
            }
        }
        for delivery in self.source.sns.inbox() {
            if is_email(&delivery.protocol) {
                let mailbox = mailboxes.entry(delivery.endpoint.clone());
                mailbox.or_default().push(delivery);
            }
        }
        mailboxes
            .into_iter()
            .map(|(address, deliveries)| Mailbox {
                more: deliveries.len().saturating_sub(SHOWN),
                mails: deliveries.iter().rev().take(SHOWN).map(mail).collect(),
                address,
            })
            .collect()
    }
}

fn is_email(protocol: &str) -> bool {
    protocol == "email" || protocol == "email-json"
}

fn mail(delivery: &Delivery) -> Mail {
    Mail {
        // One message may reach several people, and one person by two subscriptions.
        id: format!("mail-{}-{}", delivery.message_id, delivery.subscription_arn),
        subject: delivery.subject.clone().unwrap_or_default(),
        text: delivery.body(),
        at: delivery.at,
    }
}

/// What the allowlist calls an account: the entry for the very service knows best.
fn customer(allowlist: &Allowlist, service: &str, account: &str) -> Option<String> {
    let service: ServiceId = service.parse().ok()?;
    let of_account = allowlist.entries.iter().filter(|entry| {
        let rule = entry.rule();
        let is_whose = matches!(&rule.principal, Principal::Account(id) if id.as_str() == account);
        is_whose && rule.service_id.covers(&service)
    });
    of_account
        .filter_map(|entry| Some((&entry.rule().service_id, entry.about().customer.clone()?)))
        .min_by_key(|(scope, _)| **scope == Scope::Every)
        .map(|(_, customer)| customer)
}

fn text(item: &Item, name: &str) -> String {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.cloned().unwrap_or_default()
}

/// An item's texts and numbers.
fn as_texts(item: &Item) -> BTreeMap<String, String> {
    let texts = item.iter().filter_map(|(name, value)| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some((name.clone(), text.clone())),
        _ => None,
    });
    texts.collect()
}
