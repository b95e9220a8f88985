//! The result of asking EC2 to carry a decision out.

use jiff::Timestamp;

use crate::change::Change;
use crate::connection::{Connection, Phase};
use crate::request::{
    Actor, Cause, Ec2Answer, Enforcement, IllegalTransition, Request, Status, Transition,
};

/// EC2's result for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    to: Status,
    cause: Cause,
    reason: String,
    answer: Ec2Answer,
}

/// EC2's refusal for one connection. It is not believed without checking EC2's description.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// EC2's error code.
    pub code: &'a str,
    /// Whether it says that the connection's state does not allow it.
    pub is_about_state: bool,
}

impl CallResult {
    /// EC2 did it. `request_id` is AWS's id of the call.
    #[must_use]
    pub fn done(enforcement: Enforcement, request_id: Option<String>) -> Self {
        Self {
            to: enforcement.outcome(),
            cause: Cause::Enforced,
            reason: format!("EC2 was asked to {enforcement} the connection and did."),
            answer: Ec2Answer {
                code: "ok".to_owned(),
                request_id,
            },
        }
    }

    /// The result that a connection's description shows after a call that EC2 refused for it;
    /// `None` if it is unknown yet, for example while EC2's descriptions lag.
    #[must_use]
    pub fn shown(
        request: &Request,
        enforcement: Enforcement,
        connection: Option<&Connection>,
        refusal: Refusal<'_>,
    ) -> Option<Self> {
        // A connection that is not listed may be gone, or may not be listed yet.
        let connection = connection?;
        let shown = connection.state.as_str();
        let is_tried_again = request.retried_at.is_some();
        let (to, cause, reason) = match (enforcement, connection.state.phase()) {
            (Enforcement::Accept, Phase::Connected) | (Enforcement::Reject, Phase::Rejected) => (
                enforcement.outcome(),
                Cause::Enforced,
                format!("EC2 shows the connection as {shown} already."),
            ),
            (Enforcement::Accept, Phase::Rejected) if is_tried_again => {
                // It was rejected before, so another refusal proves nothing.
                if !refusal.is_about_state {
                    return None;
                }
                (
                    Status::Rejected,
                    Cause::Refused,
                    format!(
                        "The policy allows it now, but EC2 does not accept a connection that was \
                         rejected ({}).",
                        refusal.code
                    ),
                )
            }
            (Enforcement::Accept, Phase::Rejected) => (
                Status::Rejected,
                Cause::OutOfBand,
                "EC2 shows the connection as rejected; it was rejected without Gatekeeper."
                    .to_owned(),
            ),
            (_, Phase::Ended) => (
                Status::Gone,
                Cause::Ended,
                format!("EC2 shows the endpoint as {shown}."),
            ),
            (Enforcement::Reject, Phase::Connected) | (_, Phase::Waiting | Phase::Unknown) => {
                return None;
            }
        };
        Some(Self {
            to,
            cause,
            reason,
            answer: Ec2Answer {
                code: refusal.code.to_owned(),
                request_id: None,
            },
        })
    }

    /// The change that records it.
    ///
    /// # Errors
    /// [`IllegalTransition`] if EC2 was not asked this for the request.
    pub fn change(self, request: &Request, now: Timestamp) -> Result<Change, IllegalTransition> {
        let transition = Transition {
            from: Some(request.status),
            to: self.to,
            cause: self.cause,
            at: now,
            actor: match self.cause {
                Cause::Enforced | Cause::Refused => request.enforcer(),
                Cause::Ended => Actor::Aws,
                _ => Actor::Unknown,
            },
            reason: self.reason,
            ec2: Some(self.answer),
            votes: Vec::new(),
        };
        let after = request.after(&transition)?;
        Ok(Change::transition(Some(request), after, transition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures::{at, connection, request};

    #[test]
    fn the_description_shows_the_result_of_a_refused_call() {
        use ConnectionState::{Available, Deleted, PendingAcceptance, Rejected};
        use Enforcement::{Accept, Reject};
        let table = [
            (Accept, Some(Available), false, true, "accepted enforced"),
            (Accept, Some(Rejected), false, true, "rejected out_of_band"),
            (Accept, Some(Rejected), true, true, "rejected refused"),
            (Accept, Some(Rejected), true, false, "-"),
            (Accept, Some(Deleted), false, true, "gone ended"),
            (Accept, Some(PendingAcceptance), false, true, "-"),
            (Accept, None, false, true, "-"),
            (Reject, Some(Rejected), false, false, "rejected enforced"),
            (Reject, Some(Available), false, true, "-"),
            (Reject, Some(Deleted), false, false, "gone ended"),
            (
                Reject,
                Some(ConnectionState::Unknown("new".to_owned())),
                false,
                true,
                "-",
            ),
        ];
        for (enforcement, state, again, is_about_state, expected) in table {
            let status = match enforcement {
                Accept => Status::Accepting,
                Reject => Status::Rejecting,
            };
            let mut request = request(status);
            request.retried_at = again.then(|| at(-1));
            let connection = state.clone().map(connection);
            let refusal = Refusal {
                code: "InvalidState",
                is_about_state,
            };
            let shown = CallResult::shown(&request, enforcement, connection.as_ref(), refusal);
            let words = shown.map_or("-".to_owned(), |shown| {
                let change = shown.change(&request, at(5)).unwrap();
                let transition = change.transition.unwrap();
                assert_eq!(transition.ec2.unwrap().code, "InvalidState");
                format!("{} {}", transition.to, transition.cause.as_str())
            });
            assert_eq!(words, expected, "{enforcement} {state:?}");
        }
    }

    #[test]
    fn the_actor_who_accepted_is_remembered_until_the_revocation() {
        let mut revoking = request(Status::Revoking);
        revoking.decided_by = Actor::Approver("alice@example.com".to_owned());
        let done = CallResult::done(Enforcement::Reject, Some("id".to_owned()));
        let change = done.change(&revoking, at(5)).unwrap();
        assert_eq!(change.after.decided_by, Actor::Policy(None));
        assert_eq!(change.usage, crate::change::UsageChange::Release);
        let done = CallResult::done(Enforcement::Accept, None);
        assert!(
            done.change(&revoking, at(5)).is_err(),
            "nobody asked to accept it"
        );
    }
}
