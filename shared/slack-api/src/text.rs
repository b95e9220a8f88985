//! Text for Slack. Here, and nowhere else, it is escaped and cut.
//!
//! In Slack's markup `<…>` is a mention or a link and `&` begins an entity
//! (<https://docs.slack.dev/messaging/formatting-message-text>). Nothing of ours is either, so a
//! [`Mrkdwn`] never holds `<` or `>`, and whatever came from outside stays text.

use gatekeeper_core::visible::visible;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// Where a text was cut off.
const CUT: &str = "…";
/// What stands where Slack wants a text and there is none.
const NOTHING: &str = "–";

/// Text in Slack's markup. Made by escaping, or from what stands in our source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// Markup of our own, without mentions and links.
    #[must_use]
    pub fn literal(markup: &'static str) -> Self {
        debug_assert!(!markup.contains(['<', '>']), "{markup}");
        Self(markup.to_owned())
    }

    /// A text from outside, in one line, as it is.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self::lines(&tidy(text).replace('\n', " "))
    }

    /// A text from outside with its line breaks.
    #[must_use]
    pub fn lines(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for c in tidy(text).chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                c => escaped.push(c),
            }
        }
        Self(escaped)
    }

    /// A text from outside as code, for ids.
    #[must_use]
    pub fn code(text: &str) -> Self {
        let text = Self::line(&text.replace('`', "'"));
        if text.is_empty() {
            text
        } else {
            Self(format!("`{text}`", text = text.0))
        }
    }

    /// This and then that.
    #[must_use]
    pub fn and(mut self, more: &Mrkdwn) -> Self {
        self.0.push_str(&more.0);
        self
    }

    /// No longer than so many of Slack's characters, and if it was, with an ellipsis at its end.
    #[must_use]
    pub fn cut(self, limit: usize) -> Self {
        if length(&self.0) <= limit {
            return self;
        }
        let mut cut = String::new();
        let mut left = limit.saturating_sub(length(CUT));
        let mut rest = self.0.as_str();
        while let Some((unit, after)) = first_unit(rest) {
            let Some(still_left) = left.checked_sub(length(unit)) else {
                break;
            };
            cut.push_str(unit);
            (left, rest) = (still_left, after);
        }
        cut.push_str(CUT);
        Self(cut)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As Slack takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How long it is for Slack.
    pub(crate) fn length(&self) -> usize {
        length(&self.0)
    }

    /// Within a limit, and not empty: Slack refuses a message for either.
    pub(crate) fn fit(self, limit: usize) -> Self {
        if self.0.trim().is_empty() {
            Self::literal(NOTHING)
        } else {
            self.cut(limit)
        }
    }
}

impl Serialize for Mrkdwn {
    /// As a text object. `verbatim`: what looks like an address, a channel or `@here` stays text
    /// (<https://docs.slack.dev/reference/block-kit/composition-objects/text-object>).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("text", 3)?;
        object.serialize_field("type", "mrkdwn")?;
        object.serialize_field("text", &self.0)?;
        object.serialize_field("verbatim", &true)?;
        object.end()
    }
}

/// Text without markup, for where Slack takes no other: headers, buttons, titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain(String);

impl Plain {
    /// A text in one line. Slack's description leaves open whether entities are read here, so that
    /// what they are for is written as similar characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(
            tidy(text)
                .chars()
                .map(|c| match c {
                    '\n' => ' ',
                    '<' => '‹',
                    '>' => '›',
                    c => c,
                })
                .collect(),
        )
    }

    /// Within a limit, and not empty.
    pub(crate) fn fit(self, limit: usize) -> Self {
        // Without entities, both are cut alike.
        Self(Mrkdwn(self.0).fit(limit).0)
    }

    pub(crate) fn length(&self) -> usize {
        length(&self.0)
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl From<&'static str> for Plain {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl Serialize for Plain {
    /// As a text object. `emoji: false`: `:white_check_mark:` in somebody's name stays text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("text", 3)?;
        object.serialize_field("type", "plain_text")?;
        object.serialize_field("text", &self.0)?;
        object.serialize_field("emoji", &false)?;
        object.end()
    }
}

/// With a mark for what does not show or makes other text show otherwise.
fn tidy(text: &str) -> String {
    visible(text).replace('\t', " ")
}

