use super::errors;
use crate::error::AwsError;
use crate::page::Page;
use crate::query::Params;

/// The bounds of `MaxResults`: "This value can be between 5 and 1,000; if `MaxResults` is given a value larger than 1,000,
/// only 1,000 results are returned." (EC2's API model, of endpoint operations)
const LEAST: u64 = 5;
const MOST: usize = 1000;

/// The part of a list that a call asks for, with at most `most` items.
pub(crate) fn parse(
    params: &Params,
    action: &'static str,
    most: usize,
    empty_pages: bool,
) -> Result<Page, AwsError> {
    let max = match params.filled("MaxResults") {
        None => MOST,
        Some(text) => {
            let max: Option<u64> = text.parse().ok().filter(|max| *max >= LEAST);
            let why = "It must be a number, and at least 5.";
            let max = max.ok_or_else(|| errors::invalid_value(text, "MaxResults", why))?;
            usize::try_from(max).unwrap_or(MOST).min(MOST)
        }
    };
    let token = params.filled("NextToken");
    Page::new(action, max.min(most.max(1)), token, empty_pages).ok_or_else(errors::invalid_token)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::query::Params;

    #[test]
    fn nothing_else_is_a_size_or_a_token() {
        let code = |name: &str, value: &str| {
            let page = parse(&Params::from_iter([(name, value)]), "Describe", 1000, false);
            page.map_err(|error| error.code).unwrap_err()
        };
        for max in ["0", "4", "-1", "x", "5.5", "99999999999999999999999"] {
            assert_eq!(code("MaxResults", max), "InvalidParameterValue", "{max}");
        }
        assert_eq!(code("NextToken", "x"), "InvalidNextToken");
    }

    #[test]
    fn no_page_is_larger_than_it_may_be() {
        for (max, most, expected) in [
            ("7", 1000, 7),
            ("7", 3, 3),
            ("", 3, 3),
            ("", 0, 1),
            ("1000", 1000, 1000),
            ("1001", 1000, 1000),
            ("2147483647", 1000, 1000),
            ("18446744073709551615", 1000, 1000),
        ] {
            let params = Params::from_iter([("MaxResults", max)]);
            let page = parse(&params, "Describe", most, false).unwrap();
            let (items, _) = page.take(0..2000, ToString::to_string);
            assert_eq!(items.len(), expected, "{max} {most}");
        }
    }
}
