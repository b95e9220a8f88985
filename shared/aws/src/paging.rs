//! Reads AWS's lists page by page. The SDK's own paginators never end if two tokens alternate.

use std::collections::BTreeSet;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

/// AWS named a page that it had named before: following it would never end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("AWS answered with a NextToken that it had given before, so that its list does not end")]
pub(crate) struct Repeated;

/// The pages of one list that were requested.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    seen: BTreeSet<String>,
}

impl Pages {
    /// The pages of a list that begins at a token, or at the beginning.
    pub(crate) fn from(token: Option<&str>) -> Self {
        Self {
            seen: token.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The token of the next page, which then counts as requested; `None` if this page was the
    /// last.
    pub(crate) fn next(&mut self, token: Option<&str>) -> Result<Option<String>, Repeated> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        if self.seen.insert(token.to_owned()) {
            Ok(Some(token.to_owned()))
        } else {
            Err(Repeated)
        }
    }
}

/// All items of a list. `page` requests the page at a token, and answers its items and the next
/// page's token.
pub(crate) async fn all<T, E, P>(
    page: impl Fn(Option<String>) -> P,
) -> Result<Vec<T>, SdkError<E, HttpResponse>>
where
    P: Future<Output = Result<(Option<Vec<T>>, Option<String>), SdkError<E, HttpResponse>>>,
{
    let mut all = Vec::new();
    let mut pages = Pages::default();
    let mut token = None;
    loop {
        let (items, next) = page(token).await?;
        all.extend(items.into_iter().flatten());
        token = pages
            .next(next.as_deref())
            .map_err(SdkError::construction_failure)?;
        if token.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How reading ends for a list whose pages name these tokens in turn, again and again.
    fn end(begun_at: Option<&str>, tokens: &[Option<&str>]) -> Result<usize, Repeated> {
        let mut pages = Pages::from(begun_at);
        for (page, token) in tokens.iter().cycle().enumerate() {
            if pages.next(*token)?.is_none() {
                return Ok(page + 1);
            }
        }
        Ok(0)
    }

    #[test]
    fn a_list_ends_at_its_end_or_at_a_repeated_token() {
        for (begun_at, tokens, expected) in [
            (None, &[None][..], Ok(1)),
            (None, &[Some("")], Ok(1)),
            (None, &[Some("a"), Some("b"), None], Ok(3)),
            (Some("a"), &[Some("b"), None], Ok(2)),
            (None, &[Some("a")], Err(Repeated)),
            (None, &[Some("a"), Some("b")], Err(Repeated)),
            (
                None,
                &[Some("a"), Some("b"), Some("c"), Some("b")],
                Err(Repeated),
            ),
            // The token at which an earlier run stopped counts, too.
            (Some("a"), &[Some("a")], Err(Repeated)),
            (Some("a"), &[Some("b"), Some("a")], Err(Repeated)),
        ] {
            assert_eq!(end(begun_at, tokens), expected, "{begun_at:?} {tokens:?}");
        }
    }
}
