//! Filter policies: "Amazon SNS subscription filter policies" in the SNS Developer Guide.

use serde_json::{Map, Value};

/// "A filter policy can have a maximum of five attribute names."
const MOST_KEYS: usize = 5;

/// "The total combination of values must not exceed 150."
const MOST_COMBINATIONS: usize = 150;

/// A filter policy: all of its clauses must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Policy(Vec<Clause>);

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    /// One of the conditions holds for a value of the key.
    Key(String, Vec<Condition>),
    /// The policy holds for the object at the key.
    Inside(String, Policy),
    /// `$or`: one of the policies holds.
    Any(Vec<Policy>),
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Exists(bool),
    Is(Test),
    /// `anything-but`: none of the tests holds.
    IsNot(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Policy {
    /// `nested`: keys may hold objects, as with the scope `MessageBody`.
    pub(crate) fn parse(text: &str, nested: bool) -> Result<Self, String> {
        let value =
            serde_json::from_str(text).map_err(|error| format!("failed to parse JSON. {error}"))?;
        let Value::Object(object) = value else {
            return Err("the policy must be a JSON object".to_owned());
        };
        let policy = Self::of(&object, nested)?;
        if policy.keys() > MOST_KEYS {
            return Err("Filter policy can not have more than 5 keys".to_owned());
        }
        if policy.combinations() > MOST_COMBINATIONS {
            return Err("Filter policy is too complex".to_owned());
        }
        Ok(policy)
    }

    fn of(object: &Map<String, Value>, nested: bool) -> Result<Self, String> {
        let clause = |(key, value): (&String, &Value)| match value {
            Value::Array(policies) if key == "$or" => {
                let policy = |value: &Value| match value {
                    Value::Object(object) => Self::of(object, nested),
                    _ => Err("\"$or\" must be an array of objects".to_owned()),
                };
                if policies.len() < 2 {
                    return Err("\"$or\" must have at least two objects".to_owned());
                }
                Ok(Clause::Any(
                    policies.iter().map(policy).collect::<Result<_, _>>()?,
                ))
            }
            Value::Array(conditions) if conditions.is_empty() => {
                Err("Empty arrays are not allowed".to_owned())
            }
            Value::Array(conditions) => {
                let conditions = conditions.iter().map(condition).collect::<Result<_, _>>()?;
                Ok(Clause::Key(key.clone(), conditions))
            }
            Value::Object(object) if nested => {
                Ok(Clause::Inside(key.clone(), Self::of(object, nested)?))
            }
            Value::Object(_) => Err(
                "Filter policy scope MessageAttributes does not support nested filter policy"
                    .to_owned(),
            ),
            _ => Err(format!("\"{key}\" must be an object or an array")),
        };
        Ok(Self(object.iter().map(clause).collect::<Result<_, _>>()?))
    }

    fn keys(&self) -> usize {
        let keys = self.0.iter().map(|clause| match clause {
            Clause::Key(..) => 1,
            Clause::Inside(_, policy) => policy.keys(),
            Clause::Any(policies) => policies.iter().map(Self::keys).sum(),
        });
        keys.sum()
    }

    fn combinations(&self) -> usize {
        let each = self.0.iter().map(|clause| match clause {
            Clause::Key(_, conditions) => conditions.len(),
            Clause::Inside(_, policy) => policy.combinations(),
            Clause::Any(policies) => policies.iter().map(Self::combinations).sum(),
        });
        each.fold(1, usize::saturating_mul)
    }

    /// Whether all clauses hold for this object.
    pub(crate) fn matches(&self, object: &Map<String, Value>) -> bool {
        self.0.iter().all(|clause| match clause {
            Clause::Key(key, conditions) => {
                let value = object.get(key);
                conditions.iter().any(|condition| condition.holds(value))
            }
            Clause::Inside(key, policy) => match object.get(key) {
                Some(Value::Object(inside)) => policy.matches(inside),
                Some(Value::Array(items)) => items
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|item| policy.matches(item)),
                _ => policy.matches(&Map::new()),
            },
            Clause::Any(policies) => policies.iter().any(|policy| policy.matches(object)),
        })
    }
}

impl Condition {
    fn holds(&self, value: Option<&Value>) -> bool {
        let values = match value {
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => return *self == Self::Exists(false),
        };
        match self {
            Self::Exists(wanted) => *wanted,
            Self::Is(test) => values.iter().any(|value| test.holds(value)),
            // One value that is not excluded is enough.
            Self::IsNot(tests) => values
                .iter()
                .any(|value| !tests.iter().any(|test| test.holds(value))),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(Value::Number(expected)) => {
                value.as_f64().is_some() && value.as_f64() == expected.as_f64()
            }
            Self::Equals(expected) => value == expected,
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::EqualsIgnoreCase(expected) => {
                text.is_some_and(|text| text.to_lowercase() == expected.to_lowercase())
            }
            Self::Numeric(comparisons) => value.as_f64().is_some_and(|number| {
                comparisons
                    .iter()
                    .all(|(comparison, bound)| match comparison {
                        Comparison::Equal => number == *bound,
                        Comparison::Less => number < *bound,
                        Comparison::LessOrEqual => number <= *bound,
                        Comparison::Greater => number > *bound,
                        Comparison::GreaterOrEqual => number >= *bound,
                    })
            }),
        }
    }
}

