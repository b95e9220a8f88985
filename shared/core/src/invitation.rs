//! The message to one approver about a review that they may decide, and when its link expires.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::announcement::{Announcement, AnnouncementKind, OtherReview};
use crate::approver::{Approver, ApproverId, may_decide};
use crate::ids::EndpointId;
use crate::message::{Audience, Invitation, Message};
use crate::request::Request;
use crate::visible::in_line;
use crate::words;

/// A link expires after this time at the latest, although its review may last longer.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// An approver who has not voted by then gets a new link, in good time.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(28 * 24);
/// An SNS subject is shorter than 100 characters.
const SUBJECT_LIMIT: usize = 99;
/// One e-mail lists no more requests than this.
pub const LISTED_AT_MOST: usize = 100;
/// If an e-mail lists several requests, each reason is shown up to this length.
const REASON: usize = 300;

/// When a link expires by itself. It ends with its review in any case: every look and vote is
/// checked against the deadline at that time, which may be later than when the e-mail was written.
#[must_use]
pub fn expiry(now: Timestamp) -> Timestamp {
    now.checked_add(LONGEST_LIFE).unwrap_or(Timestamp::MAX)
}

/// Whether the links to a review expire soon, so that approvers who have not voted should get new
/// ones.
#[must_use]
pub fn are_links_old(review: &Request, now: Timestamp) -> bool {
    links_old_at(review).is_some_and(|at| at <= now)
}

/// When the links to a review count as old; `None` if nobody has one.
#[must_use]
pub fn links_old_at(review: &Request) -> Option<Timestamp> {
    review.approval_emails_at?.checked_add(RENEWED_AFTER).ok()
}

/// Whether an approver is still to be notified: the review is open, and they may decide it.
#[must_use]
pub fn is_still_asked(
    request: Option<&Request>,
    announcement: &Announcement,
    id: &ApproverId,
    approvers: &[Approver],
) -> bool {
    let approver = approvers.iter().find(|approver| approver.id == *id);
    let (Some(request), Some(review), Some(approver)) = (request, &announcement.review, approver)
    else {
        return false;
    };
    let (service, account) = (&request.service_id, &request.account_id);
    request.is_open_review(review.number)
        && may_decide(approver, approvers, service, account).is_ok()
}

/// The approval e-mail to one approver about a review, as it is sent now. `None` if the request is
/// not in review.
///
/// # Errors
/// If the document cannot be encoded, which only a bug can cause.
pub fn invitation(
    announcement: &Announcement,
    approver: &ApproverId,
    now: Timestamp,
) -> Result<Option<Message>, serde_json::Error> {
    let Some(review) = &announcement.review else {
        return Ok(None);
    };
    let attributes = [
        ("kind", announcement.kind.as_str()),
        ("approver", approver.as_str()),
        ("service_id", announcement.service_id.as_str()),
        ("account_id", announcement.account_id.as_str()),
    ];
    Ok(Some(Message {
        id: format!("{}@{approver}", announcement.id),
        at: announcement.at,
        subject: subject(announcement).into(),
        text: text(announcement).into(),
        document: serde_json::to_string(announcement)?,
        notification: None,
        attributes: BTreeMap::from(
            attributes.map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        to: Audience::Approver(Invitation {
            approver: approver.clone(),
            requests: [(announcement.endpoint_id.clone(), review.number)]
                .into_iter()
                .chain(
                    (announcement.others.iter()).map(|one| (one.endpoint_id.clone(), one.number)),
                )
                .collect(),
            sent_at: now,
            expires_at: expiry(now),
        }),
    }))
}

/// The approval e-mail to one approver about the reviews of one account at one service, as it is
/// sent now: each request once, new ones before reminders. `None` if none of them is in review.
///
/// # Errors
/// If the document cannot be encoded, which only a bug can cause.
pub fn invitation_to_all(
    announcements: &[&Announcement],
    approver: &ApproverId,
    now: Timestamp,
) -> Result<Option<Message>, serde_json::Error> {
    let mut by_endpoint: BTreeMap<&EndpointId, (&Announcement, OtherReview)> = BTreeMap::new();
    for one in announcements {
        if let Some(review) = &one.review {
            let listed = OtherReview {
                id: one.id.clone(),
                endpoint_id: one.endpoint_id.clone(),
                number: review.number,
            };
            // Of two about the same request, the later one has newer facts.
            by_endpoint.insert(&one.endpoint_id, (one, listed));
        }
    }
    let mut listed: Vec<(&Announcement, OtherReview)> = by_endpoint.into_values().collect();
    listed.sort_by_key(|(one, _)| (one.kind == AnnouncementKind::ReviewReminder, one.at));
    let (announcements, listed): (Vec<&Announcement>, Vec<OtherReview>) =
        listed.into_iter().unzip();
    let Some((first, [_, ..])) = announcements.split_first() else {
        return match announcements.first() {
            Some(only) => invitation(only, approver, now),
            None => Ok(None),
        };
    };
    let document = Announcement {
        others: listed.into_iter().skip(1).collect(),
        ..(*first).clone()
    };
    let message = invitation(&document, approver, now)?;
    Ok(message.map(|mut message| {
        message.subject = subject_with(
            first,
            &format!(" {} more of the same account", announcements.len()),
        )
        .into();
        message.text = text_of_several(&announcements).into();
        message
    }))
}

fn text_of_several(announcements: &[&Announcement]) -> String {
    let Some(first) = announcements.first() else {
        return String::new();
    };
    let service = words::service_with_id(first.service_name.as_ref(), &first.service_id);
    let wait = match first.kind {
        AnnouncementKind::ReviewReminder => "still wait",
        _ => "wait",
    };
    let mut text = format!(
        "{} more requests of {} to connect to {service} {wait} for people:\n\n",
        announcements.len(),
        first.consumer()
    );
    for one in announcements {
        let unanswered = match (one.due, &one.review) {
            (Some(due), Some(review)) if review.rejected_when_due => {
                format!("; rejected at {} if nobody answers", words::moment(due))
            }
            _ => String::new(),
        };
        let reason: String = one.reason.chars().take(REASON).collect();
        let cut = if reason.len() < one.reason.len() {
            "…"
        } else {
            ""
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} in {}, since {}{unanswered}\n    {}{cut}",
            one.endpoint_id,
            one.region,
            words::moment(one.since),
            in_line(&reason)
        );
    }
    text.push_str(
        "\nEach is decided by itself. What nobody decides stays pending, unless a time stands beside it: \
         nothing is connected, and you are asked again if the service sends reminders.\n",
    );
    text
}

