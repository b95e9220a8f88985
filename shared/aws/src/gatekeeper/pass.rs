//! One pass through the connections of one service, page by page and slice by slice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::observation::Observation;
use gatekeeper_core::policy::Entry;
use jiff::Timestamp;

use super::audit::{Audited, Auditor, ServiceAudit};
use super::log::Log;
use super::outcome::Settled;
use super::pipeline::Pipeline;
use super::report::ServiceReport;
use crate::clock::{Clock, Deadline};
use crate::config::Limits;
use crate::ec2::{Connections, Listed, Which, listing};
use crate::error::{Error, Step};
use crate::paging::Pages;
use crate::tables::{ReconcileMemory, Requests, Unfinished, UsageItems};

/// How many endpoints are looked up by id at the same time.
const IDS_AT_ONCE: usize = 1000;

/// The progress of a pass.
#[derive(Debug)]
pub(super) struct Pass {
    which: Which,
    /// EC2's token of the page that is next, or in progress; `None` at the beginning.
    token: Option<String>,
    /// The page that is in progress.
    page: Option<OpenPage>,
    /// Whether the pass continues where another run stopped. Then it has not seen the pages before.
    resumed: bool,
    /// The pages that were requested.
    pages: Pages,
    began: Timestamp,
    /// Open requests that no page has listed yet. They are read before EC2 is asked: an endpoint
    /// with an open request that EC2 does not list has vanished, while one that EC2 lists and that
    /// has no request is only new.
    unlisted: BTreeSet<EndpointId>,
    /// Whether EC2 listed a connection whose endpoint cannot be read: it may be any endpoint that
    /// is not listed.
    lists_nameless: bool,
    audit: Option<ServiceAudit>,
    /// The entries that DynamoDB has just deleted at their `purge_at`.
    purged: Arc<[Entry]>,
    /// Whether connections may be revoked, and not only announced.
    may_revoke: bool,
    report: ServiceReport,
}

/// The rest of a page.
#[derive(Debug)]
struct OpenPage {
    rest: Vec<Connection>,
    seen_at: Timestamp,
    next: Option<String>,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}

impl Pass {
    pub(super) fn service(&self) -> &ServiceId {
        &self.report.service_id
    }

    /// Whether the pass has not seen the first pages.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Notes connections that EC2 lists and that Gatekeeper cannot decide: they exist, and count as
    /// undecided.
    fn note_left_alone(&mut self, listed: &Listed, seen_at: Timestamp) {
        for unreadable in &listed.unreadable {
            match &unreadable.endpoint_id {
                Some(id) => _ = self.unlisted.remove(id),
                None => self.lists_nameless = true,
            }
            if !unreadable.has_ended {
                let undecided = &mut self.report.undecided;
                undecided.note(&unreadable.name, unreadable.created_at, seen_at);
            }
        }
        for attachment in &listed.attachments {
            if let Some(id) = &attachment.endpoint_id {
                self.unlisted.remove(id);
            }
            self.report.attachments.add(attachment.clone());
        }
    }

    /// Where to continue.
    pub(super) fn unfinished(&self) -> Unfinished {
        Unfinished {
            service_id: self.report.service_id.clone(),
            token: self.token.clone(),
        }
    }
}

/// Passes through the connections of services.
#[derive(Debug)]
pub(super) struct Passes {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) auditor: Arc<Auditor>,
    pub(super) connections: Connections,
    pub(super) requests: Requests,
    pub(super) usage: UsageItems,
    pub(super) memory: ReconcileMemory,
    /// The services that are remembered as looked through.
    pub(super) looked_through: Arc<Mutex<BTreeSet<ServiceId>>>,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) log: Log,
}

impl Passes {
    /// Begins a pass through all connections of a service, at the page where an earlier run
    /// stopped, or at the beginning.
    pub(super) async fn begin_pass(
        &self,
        service: ServiceId,
        token: Option<String>,
    ) -> Result<Pass, Arc<Error>> {
        let began = self.clock.now();
        // Only the audit needs the settings: pending connections are decided without them.
        let audit = self
            .auditor
            .begin(&service, began)
            .await
            .map_err(|error| self.log.failure(&error, None))
            .ok();
        let unlisted = self.requests.open_requests(&service).await?;
        let mut report = ServiceReport::new(service);
        if let Some(audit) = &audit {
            report.ignored_settings.clone_from(&audit.settings.ignored);
        }
        Ok(Pass {
            which: Which::All,
            resumed: token.is_some(),
            pages: Pages::from(token.as_deref()),
            token,
            page: None,
            began,
            unlisted,
            lists_nameless: false,
            audit,
            purged: Arc::default(),
            may_revoke: true,
            report,
        })
    }

