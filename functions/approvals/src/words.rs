//! How a request stands, in the words that pages and Slack share.

use gatekeeper_aws::gatekeeper::RequestDetails;
use gatekeeper_core::approver::Ineligible;
use gatekeeper_core::ids::Region;
use gatekeeper_core::judge::FailedCondition;
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};
use gatekeeper_core::vote::{Choice, InvalidBallot};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Who asks: by name where it is known.
pub(crate) fn consumer(request: &Request) -> String {
    match &request.customer {
        Some(customer) => customer.clone(),
        None => format!("account {}", request.account_id),
    }
}

/// What they ask to connect to: by name where it has one.
pub(crate) fn service(request: &Request) -> &str {
    match &request.service_name {
        Some(name) => name.as_str(),
        None => request.service_id.as_str(),
    }
}

/// The question that a review is.
pub(crate) fn question(request: &Request) -> String {
    format!("May {} connect to {}?", consumer(request), service(request))
}

/// What became of a connection, after "the connection is".
pub(crate) fn standing(status: Status) -> &'static str {
    match status {
        Status::InReview => "in review",
        Status::Accepting => "approved, and EC2 is being asked to accept it",
        Status::Accepted => "accepted",
        Status::Rejecting => "rejected, and EC2 is being told",
        Status::Rejected => "rejected",
        Status::Revoking => "accepted, and will be cut",
        Status::Gone => "gone: its endpoint was deleted, failed or expired",
    }
}

/// How many more approvals are needed; never none while it waits.
pub(crate) fn missing(details: &RequestDetails) -> u32 {
    let required = details.request.approvals_required;
    required.saturating_sub(details.given).max(1)
}

/// "1 more approval is needed".
pub(crate) fn still_needed(details: &RequestDetails) -> String {
    match missing(details) {
        1 => "1 more approval is needed".to_owned(),
        n => format!("{n} more approvals are needed"),
    }
}

/// That a single approval may not be all.
pub(crate) const UNTIL: &str = "Nothing is connected until enough people have approved.";

/// What somebody said last of a review, as a sentence to them.
pub(crate) fn own_vote(details: &RequestDetails) -> String {
    let Some(own) = &details.own else {
        return "You have not voted.".to_owned();
    };
    let said = match own.choice {
        Choice::Approve => "You approved",
        Choice::Withdraw => "You withdrew your approval",
        Choice::Reject => "You rejected",
    };
    if own.approver == details.approver {
        format!("{said}.")
    } else {
        format!("{said}, as {}.", own.approver)
    }
}

/// The same, after "in review; ".
pub(crate) fn said(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "you approved",
        Choice::Withdraw => "you withdrew your approval",
        Choice::Reject => "you rejected",
    }
}

/// Whether somebody's last word is that they take their approval back.
pub(crate) fn has_withdrawn(details: &RequestDetails) -> bool {
    let own = details.own.as_ref();
    own.is_some_and(|vote| vote.choice == Choice::Withdraw)
}

/// What somebody can still do who has voted, after "you can"; none if nothing.
pub(crate) fn still_to_say(choices: &[Choice]) -> Option<&'static str> {
    match choices {
        [Choice::Withdraw, ..] => Some("withdraw your approval, or reject"),
        [Choice::Reject] => Some("reject"),
        _ => None,
    }
}

/// What taking an approval back means.
pub(crate) const WITHDRAWING: &str =
    "it counts no more, and you cannot approve this connection again in this review";

/// What stands in somebody's way.
pub(crate) fn ineligible(bar: Ineligible, request: &Request) -> String {
    match bar {
        Ineligible::OwnAccount => format!(
            "Account {} is entered as your own, and nobody decides about their own account.",
            request.account_id
        ),
        Ineligible::OtherService => {
            format!("{} is none of the services you decide.", service(request))
        }
    }
}

/// What is wrong with a ballot, as a sentence.
pub(crate) fn sentence(wrong: InvalidBallot) -> String {
    let words = wrong.to_string();
    let mut characters = words.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).chain(['.']).collect()
}

/// The transition that decided how a request stands; none while it is in review.
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

/// What happened to the connection without Gatekeeper, as the beginning of a headline; none where it was
/// decided here, or is not decided.
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

/// Who made that decision. It may have become known later who it was.
pub(crate) fn decider<'a>(details: &'a RequestDetails, decision: &'a Transition) -> &'a Actor {
    match &decision.actor {
        Actor::Unknown | Actor::Found => &details.request.decided_by,
        actor => actor,
    }
}

/// Whom AWS CloudTrail names for that decision beside who made it, as a sentence.
pub(crate) fn also_named(details: &RequestDetails) -> Option<String> {
    let decision = decision(details)?;
    let mut versions = (1..).zip(&details.history);
    let (version, _) = versions.find(|(_, row)| std::ptr::eq(*row, decision))?;
    named_besides(&details.request, version)
}

/// The same for the decision that came with a version of the request.
pub(crate) fn named_besides(request: &Request, version: u64) -> Option<String> {
    let names = request.other_names.words(version)?;
    Some(format!("{names}."))
}

/// What EC2 answered to that decision, if it has been asked.
pub(crate) fn answer(details: &RequestDetails) -> Option<&Ec2Answer> {
    let since = decision(details)?.at;
    let newest_first = details.history.iter().rev();
    let mut since = newest_first.take_while(|transition| transition.at >= since);
    since.find_map(|transition| transition.ec2.as_ref())
}

/// A condition that stood in the way of an accept, in a few words.
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

/// A moment for people; in UTC, since nobody knows where they are.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%-d %B %Y, %H:%M UTC")
        .to_string()
}

/// How far a moment is from now: "3 hours ago", "in 2 days".
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(at).as_secs() / 60;
    let (n, unit) = match minutes.unsigned_abs() {
        0 => return "just now".to_owned(),
        n @ 1..60 => (n, "minute"),
        n @ 60..2880 => ((n + 30) / 60, "hour"),
        n => ((n + 720) / 1440, "day"),
    };
    let plural = if n == 1 { "" } else { "s" };
    if minutes < 0 {
        format!("in {n} {unit}{plural}")
    } else {
        format!("{n} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_read_as_people_say_them() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(moment(now), "20 November 2026, 12:00 UTC");
        let minutes = |n: i64| {
            let then = Timestamp::from_second(now.as_second() + n * 60).unwrap();
            distance(then, now)
        };
        for (n, words) in [
            (0, "just now"),
            (-1, "1 minute ago"),
            (-59, "59 minutes ago"),
            (-60, "1 hour ago"),
            (-90, "2 hours ago"),
            (-180, "3 hours ago"),
            (-2880, "2 days ago"),
            (45, "in 45 minutes"),
            (1440, "in 24 hours"),
            (10080, "in 7 days"),
        ] {
            assert_eq!(minutes(n), words, "{n}");
        }
    }

    proptest! {
        #[test]
        fn any_moment_has_words(at: i64, now: i64) {
            let longest = Timestamp::MAX.as_second();
            let moments = [at % longest, now % longest].map(|n| Timestamp::from_second(n).unwrap_or(Timestamp::MIN));
            let [at, now] = moments;
            prop_assert!(moment(at).ends_with(" UTC"));
            prop_assert!(!distance(at, now).is_empty());
        }
    }
}
