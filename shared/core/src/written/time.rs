//! Times, and what people write for them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::mistake::Misfit;
use super::shape::{Shape, Typed};
use super::value::Value;

impl Typed for Timestamp {
    const SHAPE: Shape = Shape::Time {
        never: "leave it out",
    };

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let text = value.as_text();
        if let Some(time) = text.and_then(|text| text.parse().ok()) {
            return Ok(time);
        }
        let mut shown = value.shown();
        if text.is_some_and(looks_right) {
            shown.push_str(", a time that does not exist");
        }
        Err(Misfit::new(shown, advice(value, shape)))
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

/// What people write where they mean that something never ends.
const NEVER: [&str; 18] = [
    "",
    "-",
    "0",
    "-1",
    "always",
    "false",
    "forever",
    "indefinite",
    "infinite",
    "infinity",
    "n/a",
    "never",
    "nil",
    "no",
    "none",
    "null",
    "permanent",
    "unlimited",
];
/// The last year that a time can be in. A person who writes it, or a later one, means no end.
const LAST_YEAR: u64 = 9999;

fn advice(value: &Value, shape: &Shape) -> String {
    let usual = format!("write {}", shape.expected());
    let text = match value {
        Value::Text(text) | Value::Plain(text) | Value::Number(text) => text.trim(),
        Value::Bool(false) => "false",
        _ => return usual,
    };
    let text = text.trim_start_matches('+');
    let digits = |c: char| c.is_ascii_digit();
    let year: Option<u64> = text
        .split(|c| !digits(c))
        .next()
        .and_then(|year| year.parse().ok());
    let is_date = text.contains('-') && !text.starts_with('-');
    let is_never = NEVER.contains(&text.to_lowercase().as_str())
        || (is_date && year.is_some_and(|year| year >= LAST_YEAR));
    if let (true, Shape::Time { never }) = (is_never, shape) {
        return (*never).to_owned();
    }
    if text.chars().all(digits)
        && let Some((time, unit)) = since_1970(text)
    {
        return format!("if it counts {unit} since 1970, write \"{time:.0}\"");
    }
    if text.len() <= "2027-01-31".len()
        && let Ok(date) = text.parse::<Date>()
    {
        return format!("write the time as well, such as \"{date}T00:00:00Z\"");
    }
    match text.parse::<DateTime>() {
        Ok(local) => format!("write the zone as well, such as \"{local}Z\" for UTC"),
        Err(_) => usual,
    }
}

/// Whether a text has the form of a time and yet is none, such as the 30th of February.
fn looks_right(text: &str) -> bool {
    const FORM: &str = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |(form, c): (char, char)| match form {
        'd' => c.is_ascii_digit(),
        _ => c == form,
    };
    text.len() == FORM.len()
        && FORM.chars().zip(text.chars()).all(fits)
        && !text.starts_with("9999")
}

/// A moment that somebody wrote in seconds or milliseconds since 1970, if that is likely, and in which.
fn since_1970(digits: &str) -> Option<(Timestamp, &'static str)> {
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        9 | 10 => Some((Timestamp::from_second(number).ok()?, "seconds")),
        13 => Some((Timestamp::from_millisecond(number).ok()?, "milliseconds")),
        _ => None,
    }
}
