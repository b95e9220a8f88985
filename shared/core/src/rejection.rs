//! Decides about a connection that stays rejected at EC2 while the policy now allows it.
//!
//! A rejection by the policy or by a deadline is tried again, once; so is a rejection by somebody
//! else, if the service undoes what others do. Other connections stay rejected, and it is
//! announced, once, that the entry helps only a new endpoint.

use crate::connection::Organization;
use crate::judge::{Decision, FailedCondition, Verdict};
use crate::policy::{OutOfBand, Rule, ServiceSettings};
use crate::request::{Actor, Request};

pub use crate::request::StaysRejected;

/// What to do with a rejected connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Ask EC2 to accept it after all.
    TryAgain,
    /// Announce that this entry has no effect.
    Tell(Rule),
    /// Note that the announced entry no longer exists: if it comes back, it is announced again.
    Forget,
    Stay,
}

/// Decides about a connection that is rejected, on record and at EC2.
#[must_use]
pub fn rejection(
    request: &Request,
    verdict: &Verdict,
    organization: &Organization,
    settings: &ServiceSettings,
) -> Rejection {
    let by_others = matches!(request.decided_by, Actor::Unknown | Actor::Iam(_));
    let stands = by_others && settings.out_of_band != Some(OutOfBand::Revert);
    let announced_rule = request
        .stays_rejected
        .as_ref()
        .map(|announced| &announced.allow);
    match (verdict.decision, &verdict.rule) {
        (Decision::Accept, _) if request.may_be_tried_again() && !stands => Rejection::TryAgain,
        (Decision::Accept, Some(rule)) if announced_rule != Some(rule) => {
            Rejection::Tell(rule.clone())
        }
        (Decision::Accept, _) => Rejection::Stay,
        // The entry exists, and a limit or a Region is in its way for now.
        (_, rule) if announced_rule.is_none() || rule.as_ref() == announced_rule => Rejection::Stay,
        _ if is_unsure(verdict, organization) => Rejection::Stay,
        _ => Rejection::Forget,
    }
}

/// Whether it is unknown at the moment which entries matter.
fn is_unsure(verdict: &Verdict, organization: &Organization) -> bool {
    let doubtful =
        |failed: &FailedCondition| matches!(failed, FailedCondition::OrganizationUnknown { .. });
    *organization == Organization::Failed || verdict.failed.iter().any(doubtful)
}

