//! Compares an accepted connection with the policy.
//!
//! This is pure, and careful: revoking a customer's connection is the worst that can happen, so if
//! anything is in doubt, the connection stays as it is.

use jiff::{SignedDuration, Timestamp};

use crate::connection::Organization;
use crate::judge::{Decision, FailedCondition, Verdict};
use crate::policy::{OutOfBand, Principal, Revoke, Rule, ServiceSettings};
use crate::purge;
use crate::request::{Actor, Request, Status};

/// Hours between the announcement of a revocation and the revocation, if no setting says otherwise.
pub const GRACE_HOURS: u32 = 24;
/// How many connections of a service one run may revoke, if no setting says otherwise.
pub const AT_MOST: u32 = 5;

/// Whether an accepted connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entitlement {
    /// An entry or approvers allow it.
    Allowed,
    /// It is unknown.
    Unknown,
    /// An entry denies it.
    Denied,
    /// Nothing allows it any more.
    Lapsed,
}

/// Judges an accepted connection by its verdict. The verdict is taken as if the connection did not
/// count against the limit, so that a lower limit never revokes existing connections.
#[must_use]
pub fn entitlement(
    request: &Request,
    verdict: &Verdict,
    organization: &Organization,
) -> Entitlement {
    let by_path = |actor: &Actor| matches!(actor, Actor::Policy(Some(rule)) if matches!(rule.principal, Principal::Organization(_)));
    let over_limit =
        |failed: &FailedCondition| matches!(failed, FailedCondition::MaxConnections { .. });
    let doubtful =
        |failed: &FailedCondition| matches!(failed, FailedCondition::OrganizationUnknown { .. });
    match (verdict.decision, &verdict.rule) {
        (Decision::Accept, _) => Entitlement::Allowed,
        (Decision::Reject, Some(_)) => Entitlement::Denied,
        _ if *organization == Organization::Failed => Entitlement::Unknown,
        // The rule that allowed it can no longer be evaluated.
        _ if *organization == Organization::Off && by_path(&request.decided_by) => {
            Entitlement::Unknown
        }
        // Where nothing lists the connection, it loses its entitlement whether the deny applies or
        // not.
        (_, Some(_)) if verdict.failed.iter().any(doubtful) => Entitlement::Unknown,
        _ if matches!(request.decided_by, Actor::Approver(_)) => Entitlement::Allowed,
        (Decision::Review, Some(_)) if verdict.failed.iter().all(over_limit) => {
            Entitlement::Allowed
        }
        _ => Entitlement::Lapsed,
    }
}

/// What to do with an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    Stay,
    /// Note that it would no longer be revoked, and that something allows it.
    Forget,
    /// Announce that it would be revoked if the service revoked.
    Report,
    /// Begin to revoke it: announce that it will be revoked, and when.
    Start {
        /// The time of the revocation.
        due: Timestamp,
    },
    /// Revoke it: its time is up.
    Revoke,
    /// End the revocation: it is allowed again, or the service no longer revokes.
    Restore,
}

/// The facts of the run, besides the connection.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// When the run began. A run does not revoke what it found itself, so that nothing is revoked
    /// before two runs saw it.
    pub began: Timestamp,
    /// The current time.
    pub now: Timestamp,
    /// Whether the allowlist holds no entry at all for the service (safety rule S2).
    pub policy_is_empty: bool,
}