    /// Looks through one service at once, as far as an event gives reason to. `purged` are entries
    /// that DynamoDB has just deleted.
    pub(super) async fn settle_service(
        &self,
        service: &ServiceId,
        which: Which,
        audits: bool,
        purged: &Arc<[Entry]>,
        deadline: Deadline,
    ) -> Result<ServiceReport, Arc<Error>> {
        let mut pass = match which {
            Which::All => self.begin_pass(service.clone(), None).await?,
            Which::Waiting => Pass {
                which,
                token: None,
                page: None,
                resumed: false,
                pages: Pages::default(),
                began: self.clock.now(),
                unlisted: BTreeSet::new(),
                lists_nameless: false,
                audit: None,
                purged: Arc::default(),
                may_revoke: false,
                report: ServiceReport::new(service.clone()),
            },
        };
        if !audits {
            pass.audit = None;
        }
        pass.purged = Arc::clone(purged);
        if let Some(audit) = &mut pass.audit {
            audit.purged = Arc::clone(purged);
        }
        while self.go_on(&mut pass, deadline).await? == Progress::More {}
        pass.may_revoke = false;
        Ok(self.end_pass(pass, true, deadline).await)
    }

    /// Processes the next slice of the page, or of the next page. A page that was not finished is
    /// read again.
    pub(super) async fn go_on(
        &self,
        pass: &mut Pass,
        deadline: Deadline,
    ) -> Result<Progress, Arc<Error>> {
        self.must_have_time(pass.service(), deadline)?;
        let mut page = match pass.page.take() {
            Some(page) => page,
            None => match self.next_page(pass).await? {
                Some(page) => page,
                None => return Ok(Progress::More),
            },
        };
        let size = self.limits.slice.clamp(1, page.rest.len().max(1));
        let later = page.rest.split_off(size.min(page.rest.len()));
        let slice = std::mem::replace(&mut page.rest, later);
        if !slice.is_empty() {
            self.settle_slice(pass, &slice, page.seen_at, deadline)
                .await?;
        }
        if !page.rest.is_empty() {
            pass.page = Some(page);
            return Ok(Progress::More);
        }
        pass.token = page.next;
        if pass.token.is_some() {
            return Ok(Progress::More);
        }
        self.must_have_time(pass.service(), deadline)?;
        self.settle_vanished(pass, deadline).await?;
        Ok(Progress::Done)
    }

