//! When a review is to be answered, what becomes of one that was not, and when people are reminded.

use jiff::{SignedDuration, Timestamp};

use crate::policy::{OnDeadline, ServiceSettings};
use crate::request::Request;

/// No two reminders are further apart than this.
const LONGEST_SILENCE_HOURS: i64 = 7 * 24;

/// The deadline of a review, by the settings as they are now; none where they set none.
#[must_use]
pub fn deadline(review: &Request, settings: &ServiceSettings) -> Option<Timestamp> {
    let hours = SignedDuration::from_hours(i64::from(settings.review_hours?));
    review.status_since.checked_add(hours).ok()
}

/// The deadline that a review has missed, where the service rejects such reviews.
#[must_use]
pub fn missed_deadline(
    review: &Request,
    settings: &ServiceSettings,
    now: Timestamp,
) -> Option<Timestamp> {
    let rejects = settings.on_deadline.unwrap_or_default() == OnDeadline::Reject;
    deadline(review, settings).filter(|deadline| rejects && *deadline <= now)
}

/// How many reminders of a review should have been sent by now. The first is due `remind_hours`
/// after the review opened, and each pause is twice the one before, up to a week; a `remind_hours`
/// of 0 reminds nobody.
#[must_use]
pub fn reminders_due(review: &Request, settings: &ServiceSettings, now: Timestamp) -> u32 {
    let mut pause = i64::from(settings.remind_hours.unwrap_or(0));
    if pause == 0 {
        return 0;
    }
    let waited = now.duration_since(review.status_since).as_hours();
    let mut next = pause;
    let mut due = 0_u32;
    while next <= waited {
        due = due.saturating_add(1);
        pause = (pause * 2).min(LONGEST_SILENCE_HOURS.max(pause));
        next = next.saturating_add(pause);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::request::Status;

    #[test]
    fn a_review_is_rejected_at_its_deadline_only_where_both_settings_say_so() {
        let review = request(Status::InReview);
        let hour = 3600;
        let table = [
            (None, None, hour, None),
            (Some(1), None, hour, None),
            (Some(1), Some(OnDeadline::Keep), hour, None),
            (None, Some(OnDeadline::Reject), hour, None),
            (Some(1), Some(OnDeadline::Reject), hour - 1, None),
            (Some(1), Some(OnDeadline::Reject), hour, Some(at(hour))),
            (Some(2), Some(OnDeadline::Reject), hour, None),
            (Some(u32::MAX), Some(OnDeadline::Reject), hour, None),
        ];
        for (review_hours, on_deadline, now, expected) in table {
            let settings = ServiceSettings {
                review_hours,
                on_deadline,
                ..ServiceSettings::default()
            };
            let missed = missed_deadline(&review, &settings, at(now));
            assert_eq!(
                missed, expected,
                "{review_hours:?} {on_deadline:?} at {now}"
            );
        }
    }

    #[test]
    fn reminders_come_at_growing_pauses_and_never_more_than_a_week_apart() {
        let review = request(Status::InReview);
        let due = |remind_hours, hours: i64| {
            let settings = ServiceSettings {
                remind_hours,
                ..ServiceSettings::default()
            };
            reminders_due(&review, &settings, at(hours * 3600))
        };
        // After 4, 12 and 28 hours: pauses of 4, 8 and 16.
        let table = [(3, 0), (4, 1), (11, 1), (12, 2), (27, 2), (28, 3)];
        for (hours, expected) in table {
            assert_eq!(due(Some(4), hours), expected, "after {hours} h");
        }
        assert_eq!(due(None, 10_000), 0);
        assert_eq!(due(Some(0), 10_000), 0);
        // Pauses of 100, 168, 168 …; and of those who ask for longer ones, of these.
        assert_eq!(due(Some(100), 100 + 168 + 168), 3);
        assert_eq!(due(Some(1000), 2000), 2);
        assert_eq!(due(Some(u32::MAX), 10_000), 0);
    }
}
