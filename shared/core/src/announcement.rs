//! The announcements of a connection for people and machines, and their texts.
//!
//! Of transitions only outcomes are announced: never "accepted" before EC2 said so.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::objection;
use crate::chat::Notification;
use crate::ids::PrincipalArn;
use crate::ids::{AccountId, EndpointId, Region, ServiceId};
use crate::judge::{Decision, Verdict};
use crate::message::{Audience, Message};
use crate::other_names::list;
use crate::policy::ServiceName;
use crate::rejection;
use crate::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};
use crate::visible::in_line;
use crate::vote::{Vote, may_approve};
use crate::words;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncementKind {
    /// A connection waits for people.
    ReviewOpened,
    /// A connection still waits for people.
    ReviewReminder,
    /// A connection waits for people, and nobody may decide about it.
    NobodyMayDecide,
    /// A review needs more approvals than there are people who may approve it.
    QuorumOutOfReach,
    /// Somebody voted; EC2 is not asked before enough have.
    VoteCast,
    /// Somebody withdrew their approval.
    VoteWithdrawn,
    /// EC2 accepted a connection.
    Accepted,
    /// EC2 rejected a connection.
    Rejected,
    /// EC2 would not accept a connection that became allowed after it had been rejected.
    AcceptRefused,
    /// An entry allows a connection that people rejected, and it stays rejected.
    StaysRejected,
    /// Nothing allows an accepted connection any more; the service only reports it.
    WouldRevoke,
    /// An accepted connection will be revoked, at a given time.
    RevocationStarted,
    /// The connection will not be revoked after all.
    RevocationUndone,
    /// The connection was revoked.
    Revoked,
    /// Somebody accepted a connection without Gatekeeper.
    AcceptedOutOfBand,
    /// Somebody rejected a connection without Gatekeeper.
    RejectedOutOfBand,
    /// It became known who decided, after the decision had been announced.
    DeciderNamed,
    /// AWS CloudTrail names somebody else for a decision than the record does.
    DeciderContradicted,
    /// The endpoint of an open or accepted connection is gone.
    Gone,
}

impl AnnouncementKind {
    pub const ALL: [AnnouncementKind; 19] = [
        AnnouncementKind::ReviewOpened,
        AnnouncementKind::ReviewReminder,
        AnnouncementKind::NobodyMayDecide,
        AnnouncementKind::QuorumOutOfReach,
        AnnouncementKind::VoteCast,
        AnnouncementKind::VoteWithdrawn,
        AnnouncementKind::Accepted,
        AnnouncementKind::Rejected,
        AnnouncementKind::AcceptRefused,
        AnnouncementKind::StaysRejected,
        AnnouncementKind::WouldRevoke,
        AnnouncementKind::RevocationStarted,
        AnnouncementKind::RevocationUndone,
        AnnouncementKind::Revoked,
        AnnouncementKind::AcceptedOutOfBand,
        AnnouncementKind::RejectedOutOfBand,
        AnnouncementKind::DeciderNamed,
        AnnouncementKind::DeciderContradicted,
        AnnouncementKind::Gone,
    ];

    /// The kind in messages and in the attribute that filter policies use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReviewOpened => "review_opened",
            Self::ReviewReminder => "review_reminder",
            Self::NobodyMayDecide => "nobody_may_decide",
            Self::QuorumOutOfReach => "quorum_out_of_reach",
            Self::VoteCast => "vote_cast",
            Self::VoteWithdrawn => "vote_withdrawn",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::AcceptRefused => "accept_refused",
            Self::StaysRejected => "stays_rejected",
            Self::WouldRevoke => "would_revoke",
            Self::RevocationStarted => "revocation_started",
            Self::RevocationUndone => "revocation_undone",
            Self::Revoked => "revoked",
            Self::AcceptedOutOfBand => "accepted_out_of_band",
            Self::RejectedOutOfBand => "rejected_out_of_band",
            Self::DeciderNamed => "decider_named",
            Self::DeciderContradicted => "decider_contradicted",
            Self::Gone => "gone",
        }
    }
}

/// The name and version of the document that machines get.
pub const SCHEMA: &str = "privatelink-gatekeeper/announcement/1";

