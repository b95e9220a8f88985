//! Deadlines of reviews, what happens when they pass, and reminders.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::policy::{OnDeadline, ServiceSettings};
use crate::request::{Request, Status};

/// Two reminders are never further apart than this.
const LONGEST_SILENCE_HOURS: i64 = 7 * 24;

/// A review whose approval e-mail was held: people were not notified in time, so its deadline must
/// not reject it before they have had their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEmail {
    /// The review, as [`Request::review`] names it.
    pub review: u64,
    /// When the e-mail was released; `None` while it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl HeldEmail {
    /// A deadline that counts from the opening of a review, moved to count from the release of its
    /// e-mail; `None` while that is held. State of another review changes nothing.
    pub(crate) fn moves(self, review: &Request, deadline: Timestamp) -> Option<Timestamp> {
        if review.review != Some(self.review) {
            return Some(deadline);
        }
        let held = self.until?.duration_since(review.status_since);
        let held = held.max(SignedDuration::ZERO);
        Some(deadline.checked_add(held).unwrap_or(Timestamp::MAX))
    }
}

/// The deadline of a review, by the current settings; `None` if they set none.
#[must_use]
pub fn deadline(review: &Request, settings: &ServiceSettings) -> Option<Timestamp> {
    let hours = SignedDuration::from_hours(i64::from(settings.review_hours?));
    review.status_since.checked_add(hours).ok()
}

/// The deadline that a review has missed, if the service rejects such reviews. `held` is the state
/// of its approval e-mail; it matters only once the unmoved deadline has passed.
#[must_use]
pub fn missed_deadline(
    review: &Request,
    settings: &ServiceSettings,
    held: Option<&HeldEmail>,
    now: Timestamp,
) -> Option<Timestamp> {
    let rejects = settings.on_deadline.unwrap_or_default() == OnDeadline::Reject;
    let planned = deadline(review, settings).filter(|_| rejects)?;
    let moved = held.map_or(Some(planned), |held| held.moves(review, planned))?;
    (moved <= now).then_some(moved)
}

/// The deadline of a review whose approval e-mail was held; `None` while it is held, or if the
/// settings set none.
#[must_use]
pub fn moved_deadline(
    review: &Request,
    settings: &ServiceSettings,
    held: &HeldEmail,
) -> Option<Timestamp> {
    held.moves(review, deadline(review, settings)?)
}

/// How many people must approve a review.
#[must_use]
pub fn approvals_required(settings: &ServiceSettings) -> u32 {
    settings.approvals_required.unwrap_or(1).max(1)
}

/// Whether a review's time is over by its own fields, though that may not be recorded yet. `held`
/// is the state of its approval e-mail.
#[must_use]
pub fn is_over(review: &Request, held: Option<&HeldEmail>, now: Timestamp) -> bool {
    let moved = |planned| held.map_or(Some(planned), |held| held.moves(review, planned));
    let deadline = review
        .deadline
        .filter(|_| review.deadline_rejects)
        .and_then(moved);
    review.status == Status::InReview && deadline.is_some_and(|deadline| deadline <= now)
}

/// Whether it is time to remind people of a review.
#[must_use]
pub fn is_reminder_due(review: &Request, settings: &ServiceSettings, now: Timestamp) -> bool {
    reminder_due_at(review, settings).is_some_and(|at| at <= now)
}

