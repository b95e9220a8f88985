//! The end of a review, from its request's history.

use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};

use super::history::decides;

/// The end of a review.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    /// Who or what decided, and why. `None` if the history does not say it.
    pub(super) decision: Option<&'a Transition>,
    /// The request's version that came with it.
    decided_in: u64,
    /// Its effect. `None` until EC2 has been asked.
    outcome: Option<&'a Transition>,
}

/// The end of the review that opened with this version. Each transition has one row, in order.
pub(super) fn of(history: &[Transition], review: u64) -> Ending<'_> {
    let opened = usize::try_from(review).unwrap_or(usize::MAX);
    let mut ending = Ending {
        decision: None,
        decided_in: 0,
        outcome: None,
    };
    for (version, transition) in (1..).zip(history).skip(opened) {
        if transition.to == Status::InReview {
            // Before EC2 was asked, the policy changed: another review says how that ends.
            ending.outcome = Some(transition);
            break;
        }
        if decides(transition) {
            ending.decision = Some(transition);
            ending.decided_in = version;
        }
        if !matches!(transition.to, Status::Accepting | Status::Rejecting) {
            ending.outcome = Some(transition);
            break;
        }
    }
    ending
}

impl<'a> Ending<'a> {
    /// Whether nothing more follows.
    pub(super) fn is_final(&self) -> bool {
        self.outcome.is_some()
    }

    /// Who decided. It may have become known later who it was.
    pub(super) fn decider(&self, request: &'a Request) -> Option<&'a Actor> {
        let decision = self.decision?;
        match &decision.actor {
            Actor::Unknown | Actor::Found if request.decided_in == self.decided_in => {
                Some(&request.decided_by)
            }
            actor => Some(actor),
        }
    }

    /// Whom AWS CloudTrail names for the decision beside who is on record.
    pub(super) fn also_named(&self, request: &Request) -> Option<String> {
        request.other_names.words(self.decided_in)
    }

    /// The status that it led to, or is to lead to.
    fn to(&self) -> Option<(Status, Cause)> {
        let transition = self.outcome.or(self.decision)?;
        Some((transition.to, transition.cause))
    }

    pub(super) fn title(&self) -> &'static str {
        match self.to() {
            Some((Status::Accepted, _)) => "Accepted",
            Some((Status::Rejected, Cause::Refused)) => "Allowed, and refused by EC2",
            Some((Status::Rejected, _)) => "Rejected",
            Some((Status::Gone, _)) => "Endpoint gone",
            Some((Status::Accepting, _)) => "Approved",
            Some((Status::Rejecting, _)) => "To be rejected",
            Some((Status::InReview, _)) => "To be decided anew",
            Some((Status::Revoking, _)) | None => "Review over",
        }
    }

    /// As the rest of a sentence that begins with who asked.
    pub(super) fn words(&self) -> &'static str {
        match self.to() {
            Some((Status::Accepted, Cause::OutOfBand)) => "was accepted without Gatekeeper.",
            Some((Status::Rejected, Cause::OutOfBand)) => "was rejected without Gatekeeper.",
            Some((Status::Accepted, _)) => "asked to connect and was accepted.",
            Some((Status::Rejected, Cause::Refused)) => {
                "asked to connect and is allowed to, but EC2 does not accept its endpoint any more."
            }
            Some((Status::Rejected, _)) => "asked to connect and was rejected.",
            Some((Status::Gone, _)) => "deleted its endpoint, or it failed or expired.",
            Some((Status::Accepting, _)) => "asked to connect and will be accepted.",
            Some((Status::Rejecting, _)) => "asked to connect and will be rejected.",
            Some((Status::InReview, _)) => {
                "asks to connect, and has to be decided about anew: the policy changed."
            }
            Some((Status::Revoking, _)) | None => "does not wait for an answer any more.",
        }
    }

    /// EC2's answer in words.
    pub(super) fn ec2(&self) -> String {
        match (self.outcome, self.decision) {
            (Some(outcome), _) => match (&outcome.ec2, outcome.to) {
                (Some(said), _) => answer(said),
                (None, Status::Gone) => "It was not asked: the endpoint is gone.".to_owned(),
                (None, _) => "It was not asked.".to_owned(),
            },
            (None, Some(_)) => {
                "It is being asked, until it has done it. This message will say so.".to_owned()
            }
            (None, None) => "Nothing is known.".to_owned(),
        }
    }
}

/// EC2's answer, with what AWS Support would ask for.
pub(super) fn answer(said: &Ec2Answer) -> String {
    let done = if said.code == "ok" {
        "Done"
    } else {
        &said.code
    };
    match &said.request_id {
        Some(id) => format!("{done} (request id {id})"),
        None => done.to_owned(),
    }
}
