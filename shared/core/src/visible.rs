//! Text as a person sees it: a character that is invisible, or reverses the characters beside it,
//! is shown as a mark such as `\u{202e}`.
//!
//! Customers, approvers and AWS write names, reasons and errors. Two that look alike must be the
//! same, and none may look like something else. So every text is marked where it is shown to a
//! person: an e-mail is made of [`Shown`], and pages, Slack's texts and log lines each pass one
//! place that marks them. Programs get the true text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// What Unicode calls default ignorable, with what turns the direction of writing, separates lines and
/// paragraphs, or is blank and no white space; besides control characters. As of Unicode 17:
/// `Default_Ignorable_Code_Point`, `Bidi_Control`, `Zl`, `Zp`, `Noncharacter_Code_Point`, and the last line.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{70f}' | '\u{2800}' | '\u{1107f}' | '\u{13430}'..='\u{13440}' | '\u{16fe4}' | '\u{1d159}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a character is invisible. Line breaks and tabs are not: they move the text after them.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    is_ignorable(c) || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// A rendered text with every hidden character marked. Line breaks and tabs stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Shown(c) => shown.push(c),
            Part::Hidden(c) => shown.extend(c.escape_unicode()),
        }
    }
    if shown == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(shown)
    }
}

/// A text with each hidden character marked, also those that belong to a visible one, as in emoji.
pub(crate) fn marked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value within a line: a line break in it would make the rest look like a line of ours.
#[must_use]
pub fn in_line(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if shown.contains(['\n', '\t']) {
        Cow::Owned(shown.replace(['\n', '\t'], " "))
    } else {
        shown
    }
}

/// A text without invisible characters.
#[must_use]
pub fn without_hidden(text: &str) -> String {
    let shown = |part| match part {
        Part::Shown(c) => Some(c),
        Part::Hidden(_) => None,
    };
    parts(text).filter_map(shown).collect()
}

/// What a person typed, whatever keyboard or page it came from: full-width and other letters and digits
/// of compatibility are the plain ones (NFKC), and what nobody sees or is white space at the ends is left
/// out.
#[must_use]
pub fn as_typed(text: &str) -> String {
    let plain: String = text.nfkc().filter(|c| !is_hidden(*c)).collect();
    plain.trim().to_owned()
}

/// A line of JSON as a log holds it, with every hidden character in its texts marked: those that stand in
/// it, and those that JSON has escaped. Line breaks and tabs in its texts stay escaped.
#[must_use]
pub fn visible_json(line: &str) -> Cow<'_, str> {
    let is_escaped = |pair: &[u8]| matches!(pair, [b'\\', b'u' | b'b' | b'f' | b'r']);
    if !line.as_bytes().windows(2).any(is_escaped) && !line.chars().any(is_hidden) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escaped)) = rest.split_once('\\') {
        mark_json(before, &mut shown);
        rest = after_escape(escaped, &mut shown);
    }
    mark_json(rest, &mut shown);
    Cow::Owned(shown)
}

/// Copies the characters after a backslash, marked if they mean a hidden character; answers the
/// rest.
fn after_escape<'a>(escaped: &'a str, shown: &mut String) -> &'a str {
    let mut characters = escaped.chars();
    let (meant, left) = match characters.next() {
        Some('b') => (Some('\u{8}'), characters.as_str()),
        Some('f') => (Some('\u{c}'), characters.as_str()),
        Some('r') => (Some('\r'), characters.as_str()),
        Some('u') => {
            let (digits, left) = characters.as_str().split_at_checked(4).unwrap_or(("", ""));
            let code = u32::from_str_radix(digits, 16).ok();
            (code.and_then(char::from_u32), left)
        }
        _ => (None, ""),
    };
    if let Some(c) = meant.filter(|c| is_hidden(*c)) {
        mark_in_json(c, shown);
        return left;
    }
    // Keep the backslash with its escaped character, so that neither is mistaken for something
    // else.
    shown.push('\\');
    let mut characters = escaped.chars();
    shown.extend(characters.next());
    characters.as_str()
}

fn mark_json(text: &str, shown: &mut String) {
    for part in parts(text) {
        match part {
            Part::Shown(c) => shown.push(c),
            Part::Hidden(c) => mark_in_json(c, shown),
        }
    }
}

fn mark_in_json(c: char, shown: &mut String) {
    // Its backslash belongs to the text, and is no escape of JSON's.
    shown.push('\\');
    shown.extend(c.escape_unicode());
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Shown(char),
    Hidden(char),
}

/// The characters of a text, each with whether it shows. A line break of two characters is one.
fn parts(text: &str) -> impl Iterator<Item = Part> {
    let mut before = None;
    let mut characters = text.chars().peekable();
    std::iter::from_fn(move || {
        let mut c = characters.next()?;
        let next = characters.peek().copied();
        if (c, next) == ('\r', Some('\n')) {
            characters.next();
            c = '\n';
        }
        let shows = !is_hidden(c) || before.is_some_and(|base| is_variant(base, c, next));
        before = shows.then_some(c);
        Some(if shows {
            Part::Shown(c)
        } else {
            Part::Hidden(c)
        })
    })
}

/// Whether a variation selector chooses how the character before it looks, as in emoji, in Japanese names
/// and in Mongolian. One that stands anywhere else only makes two texts differ that look alike.
fn is_variant(base: char, selector: char, next: Option<char>) -> bool {
    let is_ideograph = matches!(base,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3fffd}');
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => {
            let is_keycap = next == Some('\u{20e3}') && matches!(base, '0'..='9' | '#' | '*');
            is_keycap || is_symbol(base)
        }
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => is_ideograph,
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(base, '\u{1820}'..='\u{18aa}'),
        _ => false,
    }
}

/// The blocks of symbols that have a look as text and one as emoji.
fn is_symbol(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2934}'..='\u{2935}'
        | '\u{2b05}'..='\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

/// A text for a person. It can only be made by marking the hidden characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Shown(String);

impl From<String> for Shown {
    fn from(text: String) -> Self {
        match visible(&text) {
            Cow::Borrowed(_) => Self(text),
            Cow::Owned(shown) => Self(shown),
        }
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self(visible(text).into_owned())
    }
}

impl From<Shown> for String {
    fn from(shown: Shown) -> Self {
        shown.0
    }
}

impl Deref for Shown {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for Shown {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Shown {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
#[path = "visible_tests.rs"]
mod tests;