/// The subject with names, or with ids if SNS cannot carry the names.
fn subject(announcement: &Announcement) -> String {
    subject_with(announcement, "")
}

fn subject_with(announcement: &Announcement, more: &str) -> String {
    let consumer = announcement
        .customer
        .as_deref()
        .unwrap_or(announcement.account_id.as_str());
    let service = words::service(announcement.service_name.as_ref(), &announcement.service_id);
    let again = if announcement.kind == AnnouncementKind::ReviewReminder {
        "Reminder: "
    } else {
        ""
    };
    let wanted = format!("{again}May {consumer} connect to {service}?{more}");
    let fits = wanted.len() <= SUBJECT_LIMIT && wanted.bytes().all(|c| matches!(c, b' '..=b'~'));
    if fits {
        wanted
    } else {
        format!(
            "{again}May {} connect to {}?{more}",
            announcement.account_id, announcement.service_id
        )
    }
}

fn text(announcement: &Announcement) -> String {
    let service = words::service(announcement.service_name.as_ref(), &announcement.service_id);
    let mut text = format!("May {} connect to {service}?\n\n", announcement.consumer());
    announcement.write_facts(&mut text);
    let unanswered = match (announcement.due, &announcement.review) {
        (Some(due), Some(review)) if review.rejected_when_due => {
            format!("it is rejected at {}.", words::moment(due))
        }
        _ => "it stays pending: nothing is connected, and you are asked again if the service \
              sends reminders."
            .to_owned(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\nIf nobody answers, {unanswered}");
    text
}

/// The whole text of an approval e-mail, with its link.
#[must_use]
pub fn approval_email(text: &str, invitation: &Invitation, url: &str) -> String {
    let several = invitation.requests.len() > 1;
    let (works, of, taken_back) = match several {
        false => (
            "as long as the review is open",
            "the endpoint's id",
            "Until the review ends you can take an approval back with the same link, or reject; you cannot \
             approve twice.",
        ),
        true => (
            "for each of them as long as its review is open, however you decide about the others",
            "the id of the endpoint that you decide about",
            "Until a review ends you can take your approval back with the same link, or reject; you cannot \
             approve the same request twice.",
        ),
    };
    format!(
        "{text}\nDecide here, as {}. The link is yours alone and works {works}; do not forward \
         it:\n\n{url}\n\nOpening it decides nothing. To decide you type the last six characters of {of}. \
         {taken_back}\n",
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
        let announcement = note(review, AnnouncementKind::ReviewOpened, at(0));
        let alice = "alice@example.com".parse().unwrap();
        invitation(&announcement, &alice, at(0)).unwrap().unwrap()
    }

    #[test]
    fn an_approver_reads_all_facts() {
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
            &words::moment(at(0)),
            &format!(
                "If nobody answers, it is rejected at {}.",
                words::moment(at(3600))
            ),
        ] {
            assert!(message.text.contains(fact), "{fact}: {}", message.text);
        }
        assert_eq!(message.attributes["approver"], "alice@example.com");
        let Audience::Approver(invitation) = &message.to else {
            panic!("for an approver")
        };
        assert_eq!(invitation.expires_at, expiry(at(0)));
        let approval_email = approval_email(&message.text, invitation, "https://example.com/a/x");
        assert!(approval_email.contains("\nhttps://example.com/a/x\n"));
    }

    fn reviews(count: i64) -> Vec<Announcement> {
        let of = |n| {
            let mut review = review();
            review.endpoint_id = format!("vpce-{n:017x}").parse().unwrap();
            note(&review, AnnouncementKind::ReviewOpened, at(n))
        };
        (0..count).map(of).collect()
    }

    fn to_alice(announcement: &[Announcement]) -> Option<Message> {
        let announcement: Vec<&Announcement> = announcement.iter().collect();
        let alice = "alice@example.com".parse().unwrap();
        invitation_to_all(&announcement, &alice, at(900)).unwrap()
    }

    fn requests(message: &Message) -> Vec<(EndpointId, u64)> {
        let Audience::Approver(invitation) = &message.to else {
            panic!("for an approver")
        };
        invitation.requests.clone()
    }

    #[test]
    fn several_of_one_account_are_one_message_that_lists_them() {
        let reviews = reviews(37);
        let message = to_alice(&reviews).unwrap();
        assert_eq!(
            message.subject,
            "May 012345678901 connect to vpce-svc-0a1b2c3d4e5f60718? 37 more of the same account"
        );
        let begin = "37 more requests of Account 012345678901 ";
        assert!(message.text.starts_with(begin), "{}", message.text);
        let requests = requests(&message);
        assert_eq!(requests.len(), 37);
        for (endpoint, number) in &requests {
            assert!(message.text.contains(endpoint.as_str()), "{endpoint}");
            assert_eq!(*number, 1);
        }
        let document: Announcement = serde_json::from_str(&message.document).unwrap();
        assert_eq!(document.others.len(), 36);
        let Audience::Approver(invitation) = &message.to else {
            panic!("for an approver")
        };
        assert_eq!(invitation.expires_at, expiry(at(900)));
        let approval_email = approval_email(&message.text, invitation, "https://example.com/a/x");
        assert!(
            approval_email.contains("the endpoint that you decide about"),
            "{approval_email}"
        );
    }

    #[test]
    fn a_single_remaining_request_is_worded_as_always() {
        let one = to_alice(&reviews(1)).unwrap();
        let announcement = &reviews(1)[0];
        let alice = "alice@example.com".parse().unwrap();
        assert_eq!(
            Some(one),
            invitation(announcement, &alice, at(900)).unwrap()
        );
        assert_eq!(to_alice(&[]), None);
    }

    #[test]
    fn a_request_is_listed_once_and_new_ones_come_before_reminders() {
        let mut announcement = reviews(3);
        let mut again = announcement[1].clone();
        (again.kind, again.id) = (AnnouncementKind::ReviewReminder, "again".to_owned());
        announcement.push(again);
        let message = to_alice(&announcement).unwrap();
        let of = |n: usize| (announcement[n].endpoint_id.clone(), 1);
        assert_eq!(requests(&message), [of(0), of(2), of(1)]);
        assert!(message.subject.starts_with("May "), "{}", message.subject);
        for one in &mut announcement {
            one.kind = AnnouncementKind::ReviewReminder;
        }
        let message = to_alice(&announcement).unwrap();
        assert_eq!(
            message.subject,
            "Reminder: May 012345678901 connect to vpce-svc-0a1b2c3d4e5f60718? 3 more of the same account"
        );
        assert!(message.text.contains("still wait for people"));
    }

    #[test]
    fn the_longest_list_fits_into_a_message() {
        let mut announcement = reviews(LISTED_AT_MOST as i64);
        for one in &mut announcement {
            one.reason = "ü".repeat(10_000);
        }
        let message = to_alice(&announcement).unwrap();
        assert!(message.subject.len() <= SUBJECT_LIMIT);
        assert!(message.text.len() < 150_000, "SNS takes 256 KiB in a call");
    }

    #[test]
    fn an_emails_link_is_valid_from_when_it_is_sent() {
        let announcement = note(&review(), AnnouncementKind::ReviewOpened, at(0));
        let alice = "alice@example.com".parse().unwrap();
        let life = |now| {
            let message = invitation_to_all(&[&announcement], &alice, now)
                .unwrap()
                .unwrap();
            let Audience::Approver(invitation) = message.to else {
                panic!("for an approver")
            };
            (invitation.sent_at, invitation.expires_at)
        };
        let (first, later) = (life(at(0)), life(at(3600)));
        assert_eq!(later.0, at(3600));
        assert_eq!(later.1.duration_since(first.1).as_secs(), 3600);
    }

    #[test]
    fn links_are_renewed_before_they_expire() {
        let mut review = review();
        assert!(
            !are_links_old(&review, at(100 * 24 * 3600)),
            "nobody has one"
        );
        review.approval_emails_at = Some(at(0));
        assert!(!are_links_old(&review, at(27 * 24 * 3600)));
        assert!(are_links_old(&review, at(28 * 24 * 3600)));
        assert!(at(28 * 24 * 3600) < expiry(at(0)));
    }

    #[test]
    fn a_subject_keeps_snss_rules_for_any_names() {
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