/// One message about one connection. Serialized, it is the document that machines get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The same for every copy of this message: endpoint id and version of the request, and its
    /// revision and the kind where its status did not change.
    pub id: String,
    pub kind: AnnouncementKind,
    /// When it happened.
    pub at: Timestamp,
    pub service_id: ServiceId,
    /// The name that people call it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<ServiceName>,
    /// The customer, if the allowlist knows the account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    pub endpoint_id: EndpointId,
    pub account_id: AccountId,
    /// The Region of the endpoint.
    pub region: Region,
    /// The request's current status.
    pub status: Status,
    /// The status before.
    pub previous_status: Option<Status>,
    /// The actor of the decision.
    pub decided_by: Actor,
    /// The principals whom AWS CloudTrail names for the decision besides that actor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_named: Vec<PrincipalArn>,
    /// The policy's last verdict.
    pub verdict: Verdict,
    /// The reason, in one sentence.
    pub reason: String,
    /// EC2's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ec2: Option<Ec2Answer>,
    /// When the connection will be revoked, or when the review should be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Since when the consumer has asked to connect.
    pub since: Timestamp,
    /// The review, if there is or was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// In an approval e-mail: the other reviews of the same account at the same service that it
    /// lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherReview>,
}

/// Another review in an approval e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherReview {
    /// The id that a message about it alone would have.
    pub id: String,
    pub endpoint_id: EndpointId,
    /// The number of the request's review.
    pub number: u64,
}

/// The state of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The number of the request's review: the version at which it opened.
    pub number: u64,
    /// How many people must approve.
    pub approvals_required: u32,
    /// How many people may decide.
    pub deciders: u32,
    /// The votes so far.
    pub votes: Vec<Vote>,
    /// Whether the connection is rejected if nobody answers in time.
    pub rejected_when_due: bool,
}

/// The announcement of a transition; `request` is as it is after it. `None` for intermediate steps,
/// and for transitions that nobody needs to know.
#[must_use]
pub fn announcement_of(request: &Request, transition: &Transition) -> Option<Announcement> {
    let kind = kind_of(transition, request)?;
    Some(Announcement {
        id: format!("{}#{:08}", request.endpoint_id, request.version),
        previous_status: transition.from,
        reason: transition.reason.clone(),
        ec2: transition.ec2.clone(),
        ..about(request, kind, transition.at)
    })
}

/// The announcement about a request whose status did not change; its id has the revision that notes
/// it.
#[must_use]
pub fn note(request: &Request, kind: AnnouncementKind, at: Timestamp) -> Announcement {
    let mut announcement = about(request, kind, at);
    announcement.id = format!("{}.{}", announcement.id, kind.as_str());
    match (kind, request.votes.last()) {
        (AnnouncementKind::WouldRevoke, _) => {
            announcement.reason = objection(request, &request.verdict, request.purged.as_ref());
        }
        (AnnouncementKind::StaysRejected, _) => announcement.reason = rejection::why(request),
        (AnnouncementKind::VoteCast | AnnouncementKind::VoteWithdrawn, Some(vote)) => {
            announcement.reason = vote.to_string();
        }
        (AnnouncementKind::DeciderNamed, _) => {
            announcement.reason = "AWS CloudTrail tells by now who it was.".to_owned();
        }
        (AnnouncementKind::DeciderContradicted, _) => {
            announcement.reason = format!(
                "{} is on record for it, and AWS CloudTrail names somebody else as well.",
                sentence_start(&request.decided_by)
            );
        }
        _ => {}
    }
    announcement
}

fn about(request: &Request, kind: AnnouncementKind, at: Timestamp) -> Announcement {
    Announcement {
        schema: SCHEMA.to_owned(),
        id: format!(
            "{}#{:08}.{}",
            request.endpoint_id, request.version, request.revision
        ),
        kind,
        at,
        service_id: request.service_id.clone(),
        endpoint_id: request.endpoint_id.clone(),
        account_id: request.account_id.clone(),
        region: request.region.clone(),
        status: request.status,
        previous_status: Some(request.status),
        decided_by: request.decided_by.clone(),
        also_named: request.also_named(),
        verdict: request.verdict.clone(),
        reason: request.verdict.reason.clone(),
        ec2: None,
        due: request.due.or(request.deadline),
        since: request.opened_at,
        service_name: request.service_name.clone(),
        customer: request.customer.clone(),
        review: request.review.map(|number| Review {
            number,
            approvals_required: request.approvals_required,
            deciders: request.deciders,
            votes: request.votes.clone(),
            rejected_when_due: request.deadline_rejects,
        }),
        others: Vec::new(),
    }
}

