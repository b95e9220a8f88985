//! Approval e-mails: who is still to be notified, which reviews share an e-mail, how many e-mails
//! an address takes, and a link for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::invitation::{
    LISTED_AT_MOST, approval_email, invitation_to_all, is_still_asked,
};
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
use crate::tables::{Allowances, Allowlist, Approvers, Db, Items, Links, Requests};

/// While approvers' items cannot be read, we check again after this time whether somebody is an
/// approver.
const UNREADABLE_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Makes e-mails.
#[derive(Debug)]
pub(super) struct Emails {
    allowlist: Allowlist,
    requests: Requests,
    allowances: Allowances,
    links: Links,
    /// The URL of the function `approvals`; `None` if approvers get no links.
    url: Option<String>,
}

/// An e-mail that is to be sent now.
pub(super) struct Email {
    pub(super) about: About,
    pub(super) message: Message,
}

/// The recipient of one e-mail, and its items.
pub(super) struct About {
    pub(super) approver: ApproverId,
    /// The items' positions among those that are being sent.
    pub(super) places: Vec<usize>,
}

/// The e-mails to be sent now, and what is left.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) emails: Vec<Email>,
    /// When the first of the e-mails that an address does not take now may be sent.
    pub(super) next: Option<Timestamp>,
    pub(super) failures: Vec<Arc<Error>>,
    /// Whether nothing could be prepared.
    pub(super) is_unprepared: bool,
}

impl Emails {
    pub(super) fn new(db: &Db, config: &AnnouncementsConfig) -> Self {
        let approvals = config.approvals.as_ref();
        Self {
            allowlist: Allowlist::new(db),
            requests: Requests::new(db),
            allowances: Allowances::new(db),
            links: Links::new(db),
            url: approvals.map(|approvals| approvals.url.clone()),
        }
    }

    /// The e-mails of these items that are to be sent now. Approvers who are not to be notified any
    /// more get none. For e-mails that an address does not take now, the time is noted.
    pub(super) async fn prepare(&self, sending: &mut [Sending], now: Timestamp) -> Prepared {
        let mut due: Vec<(usize, ApproverId)> = Vec::new();
        for (index, one) in sending.iter().enumerate() {
            let approvers = one.item.emails_due(now);
            due.extend(approvers.map(|approver| (index, approver.clone())));
        }
        if due.is_empty() {
            return Prepared::default();
        }
        let allowed = async {
            let kept = self.drop_others(sending, due, now).await?;
            let emails = self.group(sending, kept).await?;
            self.allow(sending, emails, now).await
        };
        let (allowed, next) = match allowed.await {
            Ok(allowed) => allowed,
            Err(error) => {
                return Prepared {
                    failures: vec![error],
                    is_unprepared: true,
                    ..Prepared::default()
                };
            }
        };
        let mut prepared = Prepared {
            next,
            ..Prepared::default()
        };
        for about in allowed {
            let reviews = about.places.iter();
            let reviews: Vec<&Announcement> = reviews
                .filter_map(|place| review_of(sending.get(*place)?))
                .collect();
            match invitation_to_all(&reviews, &about.approver, now) {
                Ok(Some(message)) => prepared.emails.push(Email { about, message }),
                Ok(None) => note_all(sending, &about, EmailState::Dropped),
                Err(error) => {
                    let what = format!("an approval e-mail to {}", about.approver);
                    let error = Error::unencodable(Step::Announce, what, error);
                    prepared.failures.push(error.into());
                }
            }
        }
        prepared
    }