fn condition(value: &Value) -> Result<Condition, String> {
    let Value::Object(object) = value else {
        return Ok(Condition::Is(literal(value)?));
    };
    let (name, argument) = single(object)?;
    match (name, argument) {
        ("exists", Value::Bool(wanted)) => Ok(Condition::Exists(*wanted)),
        ("exists", _) => Err("exists match pattern must be either true or false.".to_owned()),
        ("anything-but", Value::Array(values)) if !values.is_empty() => Ok(Condition::IsNot(
            values.iter().map(literal).collect::<Result<_, _>>()?,
        )),
        ("anything-but", Value::Object(object)) => {
            let (name, argument) = single(object)?;
            match name {
                "prefix" | "suffix" | "equals-ignore-case" => {
                    Ok(Condition::IsNot(vec![test(name, argument)?]))
                }
                _ => Err(format!("Unsupported anything-but pattern: {name}")),
            }
        }
        ("anything-but", Value::String(_) | Value::Number(_)) => {
            Ok(Condition::IsNot(vec![literal(argument)?]))
        }
        ("anything-but", _) => {
            Err("Value of anything-but must be an array or single string/number value.".to_owned())
        }
        _ => Ok(Condition::Is(test(name, argument)?)),
    }
}

fn single(object: &Map<String, Value>) -> Result<(&str, &Value), String> {
    match (object.len(), object.iter().next()) {
        (1, Some((name, argument))) => Ok((name, argument)),
        _ => Err("Only one key allowed in match expression".to_owned()),
    }
}

fn literal(value: &Value) -> Result<Test, String> {
    match value {
        Value::Array(_) | Value::Object(_) => {
            Err("Match value must be String, number, true, false, or null".to_owned())
        }
        value => Ok(Test::Equals(value.clone())),
    }
}

fn test(name: &str, argument: &Value) -> Result<Test, String> {
    let text = || match argument {
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!("{name} match pattern must be a string")),
    };
    match name {
        "prefix" => Ok(Test::Prefix(text()?)),
        "suffix" => Ok(Test::Suffix(text()?)),
        "equals-ignore-case" => Ok(Test::EqualsIgnoreCase(text()?)),
        "numeric" => numeric(argument),
        _ => Err(format!("Unrecognized match type {name}")),
    }
}

