//! Messages that are posted once each, and those of reviews, which are kept up to date.
//!
//! The messages show what the tables say. A record of the queue only says where to look, because anybody who
//! may publish could have written it.
//!
//! An instance claims a message's item in the requests table while it posts or changes the message, until it
//! is done or the claim ends. So two instances never post it twice, and none replaces a newer state by an
//! older one. If a claim ended without a result, the message is searched in Slack by its mark before it is
//! posted again.

use std::time::Duration;

use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::tables::{Posting, Postings, PromptGroup, Tables};
use gatekeeper_core::alarm::Alarm;
use gatekeeper_core::announcement::{Announcement, AnnouncementKind};
use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::confirmed::confirmed;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_slack_api::blocks::Message;
use gatekeeper_slack_api::client::calls::{
    History, Listed, Metadata, PostMessage, Replies, UpdateMessage,
};
use gatekeeper_slack_api::client::method::Method;
use gatekeeper_slack_api::client::refusal::Reason;
use gatekeeper_slack_api::ids::{AppId, ChannelId, MessageTs};
use gatekeeper_slack_api::prompt::Subject;
use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;
use crate::render::{self, RenderedPrompt};
use crate::slack::{MARGIN, Slack};

/// The type of the marks in messages.
const MARK: &str = "privatelink_gatekeeper";
/// How long a claim lasts: longer than a call to Slack with what goes before and after it.
const CLAIM: SignedDuration = SignedDuration::from_secs(40);
/// How long to wait for another instance's claim before looking again.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest difference between Slack's clock and ours.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How many pages of a channel's history are searched for a message.
const PAGES: usize = 20;

/// After how long the queue delivers a record again, as in template.yaml. It may take a bit longer, so what
/// would be too late then is not left to the queue.
pub const HANDED_BACK: SignedDuration = SignedDuration::from_mins(7);

/// Posts announcements, alarms and reviews.
#[derive(Debug)]
pub(crate) struct Prompts {
    pub(crate) slack: Slack,
    pub(crate) tables: Tables,
    pub(crate) postings: Postings,
    pub(crate) clock: Clock,
    app: Option<AppId>,
    /// The channel of services without a channel of their own.
    channel: Option<SlackChannelId>,
}

/// A message to post once.
pub(crate) struct Draft<'a> {
    pub(crate) message: &'a Message,
    /// The mark by which it is found again.
    pub(crate) mark: &'a str,
    /// The message in whose thread it is posted.
    pub(crate) thread: Option<&'a MessageTs>,
    /// The revision of the request that it shows; of several requests, the sum.
    pub(crate) shown: u64,
    pub(crate) is_over: bool,
}

/// An endpoint's state when its messages are up to date.
struct Current {
    /// `None` if there is no request.
    request: Option<Request>,
    /// The channel of its service.
    channel: Option<SlackChannelId>,
    /// Whether its review is collected with others.
    waits: bool,
}

impl Prompts {
    pub(crate) fn new(
        slack: Slack,
        tables: Tables,
        clock: Clock,
        app: Option<AppId>,
        channel: Option<SlackChannelId>,
    ) -> Self {
        Self {
            slack,
            postings: tables.postings(),
            tables,
            clock,
            app,
            channel,
        }
    }

    /// Opens connections before the first event.
    pub(crate) async fn warm_up(&self) -> Result<(), Failure> {
        self.slack.warm_up().await
    }

    /// Brings the messages of an endpoint's reviews up to date, and posts its announcements in the
    /// order in which they happened.
    pub(crate) async fn post_announcements(
        &self,
        endpoint: &EndpointId,
        announcements: &[&Announcement],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Current {
            request,
            channel,
            waits,
        } = loop {
            let tried = self.bring_up_to_date(endpoint, deadline);
            match tried.await {
                Err(failure) if failure.passes_soon() => self.pause(failure, deadline).await?,
                done => break done?,
            }
        };
        let once = announcements.iter().copied().filter(|it| is_told_once(it));
        let once: Vec<&Announcement> = once.collect();
        match (&request, &channel) {
            _ if once.is_empty() => {}
            (None, _) => once.into_iter().for_each(not_shown),
            (Some(_), None) => {}
            (Some(request), Some(channel)) => {
                self.post_all_once(once, request, channel, deadline).await?;
            }
        }
        match waits {
            true => Err(Failure::Waits),
            false => Ok(()),
        }
    }