    /// Which of these e-mails are sent now, and which are combined. The first reviews of an account
    /// at a service are sent at once; those that come soon after them wait for each other. All
    /// reviews of the account that have waited, for whatever reason, are combined.
    async fn group(
        &self,
        sending: &mut [Sending],
        due: Vec<(usize, ApproverId)>,
    ) -> Result<Vec<About>, Arc<Error>> {
        let mut new: BTreeMap<(ServiceId, AccountId), BTreeMap<usize, Vec<ApproverId>>> =
            BTreeMap::new();
        let mut waited: BTreeMap<(ServiceId, AccountId, ApproverId), Vec<usize>> = BTreeMap::new();
        for (place, approver) in due {
            let Some(one) = sending.get(place) else {
                continue;
            };
            let Some(review) = review_of(one) else {
                continue;
            };
            let (service, account) = (review.service_id.clone(), review.account_id.clone());
            if one.item.has_to_wait(&approver) {
                let group = waited.entry((service, account, approver));
                group.or_default().push(place);
            } else {
                let items = new.entry((service, account)).or_default();
                items.entry(place).or_default().push(approver);
            }
        }
        let mut emails = Vec::new();
        for ((service, account), items) in new {
            let ids = items.keys().filter_map(|place| sending.get(*place));
            let ids: Vec<&str> = ids.map(|one| one.item.id.as_str()).collect();
            let placed = self
                .allowances
                .place_emails(&service, &account, &ids)
                .await?;
            for ((place, approvers), then) in items.into_iter().zip(placed) {
                for approver in approvers {
                    let places = vec![place];
                    let about = About { approver, places };
                    match then {
                        Some(then) => note_all(sending, &about, EmailState::NotBefore(then)),
                        None => emails.push(about),
                    }
                }
            }
        }
        for ((_, _, approver), places) in waited {
            let chunks = places.chunks(LISTED_AT_MOST);
            emails.extend(chunks.map(|places| About {
                approver: approver.clone(),
                places: places.to_vec(),
            }));
        }
        // The first that was written is sent first.
        emails.sort_by_key(|about| about.places.first().copied());
        Ok(emails)
    }

    /// Leaves out approvers who are not to be notified any more: the review is over, or they may
    /// not decide it.
    async fn drop_others(
        &self,
        sending: &mut [Sending],
        due: Vec<(usize, ApproverId)>,
        now: Timestamp,
    ) -> Result<Vec<(usize, ApproverId)>, Arc<Error>> {
        if self.url.is_none() {
            // Approval e-mail is switched off.
            for (place, approver) in due {
                let places = vec![place];
                note_all(sending, &About { approver, places }, EmailState::Dropped);
            }
            return Ok(Vec::new());
        }
        let approvers = self.allowlist.approvers().await?;
        let endpoints: BTreeSet<EndpointId> = due
            .iter()
            .filter_map(|(index, _)| review_of(sending.get(*index)?))
            .map(|review| review.endpoint_id.clone())
            .collect();
        let what = "whether approvers are still to be asked could not be read";
        let requests = self.requests.several(endpoints, what).await?;
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

    /// Leaves out the e-mails that an address does not take now. Answers when the first of them may
    /// be sent.
    async fn allow(
        &self,
        sending: &mut [Sending],
        emails: Vec<About>,
        now: Timestamp,
    ) -> Result<(Vec<About>, Option<Timestamp>), Arc<Error>> {
        let mut wanted: BTreeMap<&ApproverId, usize> = BTreeMap::new();
        for about in &emails {
            *wanted.entry(&about.approver).or_default() += 1;
        }
        let mut granted = BTreeMap::new();
        for (approver, wanted) in wanted {
            let taken = self.allowances.take_allowance(approver, wanted).await?;
            granted.insert(approver.clone(), taken);
        }
        let (mut allowed, mut next) = (Vec::new(), None);
        for about in emails {
            let Some(left) = granted.get_mut(&about.approver) else {
                continue;
            };
            if left.now > 0 {
                left.now -= 1;
                allowed.push(about);
                continue;
            }
            next = Some(next.map_or(left.rest_at, |next: Timestamp| next.min(left.rest_at)));
            let then = EmailState::NotBefore(left.rest_at.max(now));
            for place in &about.places {
                // An e-mail that was already put off is due whenever it is looked at, so this need
                // not be written again.
                if let Some(one) = sending.get_mut(*place)
                    && !one.item.has_to_wait(&about.approver)
                {
                    one.note_email(about.approver.clone(), then);
                }
            }
        }
        Ok((allowed, next))
    }

    /// Makes each e-mail's link. The token is sent with the e-mail and stored nowhere, so an e-mail
    /// that is sent again has another token.
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
                text: approval_email(&message.text, invitation, &url),
                message: message.clone(),
            });
        }
        self.links.put_links(&links).await?;
        Ok(outgoing)
    }
}

fn note_all(sending: &mut [Sending], about: &About, state: EmailState) {
    for place in &about.places {
        if let Some(one) = sending.get_mut(*place) {
            one.note_email(about.approver.clone(), state);
        }
    }
}

fn review_of(one: &Sending) -> Option<&Announcement> {
    let emails = one.item.approval_emails.as_ref()?;
    Some(&emails.review)
}

/// Whether somebody is still to be notified. `None` if that is unknown, because items of approvers
/// cannot be read.
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