/// `["=", 1]` or `[">", 0, "<=", 5]`.
fn numeric(argument: &Value) -> Result<Test, String> {
    let wrong = || "Value of numeric must be an array of comparisons and numbers.".to_owned();
    let parts = argument
        .as_array()
        .filter(|parts| !parts.is_empty())
        .ok_or_else(wrong)?;
    let comparison = |pair: &[Value]| {
        let [operator, bound] = pair else {
            return Err(wrong());
        };
        let comparison = match operator.as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::GreaterOrEqual,
            _ => return Err("Unrecognized numeric range operator".to_owned()),
        };
        Ok((comparison, bound.as_f64().ok_or_else(wrong)?))
    };
    Ok(Test::Numeric(
        parts.chunks(2).map(comparison).collect::<Result<_, _>>()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use serde_json::{Value, json};

    fn matches(policy: &Value, object: &Value) -> bool {
        Policy::parse(&policy.to_string(), true)
            .unwrap()
            .matches(object.as_object().unwrap())
    }

    #[test]
    fn policies_match_what_the_guide_says() {
        let both = json!({ "a": ["x"], "b": ["y"] });
        let either =
            json!({ "$or": [{ "a": ["x"] }, { "b": [{ "numeric": [">", 1] }] }], "c": ["z"] });
        let cases: Vec<(Value, Value, bool)> = vec![
            (json!({}), json!({}), true),
            (json!({ "a": ["x"] }), json!({ "a": "x" }), true),
            (json!({ "a": ["x"] }), json!({ "a": "X" }), false),
            (json!({ "a": ["x"] }), json!({}), false),
            (json!({ "a": ["x", "y"] }), json!({ "a": "y" }), true),
            (both.clone(), json!({ "a": "x", "b": "y" }), true),
            (both, json!({ "a": "x" }), false),
            (json!({ "a": ["x"] }), json!({ "a": ["w", "x"] }), true),
            (json!({ "a": [100] }), json!({ "a": 100.0 }), true),
            (json!({ "a": [100] }), json!({ "a": "100" }), false),
            (json!({ "a": [true, null] }), json!({ "a": null }), true),
            (
                json!({ "a": [{ "prefix": "ab" }] }),
                json!({ "a": "abc" }),
                true,
            ),
            (
                json!({ "a": [{ "prefix": "ab" }] }),
                json!({ "a": "cab" }),
                false,
            ),
            (
                json!({ "a": [{ "suffix": "bc" }] }),
                json!({ "a": "abc" }),
                true,
            ),
            (
                json!({ "a": [{ "suffix": "bc" }] }),
                json!({ "a": "bcd" }),
                false,
            ),
            (
                json!({ "a": [{ "equals-ignore-case": "Ab" }] }),
                json!({ "a": "aB" }),
                true,
            ),
            (
                json!({ "a": [{ "equals-ignore-case": "Ab" }] }),
                json!({ "a": "a" }),
                false,
            ),
            (
                json!({ "a": [{ "anything-but": "x" }] }),
                json!({ "a": "y" }),
                true,
            ),
            (
                json!({ "a": [{ "anything-but": "x" }] }),
                json!({ "a": "x" }),
                false,
            ),
            (json!({ "a": [{ "anything-but": "x" }] }), json!({}), false),
            (
                json!({ "a": [{ "anything-but": ["x", 1] }] }),
                json!({ "a": 1 }),
                false,
            ),
            (
                json!({ "a": [{ "anything-but": ["x"] }] }),
                json!({ "a": ["x", "y"] }),
                true,
            ),
            (
                json!({ "a": [{ "anything-but": ["x"] }] }),
                json!({ "a": ["x"] }),
                false,
            ),
            (
                json!({ "a": [{ "anything-but": { "prefix": "x" } }] }),
                json!({ "a": "xy" }),
                false,
            ),
            (
                json!({ "a": [{ "anything-but": { "prefix": "x" } }] }),
                json!({ "a": "yx" }),
                true,
            ),
            (
                json!({ "a": [{ "exists": true }] }),
                json!({ "a": "" }),
                true,
            ),
            (json!({ "a": [{ "exists": true }] }), json!({}), false),
            (json!({ "a": [{ "exists": false }] }), json!({}), true),
            (
                json!({ "a": [{ "exists": false }] }),
                json!({ "a": "x" }),
                false,
            ),
            (
                json!({ "a": [{ "exists": false }, "x"] }),
                json!({ "a": "x" }),
                true,
            ),
            (
                json!({ "a": [{ "numeric": ["=", 1] }] }),
                json!({ "a": 1.0 }),
                true,
            ),
            (
                json!({ "a": [{ "numeric": [">", 0, "<=", 5] }] }),
                json!({ "a": 5 }),
                true,
            ),
            (
                json!({ "a": [{ "numeric": [">", 0, "<=", 5] }] }),
                json!({ "a": 0 }),
                false,
            ),
            (
                json!({ "a": [{ "numeric": [">=", 0, "<", 5] }] }),
                json!({ "a": 5 }),
                false,
            ),
            (
                json!({ "a": [{ "numeric": [">", 0] }] }),
                json!({ "a": "3" }),
                false,
            ),
            (either.clone(), json!({ "a": "x", "c": "z" }), true),
            (either.clone(), json!({ "b": 2, "c": "z" }), true),
            (either.clone(), json!({ "b": 1, "c": "z" }), false),
            (either, json!({ "a": "x" }), false),
            (
                json!({ "o": { "a": ["x"] } }),
                json!({ "o": { "a": "x" } }),
                true,
            ),
            (json!({ "o": { "a": ["x"] } }), json!({ "a": "x" }), false),
            (
                json!({ "o": { "a": ["x"] } }),
                json!({ "o": [{ "a": "w" }, { "a": "x" }] }),
                true,
            ),
            (
                json!({ "o": { "a": [{ "exists": false }] } }),
                json!({}),
                true,
            ),
        ];
        for (policy, object, expected) in cases {
            assert_eq!(matches(&policy, &object), expected, "{policy} on {object}");
        }
    }

    #[test]
    fn bad_policies_are_refused() {
        let six = json!({ "a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"], "e": ["x"], "f": ["x"] });
        let many: Vec<u32> = (0..13).collect();
        for policy in [
            json!([]),
            json!({ "a": "x" }),
            json!({ "a": [] }),
            json!({ "a": [["x"]] }),
            json!({ "a": [{ "wildcard": "x*" }] }),
            json!({ "a": [{ "prefix": 1 }] }),
            json!({ "a": [{ "prefix": "a", "suffix": "b" }] }),
            json!({ "a": [{ "exists": "yes" }] }),
            json!({ "a": [{ "numeric": [] }] }),
            json!({ "a": [{ "numeric": ["<"] }] }),
            json!({ "a": [{ "numeric": ["!", 1] }] }),
            json!({ "a": [{ "anything-but": [] }] }),
            json!({ "a": [{ "anything-but": { "numeric": ["=", 1] } }] }),
            json!({ "$or": [{ "a": ["x"] }] }),
            json!({ "$or": ["a", "b"] }),
            six,
            json!({ "a": many, "b": many }),
        ] {
            assert!(
                Policy::parse(&policy.to_string(), true).is_err(),
                "{policy}"
            );
        }
        assert!(Policy::parse("{", true).is_err());
        assert!(Policy::parse("{\"o\": {\"a\": [1]}}", false).is_err());
    }
}
