use std::fmt::Display;

use quick_xml::escape::escape;

/// Writes an XML document, element by element.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// `<name>…</name>` with what `inside` writes.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name, name, inside);
    }

    /// A root element in an XML namespace.
    pub(crate) fn root(name: &str, namespace: &str, inside: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        xml.open(&format!("{name} xmlns=\"{namespace}\""), name, inside);
        xml.0
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn open(&mut self, start: &str, name: &str, inside: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(start);
        self.0.push('>');
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// `<name>text</name>`, escaped.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) {
        let text = text.to_string();
        self.element(name, |xml| {
            // XML 1.0 has no form at all for the other control characters.
            let text = text.replace(
                |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'),
                "",
            );
            xml.0.push_str(&escape(&text).replace('\r', "&#13;"));
        });
    }

    /// [`Xml::text`] if there is something to write.
    pub(crate) fn optional(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A list: `<name><item>…</item>…</name>`, present even if it is empty.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        item: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for value in items {
                xml.element(item, |xml| write(xml, value));
            }
        });
    }

    pub(crate) fn texts(
        &mut self,
        name: &str,
        item: &str,
        texts: impl IntoIterator<Item = impl Display>,
    ) {
        self.element(name, |xml| {
            for text in texts {
                xml.text(item, text);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn texts_are_escaped_and_lists_may_be_empty() {
        let xml = Xml::root("R", "urn:x", |xml| {
            xml.text("a", "<&>\"\u{1}\r");
            xml.list("none", "item", [] as [u8; 0], |_, _| ());
            xml.texts("two", "item", [1, 2]);
            xml.optional("absent", None::<&str>);
        });
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R xmlns=\"urn:x\"><a>&lt;&amp;&gt;&quot;&#13;</a>\
             <none></none><two><item>1</item><item>2</item></two></R>"
        );
    }
}
