//! When a review is to be answered, and what becomes of one that was not.

use jiff::{SignedDuration, Timestamp};

use crate::policy::{OnDeadline, ServiceSettings};
use crate::request::Request;

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
}
