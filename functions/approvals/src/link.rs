//! An approver's link: looking at what it opens, and deciding.

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::gatekeeper::{Gatekeeper, View, Voted, Voter};

use gatekeeper_core::token::Token;
use gatekeeper_core::vote::Unrecorded;

use crate::form::{self, Entered, Faults, MISTYPED, MISTYPED_OF_SEVERAL};
use crate::http::{Request, Response};
use crate::page::{self, Notice};
use crate::standing::Outcome;

/// Shows what a link opens. Changes nothing, however often and by whomever it is opened.
pub(crate) async fn look(gatekeeper: &Gatekeeper, token: &str) -> Response {
    show(gatekeeper, token, Entered::default()).await
}

/// Takes the form that somebody sent. Only a whole one is a vote; another is shown again, with what is
/// wrong with it.
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
        // The page comes back about the request that it was about.
        Ok(Voted::Mistyped(_)) if entered.of.is_some() => {
            entered.faults.typed = Some(MISTYPED_OF_SEVERAL);
            show(gatekeeper, token, entered).await
        }
        Ok(voted) => shown(gatekeeper, voted.into(), entered),
        // The gatekeeper has told of it.
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
    if of.is_some() && matches!(view, Ok(View::Invalid)) {
        // The link is used up for that one.
        view = gatekeeper.view(&voter(String::new())).await;
    }
    match view {
        Ok(view) => shown(gatekeeper, view.into(), entered),
        // As above.
        Err(_) => unavailable(gatekeeper, token),
    }
}

/// Something that the page needs did not answer. Whose link is whole may be an approver.
pub(crate) fn unavailable(gatekeeper: &Gatekeeper, token: &str) -> Response {
    if Token::from_link(token).is_ok() {
        gatekeeper.metrics().count_answer(false);
    }
    page::notice(Notice::Unavailable)
}

/// The page for what came of it; if that is the form, as it was filled in, which was whole but for what is
/// said with it.
fn shown(gatekeeper: &Gatekeeper, outcome: Outcome, mut entered: Entered) -> Response {
    let now = gatekeeper.clock().now();
    match &outcome {
        // Whoever has no link that opens anything is not among those who are waited for.
        Outcome::Invalid | Outcome::NotAnApprover => {}
        Outcome::Unrecorded(why, _) => gatekeeper
            .metrics()
            .count_answer(*why != Unrecorded::Silent),
        _ => gatekeeper.metrics().count_answer(true),
    }
    match outcome {
        Outcome::Open(details) => page::open(&details, &entered, now),
        Outcome::Mistyped(details) => {
            entered.faults.typed = Some(match details.others.is_empty() {
                true => MISTYPED,
                false => MISTYPED_OF_SEVERAL,
            });
            page::open(&details, &entered, now)
        }
        Outcome::Unrecorded(why, details) => {
            if why == Unrecorded::Corrected {
                // What was filled in was about another's connection.
                entered = Entered::default();
            }
            entered.faults = Faults {
                unrecorded: Some(why),
                ..Faults::default()
            };
            page::open(&details, &entered, now)
        }
        Outcome::Stands(standing, details) => page::standing(standing, &details, now),
        Outcome::Expired => page::notice(Notice::Expired),
        Outcome::Invalid | Outcome::NotAnApprover => page::notice(Notice::Invalid),
    }
}
