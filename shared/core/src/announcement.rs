//! Which transitions people and machines are told of, and in what words.
//!
//! Only outcomes are told: never "accepted" before EC2 said so.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, EndpointId, Region, ServiceId};
use crate::judge::{Decision, Verdict};
use crate::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A connection waits for people.
    ReviewOpened,
    /// EC2 accepted a connection.
    Accepted,
    /// EC2 rejected a connection.
    Rejected,
    /// An accepted connection was cut.
    Revoked,
    /// Somebody accepted a connection without Gatekeeper.
    AcceptedOutOfBand,
    /// Somebody rejected a connection without Gatekeeper.
    RejectedOutOfBand,
    /// The endpoint of an open or accepted connection is gone.
    Gone,
}

impl Kind {
    /// The kind as it stands in messages and in the attribute that filter policies use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReviewOpened => "review_opened",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::AcceptedOutOfBand => "accepted_out_of_band",
            Self::RejectedOutOfBand => "rejected_out_of_band",
            Self::Gone => "gone",
        }
    }
}

/// The name and version of the document that machines get.
pub const SCHEMA: &str = "privatelink-gatekeeper/announcement/1";

/// One message about one transition. Serialized, it is the document that machines get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// [`SCHEMA`].
    pub schema: String,
    /// The same for every copy of this message: endpoint id and version of the request.
    pub id: String,
    /// What is announced.
    pub kind: Kind,
    /// When it happened.
    pub at: Timestamp,
    /// The endpoint service.
    pub service_id: ServiceId,
    /// The consumer's endpoint.
    pub endpoint_id: EndpointId,
    /// The consumer.
    pub account_id: AccountId,
    /// Where the endpoint is.
    pub region: Region,
    /// Where the request stands now.
    pub status: Status,
    /// Where it stood before.
    pub previous_status: Option<Status>,
    /// Who or what decided.
    pub decided_by: Actor,
    /// What the policy said last, and why.
    pub verdict: Verdict,
    /// Why this happened, in one sentence.
    pub reason: String,
    /// What EC2 answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ec2: Option<Ec2Answer>,
}

/// What is to be announced of a transition, given the request as it stands after it; none for
/// steps on the way, and for what nobody needs to hear.
#[must_use]
pub fn announcement(request: &Request, transition: &Transition) -> Option<Announcement> {
    Some(Announcement {
        schema: SCHEMA.to_owned(),
        id: format!("{}#{}", request.endpoint_id, request.version),
        kind: kind_of(transition, request.verdict.decision)?,
        at: transition.at,
        service_id: request.service_id.clone(),
        endpoint_id: request.endpoint_id.clone(),
        account_id: request.account_id.clone(),
        region: request.region.clone(),
        status: request.status,
        previous_status: transition.from,
        decided_by: request.decided_by.clone(),
        verdict: request.verdict.clone(),
        reason: transition.reason.clone(),
        ec2: transition.ec2.clone(),
    })
}

fn kind_of(transition: &Transition, policy: Decision) -> Option<Kind> {
    match (transition.cause, transition.from, transition.to) {
        (_, _, Status::InReview) => Some(Kind::ReviewOpened),
        // A service that is taken over may have hundreds of connections that somebody accepted long
        // ago. Only those that the policy denies are news.
        (Cause::OutOfBand, None, Status::Accepted) if policy != Decision::Reject => None,
        (Cause::OutOfBand, None, Status::Rejected) => None,
        (Cause::OutOfBand, _, Status::Accepted) => Some(Kind::AcceptedOutOfBand),
        (Cause::OutOfBand, _, Status::Rejected) => Some(Kind::RejectedOutOfBand),
        (_, _, Status::Accepted) => Some(Kind::Accepted),
        (_, Some(Status::Revoking), Status::Rejected) => Some(Kind::Revoked),
        (_, _, Status::Rejected) => Some(Kind::Rejected),
        // That a rejected endpoint was deleted is housekeeping of the consumer's.
        (_, Some(Status::Rejected | Status::Rejecting), Status::Gone) => None,
        (_, _, Status::Gone) => Some(Kind::Gone),
        (_, _, Status::Accepting | Status::Rejecting | Status::Revoking) => None,
    }
}

