//! One module for each command.

pub(crate) mod acknowledge;
pub(crate) mod approver;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod connections;
pub(crate) mod doctor;
pub(crate) mod entries;
pub(crate) mod explain;
pub(crate) mod manage;
pub(crate) mod policy;
pub(crate) mod requests;
pub(crate) mod service;
pub(crate) mod show;
pub(crate) mod vote;
pub(crate) mod watch;

use gatekeeper_aws::tables::StoredItem;
use jiff::{SignedDuration, Span, Timestamp, ToSpan as _, civil, tz::TimeZone};

use crate::error::CliError;
use crate::terminal::Terminal;

/// A time: `2027-03-01T00:00:00Z`, a date (its start in UTC), or a period such as `90d` or `12h`,
/// which counts from now in the given direction.
pub(crate) fn time(text: &str, now: Timestamp, direction: i64) -> Result<Timestamp, CliError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(date) = text.parse::<civil::Date>()
        && let Ok(at) = date.to_zoned(TimeZone::UTC)
    {
        return Ok(at.timestamp());
    }
    let wrong = || {
        CliError::usage(format!("{text:?} is not a time")).next(
            "Write a time as 2027-03-01T00:00:00Z, a date as 2027-03-01, or a period as 90d or 12h.",
        )
    };
    let length = period(text).ok_or_else(wrong)?;
    let span: Span = (length.as_secs() * direction).seconds();
    now.checked_add(span).map_err(|_| wrong())
}

/// A period such as `90d`, `12h`, `30m`, `10s` or `2w`.
pub(crate) fn period(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    let is_number = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
    let number: i64 = is_number.then(|| number.parse().ok())??;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let length = number
        .checked_mul(seconds)
        .filter(|length| *length < 3_200_000_000)?;
    Some(SignedDuration::from_secs(length))
}

/// Warns about the items of the allowlist that cannot be read.
pub(crate) fn warn_of_unreadable(
    terminal: &mut Terminal<'_>,
    stored: &[StoredItem],
) -> Result<(), CliError> {
    for item in stored {
        if let Err(unreadable) = &item.read {
            terminal.note(format!("warning: {unreadable}"))?;
        }
    }
    Ok(())
}

/// Whether a text is in another, in upper or lower case.
pub(crate) fn contains(text: Option<&str>, part: &str) -> bool {
    text.is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_date_or_a_period() {
        let now: Timestamp = "2026-12-01T10:30:00Z".parse().unwrap();
        for (text, direction, expected) in [
            ("2027-03-01T00:00:00Z", 1, "2027-03-01T00:00:00Z"),
            ("2027-03-01T01:00:00+01:00", 1, "2027-03-01T00:00:00Z"),
            ("2027-03-01", 1, "2027-03-01T00:00:00Z"),
            ("90d", 1, "2027-03-01T10:30:00Z"),
            ("12h", -1, "2026-11-30T22:30:00Z"),
            ("2w", -1, "2026-11-17T10:30:00Z"),
            ("30m", 1, "2026-12-01T11:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(time(text, now, direction).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "d",
            "-1d",
            "1.5d",
            "never",
            "90",
            "2027-13-01",
            "1y",
            "99999999w",
            "٣d",
        ] {
            let error = time(text, now, 1).unwrap_err().to_string();
            assert!(error.contains("is not a time"), "{text}: {error}");
        }
    }
}
