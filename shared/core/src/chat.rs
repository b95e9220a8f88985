//! The message for chat channels through Amazon Q Developer: its custom notification.
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
//!
//! Amazon Q silently drops messages in another form, so a test checks the form.

use serde_json::json;

use crate::visible::visible;

/// A title is shown up to this many characters…
const TITLE_LIMIT: usize = 250;
/// …and of a description. AWS documents neither; these are what is known to work.
const DESCRIPTION_LIMIT: usize = 4000;

/// The content of a notification.
pub(crate) struct Notification<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) next_steps: Vec<&'a str>,
    /// The key that the messages of one thread share.
    pub(crate) thread: &'a str,
    pub(crate) kind: &'a str,
    /// The service; empty if it is about none.
    pub(crate) service_id: &'a str,
}

impl Notification<'_> {
    /// The notification in the form that Amazon Q takes.
    pub(crate) fn document(&self) -> String {
        let next_steps: Vec<String> = self.next_steps.iter().map(|step| plain(step)).collect();
        let mut content = json!({
            "textType": "client-markdown",
            "title": limited(&plain(self.title), TITLE_LIMIT),
            "description": limited(&plain(self.text), DESCRIPTION_LIMIT),
            "keywords": ["PrivateLink", self.kind],
        });
        if let (false, Some(fields)) = (next_steps.is_empty(), content.as_object_mut()) {
            fields.insert("nextSteps".to_owned(), json!(next_steps));
        }
        let related = [self.service_id].into_iter().filter(|id| !id.is_empty());
        json!({
            "version": "1.0",
            "source": "custom",
            "id": self.id,
            "content": content,
            "metadata": {
                "threadId": self.thread,
                "summary": limited(&plain(self.title), TITLE_LIMIT),
                "eventType": self.kind,
                "relatedResources": related.collect::<Vec<_>>(),
            },
        })
        .to_string()
    }
}

/// Text without links, mentions, mark-up or hidden characters, because names and reasons come from
/// outside.
fn plain(text: &str) -> String {
    let text = visible(text);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut is_in_word = false;
    while let Some(c) = characters.next() {
        let next_is_word = characters.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            // Within a word, as in names of settings, it is no mark-up.
            '_' if is_in_word && next_is_word => plain.push(c),
            // Replace them by similar characters, which are no mark-up.
            '*' => plain.push('∗'),
            '_' => plain.push('＿'),
            '~' => plain.push('∼'),
            '`' => plain.push('ˋ'),
            '[' => plain.push('［'),
            c => plain.push(c),
        }
        is_in_word = c.is_alphanumeric();
    }
    plain
}

fn limited(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn document(title: &str, text: &str, next_steps: Vec<&str>) -> Value {
        let notification = Notification {
            id: "vpce-0123456789abcdef0#00000001",
            title,
            text,
            next_steps,
            thread: "vpce-0123456789abcdef0",
            kind: "review_opened",
            service_id: "vpce-svc-0a1b2c3d4e5f60718",
        };
        serde_json::from_str(&notification.document()).unwrap()
    }

    #[test]
    fn it_has_the_form_that_amazon_q_takes_and_nothing_else() {
        let document = document("Title", "Text", vec!["Do it"]);
        let names = |value: &Value| {
            let names = value.as_object().unwrap().keys().cloned();
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            names(&document),
            all(&["version", "source", "id", "content", "metadata"])
        );
        assert_eq!(
            (&document["version"], &document["source"]),
            (&json!("1.0"), &json!("custom"))
        );
        assert_eq!(document["content"]["textType"], "client-markdown");
        assert_eq!(
            names(&document["content"]),
            all(&["textType", "title", "description", "nextSteps", "keywords"])
        );
        assert_eq!(
            names(&document["metadata"]),
            all(&["threadId", "summary", "eventType", "relatedResources"])
        );
    }

    #[test]
    fn a_text_from_outside_neither_links_nor_mentions_and_is_shortened() {
        let document = document(
            &"<!channel>".repeat(100),
            "<http://x|*pay* here> & [a](b)",
            vec![],
        );
        let content = &document["content"];
        assert_eq!(content["title"].as_str().unwrap().chars().count(), 250);
        for field in ["title", "description"] {
            let text = content[field].as_str().unwrap();
            assert!(!text.contains('<') && !text.contains("*pay"), "{text}");
            assert!(!text.contains("[a]"), "{text}");
        }
        assert_eq!(content.get("nextSteps"), None);
    }
}
