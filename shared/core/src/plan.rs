//! Decides the next step for one connection, by comparing its request with EC2.
//!
//! This is pure, and the only place that compares the two. Every entry of the product (an event,
//! the schedule) ends here, in any order and any number of times, so the answer depends only on the
//! record, EC2 and the clock.

use jiff::{SignedDuration, Timestamp};

use crate::connection::{Connection, Organization, Phase};
use crate::judge::{Decision, Verdict};
use crate::policy::Rule;
use crate::request::{Actor, Cause, Request, Status};

/// The next step for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Record and EC2 agree, or there is nothing to record.
    Nothing,
    /// Nothing now; reconcile will look again.
    Leave(LeaveReason),
    /// The connection is pending, or EC2 rejected it and it may be allowed by now: judge it by the
    /// policy, and enforce the result.
    Judge,
    /// People rejected it, and that was not carried out yet: enforce it. This needs their right,
    /// which they had when it was recorded, and not the policy.
    Enforce,
    /// EC2 shows an outcome that the record lacks: record it.
    Record {
        /// The status that EC2 shows.
        to: Status,
        cause: Cause,
    },
}

/// Why a connection is left alone for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// Another handler decided it and is asking EC2 right now.
    Claimed,
    /// The record is so young that EC2's contradiction may be its lag.
    Lag,
    /// This version does not know the state that EC2 answered.
    UnknownState,
    /// People approved it, and it cannot be looked up whether a later deny applies.
    DenyUnknown,
}

impl LeaveReason {
    /// The name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Lag => "lag",
            Self::UnknownState => "unknown_state",
            Self::DenyUnknown => "deny_unknown",
        }
    }
}

/// EC2's answer about an endpoint, and its time.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The connection; `None` if EC2 does not list the endpoint.
    pub connection: Option<&'a Connection>,
    /// A time not later than the call to EC2: the answer cannot contradict anything recorded since.
    pub at: Timestamp,
}

/// Compares a request with EC2. `lag` is for how long after our own change EC2's descriptions may
/// lag behind it.
#[must_use]
pub fn plan(
    request: Option<&Request>,
    seen: Seen<'_>,
    now: Timestamp,
    lag: SignedDuration,
) -> Plan {
    let phase = seen
        .connection
        .map_or(Phase::Ended, |connection| connection.state.phase());
    if phase == Phase::Unknown {
        return Plan::Leave(LeaveReason::UnknownState);
    }
    let Some(request) = request else {
        return unrecorded(phase);
    };
    if request.is_claimed(now) {
        // The handler that holds the claim is asking EC2 at this moment and records the answer.
        return Plan::Leave(LeaveReason::Claimed);
    }
    let young = seen.at.duration_since(request.status_since) < lag;
    let unless_young = |plan: Plan| {
        if young {
            Plan::Leave(LeaveReason::Lag)
        } else {
            plan
        }
    };
    let out_of_band = |to| Plan::Record {
        to,
        cause: Cause::OutOfBand,
    };
    let enforced = |to| Plan::Record {
        to,
        cause: Cause::Enforced,
    };
    match (request.status, phase) {
        (_, Phase::Unknown) => Plan::Leave(LeaveReason::UnknownState),

        (Status::Gone, Phase::Ended) => Plan::Nothing,
        (_, Phase::Ended) => {
            let gone = Plan::Record {
                to: Status::Gone,
                cause: Cause::Ended,
            };
            // EC2 may list the endpoint as gone, or not list it at all; these are different.
            match seen.connection {
                Some(_) => gone,
                None => unless_young(gone),
            }
        }

        (Status::InReview, Phase::Waiting) => Plan::Judge,
        (Status::InReview, Phase::Connected) => out_of_band(Status::Accepted),
        (Status::InReview, Phase::Rejected) => out_of_band(Status::Rejected),

        // It was decided, and EC2 was perhaps never asked.
        (Status::Accepting, Phase::Waiting) => Plan::Judge,
        (Status::Rejecting, Phase::Waiting) => match request.decided_by {
            // People's decision stands. A rule's decision is judged again, since the rule may have
            // changed.
            Actor::Approver(_) | Actor::Iam(_) | Actor::Schedule => Plan::Enforce,
            Actor::Policy(_) | Actor::Aws | Actor::Unknown | Actor::Found => Plan::Judge,
        },
        // The audit compares accepted connections with the policy, for a whole service at once.
        (Status::Accepted | Status::Revoking, Phase::Connected) => Plan::Nothing,

        // EC2 carried it out, and its answer was lost before it was recorded.
        (Status::Accepting, Phase::Connected) => enforced(Status::Accepted),
        (Status::Rejecting, Phase::Rejected) => enforced(Status::Rejected),
        // Only a handler that revokes has claimed it.
        (Status::Revoking, Phase::Rejected) if request.claimed_until.is_some() => {
            enforced(Status::Rejected)
        }
        (Status::Revoking, Phase::Rejected) => out_of_band(Status::Rejected),

        // It was rejected when it became allowed, and EC2 was perhaps never asked.
        (Status::Accepting, Phase::Rejected) if request.retried_at.is_some() => Plan::Judge,
        // Somebody else was faster, and decided otherwise.
        (Status::Accepting, Phase::Rejected) => out_of_band(Status::Rejected),
        (Status::Rejecting, Phase::Connected) => unless_young(out_of_band(Status::Accepted)),

        // It may be allowed by now: it is tried again, or people are notified that the allow has no
        // effect.
        (Status::Rejected, Phase::Rejected) if !young => Plan::Judge,
        (Status::Rejected, Phase::Rejected) => Plan::Nothing,

        // EC2 contradicts the record: at first this may be its lag, later it is drift.
        (Status::Accepted, Phase::Rejected) => unless_young(out_of_band(Status::Rejected)),
        (Status::Rejected, Phase::Connected) => unless_young(out_of_band(Status::Accepted)),
        (Status::Gone, Phase::Connected) => unless_young(out_of_band(Status::Accepted)),
        (Status::Gone, Phase::Rejected) => unless_young(out_of_band(Status::Rejected)),
        (Status::Accepted | Status::Rejected | Status::Revoking | Status::Gone, Phase::Waiting) => {
            unless_young(Plan::Judge)
        }
    }
}

