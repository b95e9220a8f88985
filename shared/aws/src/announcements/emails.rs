//! Approvers' e-mails: who is still to be asked, how many their address takes, and a link for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::invitation::{is_still_asked, letter};
use gatekeeper_core::message::{Audience, Message};
use gatekeeper_core::outbox::EmailState;
use gatekeeper_core::token::Token;
use jiff::{SignedDuration, Timestamp};
use rand::TryRng as _;
use rand::rngs::SysRng;

use super::AnnouncementsConfig;
use super::publish::OutgoingMessage;
use super::sending::Sending;
use crate::error::{Error, Retryable, Step};
use crate::tables::{Approvers, Items, Key, Tables};

/// When it is looked again whether somebody is an approver, while items of approvers cannot be read.
const UNREADABLE_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Makes e-mails.
#[derive(Debug)]
pub(super) struct Emails {
    tables: Arc<Tables>,
    /// Where the function `approvals` is reached; none if approvers are sent no links.
    url: Option<String>,
}

/// An e-mail that is to be sent now.
pub(super) struct Email {
    /// The place of its item among those that are being sent.
    pub(super) index: usize,
    pub(super) approver: ApproverId,
    pub(super) message: Message,
}

/// What is to be sent now, and what not.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) emails: Vec<Email>,
    /// When the first of those may be sent that an address does not take now.
    pub(super) next: Option<Timestamp>,
    pub(super) failures: Vec<Arc<Error>>,
}

impl Emails {
    pub(super) fn new(tables: Arc<Tables>, config: &AnnouncementsConfig) -> Self {
        let approvals = config.approvals.as_ref();
        Self {
            tables,
            url: approvals.map(|approvals| approvals.url.clone()),
        }
    }

    /// The e-mails of these items that are to be sent now. Who is not to be asked any more gets none, and
    /// what an address does not take now has its time noted.
    pub(super) async fn prepare(&self, sending: &mut [Sending], now: Timestamp) -> Prepared {
        let mut due: Vec<(usize, ApproverId)> = Vec::new();
        for (index, one) in sending.iter().enumerate() {
            let approvers = one.item.emails_due(now);
            due.extend(approvers.map(|approver| (index, approver.clone())));
        }
        if due.is_empty() {
            return Prepared::default();
        }
        let kept = self.drop_others(sending, due, now).await;
        let allowed = match kept {
            Ok(kept) => self.allow(sending, kept, now).await,
            Err(error) => Err(error),
        };
        let (allowed, next) = match allowed {
            Ok(allowed) => allowed,
            Err(error) => {
                return Prepared {
                    failures: vec![error],
                    ..Prepared::default()
                };
            }
        };
        let mut prepared = Prepared {
            next,
            ..Prepared::default()
        };
        for (index, approver) in allowed {
            let Some(one) = sending.get_mut(index) else {
                continue;
            };
            match one.item.email(&approver, now) {
                Ok(Some(message)) => prepared.emails.push(Email {
                    index,
                    approver,
                    message,
                }),
                Ok(None) => one.note_email(approver, EmailState::Dropped),
                Err(error) => {
                    let what = format!("{} for {approver}", one.item.id);
                    let error = Error::unencodable(Step::Announce, what, error);
                    prepared.failures.push(error.into());
                }
            }
        }
        prepared
    }

    /// Leaves out whoever is not to be asked any more: the review is over, or not theirs to decide.
    async fn drop_others(
        &self,
        sending: &mut [Sending],
        due: Vec<(usize, ApproverId)>,
        now: Timestamp,
    ) -> Result<Vec<(usize, ApproverId)>, Arc<Error>> {
        if self.url.is_none() {
            // Nobody is asked by e-mail any more.
            for (index, approver) in due {
                drop_email(sending, index, approver);
            }
            return Ok(Vec::new());
        }
        let approvers = self.tables.approvers().await?;
        let endpoints: BTreeSet<Key> = due
            .iter()
            .filter_map(|(index, _)| endpoint_of(sending.get(*index)?))
            .map(|endpoint| Key::Request(endpoint.clone()))
            .collect();
        let what = "whether approvers are still to be asked could not be read";
        let requests = self.tables.read(endpoints, what).await?;
        let mut kept = Vec::new();
        for (index, approver) in due {
            let Some(one) = sending.get_mut(index) else {
                continue;
            };
            match is_asked(one, &approver, &approvers, &requests)? {
                Some(true) => kept.push((index, approver)),
                Some(false) => one.note_email(approver, EmailState::Dropped),
                None => {
                    let then = now.checked_add(UNREADABLE_FOR).unwrap_or(now);
                    one.note_email(approver, EmailState::NotBefore(then));
                }
            }
        }
        Ok(kept)
    }

