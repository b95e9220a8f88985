//! Texts: of any kind, ids, and one of several.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use super::mistake::Misfit;
use super::shape::{Shape, Typed};
use super::spelling::nearest;
use super::value::{Value, quoted};
use crate::ids::InvalidId;
use crate::visible::as_typed;

impl Typed for String {
    const SHAPE: Shape = Shape::Text;

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        if let Some(text) = value.as_text() {
            return Ok(text.to_owned());
        }
        let advice = match value {
            Value::Number(number) => format!("write it as the text {}", quoted(number)),
            Value::Bool(flag) => format!("write it as the text \"{flag}\""),
            _ => "write one text".to_owned(),
        };
        Err(Misfit::new(value.in_words(), advice))
    }

    fn write(&self) -> Value {
        Value::Text(self.clone())
    }
}

/// Reads an id. Where what stands there is one but for how it is written, the advice is the id.
///
/// # Errors
/// [`Misfit`], with what to write instead.
pub fn id<T: FromStr<Err = InvalidId>>(value: &Value, expected: &str) -> Result<T, Misfit> {
    let Some(text) = value.as_text() else {
        let advice = match value {
            Value::Number(number) if number.parse::<T>().is_ok() => {
                format!("write it as the text {}", quoted(number))
            }
            Value::List(_) => format!("write {expected}, not a list"),
            _ => format!("write {expected}, as a text"),
        };
        return Err(Misfit::new(value.in_words(), advice));
    };
    text.parse().map_err(|error: InvalidId| {
        let advice = match repaired::<T>(text) {
            Some(right) => format!("write {}", quoted(&right)),
            None => match error.problem() {
                Some(problem) => format!("write {expected} ({problem})"),
                None => format!("write {expected}"),
            },
        };
        Misfit::new(value.shown(), advice)
    })
}

/// The id that was meant, if it is certain: with blanks or marks around it or in it, in capitals, as a link, or
/// inside its ARN.
fn repaired<T: FromStr>(text: &str) -> Option<String> {
    let plain = as_typed(text);
    let bare = plain
        .trim_matches(|c: char| c.is_whitespace() || "\"'<>,;@#".contains(c))
        .trim_start_matches("mailto:")
        .trim_start_matches("slack://");
    let lower = bare.to_lowercase();
    let upper = bare.to_uppercase();
    let digits: String = bare.chars().filter(|c| !" -_.".contains(*c)).collect();
    let is_number = digits.chars().all(|c| c.is_ascii_digit());
    let account = bare
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"));
    let last = bare.rsplit(['/', '.']).next();
    let path = format!("{}/*", bare.trim_end_matches(['*', '/']));
    let is_path = bare.starts_with("o-");
    [
        Some(bare),
        Some(lower.as_str()),
        Some(upper.as_str()),
        Some(digits.as_str()).filter(|_| is_number),
        account,
        last.filter(|last| last.starts_with("vpce-")),
        Some(path.as_str()).filter(|_| is_path),
    ]
    .into_iter()
    .flatten()
    .find(|text| text.parse::<T>().is_ok())
    .map(ToOwned::to_owned)
}

/// Reads one of several names.
///
/// # Errors
/// [`Misfit`], with the names.
pub(crate) fn choice<'de, T: Deserialize<'de>>(
    value: &'de Value,
    names: &'static [&'static str],
) -> Result<T, Misfit> {
    let names_in_words = Shape::Choice(names).expected();
    let advice = format!("write {names_in_words}");
    let Some(text) = value.as_text() else {
        return Err(Misfit::new(value.in_words(), advice));
    };
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|_| {
        let advice = match nearest(text, names) {
            Some(name) if name.eq_ignore_ascii_case(text.trim()) => format!("write {name}"),
            Some(name) => format!("did you mean {name}? It can be {names_in_words}"),
            None => advice,
        };
        Misfit::new(value.shown(), advice)
    })
}