/// Slack's limits are in characters, and do not say of which kind. UTF-16's are never fewer than
/// Unicode's.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The first thing that must not be torn, an entity or a character, and what follows it.
fn first_unit(text: &str) -> Option<(&str, &str)> {
    const ENTITIES: [&str; 3] = ["&amp;", "&lt;", "&gt;"];
    let first = text.chars().next()?;
    let entity = ENTITIES.iter().find(|entity| text.starts_with(*entity));
    text.split_at_checked(entity.map_or(first.len_utf8(), |entity| entity.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_from_outside_neither_mentions_nor_links() {
        for (given, shown) in [
            (
                "<!channel> & <@U123>",
                "&lt;!channel&gt; &amp; &lt;@U123&gt;",
            ),
            (
                "<https://example.com|Slack>",
                "&lt;https://example.com|Slack&gt;",
            ),
            ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
            ("a\nb\r\nc\td", "a b c d"),
            ("\u{202e}abc\u{0}\u{7f}", "\\u{202e}abc\\u{0}\\u{7f}"),
            (
                "a\u{200b}b\u{3164}\u{2028}",
                "a\\u{200b}b\\u{3164}\\u{2028}",
            ),
        ] {
            assert_eq!(Mrkdwn::line(given).as_str(), shown);
        }
        assert_eq!(Mrkdwn::lines("a\r\nb").as_str(), "a\nb");
        assert_eq!(Mrkdwn::code("vpce-`x`\n").as_str(), "`vpce-'x' `");
        assert_eq!(Plain::new("<!here>\n").0, "‹!here› ");
    }

    #[test]
    fn a_cut_tears_no_entity_and_no_character() {
        let text = || Mrkdwn::line("a&b🦀c");
        assert_eq!(text().length(), 10);
        assert_eq!(text().cut(10).as_str(), "a&amp;b🦀c");
        for (limit, cut) in [
            (9, "a&amp;b…"),
            (8, "a&amp;b…"),
            (7, "a&amp;…"),
            (6, "a…"),
            (2, "a…"),
            (1, "…"),
        ] {
            assert_eq!(text().cut(limit).as_str(), cut, "{limit}");
        }
    }

    #[test]
    fn a_text_object_says_that_nothing_is_to_be_made_of_it() {
        assert_eq!(
            serde_json::to_string(&Mrkdwn::line("@here https://example.com #general")).unwrap(),
            r##"{"type":"mrkdwn","text":"@here https://example.com #general","verbatim":true}"##
        );
        assert_eq!(
            serde_json::to_string(&Plain::new(":tada:")).unwrap(),
            r#"{"type":"plain_text","text":":tada:","emoji":false}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_stays_text_within_any_limit(text in "(?s).*", limit in 1_usize..200) {
            for escaped in [Mrkdwn::line(&text), Mrkdwn::lines(&text), Mrkdwn::code(&text)] {
                let cut = escaped.fit(limit);
                prop_assert!(cut.length() <= limit);
                prop_assert!(!cut.is_empty());
                prop_assert!(!cut.as_str().contains(['<', '>']));
                for (at, _) in cut.as_str().match_indices('&') {
                    let (_, entity) = cut.as_str().split_at(at);
                    prop_assert!(["&amp;", "&lt;", "&gt;"].iter().any(|e| entity.starts_with(e)));
                }
            }
            let plain = Plain::new(&text).fit(limit);
            prop_assert!(plain.length() <= limit && !plain.0.contains(['<', '>', '\n']));
        }

        #[test]
        fn a_short_text_reads_as_it_was_written(text in "[^\\p{C}\\p{Zl}\\p{Zp}]{0,50}") {
            let read = Mrkdwn::line(&text).0
                .replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            prop_assert_eq!(read, visible(&text));
        }

        #[test]
        fn nothing_in_a_text_is_hidden(
            text in "[a\n\r\t\u{0}\u{1b}\u{7f}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{e0001}\u{e0041}\u{e0100}é<&]{0,20}",
            limit in 1_usize..200,
        ) {
            for shown in [Mrkdwn::line(&text), Mrkdwn::lines(&text), Mrkdwn::code(&text)] {
                let shown = shown.fit(limit).0;
                prop_assert_eq!(visible(&shown), shown.as_str());
            }
            let plain = Plain::new(&text).fit(limit).0;
            prop_assert_eq!(visible(&plain), plain.as_str());
        }
    }
}