/// When people are to be reminded of a review next: `remind_hours` after it opened, and then after
/// twice the previous pause, up to a week. A `remind_hours` of 0 reminds nobody.
#[must_use]
pub fn reminder_due_at(review: &Request, settings: &ServiceSettings) -> Option<Timestamp> {
    let first = i64::from(settings.remind_hours.unwrap_or(0));
    if first == 0 {
        return None;
    }
    let doubled = (0..review.reminders.min(16)).fold(first, |pause, _| pause.saturating_mul(2));
    let pause = SignedDuration::from_hours(doubled.min(LONGEST_SILENCE_HOURS.max(first)));
    let since = review.reminded_at.unwrap_or(review.status_since);
    since.checked_add(pause).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};

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
            let missed = missed_deadline(&review, &settings, None, at(now));
            assert_eq!(
                missed, expected,
                "{review_hours:?} {on_deadline:?} at {now}"
            );
        }
    }

    #[test]
    fn a_review_is_over_at_its_deadline_if_that_rejects_it() {
        let mut review = request(Status::InReview);
        review.deadline = Some(at(3600));
        assert!(!is_over(&review, None, at(3600)), "it is kept");
        review.deadline_rejects = true;
        assert!(!is_over(&review, None, at(3599)) && is_over(&review, None, at(3600)));
        review.status = Status::Accepting;
        assert!(!is_over(&review, None, at(3600)), "it is decided");
    }

    #[test]
    fn no_deadline_rejects_a_review_whose_email_is_held_or_was_just_released() {
        let settings = ServiceSettings {
            review_hours: Some(1),
            on_deadline: Some(OnDeadline::Reject),
            ..ServiceSettings::default()
        };
        let hour = 3600;
        let mut review = request(Status::InReview);
        (review.deadline, review.deadline_rejects) = (Some(at(hour)), true);
        let held = |review, until: Option<i64>| {
            let until = until.map(at);
            Some(HeldEmail { review, until })
        };
        let table = [
            // Columns: the remembered state, the time, the missed deadline.
            (None, hour, Some(hour)),
            (held(1, None), hour, None),
            (held(1, None), 1000 * hour, None),
            (held(1, Some(hour - 1)), hour, None),
            (held(1, Some(hour - 1)), 2 * hour - 2, None),
            (held(1, Some(hour - 1)), 2 * hour - 1, Some(2 * hour - 1)),
            (held(1, Some(5 * hour)), 6 * hour - 1, None),
            (held(1, Some(5 * hour)), 6 * hour, Some(6 * hour)),
            // It was released before the review opened, by a different clock.
            (held(1, Some(-5)), hour, Some(hour)),
            // The state belongs to another review of the same endpoint.
            (held(2, None), hour, Some(hour)),
            (held(2, Some(hour)), hour, Some(hour)),
        ];
        for (held, now, expected) in table {
            let missed = missed_deadline(&review, &settings, held.as_ref(), at(now));
            assert_eq!(missed, expected.map(at), "{held:?} at {now}");
            let over = is_over(&review, held.as_ref(), at(now));
            assert_eq!(over, expected.is_some(), "{held:?} at {now}");
        }
        let keeps = ServiceSettings {
            on_deadline: Some(OnDeadline::Keep),
            ..settings
        };
        let released = held(1, Some(1));
        assert_eq!(
            missed_deadline(&review, &keeps, released.as_ref(), at(9 * hour)),
            None
        );
    }

    #[test]
    fn nobody_is_accepted_without_an_approval() {
        let settings = |approvals_required| ServiceSettings {
            approvals_required,
            ..ServiceSettings::default()
        };
        let asked = [None, Some(0), Some(1), Some(3)].map(|n| approvals_required(&settings(n)));
        assert_eq!(asked, [1, 1, 1, 3]);
    }

    #[test]
    fn reminders_come_at_growing_pauses_of_at_most_a_week() {
        let announced = |remind_hours, until: i64| {
            let settings = ServiceSettings {
                remind_hours,
                ..ServiceSettings::default()
            };
            let mut review = request(Status::InReview);
            let mut hours = Vec::new();
            for hour in 0..=until {
                if is_reminder_due(&review, &settings, at(hour * 3600)) {
                    review.reminders += 1;
                    review.reminded_at = Some(at(hour * 3600));
                    hours.push(hour);
                }
            }
            hours
        };
        assert_eq!(announced(Some(4), 30), [4, 12, 28]);
        assert_eq!(announced(Some(100), 500), [100, 268, 436]);
        assert_eq!(
            announced(Some(1000), 2500),
            [1000, 2000],
            "who asks for longer pauses gets them"
        );
        assert_eq!(announced(None, 1000), [0_i64; 0]);
        assert_eq!(announced(Some(0), 1000), [0_i64; 0]);
        assert_eq!(announced(Some(u32::MAX), 1000), [0_i64; 0]);
    }

    #[test]
    fn longer_pauses_do_not_silence_a_review_with_many_reminders() {
        let mut review = request(Status::InReview);
        (review.reminders, review.reminded_at) = (7, Some(at(0)));
        let settings = ServiceSettings {
            remind_hours: Some(100),
            ..ServiceSettings::default()
        };
        assert!(is_reminder_due(&review, &settings, at(7 * 24 * 3600)));
    }
}