/// Decides about one connection. `settings` are those of its service.
#[must_use]
pub fn audit(
    request: &Request,
    entitlement: Entitlement,
    settings: &ServiceSettings,
    run: Run,
) -> Audit {
    let entitlement = match entitlement {
        Entitlement::Lapsed if run.policy_is_empty => Entitlement::Unknown,
        entitlement => entitlement,
    };
    let mode = settings.revoke.unwrap_or_default();
    // Somebody accepted it past the policy, and the service undoes that.
    let undone = is_undone(request, settings);
    let revokes = revokes(request, settings);
    match (request.status, entitlement) {
        (Status::Revoking, Entitlement::Allowed) => Audit::Restore,
        (Status::Revoking, _) if !revokes => Audit::Restore,
        // An unknown result changes nothing: the connection is not revoked, and its grace period
        // does not begin anew.
        (Status::Revoking, Entitlement::Unknown) => Audit::Stay,
        (Status::Revoking, Entitlement::Denied | Entitlement::Lapsed) => {
            let seen_before = request.status_since < run.began;
            let due = request.due.is_none_or(|due| due <= run.now);
            if due && seen_before {
                Audit::Revoke
            } else {
                Audit::Stay
            }
        }
        (Status::Accepted, Entitlement::Denied | Entitlement::Lapsed) if revokes => {
            let hours = if undone {
                0
            } else {
                settings.revoke_grace_hours.unwrap_or(GRACE_HOURS)
            };
            let grace = SignedDuration::from_hours(i64::from(hours));
            Audit::Start {
                due: run.now.checked_add(grace).unwrap_or(Timestamp::MAX),
            }
        }
        (Status::Accepted, Entitlement::Denied | Entitlement::Lapsed) if mode == Revoke::Report => {
            match request.reported_at {
                Some(_) => Audit::Stay,
                None => Audit::Report,
            }
        }
        // An unknown result is not announced each time.
        (Status::Accepted, Entitlement::Allowed)
            if request.reported_at.is_some() || request.past_policy =>
        {
            Audit::Forget
        }
        (Status::Accepted, Entitlement::Denied | Entitlement::Lapsed)
            if mode == Revoke::Off && request.reported_at.is_some() =>
        {
            Audit::Forget
        }
        _ => Audit::Stay,
    }
}

/// Whether an audit can change a request. If the service neither revokes nor reports, only requests
/// with a note are audited, so that the policy need not be read for the others. A connection that
/// was accepted past the policy has a note until an entry allows it, whatever a later setting
/// undoes.
#[must_use]
pub fn concerns(request: &Request, settings: &ServiceSettings) -> bool {
    let acts = settings.revoke.unwrap_or_default() != Revoke::Off
        || settings.out_of_band == Some(OutOfBand::Revert);
    match request.status {
        Status::Revoking => true,
        Status::Accepted => acts || request.reported_at.is_some() || request.past_policy,
        _ => false,
    }
}

/// Whether a connection would be revoked, or begin its grace period, and is not only because the
/// allowlist holds no entry for the service (safety rule S2).
#[must_use]
pub fn is_withheld(
    request: &Request,
    entitlement: Entitlement,
    settings: &ServiceSettings,
    policy_is_empty: bool,
) -> bool {
    policy_is_empty
        && entitlement == Entitlement::Lapsed
        && matches!(request.status, Status::Accepted | Status::Revoking)
        && revokes(request, settings)
}

/// Whether the service revokes the connection if it is not allowed: the setting `revoke` says
/// `enforce`, or the service undoes what somebody accepted past the policy.
fn revokes(request: &Request, settings: &ServiceSettings) -> bool {
    settings.revoke.unwrap_or_default() == Revoke::Enforce || is_undone(request, settings)
}

fn is_undone(request: &Request, settings: &ServiceSettings) -> bool {
    settings.out_of_band == Some(OutOfBand::Revert) && request.past_policy
}

/// Why an accepted connection may not stay. `purged` is the entry that allowed it, if DynamoDB
/// deleted that before it expired.
#[must_use]
pub fn objection(request: &Request, verdict: &Verdict, purged: Option<&Rule>) -> String {
    let why = match verdict.rule {
        Some(_) => verdict.reason.clone(),
        None => format!(
            "No allowlist entry allows account {} on {} any more.",
            request.account_id, request.service_id
        ),
    };
    match purged {
        Some(rule) => format!("{why} {}", purge::sentence(rule)),
        None => why,
    }
}

