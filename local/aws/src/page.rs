/// The part of a list that a call asks for.
#[derive(Debug)]
pub(crate) struct Page {
    action: &'static str,
    max: usize,
    after: Option<String>,
    /// Answer no items, and a token for the same place.
    empty: bool,
}

impl Page {
    /// At most `max` items, from behind the place that the token stands for; `None` if it is no token of this
    /// action's.
    pub(crate) fn new(
        action: &'static str,
        max: usize,
        token: Option<&str>,
        empty_pages: bool,
    ) -> Option<Self> {
        let (after, emptied) = match token {
            Some(token) => decode(token, action)?,
            None => (None, false),
        };
        Some(Self {
            action,
            max,
            after,
            empty: empty_pages && !emptied,
        })
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

    /// [`Page::take`] for a whole list that is sorted by its keys.
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

    fn page(token: Option<&str>, empty: bool) -> Option<Page> {
        Page::new("Describe", 5, token, empty)
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        for empty in [false, true] {
            let all: Vec<String> = (0..12).map(|n| format!("{n:02}")).collect();
            let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let (items, next) = page(token.as_deref(), empty)
                    .unwrap()
                    .of(all.clone(), String::clone);
                sizes.push(items.len());
                assert!(sizes.len() < 20, "it goes on for ever");
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
    fn nothing_else_is_a_token() {
        let all: Vec<String> = (0..12).map(|n| format!("{n:02}")).collect();
        let (_, token) = page(None, false).unwrap().of(all, String::clone);
        let token = token.unwrap();
        assert!(page(Some(&token), false).is_some());
        for bad in [
            "",
            "x",
            "00000000",
            "zzzzzzzzzz",
            "é2345678é",
            &format!("{token}00"),
            token.get(2..).unwrap(),
        ] {
            assert!(page(Some(bad), false).is_none(), "{bad}");
        }
        assert!(Page::new("DescribeOther", 5, Some(&token), false).is_none());
    }
}
