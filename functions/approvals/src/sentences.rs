//! Sentences about a request that pages and Slack share, and the parts of its history that they
//! quote.

use gatekeeper_aws::gatekeeper::RequestDetails;
use gatekeeper_core::approver::Ineligible;
use gatekeeper_core::ids::Region;
use gatekeeper_core::judge::FailedCondition;
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};
use gatekeeper_core::vote::{Choice, InvalidBallot};
use gatekeeper_core::words;

pub(crate) fn consumer(request: &Request) -> String {
    words::consumer_in_short(request.customer.as_deref(), &request.account_id)
}

pub(crate) fn service(request: &Request) -> &str {
    words::service(request.service_name.as_ref(), &request.service_id)
}

/// The question that a review asks.
pub(crate) fn question(request: &Request) -> String {
    format!("May {} connect to {}?", consumer(request), service(request))
}

/// How many more approvals are needed. At least one is needed while the request is in review.
pub(crate) fn missing(details: &RequestDetails) -> u32 {
    let required = details.request.approvals_required;
    required.saturating_sub(details.given).max(1)
}

pub(crate) fn still_needed(details: &RequestDetails) -> String {
    match missing(details) {
        1 => "1 more approval is needed".to_owned(),
        n => format!("{n} more approvals are needed"),
    }
}

pub(crate) const UNTIL: &str = "Nothing is connected until enough people have approved.";

/// The last vote of the voter in this review, as a sentence to them.
pub(crate) fn own_vote(details: &RequestDetails) -> String {
    let Some(own) = &details.own else {
        return "You have not voted.".to_owned();
    };
    let voted = match own.choice {
        Choice::Approve => "You approved",
        Choice::Withdraw => "You withdrew your approval",
        Choice::Reject => "You rejected",
    };
    if own.approver == details.approver {
        format!("{voted}.")
    } else {
        format!("{voted}, as {}.", own.approver)
    }
}

/// The same after "in review; ".
pub(crate) fn voted(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "you approved",
        Choice::Withdraw => "you withdrew your approval",
        Choice::Reject => "you rejected",
    }
}

/// Whether the last vote withdraws an approval.
pub(crate) fn has_withdrawn(details: &RequestDetails) -> bool {
    let own = details.own.as_ref();
    own.is_some_and(|vote| vote.choice == Choice::Withdraw)
}

/// What a voter can still do, after "you can". `None` if there is nothing.
pub(crate) fn still_possible(choices: &[Choice]) -> Option<&'static str> {
    match choices {
        [Choice::Withdraw, ..] => Some("withdraw your approval, or reject"),
        [Choice::Reject] => Some("reject"),
        _ => None,
    }
}

/// What withdrawing an approval means.
pub(crate) const WITHDRAWING: &str =
    "it counts no more, and you cannot approve this connection again in this review";

/// Why an approver may not decide the request.
pub(crate) fn ineligible(ineligible: Ineligible, request: &Request) -> String {
    match ineligible {
        Ineligible::OwnAccount => format!(
            "Account {} is entered as your own, and nobody may decide about their own account.",
            request.account_id
        ),
        Ineligible::OtherService => {
            format!(
                "{} is not among the services that you decide.",
                service(request)
            )
        }
    }
}

/// What is wrong with a ballot, as a sentence.
pub(crate) fn invalid_ballot(wrong: InvalidBallot) -> String {
    let text = wrong.to_string();
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).chain(['.']).collect()
}

/// The transition that decided the request. `None` while it is in review.
pub(crate) fn decision(details: &RequestDetails) -> Option<&Transition> {
    if details.request.status == Status::InReview {
        return None;
    }
    let decides = |transition: &&Transition| match transition.cause {
        Cause::Judged => transition.to != Status::InReview,
        Cause::Voted | Cause::Deadline | Cause::OutOfBand | Cause::Revoked | Cause::Restored => {
            true
        }
        Cause::Enforced | Cause::Refused | Cause::Ended => false,
    };
    let mut newest_first = details.history.iter().rev();
    newest_first.find(decides)
}

/// What others did to the connection, as the start of a headline. `None` if Gatekeeper decided, or
/// nothing is decided.
pub(crate) fn meanwhile(details: &RequestDetails) -> Option<&'static str> {
    let status = details.request.status;
    if status == Status::Gone {
        return Some("The endpoint was deleted meanwhile, or failed or expired");
    }
    let decision = decision(details)?;
    match (decision.cause, status) {
        (Cause::OutOfBand, Status::Accepted) => Some("Somebody else accepted it meanwhile"),
        (Cause::OutOfBand, Status::Rejected) => Some("Somebody else rejected it meanwhile"),
        _ => None,
    }
}

/// Who made that decision, as far as it is known by now.
pub(crate) fn decider<'a>(details: &'a RequestDetails, decision: &'a Transition) -> &'a Actor {
    match &decision.actor {
        Actor::Unknown | Actor::Found => &details.request.decided_by,
        actor => actor,
    }
}

/// The other names that AWS CloudTrail gives for that decision, as a sentence.
pub(crate) fn also_named(details: &RequestDetails) -> Option<String> {
    let decision = decision(details)?;
    let mut versions = (1..).zip(&details.history);
    let (version, _) = versions.find(|(_, row)| std::ptr::eq(*row, decision))?;
    named_besides(&details.request, version)
}

/// The same for the decision that is recorded in a version of the request.
pub(crate) fn named_besides(request: &Request, version: u64) -> Option<String> {
    let names = request.other_names.words(version)?;
    Some(format!("{names}."))
}

/// EC2's answer to that decision, if EC2 was asked.
pub(crate) fn ec2_answer(details: &RequestDetails) -> Option<&Ec2Answer> {
    let since = decision(details)?.at;
    let newest_first = details.history.iter().rev();
    let mut since = newest_first.take_while(|transition| transition.at >= since);
    since.find_map(|transition| transition.ec2.as_ref())
}

/// A condition that failed, in a few words.
pub(crate) fn condition(failed: &FailedCondition) -> String {
    match failed {
        FailedCondition::Regions { region, allowed } => {
            let names: Vec<&str> = allowed.iter().map(Region::as_str).collect();
            format!("Region {region}; allowed is {}", names.join(", "))
        }
        FailedCondition::MaxConnections { held, max } => {
            format!("Other connections of the account: {held}; allowed is {max}")
        }
        FailedCondition::OrganizationUnknown { rule } => {
            format!("Not known whether the rule \"{rule}\" applies")
        }
    }
}