    /// Posts the announcements about a connection that the tables confirm, in the order in which they happened.
    async fn post_all_once(
        &self,
        once: Vec<&Announcement>,
        request: &Request,
        channel: &SlackChannelId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let history = self.tables.history(&request.endpoint_id).await?;
        let mut shown: Vec<Announcement> = Vec::new();
        for announcement in once {
            match confirmed(announcement, request, &history) {
                Some(announcement) => shown.push(announcement),
                None => not_shown(announcement),
            }
        }
        shown.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        for announcement in &shown {
            self.post_once_of(announcement, request, channel, deadline)
                .await?;
        }
        Ok(())
    }

    /// Posts an alarm once, if the service's findings confirm it.
    pub(crate) async fn post_alarm(
        &self,
        alarm: &Alarm,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let known = self.tables.findings(&alarm.service_id).await?;
        let Some(alarm) = known.alarm(&alarm.service_id, alarm.finding, alarm.kind) else {
            tracing::warn!(
                service_id = %alarm.service_id,
                finding = alarm.finding.as_str(),
                kind = alarm.kind.as_str(),
                "an alarm says what is not so, or not any more; it is not shown"
            );
            return Ok(());
        };
        match self.channel_of(&alarm.service_id).await? {
            Some(channel) => {
                let message = render::alarm(&alarm);
                self.post_once(&alarm.id, &channel, None, &message, deadline)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Posts an announcement about a connection, with the facts of the tables.
    async fn post_once_of(
        &self,
        announcement: &Announcement,
        now: &Request,
        channel: &SlackChannelId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        if announcement.kind == AnnouncementKind::ReviewReminder {
            return self.remind(announcement, now, channel, deadline).await;
        }
        if !is_told_once(announcement) {
            return Ok(());
        }
        let message = render::notice(announcement, Some(now));
        self.post_once(&announcement.id, channel, None, &message, deadline)
            .await
    }

    /// Reminds people in the thread of a review's message while the review is open.
    async fn remind(
        &self,
        announcement: &Announcement,
        request: &Request,
        channel: &SlackChannelId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let prompts = self.postings.prompts(&request.endpoint_id).await?;
        let prompt = prompts
            .iter()
            .find(|prompt| prompt.review == request.review && prompt.channel == *channel);
        if let Some(together) = prompt.filter(|prompt| prompt.is_together()) {
            return self
                .remind_together(together, announcement, request, deadline)
                .await;
        }
        let Some(ts) = prompt.and_then(|prompt| prompt.ts.as_deref()) else {
            return Ok(());
        };
        let thread = ts.parse()?;
        let message = render::reminder(request);
        self.post_once(&announcement.id, channel, Some(&thread), &message, deadline)
            .await
    }

    /// The channel of a service.
    async fn channel_of(&self, service: &ServiceId) -> Result<Option<SlackChannelId>, Failure> {
        let settings = self.tables.settings_of(service).await?;
        Ok(settings.slack_channel.or_else(|| self.channel.clone()))
    }

    /// Brings the messages of an endpoint's reviews up to date, and posts one for an open review without a
    /// message.
    async fn bring_up_to_date(
        &self,
        endpoint: &EndpointId,
        deadline: Deadline,
    ) -> Result<Current, Failure> {
        // In this order: an instance that changes the message in between changes its item, and then our
        // write fails. So the request is never older than what the message shows.
        let mut prompts = self.postings.prompts(endpoint).await?;
        let Some(request) = self.tables.request(endpoint).await? else {
            return Ok(Current {
                request: None,
                channel: None,
                waits: false,
            });
        };
        let channel = self.channel_of(&request.service_id).await?;
        let waiting = request
            .review
            .filter(|_| request.status == Status::InReview);
        if let (Some(review), Some(channel)) = (waiting, &channel) {
            let is_there =
                |prompt: &Posting| prompt.review == Some(review) && prompt.channel == *channel;
            if !prompts.iter().any(is_there) {
                prompts.push(Posting::prompt(endpoint, review, channel));
            }
        }
        // A message that shows the end of its review stays, unless CloudTrail contradicts who decided.
        let is_contradicted = !request.other_names.is_empty();
        prompts.retain(|it| match it.ts {
            _ if it.is_together() => !it.is_over || is_contradicted,
            None => !it.is_over,
            Some(_) => it.shown < request.revision && (!it.is_over || is_contradicted),
        });
        let mut waits = false;
        if !prompts.is_empty() {
            let history = self.tables.history(endpoint).await?;
            for mut prompt in prompts {
                waits |= self.show(&mut prompt, &request, &history, deadline).await?;
            }
        }
        Ok(Current {
            request: Some(request),
            channel,
            waits,
        })
    }

    /// Brings the message of a review up to date. Answers whether the review is collected with others.
    async fn show(
        &self,
        prompt: &mut Posting,
        request: &Request,
        history: &[Transition],
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let Some(review) = prompt.review else {
            return Ok(false);
        };
        if prompt.is_together() {
            self.show_together(prompt, request, review, deadline)
                .await?;
            return Ok(false);
        }
        if prompt.is_claimed(self.clock.now()) {
            return Err(Failure::Busy);
        }
        let rendered = render::prompt(request, history, review);
        let subject = Subject {
            endpoint_id: request.endpoint_id.clone(),
            review,
        };
        let mark = subject.to_string();
        let draft = Draft {
            message: &rendered.message,
            mark: &mark,
            thread: None,
            shown: request.revision,
            is_over: rendered.is_over,
        };
        if prompt.ts.is_none() && !self.find(prompt, &draft, deadline).await? {
            if rendered.has_buttons {
                let group = PromptGroup {
                    service: request.service_id.clone(),
                    account: request.account_id.clone(),
                    channel: prompt.channel.clone(),
                };
                let prompted = (request.endpoint_id.clone(), review);
                let waits_until = self.postings.place_prompt(&group, &prompted).await?;
                let next = self.clock.now().checked_add(HANDED_BACK);
                return match waits_until {
                    None => {
                        self.post(prompt, &draft, deadline).await?;
                        Ok(false)
                    }
                    Some(until) if next.is_ok_and(|next| next <= until) => Ok(true),
                    Some(_) => {
                        self.post_waiting(&group, deadline).await?;
                        Ok(false)
                    }
                };
            }
            // The review was not posted here, so its end is not posted either.
            prompt.is_over = rendered.is_over;
            if rendered.is_over {
                self.write(prompt).await?;
            }
            return Ok(false);
        }
        self.update(prompt, &draft, &rendered, deadline).await?;
        Ok(false)
    }

    /// Posts a message under an id, unless it is already there.
    pub(crate) async fn post_once(
        &self,
        id: &str,
        channel: &SlackChannelId,
        thread: Option<&MessageTs>,
        message: &Message,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let draft = Draft {
            message,
            mark: id,
            thread,
            shown: 0,
            is_over: true,
        };
        loop {
            match self.try_to_post_once(id, channel, &draft, deadline).await {
                Err(failure) if failure.passes_soon() => self.pause(failure, deadline).await?,
                done => return done,
            }
        }
    }

    async fn try_to_post_once(
        &self,
        id: &str,
        channel: &SlackChannelId,
        draft: &Draft<'_>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut notice = self.postings.notice(id, channel).await?;
        if notice.ts.is_some() {
            return Ok(());
        }
        if notice.is_claimed(self.clock.now()) {
            return Err(Failure::Busy);
        }
        if self.find(&mut notice, draft, deadline).await? {
            return Ok(());
        }
        self.post(&mut notice, draft, deadline).await
    }

    /// Posts a message that is not there yet.
    pub(crate) async fn post(
        &self,
        posting: &mut Posting,
        draft: &Draft<'_>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        self.slack.ready(Method::PostMessage, deadline).await?;
        posting.doubtful_since = Some(self.clock.now());
        self.claim(posting).await?;
        let (channel, mark) = (slack_channel(posting)?, Metadata::new(MARK, draft.mark));
        let mut call = PostMessage::new(&channel, draft.message).marked(&mark);
        if let Some(thread) = draft.thread {
            call = call.in_thread(thread).broadcast();
        }
        match self.slack.call(&call).await {
            Ok(posted) => {
                tracing::info!(
                    mark = draft.mark,
                    channel = %posting.channel,
                    ts = %posted.ts,
                    "posted to Slack"
                );
                posting.ts = Some(posted.ts.to_string());
                posting.doubtful_since = None;
                posting.shown = draft.shown;
                posting.is_over = draft.is_over;
                self.release(posting).await
            }
            Err(failure) if may_have_happened(&failure) => Err(failure),
            Err(failure) => {
                posting.doubtful_since = None;
                self.let_go(posting).await;
                Err(failure)
            }
        }
    }

    /// Changes a message that is there.
    pub(crate) async fn update(
        &self,
        prompt: &mut Posting,
        draft: &Draft<'_>,
        rendered: &RenderedPrompt,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some(ts) = &prompt.ts else { return Ok(()) };
        let ts: MessageTs = ts.parse()?;
        self.slack.ready(Method::UpdateMessage, deadline).await?;
        self.claim(prompt).await?;
        let channel = slack_channel(prompt)?;
        let call = UpdateMessage::new(&channel, &ts, draft.message);
        match self.slack.call(&call).await {
            Ok(_) => {
                tracing::info!(
                    mark = draft.mark,
                    channel = %prompt.channel,
                    %ts,
                    is_over = draft.is_over,
                    "updated in Slack"
                );
            }
            Err(failure) if may_have_happened(&failure) => return Err(failure),
            Err(failure) => {
                self.let_go(prompt).await;
                if !is_about_the_message(&failure) {
                    return Err(failure);
                }
                tracing::warn!(
                    mark = draft.mark,
                    channel = %prompt.channel,
                    %ts,
                    error = %failure,
                    "a message in Slack cannot be changed, so people are told in another"
                );
                // Nobody would see a reply to a deleted message.
                let is_gone = is_refused_with(&failure, "message_not_found");
                return self
                    .post_correction(prompt, (&ts, is_gone), draft, rendered, deadline)
                    .await;
            }
        }
        prompt.shown = draft.shown;
        prompt.is_over = draft.is_over;
        self.release(prompt).await
    }

    /// Posts the current state of a message that cannot be changed: in its thread, or as a new message if it
    /// is gone or takes no replies.
    async fn post_correction(
        &self,
        prompt: &mut Posting,
        (ts, is_gone): (&MessageTs, bool),
        draft: &Draft<'_>,
        rendered: &RenderedPrompt,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        if !is_gone {
            let id = format!("{} {ts}.{}", draft.mark, draft.shown);
            let channel = prompt.channel.clone();
            let announcement = self.post_once(&id, &channel, Some(ts), &rendered.plain, deadline);
            match Box::pin(announcement).await {
                Err(failure) if is_about_the_message(&failure) => {}
                done => {
                    done?;
                    prompt.shown = draft.shown;
                    prompt.is_over = draft.is_over;
                    return self.write(prompt).await;
                }
            }
        }
        prompt.ts = None;
        self.post(prompt, draft, deadline).await
    }

    /// Searches Slack for a message whose posting had an unclear result, and records its place. Answers
    /// whether it is there.
    pub(crate) async fn find(
        &self,
        posting: &mut Posting,
        draft: &Draft<'_>,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let Some(since) = posting.doubtful_since else {
            return Ok(false);
        };
        let channel = slack_channel(posting)?;
        let found = self.look(&channel, since, draft, deadline).await?;
        if let Some(ts) = &found {
            tracing::info!(mark = draft.mark, %channel, %ts, "found again in Slack");
        }
        posting.ts = found.map(|ts| ts.to_string());
        posting.doubtful_since = None;
        self.release(posting).await?;
        Ok(posting.ts.is_some())
    }

    async fn look(
        &self,
        channel: &ChannelId,
        since: Timestamp,
        draft: &Draft<'_>,
        deadline: Deadline,
    ) -> Result<Option<MessageTs>, Failure> {
        let oldest = ts_before(since)?;
        let mark = Metadata::new(MARK, draft.mark);
        let is_ours = |listed: &&Listed| {
            let same_app = match (&listed.app_id, &self.app) {
                (Some(its), Some(our)) => its == our,
                _ => true,
            };
            same_app && listed.metadata.as_ref() == Some(&mark)
        };
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = match draft.thread {
                Some(thread) => {
                    self.slack.ready(Method::Replies, deadline).await?;
                    let mut call = Replies::to(channel, thread).since(&oldest);
                    if let Some(cursor) = &cursor {
                        call = call.page(cursor);
                    }
                    self.slack.call(&call).await
                }
                None => {
                    self.slack.ready(Method::History, deadline).await?;
                    let mut call = History::of(channel).since(&oldest);
                    if let Some(cursor) = &cursor {
                        call = call.page(cursor);
                    }
                    self.slack.call(&call).await
                }
            };
            let page = match page {
                Ok(page) => page,
                Err(failure) if keeps_us_from_reading(&failure) => {
                    tracing::warn!(
                        mark = draft.mark,
                        %channel,
                        error = %failure,
                        "it cannot be told whether a message is in Slack, so it is posted, perhaps once more"
                    );
                    return Ok(None);
                }
                Err(failure) => return Err(failure),
            };
            if let Some(found) = page.messages.iter().find(is_ours) {
                return Ok(Some(found.ts.clone()));
            }
            match page.next() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(None),
            }
        }
        tracing::warn!(
            mark = draft.mark,
            %channel,
            "a message is not among the thousands that were posted since, so it is posted again"
        );
        Ok(None)
    }

