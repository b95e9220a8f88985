//! What Slack sees in a text but letters: "Formatting text for app surfaces".

/// Something in a text that Slack does not show as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Markup {
    /// `<url>` or `<url|label>`.
    Link { url: String, label: Option<String> },
    /// A URL in the open, which Slack makes a link of.
    Bare(String),
    /// `<!here>`, `<@U…>`, `<#C…>` and the like.
    Mention(String),
    /// A `&`, `<` or `>` that should have been written as `&amp;`, `&lt;` or `&gt;`.
    Unescaped(char),
}

/// All there is of it in a text of type `mrkdwn`, in order. `<!date^…>` only formats a time, and `>` at the beginning of
/// a line makes a quotation: they are left out.
pub(crate) fn scan(text: &str) -> Vec<Markup> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line_begins = true;
    while let Some(c) = rest.chars().next() {
        if let Some((markup, behind)) = bracketed(rest) {
            found.extend(markup);
            rest = behind;
            line_begins = false;
            continue;
        }
        if let Some((url, behind)) = bare(rest) {
            found.push(Markup::Bare(url.to_owned()));
            rest = behind;
            line_begins = false;
            continue;
        }
        let entities = ["&amp;", "&lt;", "&gt;"];
        let entity = entities.iter().any(|entity| rest.starts_with(entity));
        if c == '<' || c == '&' && !entity || c == '>' && !line_begins {
            found.push(Markup::Unescaped(c));
        }
        line_begins = c == '\n' || line_begins && c == '>';
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    found
}

/// `<…>` with something in it that means something, and what follows.
fn bracketed(text: &str) -> Option<(Option<Markup>, &str)> {
    let (inside, behind) = text.strip_prefix('<')?.split_once('>')?;
    if inside.contains('<') {
        return None;
    }
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label.to_owned())),
        None => (inside, None),
    };
    let markup = match target.chars().next()? {
        '!' if target.starts_with("!date^") => None,
        '!' | '@' | '#' => Some(Markup::Mention(format!("<{inside}>"))),
        _ => {
            let (scheme, _) = target.split_once(':')?;
            let scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric());
            if !scheme || target.contains(char::is_whitespace) {
                return None;
            }
            let url = target.to_owned();
            Some(Markup::Link { url, label })
        }
    };
    Some((markup, behind))
}

/// A URL at the beginning of a text, and what follows.
fn bare(text: &str) -> Option<(&str, &str)> {
    ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))?;
    let end = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '|' | '"' | '`');
    let url = text.split(end).next()?;
    let url = url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '*', '_', '~']);
    text.split_at_checked(url.len())
}

#[cfg(test)]
mod tests {
    use super::{Markup, scan};

    fn link(url: &str, label: Option<&str>) -> Markup {
        Markup::Link {
            url: url.to_owned(),
            label: label.map(str::to_owned),
        }
    }

    #[test]
    fn what_pings_and_what_links_is_seen() {
        let mention = |text: &str| Markup::Mention(text.to_owned());
        let bare = |url: &str| Markup::Bare(url.to_owned());
        for (text, expected) in [
            ("", vec![]),
            ("*bold* _a_ `code` é 1 &lt;2&gt; &amp; you", vec![]),
            ("> a quotation\n>> another", vec![]),
            ("<!date^1392734382^{date}|a day>", vec![]),
            ("hi <!here>", vec![mention("<!here>")]),
            ("<!channel|all>", vec![mention("<!channel|all>")]),
            (
                "<!everyone><!subteam^S1>",
                vec![mention("<!everyone>"), mention("<!subteam^S1>")],
            ),
            ("<@U1> <#C1>", vec![mention("<@U1>"), mention("<#C1>")]),
            (
                "<https://a.example/x?y=1&amp;z|here>",
                vec![link("https://a.example/x?y=1&amp;z", Some("here"))],
            ),
            (
                "<mailto:a@b.example>",
                vec![link("mailto:a@b.example", None)],
            ),
            (
                "see https://a.example/x. (http://b.example)",
                vec![bare("https://a.example/x"), bare("http://b.example")],
            ),
            ("&lt;!here&gt;", vec![]),
        ] {
            assert_eq!(scan(text), expected, "{text}");
        }
    }

    #[test]
    fn control_characters_that_are_not_escaped_are_seen() {
        for (text, expected) in [
            ("a < b", "<"),
            ("a & b", "&"),
            ("a > b", ">"),
            ("&copy;", "&"),
            ("<script>", "<>"),
            ("<a <@U1>", "<"),
            ("< https://a.example>", "<>"),
            ("<>", "<>"),
        ] {
            let found = scan(text).into_iter().filter_map(|markup| match markup {
                Markup::Unescaped(c) => Some(c),
                _ => None,
            });
            assert_eq!(found.collect::<String>(), expected, "{text}");
        }
        assert!(scan("<a <@U1>").contains(&Markup::Mention("<@U1>".to_owned())));
    }
}
