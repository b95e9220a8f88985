use super::errors;
use crate::error::AwsError;
use crate::query::Params;

/// The bounds of `MaxResults` of EC2's endpoint operations.
const LEAST: usize = 5;
const MOST: usize = 1000;

/// What part of a list a call asks for.
#[derive(Debug)]
pub(crate) struct Page {
    action: &'static str,
    max: usize,
    after: Option<String>,
    /// Answer no items, and a token for the same place.
    empty: bool,
}

impl Page {
    /// `most` bounds what is answered at once, whatever the call asks for.
    pub(crate) fn parse(
        params: &Params,
        action: &'static str,
        most: usize,
        empty_pages: bool,
    ) -> Result<Self, AwsError> {
        let max = match params.filled("MaxResults") {
            None => MOST,
            Some(text) => {
                let why = "It must be a number between 5 and 1000.";
                let max = text.parse().ok().filter(|max| (LEAST..=MOST).contains(max));
                max.ok_or_else(|| errors::invalid_value(text, "MaxResults", why))?
            }
        };
        let mut page = Self {
            action,
            max: max.min(most.max(1)),
            after: None,
            empty: empty_pages,
        };
        if let Some(token) = params.filled("NextToken") {
            let (after, emptied) = decode(token, action).ok_or_else(errors::invalid_token)?;
            page.after = after;
            page.empty = empty_pages && !emptied;
        }
        Ok(page)
    }

    /// The key of the last item of the page before.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The items of this page, out of those that follow [`Page::after`], and the token for the next.
    pub(crate) fn take<T>(
        &self,
        following: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        if self.empty {
            return (Vec::new(), Some(self.token(self.after.as_deref(), true)));
        }
        let mut following = following.into_iter();
        let items: Vec<T> = following.by_ref().take(self.max).collect();
        let token = match items.last() {
            Some(last) if following.next().is_some() => Some(self.token(Some(&key(last)), false)),
            _ => None,
        };
        (items, token)
    }

    /// [`Page::take`] for a list that is all here and sorted by its keys.
    pub(crate) fn of<T>(
        &self,
        all: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let following = all.into_iter().filter(|item| match self.after() {
            Some(after) => key(item).as_str() > after,
            None => true,
        });
        self.take(following, &key)
    }

    fn token(&self, after: Option<&str>, emptied: bool) -> String {
        let place = match after {
            Some(after) => format!("+{after}"),
            None => String::new(),
        };
        let text = format!("{}/{}/{place}", self.action, u8::from(emptied));
        let mut token = format!("{:08x}", checksum(&text));
        for byte in text.bytes() {
            token.push_str(&format!("{:02x}", !byte));
        }
        token
    }
}

/// The place and whether an empty page has been answered for it.
fn decode(token: &str, action: &str) -> Option<(Option<String>, bool)> {
    let (sum, hex) = token.split_at_checked(8)?;
    let bytes = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok().map(|byte| !byte)
    });
    let text = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(&text) {
        return None;
    }
    let (emptied, place) = text
        .strip_prefix(action)?
        .strip_prefix('/')?
        .split_once('/')?;
    Some((place.strip_prefix('+').map(str::to_owned), emptied == "1"))
}

/// FNV-1a: enough to tell a token from something made up.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::Page;
    use crate::query::Params;

    fn page(max: &str, token: Option<&str>, empty: bool) -> Result<Page, String> {
        let pairs = [
            ("MaxResults", max),
            ("NextToken", token.unwrap_or_default()),
        ];
        Page::parse(&Params::from_iter(pairs), "Describe", 1000, empty).map_err(|error| error.code)
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        for empty in [false, true] {
            let all: Vec<String> = (0..12).map(|n| format!("{n:02}")).collect();
            let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let (items, next) = page("5", token.as_deref(), empty)
                    .unwrap()
                    .of(all.clone(), String::clone);
                sizes.push(items.len());
                seen.extend(items);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all);
            let expected: &[usize] = if empty {
                &[0, 5, 0, 5, 0, 2]
            } else {
                &[5, 5, 2]
            };
            assert_eq!(sizes, expected);
        }
    }

    #[test]
    fn nothing_else_is_a_token_or_a_size() {
        for max in ["0", "4", "1001", "-1", "x"] {
            assert_eq!(
                page(max, None, false).unwrap_err(),
                "InvalidParameterValue",
                "{max}"
            );
        }
        let all: Vec<String> = (0..12).map(|n| format!("{n:02}")).collect();
        let (_, token) = page("5", None, false).unwrap().of(all, String::clone);
        let token = token.unwrap();
        for bad in [
            "x",
            "00000000",
            "zzzzzzzzzz",
            "é2345678é",
            &format!("{token}00"),
            token.get(2..).unwrap(),
        ] {
            assert_eq!(
                page("5", Some(bad), false).unwrap_err(),
                "InvalidNextToken",
                "{bad}"
            );
        }
        let other = Params::from_iter([("NextToken", token.as_str())]);
        assert!(Page::parse(&other, "DescribeOther", 1000, false).is_err());
    }
}
