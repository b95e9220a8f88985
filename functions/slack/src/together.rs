//! One message for several reviews of the same account at the same service.
//!
//! It belongs to the item of the first review, which lists the others; their items name the first. That is
//! written before the message is posted. So every announcement about one of them finds the message, and an
//! instance that follows a failed one posts the same.

use std::collections::{BTreeMap, BTreeSet};

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::tables::{Posting, PromptGroup};
use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::grouping::Prompted;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Request;
use gatekeeper_slack_api::client::method::Method;
use gatekeeper_slack_api::prompt::Subject;

use crate::failure::Failure;
use crate::prompts::{Draft, Prompts};
use crate::render::{self, LISTED_AT_MOST, RenderedPrompt};

/// Reminders of one message that come within so many seconds are combined.
const REMINDERS: i64 = 3600;

/// What one message shows.
struct Shown {
    listed: Vec<Prompted>,
    requests: BTreeMap<EndpointId, Request>,
}

impl Shown {
    /// The first of them, if its request is known.
    fn first(&self) -> Option<(&Request, u64)> {
        let (endpoint, review) = self.listed.first()?;
        Some((self.requests.get(endpoint)?, *review))
    }

    /// The message as of now, and its revision. `None` if no request of it is known.
    fn rendered(&self) -> Option<(RenderedPrompt, u64)> {
        let rendered = render::several(&self.listed, &self.requests)?;
        // No request goes back to an earlier revision, so neither does this.
        let revisions = self.requests.values().map(|request| request.revision);
        Some((rendered, revisions.fold(0, u64::saturating_add)))
    }
}

impl Prompts {
    /// Posts the collected reviews of an account that are still open.
    pub(crate) async fn post_waiting(
        &self,
        group: &PromptGroup,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let waiting = self.postings.waiting_prompts(group).await?;
        let postings = self.postings.postings(&waiting, &group.channel).await?;
        let endpoints = waiting.iter().map(|(endpoint, _)| endpoint);
        let requests = self.tables.requests_of(endpoints).await?;
        // If an instance has begun to post, the record that it had does the rest.
        let begun = waiting.iter().zip(&postings);
        let begun = begun.filter(|(_, posting)| posting.is_together() && posting.ts.is_none());
        let begun: BTreeSet<Prompted> = begun
            .flat_map(|(prompted, posting)| posting.others.iter().chain([prompted]).cloned())
            .collect();
        let (now, mut asked, mut over) = (self.clock.now(), Vec::new(), Vec::new());
        for (prompted, posting) in waiting.into_iter().zip(postings) {
            let request = requests.get(&prompted.0);
            let is_asked = request.is_some_and(|request| render::is_asked(request, prompted.1));
            let is_doubtful = posting.doubtful_since.is_some() || posting.is_claimed(now);
            if begun.contains(&prompted) || is_doubtful {
                continue;
            }
            match is_asked && posting.ts.is_none() && !posting.is_over {
                true => asked.push((prompted, posting)),
                false => over.push(prompted),
            }
        }
        for chunk in asked.chunks(LISTED_AT_MOST) {
            let Some(((_, first), others)) = chunk.split_first() else {
                continue;
            };
            let mut first = first.clone();
            let listed: Vec<Prompted> = chunk.iter().map(|(one, _)| one.clone()).collect();
            first.others = others.iter().map(|(one, _)| one.clone()).collect();
            let of = |(endpoint, _): &Prompted| {
                Some((endpoint.clone(), requests.get(endpoint)?.clone()))
            };
            let shown = Shown {
                requests: listed.iter().filter_map(of).collect(),
                listed,
            };
            self.post_together(&mut first, &shown, deadline).await?;
        }
        Ok(self.postings.prompts_shown(group, &over).await?)
    }

