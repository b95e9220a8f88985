//! The part of an announcement that the tables confirm. Nothing else is shown.
//!
//! Anybody who may publish to the topic can write any message under any id. So a message only says where to
//! look. The text that is shown, and the id by which it is shown once, are made from the request and its
//! history.

use crate::announcement::{Announcement, AnnouncementKind, announcement_of, note};
use crate::request::{Actor, Request, Status, Transition};

/// The announcement as the request and its history have it. `None` if they do not confirm it, or no longer
/// do.
#[must_use]
pub fn confirmed(
    announcement: &Announcement,
    request: &Request,
    history: &[Transition],
) -> Option<Announcement> {
    let noted = match announcement.kind {
        // The review's own message shows these.
        AnnouncementKind::ReviewOpened
        | AnnouncementKind::VoteCast
        | AnnouncementKind::VoteWithdrawn => return None,
        AnnouncementKind::ReviewReminder => request
            .reminded_at
            .filter(|_| request.status == Status::InReview)
            .map(|at| (at, u64::from(request.reminders))),
        AnnouncementKind::NobodyMayDecide => {
            since(request.out_of_reach_since, request.nobody_may_decide())
        }
        AnnouncementKind::QuorumOutOfReach => since(
            request.out_of_reach_since,
            request.is_out_of_reach() && !request.nobody_may_decide(),
        ),
        AnnouncementKind::WouldRevoke => {
            since(request.reported_at, request.status == Status::Accepted)
        }
        AnnouncementKind::StaysRejected => since(
            request
                .stays_rejected
                .as_ref()
                .map(|stays| stays.announced_at),
            request.status == Status::Rejected,
        ),
        AnnouncementKind::DeciderNamed => matches!(request.decided_by, Actor::Iam(_))
            .then_some((request.status_since, request.decided_in)),
        AnnouncementKind::DeciderContradicted => {
            let others = &request.other_names;
            let count = others.listed.len() + usize::from(others.more);
            let last = others.listed.last();
            last.map(|last| (last.at, u64::try_from(count).unwrap_or(u64::MAX)))
        }
        AnnouncementKind::Accepted
        | AnnouncementKind::Rejected
        | AnnouncementKind::AcceptRefused
        | AnnouncementKind::RevocationStarted
        | AnnouncementKind::RevocationUndone
        | AnnouncementKind::Revoked
        | AnnouncementKind::AcceptedOutOfBand
        | AnnouncementKind::RejectedOutOfBand
        | AnnouncementKind::Gone => return in_history(announcement, request, history),
    };
    let (at, which) = noted?;
    let mut shown = note(request, announcement.kind, at);
    // The id stays the same when the request is written again.
    shown.id = format!(
        "{}#{:08}.{}.{which}",
        request.endpoint_id,
        request.version,
        announcement.kind.as_str()
    );
    Some(shown)
}

type Noted = Option<(jiff::Timestamp, u64)>;

fn since(at: Option<jiff::Timestamp>, is_so: bool) -> Noted {
    let at = at.filter(|_| is_so)?;
    Some((at, at.as_millisecond().unsigned_abs()))
}

