//! What one approver is told of a review that they may decide, and when their link dies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::announcement::{Announcement, Kind};
use crate::approver::{Approver, ApproverId, may_decide};
use crate::message::{Audience, Invitation, Message};
use crate::request::Request;

/// A link lives no longer than this, though its review may.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Who has not voted by then gets a new one, in good time.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(28 * 24);
/// An SNS subject is shorter than 100 characters.
const SUBJECT_LIMIT: usize = 99;

/// When a link dies by itself. With its review it dies in any case: who looks and who votes is held to
/// the deadline as it is then, which may be later than it was when the letter was written.
#[must_use]
pub fn expiry(now: Timestamp) -> Timestamp {
    now.checked_add(LONGEST_LIFE).unwrap_or(Timestamp::MAX)
}

/// Whether the links to a review die soon, so that whoever has not voted should get new ones.
#[must_use]
pub fn are_links_old(review: &Request, now: Timestamp) -> bool {
    links_old_at(review).is_some_and(|at| at <= now)
}

/// From when on the links to a review die soon; none if nobody has one.
#[must_use]
pub fn links_old_at(review: &Request) -> Option<Timestamp> {
    review.letters_at?.checked_add(RENEWED_AFTER).ok()
}

/// Whether an approver is still to be asked: the review is open, and theirs to decide.
#[must_use]
pub fn is_still_asked(
    request: Option<&Request>,
    told: &Announcement,
    id: &ApproverId,
    approvers: &[Approver],
) -> bool {
    let approver = approvers.iter().find(|approver| approver.id == *id);
    let (Some(request), Some(review), Some(approver)) = (request, &told.review, approver) else {
        return false;
    };
    let (service, account) = (&request.service_id, &request.account_id);
    request.is_open_review(review.number)
        && may_decide(approver, approvers, service, account).is_ok()
}

/// The message that asks one approver, from what is known of the review, as it is sent now. None for a
/// request that is in no review.
///
/// # Errors
/// If the document cannot be encoded, which only a bug can cause.
pub fn invitation(
    told: &Announcement,
    approver: &ApproverId,
    now: Timestamp,
) -> Result<Option<Message>, serde_json::Error> {
    let Some(review) = &told.review else {
        return Ok(None);
    };
    let attributes = [
        ("kind", told.kind.as_str()),
        ("approver", approver.as_str()),
        ("service_id", told.service_id.as_str()),
        ("account_id", told.account_id.as_str()),
    ];
    Ok(Some(Message {
        id: format!("{}@{approver}", told.id),
        at: told.at,
        subject: subject(told).into(),
        text: text(told).into(),
        document: serde_json::to_string(told)?,
        notification: None,
        attributes: BTreeMap::from(
            attributes.map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        to: Audience::Approver(Invitation {
            approver: approver.clone(),
            requests: vec![(told.endpoint_id.clone(), review.number)],
            sent_at: now,
            expires_at: expiry(now),
        }),
    }))
}

/// Names, where SNS can carry them in a subject; ids where it cannot.
fn subject(told: &Announcement) -> String {
    let consumer = told.customer.as_deref().unwrap_or(told.account_id.as_str());
    let service = told
        .service_name
        .as_ref()
        .map_or(told.service_id.as_str(), |name| name.as_str());
    let again = if told.kind == Kind::ReviewReminder {
        "Reminder: "
    } else {
        ""
    };
    let wanted = format!("{again}May {consumer} connect to {service}?");
    let fits = wanted.len() <= SUBJECT_LIMIT && wanted.bytes().all(|c| matches!(c, b' '..=b'~'));
    if fits {
        wanted
    } else {
        format!(
            "{again}May {} connect to {}?",
            told.account_id, told.service_id
        )
    }
}

fn text(told: &Announcement) -> String {
    let service = match &told.service_name {
        Some(name) => name.as_str(),
        None => told.service_id.as_str(),
    };
    let mut text = format!("May {} connect to {service}?\n\n", told.consumer());
    told.write_facts(&mut text);
    let unanswered = match (told.due, &told.review) {
        (Some(due), Some(review)) if review.rejected_when_due => {
            format!("it is rejected at {due:.0}.")
        }
        _ => "it stays pending: nothing is connected, and you are asked again if the service \
              sends reminders."
            .to_owned(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\nIf nobody answers, {unanswered}");
    text
}

/// An invitation's whole text, with the link that was made for it.
#[must_use]
pub fn letter(text: &str, invitation: &Invitation, url: &str) -> String {
    format!(
        "{text}\nDecide here, as {}. The link is yours alone and works as long as the review is open; do not forward \
         it:\n\n{url}\n\nOpening it decides nothing. To decide you type the last six characters of the endpoint's \
         id. Until the review ends you can take an approval back with the same link, or reject; you cannot approve \
         twice.\n",
        invitation.approver
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcement::note;
    use crate::fixtures::{at, request};
    use crate::request::Status;

    fn review() -> Request {
        let mut review = request(Status::InReview);
        review.verdict.reason = "No entry of the allowlist names it.".to_owned();
        (review.deciders, review.approvals_required) = (2, 2);
        review
    }

    fn asked(review: &Request) -> Message {
        let told = note(review, Kind::ReviewOpened, at(0));
        let alice = "alice@example.com".parse().unwrap();
        invitation(&told, &alice, at(0)).unwrap().unwrap()
    }

    #[test]
    fn an_approver_reads_all_that_matters() {
        let mut review = review();
        review.customer = Some("Example GmbH".to_owned());
        review.service_name = Some("Payments API".parse().unwrap());
        (review.deadline, review.deadline_rejects) = (Some(at(3600)), true);
        let message = asked(&review);
        assert_eq!(message.subject, "May Example GmbH connect to Payments API?");
        for fact in [
            "Example GmbH (account 012345678901)",
            "Payments API (vpce-svc-0a1b2c3d4e5f60718)",
            "vpce-0123456789abcdef0 in eu-central-1",
            "No entry of the allowlist names it.",
            "0 of 2 needed; one rejection rejects",
            &format!("{:.0}", at(0)),
            &format!("If nobody answers, it is rejected at {:.0}.", at(3600)),
        ] {
            assert!(message.text.contains(fact), "{fact}: {}", message.text);
        }
        assert_eq!(message.attributes["approver"], "alice@example.com");
        let Audience::Approver(invitation) = &message.to else {
            panic!("for an approver")
        };
        assert_eq!(invitation.expires_at, expiry(at(0)));
        let letter = letter(&message.text, invitation, "https://example.com/a/x");
        assert!(letter.contains("\nhttps://example.com/a/x\n"));
    }

    #[test]
    fn links_are_renewed_before_they_die() {
        let mut review = review();
        assert!(
            !are_links_old(&review, at(100 * 24 * 3600)),
            "nobody has one"
        );
        review.letters_at = Some(at(0));
        assert!(!are_links_old(&review, at(27 * 24 * 3600)));
        assert!(are_links_old(&review, at(28 * 24 * 3600)));
        assert!(at(28 * 24 * 3600) < expiry(at(0)));
    }

    #[test]
    fn a_subject_is_what_sns_takes_whatever_the_names_are() {
        for name in ["Müller & Söhne", "a\nb", &"x".repeat(200)] {
            let mut review = review();
            review.customer = Some(name.to_owned());
            let subject = asked(&review).subject;
            assert_eq!(
                subject,
                "May 012345678901 connect to vpce-svc-0a1b2c3d4e5f60718?"
            );
        }
    }
}