    /// Brings the message that shows several reviews up to date, and posts it if it is not there.
    pub(crate) async fn show_together(
        &self,
        own: &mut Posting,
        request: &Request,
        review: u64,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some((mut first, shown)) = self.read_together(own, request, review).await? else {
            return Ok(());
        };
        if first.is_claimed(self.clock.now()) {
            return Err(Failure::Busy);
        }
        let Some((rendered, revisions)) = shown.rendered() else {
            return Ok(());
        };
        if first.ts.is_none() || first.shown < revisions {
            let mark = mark_of(&shown);
            let draft = draft(&rendered, &mark, revisions);
            if first.ts.is_some() || self.find(&mut first, &draft, deadline).await? {
                self.update(&mut first, &draft, &rendered, deadline).await?;
            } else if rendered.has_buttons {
                self.post_together(&mut first, &shown, deadline).await?;
            } else {
                // The reviews were not posted here.
                first.is_over = true;
                self.write(&mut first).await?;
            }
        }
        if own.with.is_some() && !own.is_over && render::is_ended(request, review) {
            own.is_over = true;
            self.write(own).await?;
        }
        Ok(())
    }

    /// Reminds people of all reviews that one message shows, once for those of whom reminders come together.
    pub(crate) async fn remind_together(
        &self,
        own: &Posting,
        announcement: &Announcement,
        request: &Request,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some(review) = own.review else {
            return Ok(());
        };
        let Some((first, shown)) = self.read_together(own, request, review).await? else {
            return Ok(());
        };
        let (Some(ts), Some(message)) = (
            &first.ts,
            render::reminder_of_several(&shown.listed, &shown.requests),
        ) else {
            return Ok(());
        };
        let hour = announcement.at.as_second().div_euclid(REMINDERS);
        let id = format!("{} reminder {hour}", mark_of(&shown));
        self.post_once(&id, &own.channel, Some(&ts.parse()?), &message, deadline)
            .await
    }

    /// The item of the message that shows a review among others, and all that it shows.
    async fn read_together(
        &self,
        own: &Posting,
        request: &Request,
        review: u64,
    ) -> Result<Option<(Posting, Shown)>, Failure> {
        let first = own.with.clone();
        let first = first.unwrap_or_else(|| (request.endpoint_id.clone(), review));
        // The item is read first: an instance that changes the message in between changes the item.
        let postings = self
            .postings
            .postings(std::slice::from_ref(&first), &own.channel)
            .await?;
        let Some(posting) = postings.into_iter().next() else {
            return Ok(None);
        };
        let mut listed = vec![first];
        listed.extend(posting.others.iter().cloned());
        let endpoints = listed.iter().map(|(endpoint, _)| endpoint);
        let requests = self.tables.requests_of(endpoints).await?;
        Ok(Some((posting, Shown { listed, requests })))
    }

    /// Posts a message that shows several reviews, or one that is left of several.
    async fn post_together(
        &self,
        first: &mut Posting,
        shown: &Shown,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some((request, review)) = shown.first() else {
            return Ok(());
        };
        let group = PromptGroup {
            service: request.service_id.clone(),
            account: request.account_id.clone(),
            channel: first.channel.clone(),
        };
        let mark = mark_of(shown);
        if first.others.is_empty() {
            let rendered = render::prompt(request, &[], review);
            self.post(first, &draft(&rendered, &mark, request.revision), deadline)
                .await?;
        } else if let Some((rendered, revisions)) = shown.rendered() {
            self.slack.ready(Method::PostMessage, deadline).await?;
            self.claim(first).await?;
            let others = first.others.clone();
            for mut other in self.postings.postings(&others, &first.channel).await? {
                if other.ts.is_none() && other.with.is_none() {
                    other.with = shown.listed.first().cloned();
                    self.write(&mut other).await?;
                }
            }
            self.post(first, &draft(&rendered, &mark, revisions), deadline)
                .await?;
        }
        Ok(self.postings.prompts_shown(&group, &shown.listed).await?)
    }
}

fn draft<'a>(rendered: &'a RenderedPrompt, mark: &'a str, shown: u64) -> Draft<'a> {
    Draft {
        message: &rendered.message,
        mark,
        thread: None,
        shown,
        is_over: rendered.is_over,
    }
}

/// A message of several is found again by the first of them.
fn mark_of(shown: &Shown) -> String {
    let first = shown.listed.first().cloned();
    first.map_or_else(String::new, |(endpoint_id, review)| {
        let subject = Subject {
            endpoint_id,
            review,
        };
        subject.to_string()
    })
}