/// Why a connection that an entry allows stays rejected, in one sentence.
#[must_use]
pub fn why(request: &Request) -> String {
    let who = match &request.decided_by {
        Actor::Approver(id) => format!("{id} rejected it"),
        Actor::Iam(arn) => format!("{arn} rejected it without Gatekeeper"),
        Actor::Unknown => "somebody rejected it without Gatekeeper".to_owned(),
        Actor::Found => "it was rejected before Gatekeeper looked".to_owned(),
        _ => "EC2 does not take back that it was rejected".to_owned(),
    };
    let entry = request.stays_rejected.as_ref().map_or_else(
        || "An entry allows it now".to_owned(),
        |stays| format!("The rule \"{}\" allows it now", stays.allow),
    );
    format!("{entry}, but {who}, and it stays rejected.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::policy::Effect;
    use crate::request::Status;

    fn rule(effect: Effect, principal: &str) -> Rule {
        Rule {
            service_id: "*".parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect,
        }
    }

    fn allow() -> Rule {
        rule(Effect::Allow, "012345678901")
    }

    fn verdict(decision: Decision, rule: Option<Rule>) -> Verdict {
        Verdict {
            decision,
            rule,
            failed: Vec::new(),
            reason: String::new(),
        }
    }

    fn rejected_by(actor: Actor) -> Request {
        let mut request = request(Status::Rejected);
        request.decided_by = actor;
        request
    }

    fn settings(out_of_band: OutOfBand) -> ServiceSettings {
        ServiceSettings {
            out_of_band: Some(out_of_band),
            ..ServiceSettings::default()
        }
    }

    fn decided(request: &Request, verdict: &Verdict, out_of_band: OutOfBand) -> Rejection {
        let known = Organization::Known(None);
        rejection(request, verdict, &known, &settings(out_of_band))
    }

    #[test]
    fn a_rejection_by_people_stays_and_the_allow_is_announced_as_useless() {
        use Rejection::{Tell, TryAgain};
        let iam = || Actor::Iam("arn:aws:iam::111122223333:role/Admin".to_owned());
        let table = [
            (Actor::Policy(None), OutOfBand::Alert, TryAgain),
            (Actor::Schedule, OutOfBand::Alert, TryAgain),
            (
                Actor::Approver("alice@example.com".to_owned()),
                OutOfBand::Revert,
                Tell(allow()),
            ),
            (Actor::Found, OutOfBand::Revert, Tell(allow())),
            (Actor::Unknown, OutOfBand::Record, Tell(allow())),
            (Actor::Unknown, OutOfBand::Alert, Tell(allow())),
            (iam(), OutOfBand::Alert, Tell(allow())),
            (iam(), OutOfBand::Revert, TryAgain),
            (Actor::Unknown, OutOfBand::Revert, TryAgain),
        ];
        for (actor, out_of_band, expected) in table {
            let mut request = rejected_by(actor.clone());
            let accept = verdict(Decision::Accept, Some(allow()));
            let found = decided(&request, &accept, out_of_band);
            assert_eq!(found, expected, "{actor:?} {out_of_band:?}");
            // It is tried only once, no matter who rejected it.
            request.retried_at = Some(at(0));
            let found = decided(&request, &accept, out_of_band);
            assert_eq!(found, Tell(allow()), "{actor:?} {out_of_band:?}");
        }
    }

    #[test]
    fn an_allow_is_announced_once_until_it_goes_and_comes_back() {
        let mut request = rejected_by(Actor::Found);
        let announced =
            |request: &Request, verdict: &Verdict| decided(request, verdict, OutOfBand::Alert);
        let accept = verdict(Decision::Accept, Some(allow()));
        let review = verdict(Decision::Review, None);
        assert_eq!(announced(&request, &review), Rejection::Stay);
        assert_eq!(announced(&request, &accept), Rejection::Tell(allow()));
        request.stays_rejected = Some(StaysRejected {
            allow: allow(),
            announced_at: at(0),
        });
        assert_eq!(announced(&request, &accept), Rejection::Stay);
        // Another entry is announced again.
        let other = rule(Effect::Allow, "*");
        let by_other = verdict(Decision::Accept, Some(other.clone()));
        assert_eq!(announced(&request, &by_other), Rejection::Tell(other));
        // Its limit is reached for a while, but it exists all the time.
        let limited = verdict(Decision::Review, Some(allow()));
        assert_eq!(announced(&request, &limited), Rejection::Stay);
        // A failed look-up is not announced, neither now nor when it ends.
        let failed = rejection(
            &request,
            &review,
            &Organization::Failed,
            &ServiceSettings::default(),
        );
        assert_eq!(failed, Rejection::Stay);
        let mut doubtful = verdict(Decision::Review, Some(rule(Effect::Allow, "*")));
        doubtful.failed = vec![FailedCondition::OrganizationUnknown {
            rule: rule(Effect::Deny, "o-1/*"),
        }];
        assert_eq!(announced(&request, &doubtful), Rejection::Stay);
        assert_eq!(announced(&request, &review), Rejection::Forget);
        let deny = verdict(Decision::Reject, Some(rule(Effect::Deny, "*")));
        assert_eq!(announced(&request, &deny), Rejection::Forget);
    }

    #[test]
    fn it_names_the_actor_and_the_entry_that_comes_too_late() {
        let mut request = rejected_by(Actor::Approver("alice@example.com".to_owned()));
        request.stays_rejected = Some(StaysRejected {
            allow: allow(),
            announced_at: at(0),
        });
        assert_eq!(
            why(&request),
            "The rule \"allow 012345678901 on *\" allows it now, but alice@example.com rejected it, and \
             it stays rejected."
        );
    }
}