/// The state of people's approval that EC2 has not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// It stands, whether or not the policy would ask people.
    Stands,
    /// A later deny wins (safety rule S3): the connection is judged again. The text says who had
    /// decided what, and what happened to it.
    Overtaken(String),
    /// There is a later deny, and it cannot be looked up now whether it applies.
    Unknown,
}

/// Compares people's approval with the current policy. `doubts` are the denies that may apply
/// because the account's place is unknown; those that were known at the approval do not count.
#[must_use]
pub fn approval(
    request: &Request,
    verdict: &Verdict,
    doubts: &[Rule],
    organization: &Organization,
) -> Approval {
    if verdict.decision == Decision::Reject && verdict.rule.is_some() {
        return Approval::Overtaken(format!(
            "Approved by {}, and denied before EC2 accepted it: {}",
            approvers_of(request),
            verdict.reason
        ));
    }
    match doubts.iter().find(|deny| !request.verdict.doubts(deny)) {
        None => Approval::Stands,
        Some(_) if *organization == Organization::Failed => Approval::Unknown,
        Some(deny) => Approval::Overtaken(format!(
            "Approved by {}, and before EC2 accepted it the rule \"{deny}\" was written, of which nobody \
             knows whether it applies: {}",
            approvers_of(request),
            verdict.reason
        )),
    }
}

fn approvers_of(request: &Request) -> String {
    let votes = request.votes.iter().filter(|vote| vote.approves());
    let names: Vec<&str> = votes.map(|vote| vote.approver.as_str()).collect();
    if names.is_empty() {
        return request.decided_by.to_string();
    }
    names.join(" and ")
}

/// Whether people approved a request, and EC2 has not accepted it yet.
#[must_use]
pub fn is_approved_by_people(request: &Request) -> bool {
    request.status == Status::Accepting
        && matches!(request.decided_by, Actor::Approver(_) | Actor::Iam(_))
}

