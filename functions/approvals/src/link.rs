//! An approver's link: shows the review, and takes the vote.

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::gatekeeper::{Gatekeeper, ReviewState, ReviewView, Voter};

use gatekeeper_core::token::Token;
use gatekeeper_core::vote::Unrecorded;

use crate::form::{self, Entered, Faults, MISTYPED, MISTYPED_OF_SEVERAL};
use crate::http::{Request, Response};
use crate::page::{self, Notice};

/// Shows the review that a link is for. This changes nothing.
pub(crate) async fn look(gatekeeper: &Gatekeeper, token: &str) -> Response {
    show(gatekeeper, token, Entered::default()).await
}

/// Takes a form that was sent. A complete form is a vote. An incomplete form is shown again, with
/// what is wrong with it.
pub(crate) async fn decide(
    gatekeeper: &Gatekeeper,
    token: &str,
    request: &Request,
    deadline: Deadline,
) -> Response {
    let mut entered = form::read(request.header("content-type"), &request.body);
    if form::only_looks(&entered) {
        return show(gatekeeper, token, entered).await;
    }
    let Some(ballot) = form::ballot(&mut entered) else {
        return show(gatekeeper, token, entered).await;
    };
    let voter = Voter::Link {
        token: token.to_owned(),
        typed: entered.typed.clone(),
    };
    match gatekeeper.vote(&voter, &ballot, deadline).await {
        // The page is shown again for the request that it was about.
        Ok(ReviewView::Shown(ReviewState::Mistyped, _)) if entered.of.is_some() => {
            entered.faults.typed = Some(MISTYPED_OF_SEVERAL);
            show(gatekeeper, token, entered).await
        }
        Ok(view) => page_of(gatekeeper, view, entered),
        // The gatekeeper has logged the error.
        Err(_) => unavailable(gatekeeper, token),
    }
}

async fn show(gatekeeper: &Gatekeeper, token: &str, entered: Entered) -> Response {
    let of = entered.of.as_ref().map(ToString::to_string);
    let voter = |typed| Voter::Link {
        token: token.to_owned(),
        typed,
    };
    let mut view = gatekeeper
        .view(&voter(of.clone().unwrap_or_default()))
        .await;
    if of.is_some() && matches!(view, Ok(ReviewView::Invalid)) {
        // The link is used up for that request.
        view = gatekeeper.view(&voter(String::new())).await;
    }
    match view {
        Ok(view) => page_of(gatekeeper, view, entered),
        Err(_) => unavailable(gatekeeper, token),
    }
}

/// Something that the page needs did not answer. The metric counts only requests whose link is well
/// formed, because others are not from approvers.
pub(crate) fn unavailable(gatekeeper: &Gatekeeper, token: &str) -> Response {
    if Token::from_link(token).is_ok() {
        gatekeeper.metrics().count_answer(false);
    }
    page::notice(Notice::Unavailable)
}

/// The page for the state of a review. If that is the form, it is filled in as it was sent, with
/// what is wrong beside it.
fn page_of(gatekeeper: &Gatekeeper, view: ReviewView, mut entered: Entered) -> Response {
    let now = gatekeeper.clock().now();
    let (state, details) = match view {
        ReviewView::Shown(state, details) => (state, details),
        ReviewView::Expired => {
            gatekeeper.metrics().count_answer(true);
            return page::notice(Notice::Expired);
        }
        // Somebody whose link opens nothing is not counted among the approvers who are answered.
        ReviewView::Invalid | ReviewView::NotAnApprover => return page::notice(Notice::Invalid),
    };
    let is_answered = state != ReviewState::Unrecorded(Unrecorded::Silent);
    gatekeeper.metrics().count_answer(is_answered);
    match state {
        ReviewState::Open => page::form(&details, &entered, now),
        ReviewState::Mistyped => {
            entered.faults.typed = Some(match details.others.is_empty() {
                true => MISTYPED,
                false => MISTYPED_OF_SEVERAL,
            });
            page::form(&details, &entered, now)
        }
        ReviewState::Unrecorded(why) => {
            if why == Unrecorded::Corrected {
                // The form was filled in about a connection of another account.
                entered = Entered::default();
            }
            entered.faults = Faults {
                unrecorded: Some(why),
                ..Faults::default()
            };
            page::form(&details, &entered, now)
        }
        state => page::result(&state, &details, now),
    }
}