    /// Requests the next page of the pass; `None` if the pass has to begin anew.
    async fn next_page(&self, pass: &mut Pass) -> Result<Option<OpenPage>, Arc<Error>> {
        let seen_at = self.clock.now();
        let listed = self
            .connections
            .page(pass.service(), pass.which, pass.token.clone())
            .await;
        let page = match listed {
            Ok(page) => page,
            // EC2 does not know the token any more.
            Err(error) if pass.token.is_some() && pass.resumed && error.is_refused_call() => {
                pass.token = None;
                pass.pages = Pages::default();
                pass.resumed = false;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let next = pass
            .pages
            .next(page.next.as_deref())
            .map_err(|error| listing(&pass.report.service_id).passes(error))?;
        pass.note_left_alone(&page.listed, seen_at);
        for connection in &page.listed.connections {
            pass.unlisted.remove(&connection.endpoint_id);
        }
        Ok(Some(OpenPage {
            rest: page.listed.connections,
            seen_at,
            next,
        }))
    }

    async fn settle_slice(
        &self,
        pass: &mut Pass,
        slice: &[Connection],
        seen_at: Timestamp,
        deadline: Deadline,
    ) -> Result<(), Arc<Error>> {
        // Do this first, because limits are judged by the usage.
        if pass.which == Which::All
            && let Err(error) = self.reconcile_usage(pass.service(), slice, deadline).await
        {
            if error.is_out_of_time() {
                return Err(error);
            }
            self.log.failure(&error, None);
        }
        let observations = slice
            .iter()
            .map(|connection| Observation {
                purged: Arc::clone(&pass.purged),
                ..Observation::of(connection.clone(), seen_at)
            })
            .collect();
        let settled = self.pipeline.settle(observations, deadline).await;
        pass.report.connections += slice.len();
        pass.report.count(&settled);
        pass.report.note_pending(&settled, slice, seen_at);
        let audited = match &mut pass.audit {
            Some(audit) => self.auditor.audit(audit, &settled, slice).await,
            None => Ok(Audited::default()),
        };
        match audited {
            Ok(audited) => pass.report.changed += audited.changed,
            Err(error) => {
                // If the policy cannot be read, nothing is revoked (safety rule S2).
                pass.audit = None;
                self.log.failure(&error, None);
                pass.report.fail(error);
            }
        }
        all_had_time(&settled)
    }

    /// Makes the usage of the consumers on a page agree with EC2.
    async fn reconcile_usage(
        &self,
        service: &ServiceId,
        slice: &[Connection],
        deadline: Deadline,
    ) -> Result<(), Arc<Error>> {
        let mut connected: BTreeMap<AccountId, Vec<EndpointId>> = BTreeMap::new();
        for connection in slice {
            if connection.state.phase() == Phase::Connected {
                let ids = connected.entry(connection.owner.clone()).or_default();
                ids.push(connection.endpoint_id.clone());
            }
        }
        for (account, usage) in self.usage.usage_to_reconcile(service, &connected).await? {
            self.must_have_time(service, deadline)?;
            let connected = self.connections.connected(service, &account).await?;
            self.usage
                .reconcile_usage(service, &account, &usage, &connected)
                .await?;
        }
        Ok(())
    }

    /// Settles endpoints with an open request that no page listed. EC2 is asked for them once more,
    /// because an endpoint that is taken for gone frees its place under the limit.
    async fn settle_vanished(&self, pass: &mut Pass, deadline: Deadline) -> Result<(), Arc<Error>> {
        let ids: Vec<EndpointId> = std::mem::take(&mut pass.unlisted).into_iter().collect();
        let service = pass.service().clone();
        for chunk in ids.chunks(IDS_AT_ONCE) {
            self.must_have_time(&service, deadline)?;
            let asked_at = self.clock.now();
            let seen_at = if pass.resumed {
                self.clock.now()
            } else {
                pass.began
            };
            let mut again = self
                .connections
                .connections(chunk, std::slice::from_ref(&service))
                .await?;
            pass.note_left_alone(&again, asked_at);
            let mut listed: BTreeMap<EndpointId, Connection> =
                std::mem::take(&mut again.connections)
                    .into_iter()
                    .map(|connection| (connection.endpoint_id.clone(), connection))
                    .collect();
            let observations = chunk
                .iter()
                .filter(|id| {
                    let is_left_alone = pass.lists_nameless || again.leaves_alone(id);
                    listed.contains_key(*id) || !is_left_alone
                })
                // A resumed pass does not list most of them, because the run before did.
                .filter(|id| !pass.resumed || !listed.contains_key(*id))
                .cloned()
                .collect::<Vec<_>>()
                .into_iter()
                .map(|endpoint_id| Observation {
                    connection: listed.remove(&endpoint_id),
                    endpoint_id,
                    seen_at,
                    callers: Vec::new(),
                    purged: Arc::default(),
                })
                .collect();
            for (id, error) in again.refused {
                self.log.failure(&error, Some(&id));
                pass.report.fail(error);
            }
            let settled = self.pipeline.settle(observations, deadline).await;
            pass.report.count(&settled);
            all_had_time(&settled)?;
        }
        Ok(())
    }

    /// Ends a pass. The audit's candidates are acted on only if the pass saw the whole service: a
    /// part of a service does not show how many connections a mistake would revoke.
    pub(super) async fn end_pass(
        &self,
        mut pass: Pass,
        is_done: bool,
        deadline: Deadline,
    ) -> ServiceReport {
        if !is_done || pass.resumed || pass.which != Which::All {
            return pass.report;
        }
        pass.report.is_whole = true;
        if let Some(audit) = pass.audit.take() {
            let audited = self
                .auditor
                .finish(audit, pass.may_revoke, deadline)
                .boxed()
                .await;
            pass.report.changed += audited.changed;
            pass.report.revocations_held = audited.held;
            pass.report.revocations_withheld = audited.withheld;
            pass.report.seen = audited.seen;
        }
        self.remember_managed(&pass).await;
        pass.report
    }

    /// Remembers, once, that a service has been looked through.
    async fn remember_managed(&self, pass: &Pass) {
        let service = &pass.report.service_id;
        let known = || {
            self.looked_through
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if known().contains(service) {
            return;
        }
        match self.memory.remember_managed(service, pass.began).await {
            Ok(()) => {
                known().insert(service.clone());
            }
            Err(error) => self.log.failure(&error, None),
        }
    }

    fn must_have_time(&self, service: &ServiceId, deadline: Deadline) -> Result<(), Arc<Error>> {
        if deadline.leaves(&self.clock, self.limits.margin) {
            Ok(())
        } else {
            let before = format!("all connections of {service} were looked at");
            Err(Error::out_of_time(Step::Observe, before).into())
        }
    }
}

/// Fails if there was not enough time to settle all of them.
fn all_had_time(settled: &Settled) -> Result<(), Arc<Error>> {
    let mut failures = settled
        .values()
        .filter_map(|outcome| outcome.as_ref().err());
    match failures.find(|error| error.is_out_of_time()) {
        Some(error) => Err(Arc::clone(error)),
        None => Ok(()),
    }
}