fn unrecorded(phase: Phase) -> Plan {
    match phase {
        Phase::Waiting => Plan::Judge,
        Phase::Connected => Plan::Record {
            to: Status::Accepted,
            cause: Cause::OutOfBand,
        },
        Phase::Rejected => Plan::Record {
            to: Status::Rejected,
            cause: Cause::OutOfBand,
        },
        Phase::Ended => Plan::Nothing,
        Phase::Unknown => Plan::Leave(LeaveReason::UnknownState),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures::{at, connection, request};
    use crate::judge::FailedCondition;
    use crate::policy::Effect;
    use crate::vote::{Channel, Choice, Vote};

    const LAG: SignedDuration = SignedDuration::from_secs(60);

    /// EC2's answer just now.
    fn planned(request: Option<&Request>, connection: Option<&Connection>, now: Timestamp) -> Plan {
        let seen = Seen {
            connection,
            at: now,
        };
        plan(request, seen, now, LAG)
    }

    /// The plan in one word.
    fn word(plan: &Plan) -> String {
        match plan {
            Plan::Nothing => "-".to_owned(),
            Plan::Leave(why) => format!("({})", why.as_str()),
            Plan::Judge => "judge".to_owned(),
            Plan::Enforce => "enforce".to_owned(),
            Plan::Record { to, cause } => format!("{to}/{}", cause.as_str()),
        }
    }

    #[test]
    fn every_status_against_every_state_of_ec2() {
        let phases = [
            ("waiting", Some(ConnectionState::PendingAcceptance)),
            ("connected", Some(ConnectionState::Available)),
            ("rejected", Some(ConnectionState::Rejected)),
            ("ended", Some(ConnectionState::Deleted)),
            ("unlisted", None),
        ];
        // Rows are records. Columns are the phases above, a day after the record was written.
        let table = [
            (
                None,
                [
                    "judge",
                    "accepted/out_of_band",
                    "rejected/out_of_band",
                    "-",
                    "-",
                ],
            ),
            (
                Some(Status::InReview),
                [
                    "judge",
                    "accepted/out_of_band",
                    "rejected/out_of_band",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Accepting),
                [
                    "judge",
                    "accepted/enforced",
                    "rejected/out_of_band",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Accepted),
                [
                    "judge",
                    "-",
                    "rejected/out_of_band",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Rejecting),
                [
                    "judge",
                    "accepted/out_of_band",
                    "rejected/enforced",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Rejected),
                [
                    "judge",
                    "accepted/out_of_band",
                    "judge",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Revoking),
                [
                    "judge",
                    "-",
                    "rejected/out_of_band",
                    "gone/ended",
                    "gone/ended",
                ],
            ),
            (
                Some(Status::Gone),
                [
                    "judge",
                    "accepted/out_of_band",
                    "rejected/out_of_band",
                    "-",
                    "-",
                ],
            ),
        ];
        for (status, words) in table {
            let request = status.map(request);
            for ((name, state), expected) in phases.iter().zip(words) {
                let connection = state.clone().map(connection);
                let plan = planned(request.as_ref(), connection.as_ref(), at(86_400));
                assert_eq!(word(&plan), expected, "{status:?} × {name}");
                if let (Some(request), Plan::Record { to, cause }) = (&request, &plan) {
                    let transition = crate::request::Transition {
                        from: Some(request.status),
                        to: *to,
                        cause: *cause,
                        at: at(86_400),
                        actor: Actor::Aws,
                        reason: String::new(),
                        ec2: None,
                        votes: Vec::new(),
                    };
                    assert!(
                        request.after(&transition).is_ok(),
                        "{status:?} × {name} is legal"
                    );
                }
            }
        }
    }

    #[test]
    fn a_young_record_is_not_contradicted_by_ec2s_lag() {
        for (status, state) in [
            (Status::Accepted, ConnectionState::PendingAcceptance),
            (Status::Accepted, ConnectionState::Rejected),
            (Status::Rejected, ConnectionState::Available),
            (Status::Rejected, ConnectionState::PendingAcceptance),
            (Status::Rejecting, ConnectionState::Available),
            (Status::Gone, ConnectionState::Available),
        ] {
            let connection = connection(state);
            let young = planned(Some(&request(status)), Some(&connection), at(59));
            assert_eq!(young, Plan::Leave(LeaveReason::Lag), "{status}");
            let old = planned(Some(&request(status)), Some(&connection), at(60));
            assert_ne!(old, Plan::Leave(LeaveReason::Lag), "{status}");
        }
    }

    #[test]
    fn an_endpoint_that_ec2_does_not_list_yet_is_not_gone() {
        for status in [Status::Accepted, Status::InReview] {
            let request = request(status);
            assert_eq!(
                planned(Some(&request), None, at(59)),
                Plan::Leave(LeaveReason::Lag)
            );
            assert_ne!(
                planned(Some(&request), None, at(60)),
                Plan::Leave(LeaveReason::Lag)
            );
            // If EC2 says that it was deleted, that is no lag.
            let deleted = connection(ConnectionState::Deleted);
            let plan = planned(Some(&request), Some(&deleted), at(1));
            assert_eq!(word(&plan), "gone/ended");
        }
    }

    #[test]
    fn a_rejected_connection_is_judged_again_but_not_at_once() {
        let rejected = connection(ConnectionState::Rejected);
        let mut request = request(Status::Rejected);
        let planned_at = |request: &Request, now| planned(Some(request), Some(&rejected), at(now));
        assert_eq!(planned_at(&request, 59), Plan::Nothing);
        assert_eq!(planned_at(&request, 60), Plan::Judge);
        // Once it is known to be allowed, `rejection` says whether it is tried again.
        request.retried_at = Some(at(0));
        assert_eq!(planned_at(&request, 60), Plan::Judge);
        // Between decision and outcome, EC2 was perhaps never asked.
        request.status = Status::Accepting;
        assert_eq!(planned_at(&request, 60), Plan::Judge);
        request.retried_at = None;
        assert_eq!(
            word(&planned_at(&request, 60)),
            "rejected/out_of_band",
            "somebody else was quicker"
        );
    }

    #[test]
    fn an_old_answer_does_not_contradict_newer_records() {
        let waiting = connection(ConnectionState::PendingAcceptance);
        let seen = Seen {
            connection: Some(&waiting),
            at: at(-5),
        };
        // EC2 was asked before the request was accepted, and the answer is looked at long after.
        let plan = plan(Some(&request(Status::Accepted)), seen, at(86_400), LAG);
        assert_eq!(plan, Plan::Leave(LeaveReason::Lag));
    }

    #[test]
    fn a_claimed_request_is_left_to_its_handler_until_the_claim_ends() {
        let mut request = request(Status::Accepting);
        request.claimed_until = Some(at(120));
        for state in [
            ConnectionState::PendingAcceptance,
            ConnectionState::Available,
        ] {
            let connection = connection(state);
            let during = planned(Some(&request), Some(&connection), at(119));
            assert_eq!(during, Plan::Leave(LeaveReason::Claimed));
            let after = planned(Some(&request), Some(&connection), at(120));
            assert_ne!(after, Plan::Leave(LeaveReason::Claimed));
        }
    }

    #[test]
    fn a_rejection_by_people_is_carried_out_and_their_approval_is_compared_with_the_policy() {
        let waiting = connection(ConnectionState::PendingAcceptance);
        let people = [
            Actor::Approver("alice@example.com".to_owned()),
            Actor::Iam("arn:aws:iam::111122223333:user/alice".to_owned()),
        ];
        for actor in people {
            let planned_as = |status| {
                let mut request = request(status);
                request.decided_by = actor.clone();
                assert_eq!(
                    is_approved_by_people(&request),
                    status == Status::Accepting,
                    "{status}"
                );
                planned(Some(&request), Some(&waiting), at(86_400))
            };
            assert_eq!(planned_as(Status::Rejecting), Plan::Enforce);
            assert_eq!(planned_as(Status::Accepting), Plan::Judge);
        }
        let mut missed = request(Status::Rejecting);
        missed.decided_by = Actor::Schedule;
        let plan = planned(Some(&missed), Some(&waiting), at(86_400));
        assert_eq!(plan, Plan::Enforce);
    }

    fn rule(text: &str) -> Rule {
        let (effect, principal) = match text.split_once(' ').unwrap() {
            ("deny", principal) => (Effect::Deny, principal),
            (_, principal) => (Effect::Allow, principal),
        };
        Rule {
            service_id: "*".parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect,
        }
    }

    /// The policy's verdict, as far as an approval needs it.
    fn says(decision: Decision, rule: Option<Rule>, doubts: &[Rule]) -> Verdict {
        let unknown = |rule: &Rule| FailedCondition::OrganizationUnknown { rule: rule.clone() };
        Verdict {
            decision,
            rule,
            failed: doubts.iter().map(unknown).collect(),
            reason: "Because.".to_owned(),
        }
    }

    #[test]
    fn only_a_deny_overtakes_an_approval_that_ec2_has_not_taken() {
        let (allow, deny) = (rule("allow 012345678901"), rule("deny 012345678901"));
        let (path, other) = (rule("deny o-1/*"), rule("deny o-2/*"));
        let (off, failed) = (Organization::Off, Organization::Failed);
        let outside = Organization::Known(None);
        let (review, reject) = (Decision::Review, Decision::Reject);
        let none: &[Rule] = &[];
        let (one, both) = ([path.clone()], [path, other]);
        // The verdict at the approval, the verdict now, and the account's place.
        let table = [
            (none, review, None, none, &off, "stands"),
            (none, Decision::Accept, Some(&allow), none, &off, "stands"),
            (none, review, Some(&allow), none, &outside, "stands"),
            // The service rejects unlisted accounts by now. Nobody denied this one.
            (none, reject, None, none, &off, "stands"),
            (none, reject, Some(&deny), none, &off, "overtaken"),
            (none, reject, Some(&deny), none, &failed, "overtaken"),
            (&one, reject, Some(&deny), &one, &failed, "overtaken"),
            (none, review, None, &one, &off, "overtaken"),
            (&one, review, None, &one, &off, "stands"),
            (&one, review, None, &both, &off, "overtaken"),
            (&both, review, None, &one, &off, "stands"),
            (none, review, None, &one, &failed, "unknown"),
            (&one, review, None, &one, &failed, "stands"),
            (&one, reject, None, &both, &off, "overtaken"),
        ];
        for (then, decision, rule, doubts, organization, expected) in table {
            let mut request = request(Status::Accepting);
            request.decided_by = Actor::Approver("bob@example.com".to_owned());
            request.verdict = says(review, None, then);
            let verdict = says(decision, rule.cloned(), &[]);
            let word = match approval(&request, &verdict, doubts, organization) {
                Approval::Stands => "stands",
                Approval::Overtaken(_) => "overtaken",
                Approval::Unknown => "unknown",
            };
            assert_eq!(
                word, expected,
                "{then:?}, now {decision:?} by {rule:?} but for {doubts:?}, {organization:?}"
            );
        }
    }

    #[test]
    fn the_text_names_the_approver_and_the_deny_that_overtook_it() {
        let vote = |name: &str, void| Vote {
            approver: name.parse().unwrap(),
            choice: Choice::Approve,
            reason: String::new(),
            at: at(0),
            channel: Channel::Iam,
            void,
            taken_back: false,
        };
        let mut request = request(Status::Accepting);
        request.decided_by = Actor::Approver("bob@example.com".to_owned());
        let said = |request: &Request, verdict: &Verdict, doubts: &[Rule]| match approval(
            request,
            verdict,
            doubts,
            &Organization::Off,
        ) {
            Approval::Overtaken(words) => words,
            other => panic!("{other:?}"),
        };
        let denied = says(Decision::Reject, Some(rule("deny 012345678901")), &[]);
        assert_eq!(
            said(&request, &denied, &[]),
            "Approved by bob@example.com, and denied before EC2 accepted it: Because."
        );
        request.votes = vec![
            vote("alice@example.com", false),
            vote("carol@example.com", true),
            vote("bob@example.com", false),
        ];
        assert_eq!(
            said(&request, &denied, &[]),
            "Approved by alice@example.com and bob@example.com, and denied before EC2 accepted it: Because."
        );
        let unlisted = says(Decision::Review, None, &[]);
        assert_eq!(
            said(&request, &unlisted, &[rule("deny o-1/*")]),
            "Approved by alice@example.com and bob@example.com, and before EC2 accepted it the rule \
             \"deny o-1/* on *\" was written, of which nobody knows whether it applies: Because."
        );
    }

    #[test]
    fn an_unknown_state_is_left_alone() {
        let connection = connection(ConnectionState::Unknown("hibernating".to_owned()));
        for request in [
            None,
            Some(request(Status::Accepted)),
            Some(request(Status::InReview)),
        ] {
            let plan = planned(request.as_ref(), Some(&connection), at(86_400));
            assert_eq!(plan, Plan::Leave(LeaveReason::UnknownState));
        }
    }
}