fn sentence_start(actor: &Actor) -> String {
    let words = actor.to_string();
    match actor {
        // Names are written unchanged.
        Actor::Approver(_) | Actor::Iam(_) => words,
        _ => {
            let mut characters = words.chars();
            let first = characters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(characters).collect()
        }
    }
}

fn kind_of(transition: &Transition, request: &Request) -> Option<AnnouncementKind> {
    // Nobody needs to know that a connection was accepted before we looked, unless the policy
    // denies it.
    let old = transition.actor == Actor::Found && request.verdict.decision != Decision::Reject;
    match (transition.cause, transition.from, transition.to) {
        (_, _, Status::InReview) if request.deciders == 0 => {
            Some(AnnouncementKind::NobodyMayDecide)
        }
        (_, _, Status::InReview) => Some(AnnouncementKind::ReviewOpened),
        // An approver need not press a second time while EC2 is slow.
        (Cause::Voted, _, _) => Some(AnnouncementKind::VoteCast),
        // A service that is newly managed may have hundreds of connections that somebody accepted
        // long ago. Only those that the policy denies are announced.
        (Cause::OutOfBand, None, Status::Accepted) if old => None,
        (Cause::OutOfBand, None, Status::Rejected) if transition.actor == Actor::Found => None,
        (Cause::OutOfBand, _, Status::Accepted) => Some(AnnouncementKind::AcceptedOutOfBand),
        (Cause::OutOfBand, _, Status::Rejected) => Some(AnnouncementKind::RejectedOutOfBand),
        (Cause::Restored, _, _) => Some(AnnouncementKind::RevocationUndone),
        (Cause::Refused, _, _) => Some(AnnouncementKind::AcceptRefused),
        (_, _, Status::Accepted) => Some(AnnouncementKind::Accepted),
        (_, Some(Status::Revoking), Status::Rejected) => Some(AnnouncementKind::Revoked),
        (_, _, Status::Rejected) => Some(AnnouncementKind::Rejected),
        // Consumers delete rejected endpoints as a matter of course.
        (_, Some(Status::Rejected | Status::Rejecting), Status::Gone) => None,
        (_, _, Status::Gone) => Some(AnnouncementKind::Gone),
        (_, _, Status::Revoking) => Some(AnnouncementKind::RevocationStarted),
        (_, _, Status::Accepting | Status::Rejecting) => None,
    }
}

impl Review {
    /// The approvals that count: of people who may still approve and have not withdrawn.
    #[must_use]
    pub fn approvals(&self) -> Vec<&Vote> {
        self.votes.iter().filter(|vote| vote.approves()).collect()
    }
}

impl fmt::Display for Review {
    /// Writes how many of the required approvals there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let approvals = self.approvals();
        write!(
            f,
            "{} of {} needed",
            approvals.len(),
            self.approvals_required
        )?;
        for (index, vote) in approvals.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write!(f, "{}", vote.approver)?;
        }
        let may_approve = may_approve(self.deciders, &self.votes);
        if self.deciders < self.approvals_required {
            write!(f, "; only {} may decide", self.deciders)?;
        } else if may_approve < self.approvals_required {
            write!(f, "; only {may_approve} may still approve")?;
        }
        f.write_str("; one rejection rejects")
    }
}