    /// Claims a message.
    pub(crate) async fn claim(&self, posting: &mut Posting) -> Result<(), Failure> {
        posting.claimed_until = self.clock.now().checked_add(CLAIM).ok();
        self.write(posting).await
    }

    /// Records the result and ends the claim.
    async fn release(&self, posting: &mut Posting) -> Result<(), Failure> {
        posting.claimed_until = None;
        self.write(posting).await
    }

    /// As [`release`](Self::release), after another error: if this fails, the claim ends by itself.
    async fn let_go(&self, posting: &mut Posting) {
        if let Err(failure) = self.release(posting).await {
            tracing::warn!(error = %failure, "a claim on a message is left to end by itself");
        }
    }

    pub(crate) async fn write(&self, posting: &mut Posting) -> Result<(), Failure> {
        if self.postings.put_posting(posting).await? {
            Ok(())
        } else {
            Err(Failure::Busy)
        }
    }

    /// Waits before another try. Returns the failure if there is no time.
    async fn pause(&self, failure: Failure, deadline: Deadline) -> Result<(), Failure> {
        if !deadline.leaves(&self.clock, PAUSE + MARGIN) {
            return Err(failure);
        }
        self.clock.sleep(PAUSE).await;
        Ok(())
    }
}

/// Whether an announcement says more than the reviews' messages show.
fn is_told_once(announcement: &Announcement) -> bool {
    match announcement.kind {
        AnnouncementKind::ReviewOpened
        | AnnouncementKind::VoteCast
        | AnnouncementKind::VoteWithdrawn
        | AnnouncementKind::Accepted
        | AnnouncementKind::Rejected
        | AnnouncementKind::Gone => false,
        AnnouncementKind::ReviewReminder
        | AnnouncementKind::NobodyMayDecide
        | AnnouncementKind::QuorumOutOfReach
        | AnnouncementKind::AcceptRefused
        | AnnouncementKind::StaysRejected
        | AnnouncementKind::WouldRevoke
        | AnnouncementKind::RevocationStarted
        | AnnouncementKind::RevocationUndone
        | AnnouncementKind::Revoked
        | AnnouncementKind::AcceptedOutOfBand
        | AnnouncementKind::RejectedOutOfBand
        | AnnouncementKind::DeciderNamed
        | AnnouncementKind::DeciderContradicted => true,
    }
}

