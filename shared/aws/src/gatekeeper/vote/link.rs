//! What an approver's link opens.

use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::approver::Approver;
use gatekeeper_core::ballot::{Listed, RequestDetails, ReviewView, is_used_up, view};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::link::{Opens, opens};
use gatekeeper_core::request::{Request, Transition};
use gatekeeper_core::review::HeldEmail;
use gatekeeper_core::token::Token;
use gatekeeper_core::vote::Channel;
use jiff::Timestamp;

use super::Votes;
use super::observe::Waits;
use crate::error::Error;
use crate::tables::{Approvers, Link};

/// A link and what it opens.
pub(super) struct Opened {
    pub(super) link: Link,
    /// The number of the request's review.
    pub(super) review: u64,
    pub(super) request: Request,
    pub(super) approver: Approver,
    pub(super) approvers: Approvers,
    history: Vec<Transition>,
    managed: Option<Arc<[ServiceId]>>,
    /// The other requests that the link lists.
    pub(super) others: Vec<Listed>,
}

impl Votes {
    pub(super) async fn look_at_link(
        &self,
        token: &str,
        typed: &str,
    ) -> Result<ReviewView, Arc<Error>> {
        let Some(opened) = self.open(token, typed).await? else {
            return Ok(ReviewView::Invalid);
        };
        if opened.is_used_up() {
            return Ok(ReviewView::Invalid);
        }
        let now = self.clock.now();
        if opened.link.expires_at <= now {
            return Ok(ReviewView::Expired);
        }
        let held = self.held_email(&opened.request).await?;
        Ok(opened.view(held.as_ref(), now))
    }

    /// Finds the review for a token; for several requests, the typed characters choose one. `None`
    /// if the token opens nothing. Both cases read the same items, so that they take the same time.
    pub(super) async fn open(
        &self,
        token: &str,
        typed: &str,
    ) -> Result<Option<Opened>, Arc<Error>> {
        // A malformed token is looked up like an unknown one.
        let token = Token::from_link(token).unwrap_or_else(|_| Token::new([0; 32]));
        let hash = token.hash();
        let link = self.links.link(&hash).await?;
        let mut named = link
            .as_ref()
            .map_or(Vec::new(), |link| link.requests.clone());
        if named.is_empty() {
            match "vpce-00000000".parse() {
                Ok(id) => named.push((id, 0)),
                // The id is well-formed.
                Err(_) => return Ok(None),
            }
        }
        let waits = Waits::new(Channel::Email, &self.clock);
        let ids: Vec<_> = named.iter().map(|(id, _)| id.clone()).collect();
        let what = "the requests that an approver's link lists could not be read";
        let (items, approvers, managed) = tokio::try_join!(
            self.requests.several(ids, what).boxed(),
            self.allowlist.approvers().boxed(),
            self.observer.managed(waits).map(Ok).boxed(),
        )?;
        let mut listed = Vec::new();
        for (id, review) in &named {
            match items.request(id) {
                Ok(request) => listed.extend(request.map(|request| (request, *review))),
                // It does not stop the others.
                Err(error) if named.len() > 1 => self.log.failure(&error.into(), Some(id)),
                Err(error) => return Err(error.into()),
            }
        }
        let is_theirs = |approver: &&Approver| {
            let link = link.as_ref();
            link.is_some_and(|link| approver.id == link.approver)
        };
        let approver = approvers.list.iter().find(is_theirs).cloned();
        let opens = approver
            .as_ref()
            .and_then(|approver| opens(listed, typed, approver, &approvers.list));
        let shown = opens.as_ref().map(|opens| &opens.request.endpoint_id);
        let history = match shown.or(named.first().map(|(id, _)| id)) {
            Some(id) => self.requests.history(id).await?,
            None => Vec::new(),
        };
        let (Some(link), Some(approver), Some(opens)) = (link, approver, opens) else {
            return Ok(None);
        };
        let Opens {
            request,
            review,
            others,
        } = opens;
        Ok(Some(Opened {
            link,
            review,
            request,
            approver,
            approvers,
            history,
            managed,
            others,
        }))
    }
}

impl Opened {
    pub(super) fn details(self) -> RequestDetails {
        let approvers = &self.approvers.list;
        RequestDetails {
            others: self.others,
            ..RequestDetails::of(self.request, self.history, &self.approver, approvers)
        }
    }

    /// Whether the link can no longer be used, even though it has not expired.
    pub(super) fn is_used_up(&self) -> bool {
        is_used_up(&self.request, &self.approver, &self.approvers.list)
    }

    /// The view of the review, for a link that is neither used up nor expired.
    pub(super) fn view(self, held: Option<&HeldEmail>, now: Timestamp) -> ReviewView {
        view(
            self.request,
            self.history,
            &self.approver,
            &self.approvers.list,
            self.managed.as_deref(),
            held,
            now,
        )
        .listing(self.others)
    }
}
