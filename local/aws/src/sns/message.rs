use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::errors;
use crate::error::AwsError;
use crate::query::Params;

/// "At most 256 KiB", of message and attributes together.
pub(crate) const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    #[serde(rename = "Type")]
    pub data_type: String,
    /// The value; of `String.Array`, a JSON array; of `Binary`, in base64.
    #[serde(rename = "Value")]
    pub value: String,
}

impl Attribute {
    /// A `String`.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            value: value.into(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Message {
    /// The text, or with [`Message::json`] an object of texts by protocol.
    pub text: String,
    /// The subject, which e-mail shows.
    pub subject: Option<String>,
    /// `MessageStructure=json`.
    pub json: bool,
    /// The attributes that filter policies look at.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Message {
    /// The same text for all protocols.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// With this attribute, of type `String`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes
            .insert(name.into(), Attribute::string(value));
        self
    }

    /// From the parameters of `Publish`, or of one entry of `PublishBatch`.
    pub(crate) fn parse(params: &Params) -> Result<Self, AwsError> {
        let json = match params.filled("MessageStructure") {
            None => false,
            Some("json") => true,
            Some(_) => return Err(errors::invalid("MessageStructure")),
        };
        let mut attributes = BTreeMap::new();
        for entry in params.items("MessageAttributes") {
            let name = entry.get("Name").unwrap_or_default().to_owned();
            let attribute = Attribute {
                data_type: entry.get("Value.DataType").unwrap_or_default().to_owned(),
                value: ["Value.StringValue", "Value.BinaryValue"]
                    .into_iter()
                    .find_map(|field| entry.get(field))
                    .unwrap_or_default()
                    .to_owned(),
            };
            if attributes.insert(name.clone(), attribute).is_some() {
                return Err(errors::invalid(&format!(
                    "Message attribute name already exists: {name}"
                )));
            }
        }
        Ok(Self {
            text: params.get("Message").unwrap_or_default().to_owned(),
            // An empty subject is no subject to the Query protocol's clients, and an error to SNS.
            subject: params.get("Subject").map(str::to_owned),
            json,
            attributes,
        })
    }

    /// The bytes that count towards [`MOST_BYTES`].
    pub(crate) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, attribute)| {
            let value = attribute.value.len();
            let value = if attribute.data_type == "Binary" {
                value / 4 * 3
            } else {
                value
            };
            name.len() + attribute.data_type.len() + value
        });
        self.text.len() + attributes.sum::<usize>()
    }

    /// Checks all that SNS checks, and takes the texts apart.
    pub(crate) fn check(&self) -> Result<Texts, AwsError> {
        if self.text.is_empty() {
            return Err(errors::invalid("Empty message"));
        }
        if self
            .subject
            .as_deref()
            .is_some_and(|subject| !is_subject(subject))
        {
            return Err(errors::invalid("Subject"));
        }
        for (name, attribute) in &self.attributes {
            check_attribute(name, attribute)?;
        }
        if self.bytes() > MOST_BYTES {
            return Err(errors::invalid("Message too long"));
        }
        if !self.json {
            return Ok(Texts {
                default: self.text.clone(),
                others: BTreeMap::new(),
            });
        }
        let unreadable = "Message Structure - JSON message body failed to parse";
        let Fields(fields) =
            serde_json::from_str(&self.text).map_err(|_| errors::invalid(unreadable))?;
        // "Non-string values will cause the key to be ignored."
        let mut others: BTreeMap<String, String> = fields
            .into_iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) => Some((key, text)),
                _ => None,
            })
            .collect();
        let default = others.remove("default");
        let missing = "Message Structure - No default entry in JSON message body";
        let default = default.ok_or_else(|| errors::invalid(missing))?;
        Ok(Texts { default, others })
    }

    /// The values that filter policies of the scope `MessageAttributes` look at.
    pub(crate) fn attribute_values(&self) -> Map<String, Value> {
        let value = |attribute: &Attribute| match attribute.data_type.as_str() {
            "String" => Some(Value::String(attribute.value.clone())),
            "Number" | "String.Array" => serde_json::from_str(&attribute.value).ok(),
            _ => None,
        };
        let values = self.attributes.iter();
        values
            .filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?)))
            .collect()
    }
}

/// The texts of a message by protocol.
#[derive(Debug)]
pub(crate) struct Texts {
    default: String,
    others: BTreeMap<String, String>,
}

impl Texts {
    pub(crate) fn of(&self, protocol: &str) -> &str {
        self.others.get(protocol).unwrap_or(&self.default)
    }
}

