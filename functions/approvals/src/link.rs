//! An approver's link: looking at what it opens, and deciding.

use std::sync::Arc;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::gatekeeper::{Gatekeeper, View, Voted, Voter};
use gatekeeper_aws::telemetry::Unit;

use crate::form::{self, Entered, Faults, MISTYPED};
use crate::http::{Request, Response};
use crate::page::{self, Notice, Standing};

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
    let (ballot, mut entered) = match form::ballot(form::read(request)) {
        Ok(filled_in) => filled_in,
        Err(entered) => return show(gatekeeper, token, entered).await,
    };
    let voter = Voter::Link {
        token: token.to_owned(),
        typed: entered.typed.clone(),
    };
    let (standing, dossier) = match gatekeeper.vote(&voter, &ballot, deadline).await {
        Ok(voted) => match voted {
            Voted::Waiting(dossier) => (Standing::Waiting, dossier),
            Voted::Decided(dossier) => (Standing::Done, dossier),
            Voted::Recorded(dossier) => (Standing::Recorded, dossier),
            Voted::Already(dossier) => (Standing::Already, dossier),
            Voted::TooLate(dossier) => (Standing::TooLate, dossier),
            Voted::Barred(bar, dossier) => (Standing::Barred(bar), dossier),
            Voted::Mistyped(dossier) => {
                entered.faults = Faults {
                    typed: Some(MISTYPED.to_owned()),
                    ..Faults::default()
                };
                return page::open(&dossier, &entered, gatekeeper.clock().now());
            }
            Voted::Expired => return page::notice(Notice::Expired),
            Voted::Invalid | Voted::NotAnApprover => return page::notice(Notice::Invalid),
        },
        // The gatekeeper has told of it.
        Err(_) => return page::notice(Notice::Unavailable),
    };
    page::standing(standing, &dossier, gatekeeper.clock().now())
}

async fn show(gatekeeper: &Gatekeeper, token: &str, entered: Entered) -> Response {
    let voter = Voter::Link {
        token: token.to_owned(),
        typed: String::new(),
    };
    let (standing, dossier) = match gatekeeper.view(&voter).await {
        Ok(view) => match view {
            View::Open(dossier) => {
                return page::open(&dossier, &entered, gatekeeper.clock().now());
            }
            View::Voted(dossier) => (Standing::HaveVoted, dossier),
            View::Decided(dossier) => (Standing::IsDecided, dossier),
            View::Barred(bar, dossier) => (Standing::Barred(bar), dossier),
            View::Expired => return page::notice(Notice::Expired),
            View::Invalid | View::NotAnApprover => return page::notice(Notice::Invalid),
        },
        Err(error) => {
            report(gatekeeper, &error);
            return page::notice(Notice::Unavailable);
        }
    };
    page::standing(standing, &dossier, gatekeeper.clock().now())
}

/// Logs and counts why a review could not be looked at. (Why a vote failed, the gatekeeper tells.)
pub(crate) fn report(gatekeeper: &Gatekeeper, error: &Arc<Error>) {
    let (step, error_type) = (error.step().as_str(), error.error_type());
    let error_chain = chain(&**error);
    if error.is_retryable() {
        tracing::warn!(
            step,
            error_type,
            error = error_chain,
            "a review could not be looked at"
        );
    } else {
        tracing::error!(
            step,
            error_type,
            error = error_chain,
            "a review could not be looked at; somebody must act"
        );
    }
    let metrics = gatekeeper.metrics();
    metrics.put("StepFailures", Unit::Count, 1.0, &[("step", step)]);
    if error_type == "Permanent.Forbidden" {
        metrics.put("Forbidden", Unit::Count, 1.0, &[("step", step)]);
    }
}
