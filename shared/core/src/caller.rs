//! The principal that AWS CloudTrail names for a decision at EC2, and how it is recorded.
//!
//! A name decides nothing. It is what the history says of a person, so one that is on record is never
//! replaced, and one that contradicts it is kept beside it.

use jiff::Timestamp;

use crate::hint::{Hint, HintKind};
use crate::request::{Actor, Enforcement, Request, Status};

pub use crate::ids::PrincipalArn;
pub use crate::other_names::{MOST_OTHER_NAMES, OtherName, OtherNames};

/// Who called EC2, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What EC2 was asked to do.
    pub call: Enforcement,
    /// By whom.
    pub arn: PrincipalArn,
}

impl Caller {
    /// Who accepted or rejected, if the hint says so.
    #[must_use]
    pub fn of(hint: &Hint) -> Option<Self> {
        let call = match hint.kind {
            HintKind::Accepted => Enforcement::Accept,
            HintKind::Rejected => Enforcement::Reject,
            HintKind::Requested
            | HintKind::Deleted
            | HintKind::PolicyEdited
            | HintKind::Unspecified => return None,
        };
        let arn = hint.actor.clone()?;
        Some(Self { call, arn })
    }

    /// Whether what they did is what a request in this status shows.
    #[must_use]
    pub fn led_to(&self, status: Status) -> bool {
        match self.call {
            // A connection that is to be revoked is still connected.
            Enforcement::Accept => matches!(status, Status::Accepted | Status::Revoking),
            Enforcement::Reject => status == Status::Rejected,
        }
    }
}

/// What a request learned from whom AWS CloudTrail names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learned {
    /// Who decided, which was not known.
    pub name: bool,
    /// A name that contradicts the one on record.
    pub contradiction: bool,
}

impl Learned {
    /// Whether there is something to write down.
    #[must_use]
    pub fn is_news(self) -> bool {
        self.name || self.contradiction
    }
}

impl Request {
    /// Puts on record whom AWS CloudTrail names for the decision that stands. The first name stays;
    /// others are kept beside it.
    pub fn learn(&mut self, callers: &[Caller], at: Timestamp) -> Learned {
        let mut learned = Learned::default();
        for caller in callers {
            if !caller.led_to(self.status) {
                continue;
            }
            match &self.decided_by {
                Actor::Unknown | Actor::Found => {
                    self.decided_by = Actor::Iam(caller.arn.to_string());
                    learned.name = true;
                }
                Actor::Iam(name) if name == caller.arn.as_str() => {}
                // Gatekeeper's own calls name nobody; who is named here called past it.
                Actor::Iam(_)
                | Actor::Policy(_)
                | Actor::Approver(_)
                | Actor::Schedule
                | Actor::Aws => {
                    let version = self.decided_in;
                    learned.contradiction |= self.other_names.add(version, &caller.arn, at);
                }
            }
        }
        learned
    }

