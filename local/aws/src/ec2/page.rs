use super::errors;
use crate::error::AwsError;
use crate::page::Page;
use crate::query::Params;

/// The bounds of `MaxResults` of EC2's endpoint operations.
const LEAST: usize = 5;
const MOST: usize = 1000;

/// What part of a list a call asks for. `most` bounds what is answered at once, whatever the call asks for.
pub(crate) fn parse(
    params: &Params,
    action: &'static str,
    most: usize,
    empty_pages: bool,
) -> Result<Page, AwsError> {
    let max = match params.filled("MaxResults") {
        None => MOST,
        Some(text) => {
            let why = "It must be a number between 5 and 1000.";
            let max = text.parse().ok().filter(|max| (LEAST..=MOST).contains(max));
            max.ok_or_else(|| errors::invalid_value(text, "MaxResults", why))?
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
        for max in ["0", "4", "1001", "-1", "x"] {
            assert_eq!(code("MaxResults", max), "InvalidParameterValue", "{max}");
        }
        assert_eq!(code("NextToken", "x"), "InvalidNextToken");
    }

    #[test]
    fn no_page_is_larger_than_it_may_be() {
        for (max, most, expected) in [("7", 1000, 7), ("7", 3, 3), ("", 3, 3), ("", 0, 1)] {
            let params = Params::from_iter([("MaxResults", max)]);
            let page = parse(&params, "Describe", most, false).unwrap();
            let (items, _) = page.take(0..20, ToString::to_string);
            assert_eq!(items.len(), expected, "{max} {most}");
        }
    }
}