/// Logs an announcement that the tables do not confirm: it is forged, or out of date.
fn not_shown(announcement: &Announcement) {
    tracing::warn!(
        endpoint_id = %announcement.endpoint_id,
        kind = announcement.kind.as_str(),
        "an announcement says what is not so, or not any more; it is not shown"
    );
}

fn slack_channel(posting: &Posting) -> Result<ChannelId, Failure> {
    Ok(posting.channel.as_str().parse()?)
}

/// Slack's form of a moment, some time before one of ours.
fn ts_before(at: Timestamp) -> Result<MessageTs, Failure> {
    let before = at.checked_sub(SKEW).unwrap_or(Timestamp::UNIX_EPOCH);
    let seconds = before.as_second().max(0);
    Ok(format!("{seconds}.000000").parse()?)
}

fn may_have_happened(failure: &Failure) -> bool {
    match failure {
        Failure::Slack(error) => error.may_have_happened(),
        _ => false,
    }
}

fn is_about_the_message(failure: &Failure) -> bool {
    refused_for(failure, &[Reason::Message])
}

fn is_refused_with(failure: &Failure, code: &str) -> bool {
    match failure {
        Failure::Slack(error) => error.refusal().is_some_and(|it| it.code() == code),
        _ => false,
    }
}

/// Whether the app may not read the channel. It may still post there.
fn keeps_us_from_reading(failure: &Failure) -> bool {
    refused_for(failure, &[Reason::Scope, Reason::Channel, Reason::Message])
}

fn refused_for(failure: &Failure, reasons: &[Reason]) -> bool {
    match failure {
        Failure::Slack(error) => error
            .refusal()
            .is_some_and(|refusal| reasons.contains(&refusal.reason())),
        _ => false,
    }
}
