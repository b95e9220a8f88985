//! A YAML document as values with their places. What they mean is core's to say: here it is only known whether
//! something stands in quotation marks.

use std::fmt;

use gatekeeper_core::written::{Attributes, Mistake, Problem, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::problem::{BadWorld, Place, bad};

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
struct Key {
    name: String,
    place: Place,
}

impl Node {
    pub(super) fn parse(text: &str) -> Result<Self, BadWorld> {
        let raw: Spanned<Raw> = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map(place_of);
            BadWorld::new(place, in_our_words(&error.without_snippet().to_string()))
        })?;
        Ok(Self::of(raw, text))
    }

    fn of(raw: Spanned<Raw>, text: &str) -> Self {
        let content = match raw.value {
            Raw::Text(text) => Content::Scalar(Value::Text(text)),
            Raw::Null => Content::Scalar(Value::Null),
            Raw::Plain(value) => {
                let written = written_at(raw.defined, text).unwrap_or(value);
                Content::Scalar(Value::Plain(written))
            }
            Raw::List(elements) => {
                let elements = elements.into_iter().map(|element| Self::of(element, text));
                Content::List(elements.collect())
            }
            Raw::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| {
                    let place = place_of(key.referenced);
                    let name = key.value;
                    (Key { name, place }, Self::of(value, text))
                });
                Content::Map(pairs.collect())
            }
        };
        let place = place_of(raw.referenced);
        Self { place, content }
    }

    /// The value as core reads it.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(elements) => Value::List(elements.iter().map(Self::value).collect()),
            Content::Map(_) => Value::Map,
        }
    }

    /// The attributes of an item, which is called so.
    pub(super) fn attributes(&self, called: &str) -> Result<Attributes, BadWorld> {
        match &self.content {
            Content::Map(pairs) => {
                let pairs = pairs.iter();
                Ok(pairs
                    .map(|(key, value)| (key.name.clone(), value.value()))
                    .collect())
            }
            _ => Err(bad(
                self.place,
                format!(
                    "{called} is {}; write keys and values",
                    self.value().in_words()
                ),
            )),
        }
    }

    /// The value of an attribute, unless it says nothing.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Content::Map(pairs) = &self.content else {
            return None;
        };
        let (_, value) = pairs.iter().find(|(key, _)| key.name == name)?;
        let says_nothing = matches!(&value.content, Content::Scalar(Value::Null));
        (!says_nothing).then_some(value)
    }

    /// The elements of a list under this name; `None` if it is absent.
    pub(super) fn list(&self, name: &str) -> Result<&[Node], BadWorld> {
        let Some(node) = self.get(name) else {
            return Ok(&[]);
        };
        match &node.content {
            Content::List(elements) => Ok(elements),
            _ => Err(bad(
                node.place,
                format!("{name} is {}; write a list", node.value().in_words()),
            )),
        }
    }

    /// Where a mistake in this item is.
    pub(super) fn place_of(&self, mistake: &Mistake) -> Place {
        let Content::Map(pairs) = &self.content else {
            return self.place;
        };
        let (key, value) = match pairs.iter().find(|(key, _)| key.name == mistake.attribute) {
            Some((key, value)) => (key, value),
            None => return self.place,
        };
        match (&mistake.problem, mistake.element, &value.content) {
            (Problem::Unknown { .. }, ..) => key.place,
            (_, Some(index), Content::List(elements)) => elements
                .get(index)
                .map_or(value.place, |element| element.place),
            _ => value.place,
        }
    }
}

fn place_of(location: Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

/// What stands in the file, such as 012345678901, which is another number without its zero.
fn written_at(location: Location, text: &str) -> Option<String> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    let written = text.get(start..start.checked_add(length)?)?;
    Some(written.trim().to_owned())
}

/// A value as the parser has it.
enum Raw {
    Text(String),
    /// A number, or true or false, as the parser understands it.
    Plain(String),
    Null,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Raw, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = from.next_element()? {
            elements.push(element);
        }
        Ok(Raw::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = from.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

/// What the parser says, in one line, without the place (which stands before it) and without its
/// advice to programmers.
fn in_our_words(said: &str) -> String {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    [", set DuplicateKeyPolicy", "; use from_str_multiple"]
        .iter()
        .fold(said, |said, advice| {
            said.split(advice).next().unwrap_or(said)
        })
        .to_owned()
}