impl Announcement {
    /// An e-mail subject within SNS's rules: ASCII, one line, under 100 characters.
    #[must_use]
    pub fn subject(&self) -> String {
        let head = match self.kind {
            Kind::ReviewOpened => "PrivateLink review needed",
            Kind::Accepted => "PrivateLink accepted",
            Kind::Rejected => "PrivateLink rejected",
            Kind::Revoked => "PrivateLink connection cut",
            Kind::AcceptedOutOfBand => "PrivateLink accepted outside Gatekeeper",
            Kind::RejectedOutOfBand => "PrivateLink rejected outside Gatekeeper",
            Kind::Gone => "PrivateLink endpoint gone",
        };
        format!("{head}: {} on {}", self.account_id, self.service_id)
    }

    /// The message as a person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        let headline = match self.kind {
            Kind::ReviewOpened => "asks to connect, and somebody has to decide.",
            Kind::Accepted => "asked to connect and was accepted.",
            Kind::Rejected => "asked to connect and was rejected.",
            Kind::Revoked => "was connected and has been cut.",
            Kind::AcceptedOutOfBand => "is connected, accepted without Gatekeeper.",
            Kind::RejectedOutOfBand => "was rejected without Gatekeeper.",
            Kind::Gone => "deleted its endpoint, or it failed or expired.",
        };
        let mut text = format!("Account {} {headline}\n\n", self.account_id);
        let mut row = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<11} {value}");
        };
        row("Service", self.service_id.as_str());
        row(
            "Endpoint",
            &format!("{} in {}", self.endpoint_id, self.region),
        );
        row("Why", &self.reason);
        if self.verdict.reason != self.reason {
            row("Policy", &self.verdict.reason);
        }
        if self.kind != Kind::ReviewOpened && self.kind != Kind::Gone {
            row("Decided by", &self.decided_by.to_string());
        }
        if let Some(ec2) = &self.ec2 {
            let id = ec2.request_id.as_deref().unwrap_or("unknown");
            row("EC2", &format!("{} (request id {id})", ec2.code));
        }
        row("At", &format!("{:.0}", self.at));
        if self.kind == Kind::ReviewOpened {
            text.push_str(
                "\nThe connection stays pending until it is accepted or rejected, in the Amazon VPC \
                 console or by adding an entry to the allowlist.\n",
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(status: Status) -> Request {
        let mut request = crate::fixtures::request(status);
        request.verdict.decision = Decision::Accept;
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
        }
    }

    #[test]
    fn outcomes_are_told_and_steps_on_the_way_are_not() {
        let table = [
            (None, Status::InReview, Cause::Judged, Some("review_opened")),
            (None, Status::Accepting, Cause::Judged, None),
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
            let told = announcement(&request(to), &transition(from, to, cause));
            assert_eq!(told.map(|a| a.kind.as_str()), expected, "{from:?} to {to}");
        }
    }

    #[test]
    fn a_connection_that_is_found_and_denied_is_told() {
        let mut request = request(Status::Accepted);
        request.verdict.decision = Decision::Reject;
        let found = transition(None, Status::Accepted, Cause::OutOfBand);
        let told = announcement(&request, &found).map(|a| a.kind);
        assert_eq!(told, Some(Kind::AcceptedOutOfBand));
    }

    #[test]
    fn subjects_keep_within_what_sns_takes() {
        for kind in [
            Kind::ReviewOpened,
            Kind::Accepted,
            Kind::Rejected,
            Kind::Revoked,
            Kind::AcceptedOutOfBand,
            Kind::RejectedOutOfBand,
            Kind::Gone,
        ] {
            let done = transition(Some(Status::Accepting), Status::Accepted, Cause::Enforced);
            let mut told = announcement(&request(Status::Accepted), &done).unwrap();
            told.kind = kind;
            let subject = told.subject();
            assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
            assert!(!subject.contains(char::is_control));
        }
    }

    #[test]
    fn a_person_reads_what_happened_to_whom_and_why() {
        let done = transition(Some(Status::Accepting), Status::Accepted, Cause::Enforced);
        let told = announcement(&request(Status::Accepted), &done).unwrap();
        assert_eq!(
            told.text(),
            "Account 012345678901 asked to connect and was accepted.\n\
             \n\
             Service     vpce-svc-0a1b2c3d4e5f60718\n\
             Endpoint    vpce-0123456789abcdef0 in eu-central-1\n\
             Why         EC2 accepted it.\n\
             Policy      Account 012345678901 (Müller) is allowed on every service.\n\
             Decided by  the service's settings\n\
             EC2         ok (request id req-1)\n\
             At          1970-01-01T00:00:00Z\n"
        );
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Announcement>(&json).unwrap(), told);
    }
}
