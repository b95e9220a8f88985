use std::collections::BTreeMap;

use super::errors;
use crate::error::AwsError;
use crate::query::Params;

/// "You can specify up to 50 filters and up to 200 values per filter in a single API request. Filter strings can be
/// up to 255 characters in length." (EC2 User Guide, "Find your Amazon EC2 resources")
const MOST_FILTERS: usize = 50;
const MOST_VALUES: usize = 200;
const LONGEST_VALUE: usize = 255;

/// One filter: a name, and values of which one has to match.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

impl Filter {
    /// Whether `text` matches one of the values.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.values.iter().any(|pattern| matches(pattern, text))
    }

    /// For the filters `tag:<key>` and `tag-key`.
    pub(crate) fn has_tag(&self, tags: &BTreeMap<String, String>) -> bool {
        match self.name.strip_prefix("tag:") {
            Some(key) => tags.get(key).is_some_and(|value| self.has(value)),
            None => tags.keys().any(|key| self.has(key)),
        }
    }

    /// The values, if none of them is a pattern.
    pub(crate) fn literals(&self) -> Option<&[String]> {
        let pattern = self
            .values
            .iter()
            .any(|value| value.contains(['*', '?', '\\']));
        (!pattern).then_some(self.values.as_slice())
    }
}

/// The filters of a call; all of them have to match.
#[derive(Debug)]
pub(crate) struct Filters(Vec<Filter>);

impl Filters {
    /// Takes the filters that the action knows; `tag:` stands for all names that begin with it.
    pub(crate) fn parse(params: &Params, known: &[&str]) -> Result<Self, AwsError> {
        let mut filters = Vec::new();
        for item in params.items("Filter") {
            let name = item
                .filled("Name")
                .ok_or_else(|| errors::missing("Filter.Name"))?;
            let is_known =
                known.contains(&name) || (name.starts_with("tag:") && known.contains(&"tag:"));
            if !is_known || name == "tag:" {
                return Err(errors::invalid_filter(name));
            }
            let values = item.list("Value");
            if values.is_empty() {
                return Err(errors::missing("Filter.Value"));
            }
            if values.len() > MOST_VALUES
                || values
                    .iter()
                    .any(|value| value.chars().count() > LONGEST_VALUE)
            {
                return Err(errors::filter_limit(
                    "The filter has too many values, or a value is longer than 255 characters.",
                ));
            }
            filters.push(Filter {
                name: name.to_owned(),
                values,
            });
        }
        if filters.len() > MOST_FILTERS {
            return Err(errors::filter_limit("The request has too many filters."));
        }
        Ok(Self(filters))
    }

    /// Whether all filters match, each judged by `judge`.
    pub(crate) fn all(&self, judge: impl FnMut(&Filter) -> bool) -> bool {
        self.0.iter().all(judge)
    }

    /// The values of the first filter of this name, if none of them is a pattern. With them, items can be looked up
    /// rather than scanned.
    pub(crate) fn literals(&self, name: &str) -> Option<&[String]> {
        self.0.iter().find(|filter| filter.name == name)?.literals()
    }
}

/// `*` is any text, `?` is any character, `\` takes the next one as it is. Case matters.
fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    #[derive(PartialEq)]
    enum Token {
        Any,
        One,
        Is(char),
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Is(chars.next().unwrap_or('\\')),
            c => Token::Is(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut t, mut p) = (0, 0);
    // Where to go on when a later part does not fit: behind the last `*`, one character further.
    let mut retry = None;
    while let Some(c) = text.get(t) {
        match tokens.get(p) {
            Some(Token::Any) => {
                p += 1;
                retry = Some((p, t));
            }
            Some(Token::One) => (t, p) = (t + 1, p + 1),
            Some(Token::Is(expected)) if expected == c => (t, p) = (t + 1, p + 1),
            _ => match retry {
                Some((after_any, from)) => {
                    (t, p) = (from + 1, after_any);
                    retry = Some((after_any, from + 1));
                }
                None => return false,
            },
        }
    }
    tokens.iter().skip(p).all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("available", "available", true),
            ("available", "Available", false),
            ("*", "", true),
            ("vpce-*", "vpce-0a", true),
            ("vpce-*", "vpc-0a", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a\\?", "a?", true),
            ("a\\\\", "a\\", true),
            ("**", "anything", true),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