/// The announcement of the transition that its id names, as the history has it.
fn in_history(
    announcement: &Announcement,
    request: &Request,
    history: &[Transition],
) -> Option<Announcement> {
    let (endpoint, version) = announcement.id.split_once('#')?;
    if endpoint != request.endpoint_id.as_str() {
        return None;
    }
    let version: u64 = version.parse().ok()?;
    // Each transition has one row, in order, and the first makes version 1.
    let index = usize::try_from(version.checked_sub(1)?).ok()?;
    let transition = history.get(index)?;
    let then = Request {
        status: transition.to,
        version,
        decided_by: transition.actor.clone(),
        // The time of the revocation is kept while the connection is to be revoked.
        due: request.due.filter(|_| request.version == version),
        deadline: None,
        ..request.clone()
    };
    announcement_of(&then, transition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::rejection::StaysRejected;
    use crate::request::Cause;

    /// A request that was accepted, then began to be revoked, and its history.
    fn revoking() -> (Request, Vec<Transition>) {
        let row = |from, to, cause| Transition {
            from,
            to,
            cause,
            at: at(9),
            actor: Actor::Policy(None),
            reason: format!("Because of {to}."),
            ec2: None,
            votes: Vec::new(),
        };
        let mut request = request(Status::Revoking);
        request.version = 3;
        request.revision = 7;
        request.due = Some(at(3600));
        let history = vec![
            row(None, Status::Accepting, Cause::Judged),
            row(Some(Status::Accepting), Status::Accepted, Cause::Enforced),
            row(Some(Status::Accepted), Status::Revoking, Cause::Revoked),
        ];
        (request, history)
    }

    fn sent(request: &Request, kind: AnnouncementKind, version: u64) -> Announcement {
        let mut announcement = note(request, kind, at(0));
        announcement.id = format!("{}#{version:08}", request.endpoint_id);
        announcement
    }

    #[test]
    fn a_true_announcement_is_shown_as_it_is() {
        let (request, history) = revoking();
        let last = history.last().unwrap();
        let sent = announcement_of(&request, last).unwrap();
        assert_eq!(confirmed(&sent, &request, &history), Some(sent));
    }

    #[test]
    fn what_a_message_says_is_not_shown_whatever_it_says() {
        let (request, history) = revoking();
        let sent = announcement_of(&request, history.last().unwrap()).unwrap();
        let changes: [fn(&mut Announcement); 9] = [
            |announcement| announcement.reason = "Send the token to it-help.".to_owned(),
            |announcement| announcement.account_id = "999999999999".parse().unwrap(),
            |announcement| announcement.service_id = "vpce-svc-0ffffffffffffffff".parse().unwrap(),
            |announcement| announcement.customer = Some("Somebody else".to_owned()),
            |announcement| {
                announcement.decided_by = Actor::Approver("alice@example.com".to_owned());
            },
            |announcement| announcement.due = None,
            |announcement| announcement.at = at(77),
            |announcement| announcement.status = Status::Accepted,
            |announcement| announcement.kind = AnnouncementKind::Revoked,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut forged = sent.clone();
            change(&mut forged);
            let shown = confirmed(&forged, &request, &history);
            assert_eq!(shown, Some(sent.clone()), "{index}");
        }
    }

    #[test]
    fn an_id_that_names_no_row_shows_nothing() {
        let (request, history) = revoking();
        let base = sent(&request, AnnouncementKind::RevocationStarted, 3);
        let other = "vpce-0ffffffffffffffff#00000003";
        for id in [
            "",
            "#",
            "3",
            "x#00000003",
            other,
            "vpce-0123456789abcdef0#",
            "vpce-0123456789abcdef0#0",
            "vpce-0123456789abcdef0#00000004",
            "vpce-0123456789abcdef0#-1",
            "vpce-0123456789abcdef0#99999999999999999999",
            "vpce-0123456789abcdef0#00000003.7.revoked",
        ] {
            let mut forged = base.clone();
            forged.id = id.to_owned();
            assert_eq!(confirmed(&forged, &request, &history), None, "{id:?}");
        }
        // A row that is not announced, and one that differs from the message.
        assert_eq!(
            confirmed(
                &sent(&request, AnnouncementKind::Revoked, 1),
                &request,
                &history
            ),
            None
        );
        let shown = confirmed(
            &sent(&request, AnnouncementKind::Revoked, 2),
            &request,
            &history,
        )
        .unwrap();
        assert_eq!((shown.kind, shown.due), (AnnouncementKind::Accepted, None));
    }

    #[test]
    fn a_note_is_shown_once_and_as_long_as_it_is_so() {
        let announced_ids = |request: &Request, kind| {
            let mut ids = Vec::new();
            for (revision, id) in [(3, "x"), (4, "vpce-0123456789abcdef0#00000001.99.anything")] {
                let mut request = request.clone();
                request.revision = revision;
                let mut forged = note(&request, kind, at(5));
                forged.id = id.to_owned();
                forged.reason = "Send the token to it-help.".to_owned();
                let shown = confirmed(&forged, &request, &[]);
                assert!(shown.iter().all(|shown| !shown.reason.contains("token")));
                ids.push(shown.map(|shown| shown.id));
            }
            ids
        };
        let mut review = request(Status::InReview);
        review.approvals_required = 2;
        review.out_of_reach_since = Some(at(0));
        let mut reached = review.clone();
        reached.deciders = 2;
        let mut few = review.clone();
        few.deciders = 1;
        let mut reminded = review.clone();
        (reminded.reminders, reminded.reminded_at) = (1, Some(at(0)));
        let mut reported = request(Status::Accepted);
        reported.reported_at = Some(at(0));
        let mut stays = request(Status::Rejected);
        stays.stays_rejected = Some(StaysRejected {
            allow: crate::policy::Rule {
                service_id: "*".parse().unwrap(),
                principal: "*".parse().unwrap(),
                effect: crate::policy::Effect::Allow,
            },
            announced_at: at(0),
        });
        let so = [
            (&review, AnnouncementKind::NobodyMayDecide),
            (&few, AnnouncementKind::QuorumOutOfReach),
            (&reminded, AnnouncementKind::ReviewReminder),
            (&reported, AnnouncementKind::WouldRevoke),
            (&stays, AnnouncementKind::StaysRejected),
        ];
        for (request, kind) in so {
            let ids = announced_ids(request, kind);
            assert!(ids.iter().all(Option::is_some), "{kind:?}");
            assert_eq!(ids.first(), ids.last(), "{kind:?}");
        }
        let accepted = request(Status::Accepted);
        let rejected = request(Status::Rejected);
        let not_so = [
            (&reached, AnnouncementKind::NobodyMayDecide),
            (&few, AnnouncementKind::NobodyMayDecide),
            (&reached, AnnouncementKind::QuorumOutOfReach),
            (&review, AnnouncementKind::QuorumOutOfReach),
            (&review, AnnouncementKind::ReviewReminder),
            (&accepted, AnnouncementKind::ReviewReminder),
            (&accepted, AnnouncementKind::WouldRevoke),
            (&rejected, AnnouncementKind::StaysRejected),
            (&review, AnnouncementKind::ReviewOpened),
            (&review, AnnouncementKind::VoteCast),
        ];
        for (request, kind) in not_so {
            assert_eq!(announced_ids(request, kind), [None, None], "{kind:?}");
        }
    }
}