/// A JSON object in which no key comes twice: "Duplicate keys are not allowed".
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(other, _)| *other == key) {
                        return Err(A::Error::custom("duplicate key"));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A subject is ASCII, shorter than 100 characters, without control characters, and begins with a letter, number or
/// punctuation. Today's reference says "UTF-8" where it said "ASCII"; the stricter rule satisfies both.
fn is_subject(subject: &str) -> bool {
    subject.len() < 100
        && subject.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && subject.starts_with(|c: char| c.is_ascii_graphic())
}

fn check_attribute(name: &str, attribute: &Attribute) -> Result<(), AwsError> {
    let Attribute { data_type, value } = attribute;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let lower = name.to_ascii_lowercase();
    if name.is_empty()
        || name.len() > 256
        || !name.chars().all(allowed)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || lower.starts_with("aws.")
        || lower.starts_with("amazon.")
    {
        return Err(errors::invalid_value(format!(
            "The message attribute name '{name}' is invalid"
        )));
    }
    if data_type.is_empty() {
        return Err(errors::invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    if !["String", "String.Array", "Number", "Binary"].contains(&data_type.as_str()) {
        return Err(errors::invalid_value(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes \
             is Binary, Number, and String."
        )));
    }
    if value.is_empty() {
        return Err(errors::invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{data_type}'."
        )));
    }
    if data_type == "Number" && value.parse::<f64>().is_err() {
        return Err(errors::invalid_value(format!(
            "Could not cast message attribute '{name}' value to number."
        )));
    }
    Ok(())
}

/// An accepted message, with or without subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The id that `Publish` answered.
    pub message_id: String,
    pub topic_arn: String,
    pub subject: Option<String>,
    /// The message as it was published: with `json`, the object of texts by protocol.
    pub message: String,
    pub json: bool,
    pub attributes: BTreeMap<String, Attribute>,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::{Attribute, MOST_BYTES, Message};

    #[test]
    fn messages_are_checked() {
        let (fits, long) = ("x".repeat(MOST_BYTES), "x".repeat(MOST_BYTES + 1));
        let json = |text: &str| Message {
            json: true,
            ..Message::new(text)
        };
        let typed = |name: &str, data_type: &str, value: &str| {
            let mut message = Message::new("m");
            let (data_type, value) = (data_type.to_owned(), value.to_owned());
            message
                .attributes
                .insert(name.to_owned(), Attribute { data_type, value });
            message
        };
        let cases = [
            (Message::new("m"), ""),
            (Message::new(""), "InvalidParameter"),
            (Message::new(&fits), ""),
            (Message::new(&long), "InvalidParameter"),
            (Message::new(&fits).attribute("a", "b"), "InvalidParameter"),
            (Message::new("m").subject("x".repeat(99)), ""),
            (
                Message::new("m").subject("x".repeat(100)),
                "InvalidParameter",
            ),
            (Message::new("m").subject("[a] b"), ""),
            (Message::new("m").subject(" a"), "InvalidParameter"),
            (Message::new("m").subject(""), "InvalidParameter"),
            (Message::new("m").subject("a\nb"), "InvalidParameter"),
            (Message::new("m").subject("a\u{7f}b"), "InvalidParameter"),
            (Message::new("m").subject("é"), "InvalidParameter"),
            (json("{\"default\": \"d\"}"), ""),
            (json("{\"email\": \"d\"}"), "InvalidParameter"),
            (json("{\"default\": 1}"), "InvalidParameter"),
            (
                json("{\"default\": \"a\", \"default\": \"b\"}"),
                "InvalidParameter",
            ),
            (json("[]"), "InvalidParameter"),
            (json("{"), "InvalidParameter"),
            (typed("a", "String", "x"), ""),
            (typed("a", "String.Array", "[\"x\"]"), ""),
            (typed("a", "Number", "1.5"), ""),
            (typed("a", "Number", "x"), "ParameterValueInvalid"),
            (typed("a", "Binary", "AA=="), ""),
            (typed("a", "Text", "x"), "ParameterValueInvalid"),
            (typed("a", "", "x"), "ParameterValueInvalid"),
            (typed("a", "String", ""), "ParameterValueInvalid"),
            (typed("", "String", "x"), "ParameterValueInvalid"),
            (typed("a b", "String", "x"), "ParameterValueInvalid"),
            (typed("AWS.a", "String", "x"), "ParameterValueInvalid"),
            (typed("a..b", "String", "x"), "ParameterValueInvalid"),
        ];
        for (message, expected) in cases {
            let code = message
                .check()
                .err()
                .map(|error| error.code)
                .unwrap_or_default();
            assert_eq!(code, expected, "{:.200}", format!("{message:?}"));
        }
    }

    #[test]
    fn each_protocol_has_its_text() {
        let message = Message {
            json: true,
            ..Message::new("{\"default\": \"d\", \"email\": \"e\", \"sqs\": 1, \"unknown\": \"u\"}")
        };
        let texts = message.check().unwrap();
        assert_eq!(
            [texts.of("email"), texts.of("sqs"), texts.of("lambda")],
            ["e", "d", "d"]
        );
    }
}
