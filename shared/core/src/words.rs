//! How consumers, services, statuses and moments read to people: in e-mails, on pages and in Slack.
//!
//! The functions do not mark hidden characters. [`visible`](crate::visible) does that where a text
//! is shown.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ids::{AccountId, ServiceId};
use crate::policy::ServiceName;
use crate::request::Status;

/// A consumer with its account, at the start of a sentence: `Example Ltd (account 111122223333)`,
/// or `Account 111122223333` if no entry names the customer.
#[must_use]
pub fn consumer(customer: Option<&str>, account: &AccountId) -> String {
    match customer {
        Some(customer) => format!("{customer} (account {account})"),
        None => format!("Account {account}"),
    }
}

/// A consumer within a sentence, without its account if the customer's name is known.
#[must_use]
pub fn consumer_in_short(customer: Option<&str>, account: &AccountId) -> String {
    match customer {
        Some(customer) => customer.to_owned(),
        None => format!("account {account}"),
    }
}

/// The name of a service, or its id if it has no name.
#[must_use]
pub fn service<'a>(name: Option<&'a ServiceName>, id: &'a ServiceId) -> &'a str {
    name.map_or(id.as_str(), ServiceName::as_str)
}

/// A service with its id: `Payments API (vpce-svc-…)`, or the id if it has no name.
#[must_use]
pub fn service_with_id(name: Option<&ServiceName>, id: &ServiceId) -> String {
    match name {
        Some(name) => format!("{name} ({id})"),
        None => id.to_string(),
    }
}

/// A status in a list or beside a connection.
#[must_use]
pub fn status(status: Status) -> &'static str {
    match status {
        Status::InReview => "in review",
        Status::Accepting => "being accepted",
        Status::Accepted => "accepted",
        Status::Rejecting => "being rejected",
        Status::Rejected => "rejected",
        Status::Revoking => "to be revoked",
        Status::Gone => "gone",
    }
}

/// A status after "the connection is", with what it means.
#[must_use]
pub fn status_explained(status: Status) -> &'static str {
    match status {
        Status::InReview => "in review",
        Status::Accepting => "approved, and EC2 is being asked to accept it",
        Status::Accepted => "accepted",
        Status::Rejecting => "rejected, and EC2 is being asked to reject it",
        Status::Rejected => "rejected",
        Status::Revoking => "accepted, and will be revoked",
        Status::Gone => "gone: its endpoint was deleted, failed or expired",
    }
}

/// A moment to the minute, in UTC because the time zone of the reader is not known.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M UTC")
        .to_string()
}

/// How far a moment is from now: "3 hours ago", "in 2 days".
#[must_use]
pub fn distance(at: Timestamp, now: Timestamp) -> String {
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
    fn consumers_and_services_read_by_name_or_by_id() {
        let account: AccountId = "111122223333".parse().unwrap();
        let id: ServiceId = "vpce-svc-0123456789abcdef0".parse().unwrap();
        let name: ServiceName = "Payments API".parse().unwrap();
        assert_eq!(
            consumer(Some("Example Ltd"), &account),
            "Example Ltd (account 111122223333)"
        );
        assert_eq!(consumer(None, &account), "Account 111122223333");
        assert_eq!(
            consumer_in_short(Some("Example Ltd"), &account),
            "Example Ltd"
        );
        assert_eq!(consumer_in_short(None, &account), "account 111122223333");
        assert_eq!(service(Some(&name), &id), "Payments API");
        assert_eq!(service(None, &id), "vpce-svc-0123456789abcdef0");
        assert_eq!(
            service_with_id(Some(&name), &id),
            "Payments API (vpce-svc-0123456789abcdef0)"
        );
        assert_eq!(service_with_id(None, &id), "vpce-svc-0123456789abcdef0");
    }

    #[test]
    fn moments_read_as_people_say_them() {
        let now: Timestamp = "2026-11-20T12:00:59Z".parse().unwrap();
        assert_eq!(moment(now), "2026-11-20 12:00 UTC");
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
