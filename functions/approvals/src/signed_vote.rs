//! Votes by signed calls: approvers vote under their IAM identity, from a terminal.
//!
//! API Gateway checks the caller's signature and says who calls. The body is JSON. Without a choice,
//! the call shows the review; with one, it votes in the review that was shown:
//!
//! ```json
//! { "choice": "approve", "reason": "ticket 42", "review": 1 }
//! ```

use std::sync::Arc;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::Error;
use gatekeeper_aws::gatekeeper::{Gatekeeper, RequestDetails, ReviewState, ReviewView, Voter};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::policy::ServiceName;
use gatekeeper_core::vote::{Ballot, Choice, Unrecorded, Vote};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::http::{FORM_LIMIT, Request, Response};
use crate::page::result_status;
use crate::{review_state, sentences};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    choice: Option<String>,
    #[serde(default)]
    reason: String,
    review: Option<u64>,
}

/// The response to a call that could be read.
#[derive(Serialize)]
struct Shown<'a> {
    /// The state of the review for the caller.
    state: &'static str,
    headline: String,
    explanation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    approver: Option<&'a str>,
    /// What the caller can vote now.
    choices: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestShown<'a>>,
}

#[derive(Serialize)]
struct RequestShown<'a> {
    endpoint_id: &'a str,
    service_id: &'a str,
    service_name: Option<&'a str>,
    account_id: &'a str,
    customer: Option<&'a str>,
    region: &'a str,
    opened_at: Timestamp,
    status: &'static str,
    /// Why a person decides, and the conditions that failed.
    reason: &'a str,
    failed: Vec<String>,
    review: Option<u64>,
    approvals_given: u32,
    approvals_required: u32,
    deadline: Option<Timestamp>,
    deadline_rejects: bool,
    votes: Vec<VoteShown<'a>>,
    decision: Option<DecisionShown<'a>>,
}

#[derive(Serialize)]
struct VoteShown<'a> {
    approver: &'a str,
    choice: &'static str,
    at: Timestamp,
    reason: &'a str,
    withdrawn: bool,
}

#[derive(Serialize)]
struct DecisionShown<'a> {
    by: String,
    at: Timestamp,
    reason: &'a str,
}

/// Answers a call to the route of signed votes.
pub(crate) async fn answer(
    gatekeeper: &Gatekeeper,
    endpoint: &str,
    request: &Request,
    deadline: Deadline,
) -> Response {
    let Some(arn) = &request.caller else {
        let error = "This route takes calls that are signed by an IAM identity of Gatekeeper's own \
                     account. Sign the call with AWS Signature Version 4 for execute-api.";
        return failed(403, error);
    };
    let Ok(endpoint_id) = endpoint.parse::<EndpointId>() else {
        return failed(
            400,
            "The path does not name an endpoint: write /requests/vpce-…/votes.",
        );
    };
    let (ballot, review) = match read(&request.body) {
        Ok(read) => read,
        Err(error) => return failed(400, &error),
    };
    let voter = Voter::Iam {
        arn: arn.clone(),
        endpoint_id,
        review,
    };
    let view = match &ballot {
        Some(ballot) => gatekeeper.vote(&voter, ballot, deadline).await,
        None => gatekeeper.view(&voter).await,
    };
    shown(gatekeeper, arn, view)
}

/// The ballot, and the review that it is for. No ballot means that the caller only looks.
fn read(body: &[u8]) -> Result<(Option<Ballot>, Option<u64>), String> {
    if body.len() > FORM_LIMIT {
        return Err(format!("The body is longer than {FORM_LIMIT} bytes."));
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| format!("The body is not a vote in JSON: {error}."))?;
    let Some(choice) = body.choice else {
        return match body.reason.is_empty() {
            true => Ok((None, body.review)),
            false => Err("The body has a reason and no choice.".to_owned()),
        };
    };
    let choice = match choice.as_str() {
        "approve" => Choice::Approve,
        "reject" => Choice::Reject,
        "withdraw" => Choice::Withdraw,
        _ => {
            return Err("choice is none of approve, reject and withdraw.".to_owned());
        }
    };
    if body.review.is_none() {
        return Err(
            "A vote names the review that it is for: send {} first, and copy request.review \
             from the response into review."
                .to_owned(),
        );
    }
    let ballot = Ballot::new(choice, &body.reason).map_err(sentences::invalid_ballot)?;
    Ok((Some(ballot), body.review))
}

