//! Numbers, and true or false.

use jiff::Timestamp;

use super::mistake::Misfit;
use super::shape::{Shape, Typed};
use super::value::Value;

impl Typed for u32 {
    const SHAPE: Shape = Shape::Number {
        least: 0,
        most: u32::MAX as i64,
    };

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let number = whole(value, shape)?;
        u32::try_from(number).map_err(|_| misfit(value, shape))
    }

    fn write(&self) -> Value {
        Value::Number(self.to_string())
    }
}

impl Typed for i64 {
    const SHAPE: Shape = Shape::Seconds;

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        whole(value, shape)
    }

    fn write(&self) -> Value {
        Value::Number(self.to_string())
    }
}

impl Typed for bool {
    const SHAPE: Shape = Shape::Flag;

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::Plain(plain) if plain == "true" => Ok(true),
            Value::Plain(plain) if plain == "false" => Ok(false),
            _ => {
                let advice = match value.as_text() {
                    Some("true" | "false") => "write it without quotation marks".to_owned(),
                    _ => format!("write {}", shape.expected()),
                };
                Err(Misfit::new(value.in_words(), advice))
            }
        }
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

fn whole(value: &Value, shape: &Shape) -> Result<i64, Misfit> {
    let (Value::Number(digits) | Value::Plain(digits)) = value else {
        return Err(misfit(value, shape));
    };
    within(digits, shape).ok_or_else(|| misfit(value, shape))
}

/// The whole number that a text is, if it keeps the bounds. Leading zeros would be octal to some.
fn within(digits: &str, shape: &Shape) -> Option<i64> {
    let number: i64 = digits.parse().ok()?;
    let keeps = match shape {
        Shape::Number { least, most } => (*least..=*most).contains(&number),
        _ => true,
    };
    (keeps && number.to_string() == digits).then_some(number)
}

fn misfit(value: &Value, shape: &Shape) -> Misfit {
    let mut advice = format!("write {}", shape.expected());
    if let Value::Text(text) = value {
        let text = text.trim();
        let time: Option<Timestamp> = text.parse().ok();
        match (within(text, shape), time, shape) {
            (Some(number), ..) => advice = format!("write the number {number}"),
            (None, Some(time), Shape::Seconds) => {
                advice = format!("write it in seconds since 1970, as {}", time.as_second());
            }
            _ => {}
        }
    }
    Misfit::new(value.in_words(), advice)
}
