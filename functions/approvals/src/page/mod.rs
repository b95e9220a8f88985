//! What people see: pages that need no script, no cookie and nothing from elsewhere.
//!
//! | page | template | when |
//! | --- | --- | --- |
//! | [`open`] | `open.html` | they may vote, or change their vote: all facts, and the form |
//! | [`mod@standing`] | `standing.html` | there is nothing to fill in: how the request stands |
//! | [`mod@notice`] | `notice.html` | nothing of the request may be shown, or it could not be read |

mod facts;
mod notice;
mod standing;

use askama::Template;
use gatekeeper_aws::gatekeeper::RequestDetails;
use gatekeeper_core::visible::visible;
use gatekeeper_core::vote::TYPED;
use gatekeeper_core::vote::{Choice, REASON_LIMIT, Unrecorded};
use jiff::Timestamp;

pub(crate) use notice::Notice;

use crate::form::Entered;
use crate::headers::STYLE;
use crate::http::Response;
use crate::standing::Standing;
use crate::words;
use facts::Facts;

#[derive(Template)]
#[template(path = "open.html")]
struct Open<'a> {
    style: &'static str,
    title: String,
    heading: String,
    /// What they said before, and what they can still do.
    voted: Option<String>,
    details: &'a RequestDetails,
    facts: Facts,
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
#[template(path = "standing.html")]
struct Stands<'a> {
    style: &'static str,
    title: String,
    mark: standing::Mark,
    lead: String,
    next: Option<String>,
    /// What a link back to the form says.
    again: Option<&'static str>,
    details: &'a RequestDetails,
    facts: Facts,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Noticed {
    style: &'static str,
    title: &'static str,
    paragraphs: &'static [&'static str],
}

/// The form, and all that is known of what it decides.
pub(crate) fn open(details: &RequestDetails, entered: &Entered, now: Timestamp) -> Response {
    let question = match &details.own {
        None => words::question(&details.request),
        Some(_) if words::has_withdrawn(details) => {
            format!(
                "You withdrew your approval: {}",
                words::still_needed(details)
            )
        }
        Some(_) => format!("You have voted: {}", words::still_needed(details)),
    };
    let faults = &entered.faults;
    let (status, title) = match (faults.any(), faults.form, &faults.unrecorded) {
        (false, _, _) => (200, question.clone()),
        (true, None, None) => (422, format!("Not sent yet: {question}")),
        (true, Some(_), _) => (400, format!("Not sent: {question}")),
        (true, None, Some(Unrecorded::Silent)) => (503, format!("Not recorded: {question}")),
        // Nothing failed, and it will not pass in a moment.
        (true, None, Some(_)) => (409, format!("Not recorded: {question}")),
    };
    let page = Open {
        style: STYLE,
        title,
        heading: question,
        voted: details.own.as_ref().map(|_| voted(details)),
        details,
        facts: Facts::of(details, now, true),
        entered,
        offers: offers(details, entered.choice),
        reason_limit: REASON_LIMIT,
        typed: TYPED,
    };
    again_in_a_moment(rendered(status, &page))
}

/// What they said, and what they can still do.
fn voted(details: &RequestDetails) -> String {
    let mut words = format!("{} {}", words::own_vote(details), words::UNTIL);
    if let Some(still) = words::still_to_say(details.choices) {
        words.push_str(&format!(" Until the review ends you can {still}."));
    }
    words
}

/// What they can choose; none of it is chosen for them.
fn offers(details: &RequestDetails, chosen: Option<Choice>) -> Vec<Offer> {
    let choices = details.choices.iter();
    let offers = choices.map(|choice| {
        let (name, means) = match choice {
            Choice::Approve => ("Approve", approving(details)),
            Choice::Withdraw => ("Withdraw your approval", words::WITHDRAWING.to_owned()),
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
    match words::missing(details).saturating_sub(1) {
        0 => "it is connected at once".to_owned(),
        1 => "it counts, and 1 other person must approve as well".to_owned(),
        n => format!("it counts, and {n} other people must approve as well"),
    }
}

/// How the request stands, where there is nothing to fill in.
pub(crate) fn standing(stands: Standing, details: &RequestDetails, now: Timestamp) -> Response {
    let page = Stands {
        style: STYLE,
        title: stands.title(details),
        mark: standing::Mark::of(stands, details),
        lead: stands.meaning(details),
        next: standing::next(stands, details),
        again: standing::again(stands, details),
        details,
        facts: Facts::of(details, now, false),
    };
    rendered(standing::status(stands), &page)
}

/// What is the same for everybody.
pub(crate) fn notice(notice: Notice) -> Response {
    let page = Noticed {
        style: STYLE,
        title: notice.title(),
        paragraphs: notice.paragraphs(),
    };
    again_in_a_moment(rendered(notice.status(), &page))
}

/// Says when to try again what did not work now.
fn again_in_a_moment(response: Response) -> Response {
    match response.status {
        503 => response.header("retry-after", "5"),
        _ => response,
    }
}

fn rendered(status: u16, page: &impl Template) -> Response {
    match page.render() {
        // Here, so that no text on any page is forgotten: none of ours holds anything hidden.
        Ok(html) => Response::page(status, visible(&html).into_owned()),
        // Only a formatter that fails could bring this about, and none here does.
        Err(_) => Response::empty(500),
    }
}

#[cfg(test)]
mod tests;