fn shown(gatekeeper: &Gatekeeper, arn: &str, view: Result<ReviewView, Arc<Error>>) -> Response {
    let is_answered = !matches!(
        view,
        Err(_)
            | Ok(ReviewView::Shown(
                ReviewState::Unrecorded(Unrecorded::Silent),
                _
            ))
    );
    let (status, state, headline, explanation) = match &view {
        Ok(ReviewView::Shown(state, details)) => {
            gatekeeper.metrics().count_answer(is_answered);
            return response(
                result_status(state),
                &Shown {
                    state: state.as_str(),
                    headline: match state {
                        ReviewState::Open => sentences::question(&details.request),
                        _ => review_state::headline(state, details),
                    },
                    explanation: match state {
                        ReviewState::Open => sentences::own_vote(details),
                        _ => review_state::explanation(state, details),
                    },
                    approver: Some(details.approver.as_str()),
                    choices: choices(state, details),
                    request: Some(request_shown(details)),
                },
            );
        }
        // The gatekeeper has logged the error.
        Err(_) => (
            503,
            "unavailable",
            "Not possible right now",
            "Something did not answer, so a vote may or may not have been recorded. Trying again is \
             safe: a vote counts once."
                .to_owned(),
        ),
        Ok(ReviewView::Expired) => (
            410,
            "expired",
            "The time for this review is over",
            "It is being rejected, as the service's settings say.".to_owned(),
        ),
        Ok(ReviewView::Invalid) => (
            404,
            "invalid",
            "There is no such review",
            "No request of this endpoint is known, or the review is another one by now.".to_owned(),
        ),
        Ok(ReviewView::NotAnApprover) => (
            403,
            "not_an_approver",
            "You are not an approver",
            format!(
                "No approver, or more than one, is entered with an iam_principal that {arn} \
                 matches, so your vote does not count."
            ),
        ),
    };
    if !matches!(view, Ok(ReviewView::Invalid | ReviewView::NotAnApprover)) {
        gatekeeper.metrics().count_answer(is_answered);
    }
    let shown = Shown {
        state,
        headline: headline.to_owned(),
        explanation,
        approver: None,
        choices: Vec::new(),
        request: None,
    };
    response(status, &shown)
}

fn choices(state: &ReviewState, details: &RequestDetails) -> Vec<&'static str> {
    let choices = match state {
        ReviewState::Open | ReviewState::Unrecorded(_) => details.choices,
        _ => review_state::choices(state, details),
    };
    choices.iter().map(|choice| choice.as_str()).collect()
}

fn request_shown(details: &RequestDetails) -> RequestShown<'_> {
    let request = &details.request;
    RequestShown {
        endpoint_id: request.endpoint_id.as_str(),
        service_id: request.service_id.as_str(),
        service_name: request.service_name.as_ref().map(ServiceName::as_str),
        account_id: request.account_id.as_str(),
        customer: request.customer.as_deref(),
        region: request.region.as_str(),
        opened_at: request.opened_at,
        status: request.status.as_str(),
        reason: &request.verdict.reason,
        failed: request
            .verdict
            .failed
            .iter()
            .map(sentences::condition)
            .collect(),
        review: request.review,
        approvals_given: details.given,
        approvals_required: request.approvals_required.max(1),
        deadline: request.deadline,
        deadline_rejects: request.deadline_rejects,
        votes: request.votes.iter().map(vote_shown).collect(),
        decision: sentences::decision(details).map(|decision| DecisionShown {
            by: sentences::decider(details, decision).to_string(),
            at: decision.at,
            reason: &decision.reason,
        }),
    }
}

fn vote_shown(vote: &Vote) -> VoteShown<'_> {
    VoteShown {
        approver: vote.approver.as_str(),
        choice: vote.choice.as_str(),
        at: vote.at,
        reason: &vote.reason,
        withdrawn: vote.taken_back,
    }
}

fn failed(status: u16, error: &str) -> Response {
    response(status, &serde_json::json!({ "error": error }))
}

fn response(status: u16, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(json) => Response::json(status, json),
        // Only a bug can cause this: the types have no map with keys that are not strings.
        Err(_) => Response::empty(500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_look_or_a_vote_in_a_review() {
        let looked = read(b"{}").unwrap();
        assert_eq!((looked.0, looked.1), (None, None));
        let (ballot, review) =
            read(br#"{"choice": "reject", "reason": "not ours", "review": 3}"#).unwrap();
        let ballot = ballot.unwrap();
        assert_eq!(ballot.choice, Choice::Reject);
        assert_eq!((ballot.reason.as_str(), review), ("not ours", Some(3)));
        for choice in ["approve", "withdraw"] {
            let body = format!(r#"{{"choice": "{choice}", "review": 1}}"#);
            assert_eq!(
                read(body.as_bytes()).unwrap().0.unwrap().choice.as_str(),
                choice
            );
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_with_the_body() {
        for (body, message) in [
            (
                "",
                "The body is not a vote in JSON: EOF while parsing a value at line 1 column 0.",
            ),
            (
                r#"{"choise": "approve"}"#,
                "The body is not a vote in JSON: unknown field `choise`, expected one of \
                 `choice`, `reason`, `review` at line 1 column 9.",
            ),
            (
                r#"{"choice": "Approve", "review": 1}"#,
                "choice is none of approve, reject and withdraw.",
            ),
            (
                r#"{"choice": "approve"}"#,
                "A vote names the review that it is for: send {} first, and copy request.review \
                 from the response into review.",
            ),
            (
                r#"{"choice": "reject", "review": 1}"#,
                "A rejection needs a reason: say why, in a few words.",
            ),
            (r#"{"reason": "x"}"#, "The body has a reason and no choice."),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err(), message, "{body}");
        }
        let long = "x".repeat(FORM_LIMIT + 1);
        assert!(read(long.as_bytes()).unwrap_err().contains("is longer"));
    }
}
