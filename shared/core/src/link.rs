//! An approver's link opens one request, or several of the same account at the same service.
//!
//! Each request that it lists is checked alone: whether the link still opens it, whether it is used
//! up for it, and what the page says about it. So a vote on one request does not change the link
//! for the others.

use crate::approver::{Approver, Ineligible, may_decide};
use crate::ballot::{Listed, is_used_up};
use crate::quorum::vote_of;
use crate::request::{Request, Status};
use crate::vote::is_typed;

/// The requests that a link opens for its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opens {
    /// The request that is shown, or voted on.
    pub request: Request,
    /// The number of its review.
    pub review: u64,
    /// The other requests that it lists, except those for which it is used up.
    pub others: Vec<Listed>,
}

/// The requests that a link opens, in its order; `None` if it opens none. `named` has each request
/// with the number of its review. A request that is in another review by now, or belongs to another
/// consumer, is not opened and not mentioned.
///
/// The shown request is the one whose last characters were typed. If they match none, or several,
/// it is the one that most needs the approver.
#[must_use]
pub fn opens(
    listed: Vec<(Request, u64)>,
    typed: &str,
    approver: &Approver,
    approvers: &[Approver],
) -> Option<Opens> {
    let is_opened = |(request, review): &(Request, u64)| {
        let may = may_decide(
            approver,
            approvers,
            &request.service_id,
            &request.account_id,
        );
        request.review == Some(*review) && may != Err(Ineligible::OtherService)
    };
    let mut opened: Vec<(Request, u64)> = listed.into_iter().filter(is_opened).collect();
    let mut meant = (0..)
        .zip(&opened)
        .filter(|(_, (request, _))| is_typed(typed, &request.endpoint_id));
    let place = match (meant.next(), meant.next()) {
        (Some((place, _)), None) => place,
        _ => {
            let need = (0..).zip(&opened);
            need.min_by_key(|(_, (request, _))| need_of(request, approver, approvers))?
                .0
        }
    };
    let (request, review) = opened.remove(place);
    opened.retain(|(request, _)| !is_used_up(request, approver, approvers));
    let others = opened.into_iter().map(|(request, _)| Listed {
        own: vote_of(&request, approver, approvers).map(|vote| vote.choice),
        request,
    });
    Some(Opens {
        request,
        review,
        others: others.collect(),
    })
}

/// How much a request needs the approver, the most first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// It waits for their vote.
    Vote,
    /// They have voted, and it waits for others.
    Others,
    /// It is decided, or over.
    Nothing,
    /// It is decided or over, and the link is used up for it.
    UsedUp,
}

fn need_of(request: &Request, approver: &Approver, approvers: &[Approver]) -> Need {
    match vote_of(request, approver, approvers) {
        None if request.status == Status::InReview => Need::Vote,
        None => Need::Nothing,
        Some(_) if request.status == Status::InReview => Need::Others,
        Some(_) => Need::UsedUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::ids::EndpointId;
    use crate::vote::{Channel, Choice, Vote};
    use std::collections::BTreeSet;

    const A: &str = "vpce-0000000000000000a";
    const B: &str = "vpce-0000000000000000b";
    /// Its last characters are those of B.
    const TWIN: &str = "vpce-1000000000000000b";

    fn alice() -> Approver {
        approver("*")
    }

    fn approver(service: &str) -> Approver {
        Approver {
            id: "alice@example.com".parse().unwrap(),
            services: [service.parse().unwrap()].into(),
            own_accounts: BTreeSet::new(),
            slack_user_id: None,
            iam_principal: None,
        }
    }

    fn listed(id: &str, status: Status) -> (Request, u64) {
        let mut request = request(status);
        request.endpoint_id = id.parse().unwrap();
        request.review = Some(1);
        (request, 1)
    }

    fn voted(id: &str, status: Status) -> (Request, u64) {
        let (mut request, review) = listed(id, status);
        request.votes.push(Vote {
            approver: "alice@example.com".parse().unwrap(),
            choice: Choice::Approve,
            reason: String::new(),
            at: at(0),
            channel: Channel::Email,
            void: false,
            taken_back: false,
        });
        (request, review)
    }

    fn opened(listed: &[(Request, u64)], typed: &str) -> Option<(EndpointId, Vec<EndpointId>)> {
        let opened = opens(listed.to_vec(), typed, &alice(), &[alice()])?;
        let others = opened.others.into_iter();
        let others = others.map(|one| one.request.endpoint_id).collect();
        Some((opened.request.endpoint_id, others))
    }

    fn ids(first: &str, others: &[&str]) -> Option<(EndpointId, Vec<EndpointId>)> {
        let others = others.iter().map(|id| id.parse().unwrap());
        Some((first.parse().unwrap(), others.collect()))
    }

    #[test]
    fn typed_characters_choose_the_request_and_without_them_need_does() {
        let waiting = [
            listed(A, Status::Accepted),
            listed(B, Status::InReview),
            listed(TWIN, Status::InReview),
        ];
        assert_eq!(opened(&waiting, ""), ids(B, &[A, TWIN]));
        assert_eq!(opened(&waiting, "00000a"), ids(A, &[B, TWIN]), "it is over");
        assert_eq!(opened(&waiting, " 00000A "), ids(A, &[B, TWIN]));
        assert_eq!(opened(&waiting[..2], "00000b"), ids(B, &[A]));
        for unclear in ["zzzzzz", "b", "00000b"] {
            assert_eq!(opened(&waiting, unclear), ids(B, &[A, TWIN]), "{unclear}");
        }
        assert_eq!(opened(&waiting, TWIN), ids(TWIN, &[A, B]), "that is clear");
        assert_eq!(opened(&[], "00000a"), None);
    }

    #[test]
    fn each_request_is_used_up_by_itself() {
        let both = [voted(A, Status::InReview), listed(B, Status::InReview)];
        assert_eq!(opened(&both, ""), ids(B, &[A]), "who has voted comes later");
        assert_eq!(opened(&both, "00000a"), ids(A, &[B]));
        let over = [voted(A, Status::Accepted), listed(B, Status::Gone)];
        assert_eq!(opened(&over, ""), ids(B, &[]), "of A nobody is told");
        assert_eq!(opened(&over, "00000a"), ids(A, &[B]), "who types it is");
        let done = [voted(A, Status::Accepted), voted(B, Status::Rejected)];
        assert_eq!(opened(&done, ""), ids(A, &[]));
    }

    #[test]
    fn other_requests_and_other_reviews_are_not_mentioned() {
        let mut again = listed(A, Status::InReview);
        again.0.review = Some(4);
        let both = [again.clone(), listed(B, Status::InReview)];
        assert_eq!(opened(&both, ""), ids(B, &[]));
        assert_eq!(opened(&both, "00000a"), ids(B, &[]));
        assert_eq!(opened(&[again], "00000a"), None);

        let mut elsewhere = listed(A, Status::InReview);
        elsewhere.0.service_id = "vpce-svc-00000000000000009".parse().unwrap();
        let some = approver(listed(B, Status::InReview).0.service_id.as_str());
        let both = vec![elsewhere, listed(B, Status::InReview)];
        let opened = opens(both, "00000a", &some, std::slice::from_ref(&some)).unwrap();
        assert_eq!(opened.request.endpoint_id.as_str(), B);
        assert_eq!(opened.others, []);
    }
}