    /// Leaves out what an address does not take now. Answers when the first of that may be sent.
    async fn allow(
        &self,
        sending: &mut [Sending],
        due: Vec<(usize, ApproverId)>,
        now: Timestamp,
    ) -> Result<(Vec<(usize, ApproverId)>, Option<Timestamp>), Arc<Error>> {
        let mut wanted: BTreeMap<ApproverId, usize> = BTreeMap::new();
        for (_, approver) in &due {
            *wanted.entry(approver.clone()).or_default() += 1;
        }
        let mut granted = self.tables.take_allowances(&wanted).await?;
        let (mut allowed, mut next) = (Vec::new(), None);
        for (index, approver) in due {
            let Some(left) = granted.get_mut(&approver) else {
                continue;
            };
            if left.now > 0 {
                left.now -= 1;
                allowed.push((index, approver));
                continue;
            }
            next = Some(next.map_or(left.rest_at, |next: Timestamp| next.min(left.rest_at)));
            if let Some(one) = sending.get_mut(index)
                && !one.item.has_to_wait(&approver)
            {
                // What waits already is due whenever it is looked at: that need not be written again.
                let then = EmailState::NotBefore(left.rest_at.max(now));
                one.note_email(approver, then);
            }
        }
        Ok((allowed, next))
    }

    /// Makes each e-mail's link. Its token goes out with the e-mail and is kept nowhere, so an e-mail
    /// that is sent again has another.
    pub(super) async fn with_links(
        &self,
        emails: &[Email],
    ) -> Result<Vec<OutgoingMessage>, Arc<Error>> {
        let url = self.url.as_deref().unwrap_or_default();
        let mut links = Vec::new();
        let mut outgoing = Vec::new();
        for Email { message, .. } in emails {
            let Audience::Approver(invitation) = &message.to else {
                continue;
            };
            let mut random = [0; 32];
            SysRng.try_fill_bytes(&mut random).map_err(|error| {
                let what = "no token could be made for an approver's link";
                let class = Retryable::MakeToken;
                Error::new(Step::Announce, "random numbers", class, what).caused_by(error)
            })?;
            let token = Token::new(random);
            links.push((token.hash(), invitation));
            let url = format!("{url}/a/{}", token.reveal());
            outgoing.push(OutgoingMessage {
                text: letter(&message.text, invitation, &url),
                message: message.clone(),
            });
        }
        self.tables.put_links(&links).await?;
        Ok(outgoing)
    }
}

fn drop_email(sending: &mut [Sending], index: usize, approver: ApproverId) {
    if let Some(one) = sending.get_mut(index) {
        one.note_email(approver, EmailState::Dropped);
    }
}

fn endpoint_of(one: &Sending) -> Option<&EndpointId> {
    let emails = one.item.approval_emails.as_ref()?;
    Some(&emails.review.endpoint_id)
}

/// Whether somebody is still to be asked; none if that cannot be told, because items of approvers cannot be
/// read.
fn is_asked(
    one: &Sending,
    id: &ApproverId,
    approvers: &Approvers,
    requests: &Items,
) -> Result<Option<bool>, Error> {
    let Some(emails) = &one.item.approval_emails else {
        return Ok(Some(false));
    };
    let request = requests.request(&emails.review.endpoint_id)?;
    let list = &approvers.list;
    if !approvers.malformed.is_empty() && list.iter().all(|approver| approver.id != *id) {
        return Ok(None);
    }
    let review = &emails.review;
    Ok(Some(is_still_asked(request.as_ref(), review, id, list)))
}