impl Announcement {
    /// The message as it is sent: the document for machines, the text for people, and the
    /// attributes that subscribers filter by.
    ///
    /// # Errors
    /// If the document cannot be encoded, which only a bug can cause.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        let attributes = [
            ("kind", self.kind.as_str()),
            ("service_id", self.service_id.as_str()),
            ("account_id", self.account_id.as_str()),
            ("status", self.status.as_str()),
        ];
        Ok(Message {
            id: self.id.clone(),
            at: self.at,
            subject: self.subject().into(),
            text: self.text().into(),
            document: serde_json::to_string(self)?,
            notification: Some(self.notification()),
            to: Audience::Everybody,
            attributes: BTreeMap::from(
                attributes.map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
        })
    }

    fn notification(&self) -> String {
        let mut facts = String::new();
        self.write_facts(&mut facts);
        Notification {
            id: &self.id,
            title: &format!("{} {}", self.consumer(), self.headline()),
            text: &facts,
            next_steps: self.what_now().into_iter().collect(),
            thread: self.endpoint_id.as_str(),
            kind: self.kind.as_str(),
            service_id: self.service_id.as_str(),
        }
        .document()
    }

    /// An e-mail subject within SNS's rules: ASCII, one line, under 100 characters.
    #[must_use]
    pub fn subject(&self) -> String {
        let head = match self.kind {
            AnnouncementKind::ReviewOpened => "PrivateLink review needed",
            AnnouncementKind::ReviewReminder => "PrivateLink review still open",
            AnnouncementKind::NobodyMayDecide => "PrivateLink review, and nobody may decide",
            AnnouncementKind::QuorumOutOfReach => "PrivateLink review out of reach",
            AnnouncementKind::VoteCast => "PrivateLink vote",
            AnnouncementKind::VoteWithdrawn => "PrivateLink vote withdrawn",
            AnnouncementKind::Accepted => "PrivateLink accepted",
            AnnouncementKind::Rejected => "PrivateLink rejected",
            AnnouncementKind::AcceptRefused | AnnouncementKind::StaysRejected => {
                "PrivateLink needs a new endpoint"
            }
            AnnouncementKind::WouldRevoke => "PrivateLink no longer allowed",
            AnnouncementKind::RevocationStarted => "PrivateLink will be revoked",
            AnnouncementKind::RevocationUndone => "PrivateLink will not be revoked",
            AnnouncementKind::Revoked => "PrivateLink revoked",
            AnnouncementKind::AcceptedOutOfBand => "PrivateLink accepted outside Gatekeeper",
            AnnouncementKind::RejectedOutOfBand => "PrivateLink rejected outside Gatekeeper",
            AnnouncementKind::DeciderNamed => "PrivateLink decided by whom",
            AnnouncementKind::DeciderContradicted => "PrivateLink decided by whom is contradicted",
            AnnouncementKind::Gone => "PrivateLink endpoint gone",
        };
        format!("{head}: {} on {}", self.account_id, self.service_id)
    }

    /// The message for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n\n", self.consumer(), self.headline());
        self.write_facts(&mut text);
        if let Some(what_now) = self.what_now() {
            text.push('\n');
            text.push_str(what_now);
            text.push('\n');
        }
        text
    }

    /// The consumer, by name if it is known.
    #[must_use]
    pub fn consumer(&self) -> String {
        let customer = self.customer.as_deref().map(in_line);
        words::consumer(customer.as_deref(), &self.account_id)
    }

    /// The facts, one per line.
    pub(crate) fn write_facts(&self, text: &mut String) {
        let mut row = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<11} {}", in_line(value));
        };
        let service = words::service_with_id(self.service_name.as_ref(), &self.service_id);
        row("Service", &service);
        row(
            "Endpoint",
            &format!("{} in {}", self.endpoint_id, self.region),
        );
        row("Why", &self.reason);
        if self.verdict.reason != self.reason {
            row("Policy", &self.verdict.reason);
        }
        match self.kind {
            AnnouncementKind::ReviewOpened
            | AnnouncementKind::ReviewReminder
            | AnnouncementKind::NobodyMayDecide
            | AnnouncementKind::QuorumOutOfReach => {
                row("Since", &words::moment(self.since));
                if let Some(review) = &self.review {
                    row("Approvals", &review.to_string());
                }
            }
            AnnouncementKind::VoteCast
            | AnnouncementKind::VoteWithdrawn
            | AnnouncementKind::Gone => {}
            AnnouncementKind::RevocationStarted
            | AnnouncementKind::RevocationUndone
            | AnnouncementKind::WouldRevoke => {
                row("Accepted by", &self.decided_by.to_string());
            }
            _ => row("Decided by", &self.decided_by.to_string()),
        }
        if !self.also_named.is_empty()
            && !matches!(
                self.kind,
                AnnouncementKind::VoteCast
                    | AnnouncementKind::VoteWithdrawn
                    | AnnouncementKind::Gone
            )
        {
            row("Also named", &list(&self.also_named));
        }
        if let Some(ec2) = &self.ec2 {
            let id = ec2.request_id.as_deref().unwrap_or("unknown");
            row("EC2", &format!("{} (request id {id})", ec2.code));
        }
        row("At", &words::moment(self.at));
        let rejects = self.review.as_ref().is_some_and(|it| it.rejected_when_due);
        match (self.due, self.kind) {
            (Some(due), AnnouncementKind::RevocationStarted) => {
                row("Revoked at", &words::moment(due));
            }
            (Some(due), _) if rejects => row(
                "Answer by",
                &format!("{}, or it is rejected", words::moment(due)),
            ),
            (Some(due), _) => row("Answer by", &words::moment(due)),
            (None, _) => {}
        }
    }

    /// What happened, as the rest of a sentence that begins with the [consumer](Self::consumer).
    #[must_use]
    pub fn headline(&self) -> &'static str {
        match self.kind {
            AnnouncementKind::ReviewOpened => "asks to connect, and somebody has to decide.",
            AnnouncementKind::ReviewReminder => "still waits for somebody to decide.",
            AnnouncementKind::NobodyMayDecide => "asks to connect, and nobody may decide about it.",
            AnnouncementKind::QuorumOutOfReach => {
                "asks to connect, and more people must approve than there are who may."
            }
            AnnouncementKind::VoteCast => "asks to connect, and somebody voted.",
            AnnouncementKind::VoteWithdrawn => {
                "asks to connect, and somebody took their approval back."
            }
            AnnouncementKind::Accepted => "asked to connect and was accepted.",
            AnnouncementKind::Rejected => "asked to connect and was rejected.",
            AnnouncementKind::AcceptRefused => {
                "is allowed by now, but EC2 does not accept its endpoint any more."
            }
            AnnouncementKind::StaysRejected => {
                "is allowed by now, but its endpoint was rejected and stays so."
            }
            AnnouncementKind::WouldRevoke => "is connected, and is not allowed to be.",
            AnnouncementKind::RevocationStarted => {
                "is connected, is not allowed to be, and will be revoked."
            }
            AnnouncementKind::RevocationUndone => "was to be revoked, and stays connected.",
            AnnouncementKind::Revoked => "was connected, and its connection is revoked.",
            AnnouncementKind::AcceptedOutOfBand => "is connected, accepted without Gatekeeper.",
            AnnouncementKind::RejectedOutOfBand => "was rejected without Gatekeeper.",
            AnnouncementKind::DeciderNamed if self.status == Status::Rejected => {
                "was rejected without Gatekeeper, and it is known by whom."
            }
            AnnouncementKind::DeciderNamed => {
                "was accepted without Gatekeeper, and it is known by whom."
            }
            AnnouncementKind::DeciderContradicted if self.status == Status::Rejected => {
                "was rejected, and who did it is contradicted."
            }
            AnnouncementKind::DeciderContradicted => {
                "was accepted, and who did it is contradicted."
            }
            AnnouncementKind::Gone => "deleted its endpoint, or it failed or expired.",
        }
    }

    /// What the reader can do.
    #[must_use]
    pub fn what_now(&self) -> Option<&'static str> {
        let nobody = self.review.as_ref().is_some_and(|it| it.deciders == 0);
        let kind = match self.kind {
            AnnouncementKind::ReviewReminder if nobody => AnnouncementKind::NobodyMayDecide,
            kind => kind,
        };
        match kind {
            AnnouncementKind::ReviewOpened | AnnouncementKind::ReviewReminder => Some(
                "Approvers were asked one by one, each with a link of their own. The connection stays \
                 pending until they decide, or an entry of the allowlist does.",
            ),
            AnnouncementKind::NobodyMayDecide => Some(
                "No approver is entered in the allowlist table for this service, or each is barred \
                 from deciding about this account. Enter one, and they are asked at once; or have an \
                 entry of the allowlist decide. Until then the connection stays pending.",
            ),
            AnnouncementKind::QuorumOutOfReach => Some(
                "Those who may decide can reject it, and not approve it. Enter more approvers, or lower \
                 approvals_required for the service.",
            ),
            AnnouncementKind::AcceptRefused => Some(
                "The endpoint was rejected before, and that cannot be taken back. Ask the consumer \
                 to delete it and to create a new one: that one will be accepted as long as the \
                 allowlist says so. This endpoint is not tried again.",
            ),
            AnnouncementKind::StaysRejected => Some(
                "What people rejected is not accepted because of an entry. Ask the consumer to delete \
                 the endpoint and to create a new one: that one will be accepted as long as the \
                 allowlist says so.",
            ),
            AnnouncementKind::RejectedOutOfBand if self.verdict.decision == Decision::Accept => {
                Some(
                    "The allowlist allows it. Where the service's setting out_of_band is revert, it is tried \
                 again, once. Else it stays rejected: ask the consumer to delete the endpoint and to \
                 create a new one.",
                )
            }
            AnnouncementKind::WouldRevoke => Some(
                "Nothing is revoked: the service's setting revoke is report. With enforce it would be revoked.",
            ),
            AnnouncementKind::DeciderContradicted => Some(
                "Nothing is changed by that. Both names are kept with the request: look up the calls in \
                 AWS CloudTrail's event history, and ask both.",
            ),
            AnnouncementKind::RevocationStarted => Some(
                "It carries traffic until then. To keep it, have the allowlist allow it again \
                 before that moment; nothing else needs to be done.",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(status: Status) -> Request {
        let mut request = crate::fixtures::request(status);
        request.verdict.decision = Decision::Accept;
        request.deciders = 1;
        request.verdict.reason =
            "Account 012345678901 (Müller) is allowed on every service.".to_owned();
        request
    }

    fn transition(from: Option<Status>, to: Status, cause: Cause) -> Transition {
        Transition {
            from,
            to,
            cause,
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::Policy(None),
            reason: "EC2 accepted it.".to_owned(),
            ec2: Some(Ec2Answer {
                code: "ok".to_owned(),
                request_id: Some("req-1".to_owned()),
            }),
            votes: Vec::new(),
        }
    }

    #[test]
    fn outcomes_are_announced_and_intermediate_steps_are_not() {
        let table = [
            (None, Status::InReview, Cause::Judged, Some("review_opened")),
            (None, Status::Accepting, Cause::Judged, None),
            (
                Some(Status::InReview),
                Status::Accepting,
                Cause::Voted,
                Some("vote_cast"),
            ),
            (
                Some(Status::InReview),
                Status::Rejecting,
                Cause::Deadline,
                None,
            ),
            (
                Some(Status::Accepting),
                Status::Accepted,
                Cause::Enforced,
                Some("accepted"),
            ),
            (None, Status::Rejecting, Cause::Judged, None),
            (
                Some(Status::Rejecting),
                Status::Rejected,
                Cause::Enforced,
                Some("rejected"),
            ),
            (
                Some(Status::Revoking),
                Status::Rejected,
                Cause::Enforced,
                Some("revoked"),
            ),
            (
                Some(Status::Accepted),
                Status::Revoking,
                Cause::Revoked,
                Some("revocation_started"),
            ),
            (
                Some(Status::Revoking),
                Status::Accepted,
                Cause::Restored,
                Some("revocation_undone"),
            ),
            (
                Some(Status::Accepting),
                Status::Rejected,
                Cause::Refused,
                Some("accept_refused"),
            ),
            (None, Status::Accepted, Cause::OutOfBand, None),
            (None, Status::Rejected, Cause::OutOfBand, None),
            (
                Some(Status::InReview),
                Status::Accepted,
                Cause::OutOfBand,
                Some("accepted_out_of_band"),
            ),
            (
                Some(Status::Accepted),
                Status::Rejected,
                Cause::OutOfBand,
                Some("rejected_out_of_band"),
            ),
            (
                Some(Status::Accepted),
                Status::Gone,
                Cause::Ended,
                Some("gone"),
            ),
            (Some(Status::Rejected), Status::Gone, Cause::Ended, None),
        ];
        for (from, to, cause, expected) in table {
            let mut happened = transition(from, to, cause);
            if from.is_none() {
                happened.actor = Actor::Found;
            }
            let announcement = announcement_of(&request(to), &happened);
            assert_eq!(
                announcement.map(|a| a.kind.as_str()),
                expected,
                "{from:?} to {to}"
            );
        }
    }

    #[test]
    fn an_existing_connection_that_is_denied_is_announced() {
        let mut request = request(Status::Accepted);
        request.verdict.decision = Decision::Reject;
        let mut found = transition(None, Status::Accepted, Cause::OutOfBand);
        found.actor = Actor::Found;
        let announcement = announcement_of(&request, &found).map(|a| a.kind);
        assert_eq!(announcement, Some(AnnouncementKind::AcceptedOutOfBand));
        // The same holds if somebody accepted it while we looked, before it had a request.
        request.verdict.decision = Decision::Review;
        found.actor = Actor::Unknown;
        let announcement = announcement_of(&request, &found).map(|a| a.kind);
        assert_eq!(announcement, Some(AnnouncementKind::AcceptedOutOfBand));
    }

    #[test]
    fn subjects_keep_within_snss_rules() {
        for kind in AnnouncementKind::ALL {
            let done = transition(Some(Status::Accepting), Status::Accepted, Cause::Enforced);
            let mut announcement = announcement_of(&request(Status::Accepted), &done).unwrap();
            announcement.kind = kind;
            let subject = announcement.subject();
            assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
            assert!(!subject.contains(char::is_control));
        }
    }

    #[test]
    fn a_person_reads_what_happened_to_whom_and_why() {
        let done = transition(Some(Status::Accepting), Status::Accepted, Cause::Enforced);
        let announcement = announcement_of(&request(Status::Accepted), &done).unwrap();
        assert_eq!(
            announcement.text(),
            "Account 012345678901 asked to connect and was accepted.\n\
             \n\
             Service     vpce-svc-0a1b2c3d4e5f60718\n\
             Endpoint    vpce-0123456789abcdef0 in eu-central-1\n\
             Why         EC2 accepted it.\n\
             Policy      Account 012345678901 (Müller) is allowed on every service.\n\
             Decided by  the service's settings\n\
             EC2         ok (request id req-1)\n\
             At          1970-01-01 00:00 UTC\n"
        );
        let document = announcement.message().unwrap().document;
        let read: Announcement = serde_json::from_str(&document).unwrap();
        assert_eq!(read, announcement);
    }

    #[test]
    fn a_revocation_is_announced_with_its_time_and_how_to_prevent_it() {
        let mut request = request(Status::Revoking);
        request.due = Some(crate::fixtures::at(0));
        let mut start = transition(Some(Status::Accepted), Status::Revoking, Cause::Revoked);
        start.ec2 = None;
        start.reason = "Nothing allows it.".to_owned();
        let text = announcement_of(&request, &start).unwrap().text();
        assert!(
            text.contains("\nRevoked at  2027-01-15 08:00 UTC\n"),
            "{text}"
        );
        assert!(text.contains("have the allowlist allow it again"), "{text}");
    }

    #[test]
    fn a_contradicting_name_is_announced_with_both_names() {
        let mut request = request(Status::Accepted);
        request.decided_by = Actor::Iam("arn:aws:iam::111122223333:user/alice".to_owned());
        let mallory = crate::caller::Caller {
            call: crate::request::Enforcement::Accept,
            arn: "arn:aws:iam::111122223333:user/mallory".parse().unwrap(),
        };
        let announcement = note(&request, AnnouncementKind::DeciderNamed, request.opened_at);
        assert!(
            !announcement
                .message()
                .unwrap()
                .document
                .contains("also_named")
        );
        assert!(request.learn(&[mallory], request.opened_at).contradiction);
        let announcement = note(
            &request,
            AnnouncementKind::DeciderContradicted,
            request.opened_at,
        );
        let text = announcement.text();
        for line in [
            "Account 012345678901 was accepted, and who did it is contradicted.\n",
            "\nDecided by  arn:aws:iam::111122223333:user/alice\n",
            "\nAlso named  arn:aws:iam::111122223333:user/mallory\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let document = announcement.message().unwrap().document;
        assert!(document.contains(r#""also_named":["arn:aws:iam::111122223333:user/mallory"]"#));
        assert_eq!(
            serde_json::from_str::<Announcement>(&document).unwrap(),
            announcement
        );
    }

    #[test]
    fn a_note_has_an_id_of_its_own() {
        let mut request = request(Status::InReview);
        request.revision = 7;
        let reminder = note(
            &request,
            AnnouncementKind::ReviewReminder,
            request.opened_at,
        );
        assert_eq!(
            reminder.id,
            "vpce-0123456789abcdef0#00000001.7.review_reminder"
        );
    }
}
