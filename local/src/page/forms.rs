//! What was entered into a form, and what is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// A form as it was filled in. It is shown again until it is right.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Which one; empty for whatever form has fields of these names.
    id: String,
    values: BTreeMap<String, String>,
    complaint: Option<Complaint>,
}

/// What is wrong with a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The field at fault.
    pub(super) field: Cow<'static, str>,
    /// What is wrong with it, in one sentence.
    pub(super) message: String,
}

impl Complaint {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl Form {
    /// A form as a browser sends it.
    pub(super) fn filled(id: impl Into<String>, body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body);
        Self {
            id: id.into(),
            values: pairs
                .map(|(name, value)| (name.into_owned(), value.trim().to_owned()))
                .collect(),
            complaint: None,
        }
    }

    /// What a link fills in, for somebody to look at and to send.
    pub(super) fn prefilled(query: &str) -> Self {
        Self::filled("", query.as_bytes())
    }

    /// The same, with what is wrong with it.
    pub(super) fn refused(self, complaint: Complaint) -> Self {
        Self {
            complaint: Some(complaint),
            ..self
        }
    }

    /// What stands in a field of one of the forms.
    pub(super) fn value(&self, id: &str, field: &str) -> &str {
        if self.id == id || self.id.is_empty() {
            self.get(field)
        } else {
            ""
        }
    }

    /// Whether this form, and no other, was filled in.
    pub(super) fn is(&self, id: &str) -> bool {
        self.id == id
    }

    /// Whether a link has filled something into this field.
    pub(super) fn is_prefilled(&self, field: &str) -> bool {
        self.id.is_empty() && !self.get(field).is_empty()
    }

    /// Whether this field of one of the forms is at fault.
    pub(super) fn is_wrong(&self, id: &str, field: &str) -> bool {
        let at_fault = |complaint: &Complaint| self.id == id && complaint.field == field;
        self.complaint.as_ref().is_some_and(at_fault)
    }

    /// What is wrong with the form; nothing, if nothing is.
    pub(super) fn message(&self) -> &str {
        let complaint = self.complaint.as_ref();
        complaint.map_or("", |complaint| &complaint.message)
    }

    /// What stands in a field; empty if there is no such field.
    pub(super) fn get(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// What stands in a field that may be empty.
    pub(super) fn optional(&self, field: &str) -> Option<String> {
        Some(self.get(field).to_owned()).filter(|text| !text.is_empty())
    }

    /// What stands in a field, as the product itself understands it.
    pub(super) fn parse<T: FromStr<Err: Display>>(
        &self,
        field: &'static str,
    ) -> Result<T, Complaint> {
        let parsed = self.get(field).parse();
        parsed.map_err(|error: T::Err| Complaint::new(field, sentence(&error.to_string())))
    }

    /// What stands in a field that may be empty, as the product itself understands it.
    pub(super) fn parse_optional<T: FromStr<Err: Display>>(
        &self,
        field: &'static str,
    ) -> Result<Option<T>, Complaint> {
        match self.get(field) {
            "" => Ok(None),
            _ => self.parse(field).map(Some),
        }
    }

    /// The same for what has no words of the product's own: `expected` says what it is.
    pub(super) fn parse_as<T: FromStr>(
        &self,
        field: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Complaint> {
        let text = self.get(field);
        if text.is_empty() {
            return Ok(None);
        }
        let parsed = text.parse().map(Some);
        parsed.map_err(|_| Complaint::new(field, format!("{text:?} is not {expected}.")))
    }
}

/// With a full stop, as everything that people read here.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use gatekeeper_core::ids::AccountId;

    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = Form::filled(
            "a",
            b"account_id=+012345678901%0A&customer=M%C3%BCller+%26+S&x",
        );
        assert_eq!(form.get("customer"), "Müller & S");
        let account: AccountId = form.parse("account_id").unwrap();
        assert_eq!(account.as_str(), "012345678901");
        assert_eq!(form.optional("x"), None);
        assert_eq!(form.value("b", "customer"), "");
        let linked = Form::prefilled("customer=M%C3%BCller");
        assert_eq!(linked.value("b", "customer"), "Müller");
    }

    #[test]
    fn what_is_wrong_is_told_by_the_field_and_in_the_products_words() {
        let form = Form::filled("a", b"account_id=12345&max_connections=-1");
        let wrong = form.parse::<AccountId>("account_id").unwrap_err();
        assert_eq!(wrong.field, "account_id");
        assert_eq!(
            wrong.message,
            r#""12345" is not an AWS account id: 12 digits, leading zeros included."#
        );
        let wrong = form.parse_as::<u32>("max_connections", "a whole number");
        assert_eq!(wrong.unwrap_err().message, r#""-1" is not a whole number."#);
        let form = form.refused(Complaint::new("account_id", "no"));
        assert!(form.is_wrong("a", "account_id") && !form.is_wrong("b", "account_id"));
    }
}
