//! The pages. They need no script, no cookie and nothing from another server.
//!
//! | page | template | when |
//! | --- | --- | --- |
//! | [`form`] | `vote.html` | the approver may vote, or change the vote: request details, and the form |
//! | [`mod@result`] | `result.html` | there is nothing to fill in: the state of the review |
//! | [`mod@notice`] | `notice.html` | the request may not be shown, or could not be read |

mod details;
mod notice;
mod result;

use askama::Template;
use gatekeeper_aws::gatekeeper::{RequestDetails, ReviewState};
use gatekeeper_core::visible::visible;
use gatekeeper_core::vote::TYPED;
use gatekeeper_core::vote::{Choice, REASON_LIMIT};
use jiff::Timestamp;

pub(crate) use notice::Notice;
pub(crate) use result::status as result_status;

use crate::form::Entered;
use crate::headers::STYLE;
use crate::http::Response;
use crate::{review_state, sentences};
use details::DetailsShown;

#[derive(Template)]
#[template(path = "vote.html")]
struct FormPage<'a> {
    style: &'static str,
    title: String,
    heading: String,
    /// The vote that they cast before, and what they can still do.
    voted: Option<String>,
    details: &'a RequestDetails,
    facts: DetailsShown,
    entered: &'a Entered,
    offers: Vec<Offer>,
    reason_limit: usize,
    typed: usize,
}

/// A choice in the form.
struct Offer {
    value: &'static str,
    name: &'static str,
    means: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage<'a> {
    style: &'static str,
    title: String,
    badge: result::Badge,
    lead: String,
    next: Option<String>,
    /// The text of the link back to the form.
    again: Option<&'static str>,
    details: &'a RequestDetails,
    facts: DetailsShown,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    style: &'static str,
    title: &'static str,
    paragraphs: &'static [&'static str],
}

/// The page with the form.
pub(crate) fn form(details: &RequestDetails, entered: &Entered, now: Timestamp) -> Response {
    let question = match &details.own {
        None => sentences::question(&details.request),
        Some(_) if sentences::has_withdrawn(details) => {
            format!(
                "You withdrew your approval: {}",
                sentences::still_needed(details)
            )
        }
        Some(_) => format!("You have voted: {}", sentences::still_needed(details)),
    };
    let faults = &entered.faults;
    let unrecorded = faults.unrecorded.clone().map(ReviewState::Unrecorded);
    let (status, title) = match (faults.any(), faults.form, &unrecorded) {
        (false, _, _) => (result::status(&ReviewState::Open), question.clone()),
        (true, None, None) => (
            result::status(&ReviewState::Mistyped),
            format!("Not sent yet: {question}"),
        ),
        (true, Some(_), _) => (400, format!("Not sent: {question}")),
        (true, None, Some(state)) => (result::status(state), format!("Not recorded: {question}")),
    };
    let page = FormPage {
        style: STYLE,
        title,
        heading: question,
        voted: details.own.as_ref().map(|_| voted(details)),
        details,
        facts: DetailsShown::of(details, now, true),
        entered,
        offers: offers(details, entered.choice),
        reason_limit: REASON_LIMIT,
        typed: TYPED,
    };
    again_in_a_moment(rendered(status, &page))
}

/// The vote that they cast, and what they can still do.
fn voted(details: &RequestDetails) -> String {
    let mut text = format!("{} {}", sentences::own_vote(details), sentences::UNTIL);
    if let Some(still) = sentences::still_possible(details.choices) {
        text.push_str(&format!(" Until the review ends you can {still}."));
    }
    text
}

/// The choices of the form. None is preselected.
fn offers(details: &RequestDetails, chosen: Option<Choice>) -> Vec<Offer> {
    let choices = details.choices.iter();
    let offers = choices.map(|choice| {
        let (name, means) = match choice {
            Choice::Approve => ("Approve", approving(details)),
            Choice::Withdraw => ("Withdraw your approval", sentences::WITHDRAWING.to_owned()),
            Choice::Reject => ("Reject", REJECTING.to_owned()),
        };
        Offer {
            value: choice.as_str(),
            name,
            means,
            is_chosen: chosen == Some(*choice),
        }
    });
    offers.collect()
}

/// What a rejection does.
const REJECTING: &str =
    "it is kept out at once; to ask again, the customer has to create a new endpoint";

/// What an approval does now.
fn approving(details: &RequestDetails) -> String {
    match sentences::missing(details).saturating_sub(1) {
        0 => "it is connected at once".to_owned(),
        1 => "it counts, and 1 other person must approve as well".to_owned(),
        n => format!("it counts, and {n} other people must approve as well"),
    }
}

/// The page for a state in which there is nothing to fill in.
pub(crate) fn result(state: &ReviewState, details: &RequestDetails, now: Timestamp) -> Response {
    let page = ResultPage {
        style: STYLE,
        title: review_state::headline(state, details),
        badge: result::Badge::of(state, details),
        lead: review_state::explanation(state, details),
        next: result::next(state, details),
        again: result::again(state, details),
        details,
        facts: DetailsShown::of(details, now, false),
    };
    rendered(result::status(state), &page)
}

/// A page that says nothing about any request.
pub(crate) fn notice(notice: Notice) -> Response {
    let page = NoticePage {
        style: STYLE,
        title: notice.title(),
        paragraphs: notice.paragraphs(),
    };
    again_in_a_moment(rendered(notice.status(), &page))
}

/// Says when to try again, if something did not answer.
fn again_in_a_moment(response: Response) -> Response {
    match response.status {
        503 => response.header("retry-after", "5"),
        _ => response,
    }
}

fn rendered(status: u16, page: &impl Template) -> Response {
    match page.render() {
        // Hidden characters are marked here, so that no text on any page is forgotten. The
        // templates have none.
        Ok(html) => Response::page(status, visible(&html).into_owned()),
        // Rendering fails only if a formatter fails, and none of them does.
        Err(_) => Response::empty(500),
    }
}

#[cfg(test)]
mod tests;