/// How many connections of a service one run may revoke, or begin to revoke.
#[must_use]
pub fn at_most(settings: &ServiceSettings) -> usize {
    usize::try_from(settings.revoke_at_most.unwrap_or(AT_MOST)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::policy::Effect;

    fn rule(effect: Effect, principal: &str) -> Rule {
        Rule {
            service_id: "*".parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect,
        }
    }

    fn verdict(decision: Decision, rule: Option<Rule>, failed: Vec<FailedCondition>) -> Verdict {
        Verdict {
            decision,
            rule,
            failed,
            reason: String::new(),
        }
    }

    fn account(effect: Effect) -> Option<Rule> {
        Some(rule(effect, "012345678901"))
    }

    fn accepted_by(actor: Actor) -> Request {
        let mut request = request(Status::Accepted);
        request.decided_by = actor;
        request
    }

    #[test]
    fn only_a_connection_that_is_certainly_not_allowed_loses_its_entitlement() {
        let limit = FailedCondition::MaxConnections { held: 0, max: 0 };
        let region = FailedCondition::Regions {
            region: "us-east-1".parse().unwrap(),
            allowed: Vec::new(),
        };
        let doubt = FailedCondition::OrganizationUnknown {
            rule: rule(Effect::Deny, "o-1/*"),
        };
        let by_policy = || Actor::Policy(account(Effect::Allow));
        let by_path = || Actor::Policy(Some(rule(Effect::Allow, "o-1/*")));
        let by_approver = || Actor::Approver("alice@example.com".to_owned());
        let (allow, deny) = (|| account(Effect::Allow), || account(Effect::Deny));
        let known = Organization::Known(None);
        use Decision::{Accept, Reject, Review};
        use Entitlement::{Allowed, Denied, Lapsed, Unknown};
        let table = [
            (
                by_policy(),
                verdict(Accept, allow(), vec![]),
                known.clone(),
                Allowed,
            ),
            (
                by_policy(),
                verdict(Reject, deny(), vec![]),
                known.clone(),
                Denied,
            ),
            (
                by_approver(),
                verdict(Reject, deny(), vec![]),
                known.clone(),
                Denied,
            ),
            (
                by_policy(),
                verdict(Reject, deny(), vec![]),
                Organization::Failed,
                Denied,
            ),
            (
                by_policy(),
                verdict(Review, None, vec![]),
                known.clone(),
                Lapsed,
            ),
            (
                by_policy(),
                verdict(Reject, None, vec![]),
                known.clone(),
                Lapsed,
            ),
            (
                Actor::Unknown,
                verdict(Review, None, vec![]),
                known.clone(),
                Lapsed,
            ),
            (
                Actor::Found,
                verdict(Review, None, vec![]),
                known.clone(),
                Lapsed,
            ),
            (
                by_approver(),
                verdict(Review, None, vec![]),
                known.clone(),
                Allowed,
            ),
            (
                by_approver(),
                verdict(Reject, None, vec![]),
                known.clone(),
                Allowed,
            ),
            (
                by_policy(),
                verdict(Review, allow(), vec![limit.clone()]),
                known.clone(),
                Allowed,
            ),
            (
                by_policy(),
                verdict(Review, allow(), vec![region.clone()]),
                known.clone(),
                Lapsed,
            ),
            (
                by_policy(),
                verdict(Review, allow(), vec![limit, region]),
                known.clone(),
                Lapsed,
            ),
            (
                by_policy(),
                verdict(Review, allow(), vec![doubt]),
                known.clone(),
                Unknown,
            ),
            (
                by_policy(),
                verdict(Review, None, vec![]),
                Organization::Failed,
                Unknown,
            ),
            (
                by_policy(),
                verdict(Review, None, vec![]),
                Organization::Off,
                Lapsed,
            ),
            (
                by_path(),
                verdict(Review, None, vec![]),
                Organization::Off,
                Unknown,
            ),
            (by_path(), verdict(Review, None, vec![]), known, Lapsed),
        ];
        for (index, (actor, verdict, organization, expected)) in table.into_iter().enumerate() {
            let found = entitlement(&accepted_by(actor), &verdict, &organization);
            assert_eq!(found, expected, "row {index}");
        }
    }

    fn settings(revoke: Revoke, out_of_band: OutOfBand) -> ServiceSettings {
        ServiceSettings {
            revoke: Some(revoke),
            out_of_band: Some(out_of_band),
            ..ServiceSettings::default()
        }
    }

    fn run(now: i64) -> Run {
        Run {
            began: at(now),
            now: at(now),
            policy_is_empty: false,
        }
    }

    #[test]
    fn by_default_nothing_is_revoked_or_announced() {
        for entitlement in [
            Entitlement::Allowed,
            Entitlement::Unknown,
            Entitlement::Denied,
            Entitlement::Lapsed,
        ] {
            let found = audit(
                &request(Status::Accepted),
                entitlement,
                &ServiceSettings::default(),
                run(9),
            );
            assert_eq!(found, Audit::Stay);
        }
    }

    #[test]
    fn report_announces_once_and_revokes_nothing() {
        let settings = settings(Revoke::Report, OutOfBand::Alert);
        let mut request = request(Status::Accepted);
        assert_eq!(
            audit(&request, Entitlement::Lapsed, &settings, run(9)),
            Audit::Report
        );
        request.reported_at = Some(at(9));
        assert_eq!(
            audit(&request, Entitlement::Lapsed, &settings, run(10)),
            Audit::Stay
        );
        assert_eq!(
            audit(&request, Entitlement::Allowed, &settings, run(10)),
            Audit::Forget
        );
        // The revocation that a stricter setting began is ended.
        request.status = Status::Revoking;
        assert_eq!(
            audit(&request, Entitlement::Denied, &settings, run(10)),
            Audit::Restore
        );
    }

    #[test]
    fn enforce_revokes_after_the_grace_period_what_an_earlier_run_saw() {
        let day = 24 * 3600;
        let settings = settings(Revoke::Enforce, OutOfBand::Alert);
        let mut request = request(Status::Accepted);
        let start = audit(&request, Entitlement::Lapsed, &settings, run(9));
        assert_eq!(start, Audit::Start { due: at(9 + day) });
        request.status = Status::Revoking;
        request.status_since = at(9);
        request.due = Some(at(9 + day));
        let after = |seconds| audit(&request, Entitlement::Lapsed, &settings, run(seconds));
        assert_eq!(after(8 + day), Audit::Stay);
        assert_eq!(after(9 + day), Audit::Revoke);
        assert_eq!(
            audit(&request, Entitlement::Allowed, &settings, run(8 + day)),
            Audit::Restore
        );
    }

    #[test]
    fn an_unknown_result_neither_revokes_nor_begins_a_new_grace_period() {
        let day = 24 * 3600;
        let mut request = request(Status::Revoking);
        request.status_since = at(9);
        request.due = Some(at(9 + day));
        use Entitlement::{Allowed, Denied, Lapsed, Unknown};
        for (revoke, entitlement, now, expected) in [
            (Revoke::Enforce, Unknown, 9, Audit::Stay),
            (Revoke::Enforce, Unknown, 8 + day, Audit::Stay),
            (Revoke::Enforce, Unknown, 9 + day, Audit::Stay),
            (Revoke::Enforce, Unknown, 99 * day, Audit::Stay),
            (Revoke::Enforce, Lapsed, 9 + day, Audit::Revoke),
            (Revoke::Enforce, Denied, 9 + day, Audit::Revoke),
            (Revoke::Enforce, Allowed, 9 + day, Audit::Restore),
            (Revoke::Off, Unknown, 9, Audit::Restore),
            (Revoke::Report, Unknown, 9 + day, Audit::Restore),
        ] {
            let settings = settings(revoke, OutOfBand::Alert);
            let found = audit(&request, entitlement, &settings, run(now));
            assert_eq!(found, expected, "{revoke:?} {entitlement:?} at {now}");
        }
        // The same holds where the service undoes what others accepted past the policy.
        request.past_policy = true;
        let settings = settings(Revoke::Off, OutOfBand::Revert);
        let found = audit(&request, Unknown, &settings, run(99 * day));
        assert_eq!(found, Audit::Stay);
    }

    #[test]
    fn without_a_grace_period_the_run_that_found_it_still_does_not_revoke() {
        let mut settings = settings(Revoke::Enforce, OutOfBand::Alert);
        settings.revoke_grace_hours = Some(0);
        let mut request = request(Status::Revoking);
        request.status_since = at(9);
        request.due = Some(at(9));
        let run = |began| Run {
            began: at(began),
            now: at(20),
            policy_is_empty: false,
        };
        assert_eq!(
            audit(&request, Entitlement::Denied, &settings, run(9)),
            Audit::Stay
        );
        assert_eq!(
            audit(&request, Entitlement::Denied, &settings, run(10)),
            Audit::Revoke
        );
    }

    #[test]
    fn an_empty_policy_revokes_nothing_but_a_deny_does() {
        let settings = settings(Revoke::Enforce, OutOfBand::Revert);
        let empty = Run {
            policy_is_empty: true,
            ..run(9)
        };
        let connected = accepted_by(Actor::Unknown);
        assert_eq!(
            audit(&connected, Entitlement::Lapsed, &settings, empty),
            Audit::Stay
        );
        assert!(matches!(
            audit(&connected, Entitlement::Denied, &settings, empty),
            Audit::Start { .. }
        ));
        let mut revoking = request(Status::Revoking);
        revoking.due = Some(at(1));
        assert_eq!(
            audit(&revoking, Entitlement::Lapsed, &settings, empty),
            Audit::Stay
        );
    }

    #[test]
    fn revocation_is_withheld_only_where_the_service_revokes_and_the_policy_is_empty() {
        let past_policy = |mut request: Request| {
            request.past_policy = true;
            request
        };
        let plain = |request: Request| request;
        let accepted = || request(Status::Accepted);
        use OutOfBand::{Alert, Revert};
        use Revoke::{Enforce, Off, Report};
        let table = [
            (
                plain(accepted()),
                Entitlement::Lapsed,
                settings(Enforce, Alert),
                true,
            ),
            (
                plain(request(Status::Revoking)),
                Entitlement::Lapsed,
                settings(Enforce, Alert),
                true,
            ),
            (
                past_policy(accepted()),
                Entitlement::Lapsed,
                settings(Off, Revert),
                true,
            ),
            (
                plain(accepted()),
                Entitlement::Lapsed,
                settings(Off, Revert),
                false,
            ),
            (
                plain(accepted()),
                Entitlement::Lapsed,
                settings(Report, Alert),
                false,
            ),
            (
                plain(accepted()),
                Entitlement::Allowed,
                settings(Enforce, Alert),
                false,
            ),
            (
                plain(accepted()),
                Entitlement::Unknown,
                settings(Enforce, Alert),
                false,
            ),
            (
                plain(accepted()),
                Entitlement::Denied,
                settings(Enforce, Alert),
                false,
            ),
            (
                plain(request(Status::Rejected)),
                Entitlement::Lapsed,
                settings(Enforce, Alert),
                false,
            ),
        ];
        for (index, (request, entitlement, settings, expected)) in table.into_iter().enumerate() {
            let withheld = |empty| is_withheld(&request, entitlement, &settings, empty);
            assert_eq!(withheld(true), expected, "row {index}");
            assert!(!withheld(false), "row {index}: there is an entry");
        }
    }

    #[test]
    fn an_objection_names_the_entry_that_dynamodb_deleted() {
        let request = request(Status::Accepted);
        let deleted = rule(Effect::Allow, "012345678901");
        let unlisted = verdict(Decision::Review, None, vec![]);
        assert!(!objection(&request, &unlisted, None).contains("DynamoDB"));
        let why = objection(&request, &unlisted, Some(&deleted));
        assert!(
            why.starts_with("No allowlist entry allows account 012345678901"),
            "{why}"
        );
        assert!(
            why.contains("DynamoDB deleted the entry \"allow 012345678901 on *\""),
            "{why}"
        );
    }

    #[test]
    fn revert_undoes_only_what_others_accepted_past_the_policy() {
        let settings = settings(Revoke::Off, OutOfBand::Revert);
        let mut connected = accepted_by(Actor::Unknown);
        assert_eq!(
            audit(&connected, Entitlement::Lapsed, &settings, run(9)),
            Audit::Stay,
            "an entry allowed it when they did"
        );
        connected.past_policy = true;
        assert_eq!(
            audit(&connected, Entitlement::Lapsed, &settings, run(9)),
            Audit::Start { due: at(9) }
        );
        assert_eq!(
            audit(&connected, Entitlement::Allowed, &settings, run(9)),
            Audit::Forget,
            "from now on it is allowed like any other"
        );
    }

    #[test]
    fn an_unknown_result_is_not_announced_each_time() {
        let settings = settings(Revoke::Report, OutOfBand::Alert);
        let mut request = request(Status::Accepted);
        request.reported_at = Some(at(0));
        assert_eq!(
            audit(&request, Entitlement::Unknown, &settings, run(9)),
            Audit::Stay
        );
    }
}