    /// The names that contradict who is on record for the decision that stands.
    #[must_use]
    pub fn also_named(&self) -> Vec<PrincipalArn> {
        self.other_names.of(self.decided_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::request::{Cause, Transition};

    fn arn(name: &str) -> PrincipalArn {
        format!("arn:aws:iam::111122223333:user/{name}")
            .parse()
            .unwrap()
    }

    fn caller(call: Enforcement, name: &str) -> Caller {
        Caller {
            call,
            arn: arn(name),
        }
    }

    fn decided(status: Status, by: Actor) -> Request {
        let mut request = request(status);
        request.decided_by = by;
        request
    }

    #[test]
    fn principals_are_arns_of_iam_and_sts() {
        for good in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::001122223333:user/division/alice",
            "arn:aws-cn:sts::111122223333:assumed-role/NetworkAdmin/alice@example.com",
            "arn:aws-us-gov:sts::111122223333:federated-user/bob",
        ] {
            let parsed: PrincipalArn = good.parse().unwrap();
            assert_eq!(parsed.as_str(), good);
            assert_eq!(parsed.account().len(), 12, "{good}");
        }
        let long = format!("arn:aws:iam::111122223333:user/{}", "x".repeat(1024));
        for bad in [
            "",
            "alice@example.com",
            "AIDAEXAMPLE:alice",
            "vpce.amazonaws.com",
            "arn:aws:iam::111122223333:",
            "arn:aws:iam::11112222333:user/alice",
            "arn:aws:iam:us-east-1:111122223333:user/alice",
            "arn:aws:s3:::bucket",
            "arn:gcp:iam::111122223333:user/alice",
            "arn:aws:iam::111122223333:user/al ice",
            "arn:aws:iam::111122223333:user/alice\nDecided by  bob@example.com",
            "arn:aws:iam::111122223333:user/\u{202e}ecila",
            " arn:aws:iam::111122223333:user/alice",
            &long,
        ] {
            assert!(bad.parse::<PrincipalArn>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_put_where_there_was_none() {
        for nameless in [Actor::Unknown, Actor::Found] {
            for (status, call) in [
                (Status::Accepted, Enforcement::Accept),
                (Status::Revoking, Enforcement::Accept),
                (Status::Rejected, Enforcement::Reject),
            ] {
                let mut request = decided(status, nameless.clone());
                let learned = request.learn(&[caller(call, "alice")], at(1));
                assert!(learned.name && !learned.contradiction, "{status}");
                assert_eq!(request.decided_by, Actor::Iam(arn("alice").to_string()));
                // The same name again says nothing new.
                let again = request.learn(&[caller(call, "alice")], at(2));
                assert!(!again.is_news());
                assert!(request.other_names.is_empty());
            }
        }
    }

    #[test]
    fn who_did_something_else_is_not_named() {
        for (status, call) in [
            (Status::Accepted, Enforcement::Reject),
            (Status::Rejected, Enforcement::Accept),
            (Status::InReview, Enforcement::Accept),
            (Status::Accepting, Enforcement::Accept),
            (Status::Rejecting, Enforcement::Reject),
            (Status::Gone, Enforcement::Reject),
        ] {
            for actor in [Actor::Unknown, Actor::Iam("x".to_owned())] {
                let before = decided(status, actor);
                let mut after = before.clone();
                assert!(!after.learn(&[caller(call, "alice")], at(1)).is_news());
                assert_eq!(after, before);
            }
        }
    }

    #[test]
    fn a_contradicting_name_is_kept_beside_the_one_on_record() {
        for actor in [
            Actor::Iam(arn("alice").to_string()),
            Actor::Approver("alice@example.com".to_owned()),
            Actor::Policy(None),
            Actor::Schedule,
        ] {
            let mut request = decided(Status::Accepted, actor.clone());
            let mallory = caller(Enforcement::Accept, "mallory");
            let learned = request.learn(std::slice::from_ref(&mallory), at(1));
            assert!(learned.contradiction && !learned.name);
            assert_eq!(request.decided_by, actor, "the first name stays");
            assert_eq!(request.also_named(), [arn("mallory")]);
            assert!(!request.learn(&[mallory], at(2)).is_news(), "once");
            assert_eq!(request.other_names.listed.len(), 1);
        }
    }

    #[test]
    fn of_several_at_once_the_first_is_on_record_and_the_others_beside_it() {
        let mut request = decided(Status::Accepted, Actor::Unknown);
        let callers =
            ["alice", "mallory", "alice", "bob"].map(|name| caller(Enforcement::Accept, name));
        let learned = request.learn(&callers, at(1));
        assert!(learned.name && learned.contradiction);
        assert_eq!(request.decided_by, Actor::Iam(arn("alice").to_string()));
        assert_eq!(request.also_named(), [arn("mallory"), arn("bob")]);
    }

    #[test]
    fn the_list_is_bounded_and_says_that_there_were_more() {
        let mut request = decided(Status::Accepted, Actor::Iam(arn("alice").to_string()));
        let mut news = 0;
        for n in 0..100 {
            let named = caller(Enforcement::Accept, &format!("user{n}"));
            news += usize::from(request.learn(&[named], at(n)).contradiction);
        }
        assert_eq!(request.other_names.listed.len(), MOST_OTHER_NAMES);
        assert!(request.other_names.more);
        assert_eq!(news, MOST_OTHER_NAMES + 1, "and that there were more, once");
    }

    #[test]
    fn names_stay_with_the_decision_that_they_contradict() {
        let mut request = decided(Status::Accepted, Actor::Iam(arn("alice").to_string()));
        let mallory = caller(Enforcement::Accept, "mallory");
        request.learn(std::slice::from_ref(&mallory), at(1));
        let change = |from, to, cause, actor| Transition {
            from: Some(from),
            to,
            cause,
            at: at(2),
            actor,
            reason: String::new(),
            ec2: None,
            votes: Vec::new(),
        };
        // A connection that is to be revoked and then is not keeps the actor who accepted it.
        let revoking = change(
            Status::Accepted,
            Status::Revoking,
            Cause::Revoked,
            Actor::Policy(None),
        );
        let restored = change(
            Status::Revoking,
            Status::Accepted,
            Cause::Restored,
            Actor::Policy(None),
        );
        let mut again = request.after(&revoking).unwrap();
        assert_eq!(again.also_named(), [arn("mallory")]);
        again = again.after(&restored).unwrap();
        assert_eq!(again.also_named(), [arn("mallory")]);
        assert!(!again.learn(std::slice::from_ref(&mallory), at(3)).is_news());

        // Another decision has nothing to do with it, and the first keeps it.
        let bob = Actor::Iam(arn("bob").to_string());
        let rejected = change(Status::Accepted, Status::Rejected, Cause::OutOfBand, bob);
        let rejected = again.after(&rejected).unwrap();
        assert_eq!(rejected.also_named(), []);
        assert_eq!(rejected.other_names.of(1), [arn("mallory")]);
    }
}
