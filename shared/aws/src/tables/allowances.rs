//! Counts recent e-mails: to each address, and about each account's reviews at each service.

use std::sync::Arc;

use gatekeeper_core::allowance::{Allowance, Granted};
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::grouping::Grouping;
use gatekeeper_core::ids::{AccountId, ServiceId};
use jiff::Timestamp;

use super::{Db, Key};
use crate::error::{Error, Retryable};

/// Counts recent e-mails.
#[derive(Debug, Clone)]
pub(crate) struct Allowances {
    db: Db,
}

impl Allowances {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Takes as many of this number of e-mails as an address may get now, and counts them.
    pub(crate) async fn take_allowance(
        &self,
        approver: &ApproverId,
        wanted: usize,
    ) -> Result<Granted, Arc<Error>> {
        let key = Key::Allowance(approver.clone());
        let take = |allowance: &mut Allowance, now| allowance.take(wanted, now);
        let what = format!("what {approver} was sent of late");
        self.db.count(&key, Retryable::Outbox, &what, take).await
    }

    /// Counts e-mails about one account's reviews at one service, by their ids. Answers when each
    /// is sent together with others; `None` if it is sent at once.
    pub(crate) async fn place_emails(
        &self,
        service: &ServiceId,
        account: &AccountId,
        ids: &[&str],
    ) -> Result<Vec<Option<Timestamp>>, Arc<Error>> {
        let key = Key::EmailGrouping(service.clone(), account.clone());
        let place = |grouping: &mut Grouping, now| {
            let placed = ids.iter().map(|id| grouping.place(id, now));
            placed.collect()
        };
        let what = format!("what was sent of late about {account} at {service}");
        self.db.count(&key, Retryable::Outbox, &what, place).await
    }
}
