//! Slack's markup as Slack shows it, as far as our messages have it.
//! <https://docs.slack.dev/messaging/formatting-message-text>

/// A piece of a text that looks the same throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    Plain(String),
    Bold(String),
    Italic(String),
    Struck(String),
    Code(String),
    /// A line ends here.
    Break,
}

type Kind = fn(String) -> Span;

const MARKS: [(char, Kind); 4] = [
    ('*', Span::Bold),
    ('_', Span::Italic),
    ('~', Span::Struck),
    ('`', Span::Code),
];

/// A text in Slack's markup. What is between `<` and `>` stays as it is: our messages link nothing and
/// mention nobody, and a person who looks at the page is to see it if they ever do.
pub(super) fn spans(markup: &str) -> Vec<Span> {
    in_lines(markup, line)
}

/// A text without markup.
pub(super) fn plain(text: &str) -> Vec<Span> {
    in_lines(text, |line, spans| spans.push(Span::Plain(line.to_owned())))
}

fn in_lines(text: &str, line: impl Fn(&str, &mut Vec<Span>)) -> Vec<Span> {
    let mut spans = Vec::new();
    for (index, one) in text.lines().enumerate() {
        if index > 0 {
            spans.push(Span::Break);
        }
        line(one, &mut spans);
    }
    spans
}

fn line(line: &str, spans: &mut Vec<Span>) {
    let (mut rest, mut plain) = (line, String::new());
    let mut before = None;
    while let Some(next) = rest.chars().next() {
        if let Some((kind, inside, after)) = marked(rest, before) {
            if !plain.is_empty() {
                spans.push(Span::Plain(text_of(&std::mem::take(&mut plain))));
            }
            spans.push(kind(text_of(inside)));
            (rest, before) = (after, None);
        } else {
            plain.push(next);
            (rest, before) = (rest.strip_prefix(next).unwrap_or_default(), Some(next));
        }
    }
    if !plain.is_empty() {
        spans.push(Span::Plain(text_of(&plain)));
    }
}

/// What is marked at the very beginning, and what comes after it. Marks inside words are none.
fn marked(text: &str, before: Option<char>) -> Option<(Kind, &str, &str)> {
    let (mark, kind) = MARKS.iter().find(|(mark, _)| text.starts_with(*mark))?;
    let (inside, after) = text.strip_prefix(*mark)?.split_once(*mark)?;
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands_alone = !in_word(before) && !in_word(after.chars().next());
    (stands_alone && !inside.is_empty() && inside.trim() == inside).then_some((
        *kind as Kind,
        inside,
        after,
    ))
}

/// Without Slack's three entities.
fn text_of(markup: &str) -> String {
    let text = markup.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Span {
        Span::Plain(text.to_owned())
    }

    #[test]
    fn marks_are_read_where_slack_reads_them_and_nowhere_else() {
        let bold = Span::Bold("A & B <c>".to_owned());
        let code = Span::Code("vpce-1".to_owned());
        assert_eq!(
            spans("*A &amp; B &lt;c&gt;* asks.\n`vpce-1`"),
            [bold, text(" asks."), Span::Break, code]
        );
        for same in ["2*3*4", "* a *", "**", "a_b_c", "*", "x `", "<!here>"] {
            assert_eq!(spans(same), [text(same)], "{same}");
        }
        assert_eq!(spans("&amp;lt;"), [text("&lt;")]);
        assert_eq!(plain("*a*\n"), [text("*a*")]);
        assert_eq!(spans(""), []);
    }
}
