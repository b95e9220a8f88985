//! Shows a [`State`]. What comes from outside is text to the template, which escapes all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use gatekeeper_core::policy::{Effect, Entry, Principal, Scope};
use gatekeeper_core::purge;
use gatekeeper_core::request::Status;
use gatekeeper_core::visible::visible;
use gatekeeper_core::words;
use jiff::Timestamp;

use super::chat::{Modal, Part};
use super::forms::{Form, sentence};
use super::mrkdwn::Span;
use super::names::{
    ADD_APPROVER, ADD_ENTRY, CHAT, CONNECTIONS, CREATE_ENDPOINT, ENTRIES, form_of, settings_of,
};
use super::read::Reader;
use super::state::{Connection, Consumer, State};
use super::text::{Piece, ago, pieces};
use gatekeeper_core::policy::settings::{Kind, SETTINGS, Setting};

/// The page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct View<'a> {
    state: &'a State,
    form: &'a Form,
    now: Timestamp,
    environment: Vec<(&'static str, String)>,
}

/// A moment: how far away it is, and exactly.
#[derive(Template)]
#[template(
    source = r#"<time datetime="{{ at }}" title="{{ at }}">{{ words }}</time>"#,
    ext = "html"
)]
struct Time {
    at: String,
    words: String,
}

impl HtmlSafe for Time {}

/// How a status looks: a shape and a tone besides its word.
struct Look {
    word: &'static str,
    /// The name of the picture and of the style.
    tone: &'static str,
}

impl<'a> View<'a> {
    pub(super) fn new(state: &'a State, reader: &Reader, form: &'a Form) -> Self {
        Self {
            state,
            form,
            now: reader.source.clock.now(),
            environment: reader.environment(),
        }
    }

    pub(super) fn html(&self) -> Result<String, askama::Error> {
        let html = self.render()?;
        Ok(match visible(&html) {
            Cow::Borrowed(_) => html,
            Cow::Owned(shown) => shown,
        })
    }

    fn time(&self, at: &Timestamp) -> Time {
        Time {
            at: format!("{at:.0}"),
            words: ago(*at, self.now),
        }
    }

    fn consumers(&self) -> Vec<Consumer> {
        self.state.consumers()
    }

    fn look(connection: &Connection) -> Look {
        let (word, tone) = match connection.request.as_ref().map(|one| one.request.status) {
            Some(status) => {
                let tone = match status {
                    Status::Accepted => "accepted",
                    Status::Rejected => "rejected",
                    Status::InReview => "review",
                    Status::Accepting | Status::Rejecting | Status::Revoking => "moving",
                    Status::Gone => "gone",
                };
                (words::status(status), tone)
            }
            None if connection.managed => ("not decided yet", "moving"),
            None => ("not managed", "gone"),
        };
        Look { word, tone }
    }

    /// Whether people are waited for.
    fn is_open(connection: &Connection) -> bool {
        let request = connection.request.as_ref().map(|one| &one.request);
        request.is_some_and(|request| request.status == Status::InReview)
    }

    fn words(status: &Status) -> &'static str {
        words::status(*status)
    }

    fn pieces(text: &str) -> Vec<Piece> {
        pieces(text)
    }

    /// What an entry asks for besides, in words.
    fn conditions(&self, entry: &Entry) -> Vec<String> {
        let conditions = entry.conditions();
        let mut words = Vec::new();
        match conditions.max_connections {
            None => {}
            Some(1) => words.push("1 connection at most".to_owned()),
            Some(n) => words.push(format!("{n} connections at most")),
        }
        if let Some(regions) = &conditions.regions {
            let regions: Vec<&str> = regions
                .iter()
                .map(gatekeeper_core::ids::Region::as_str)
                .collect();
            words.push(format!("in {}", regions.join(", ")));
        }
        if let Some(end) = conditions.expires_at {
            let word = if entry.is_expired(self.now) {
                "expired"
            } else {
                "until"
            };
            words.push(format!("{word} {end:.0}"));
        }
        words
    }

    /// What is wrong with when DynamoDB may delete an entry.
    fn purge_problem(entry: &Entry) -> Option<String> {
        let wrong = purge::check(entry).err()?;
        Some(sentence(&wrong.to_string()))
    }

    /// What was said of a service's settings, in words.
    fn said(values: &BTreeMap<String, String>) -> Vec<(&'static str, &str)> {
        let said = SETTINGS.iter().filter_map(|setting| {
            let value = values.get(setting.name)?;
            Some((setting.label, setting.in_words(value)))
        });
        said.collect()
    }

    /// What holds where nothing is said of a setting.
    fn unsaid(scope: &Scope, setting: &Setting) -> String {
        match scope {
            Scope::Every => format!("by default: {}", setting.default),
            Scope::Service(_) => Self::all_unsaid(scope).to_owned(),
        }
    }

    fn all_unsaid(scope: &Scope) -> &'static str {
        match scope {
            Scope::Every => "by default",
            Scope::Service(_) => "as for every service",
        }
    }

    fn settings() -> &'static [Setting] {
        SETTINGS
    }

    /// What stands in a field of the settings' form.
    fn setting<'v>(
        &'v self,
        scope: &Scope,
        values: &'v BTreeMap<String, String>,
        name: &str,
    ) -> &'v str {
        let id = Self::form_of(scope);
        if self.form.is(&id) {
            self.form.value(&id, name)
        } else {
            values.get(name).map_or("", String::as_str)
        }
    }

    /// Which keys a phone shows.
    fn keys(setting: &Setting) -> &'static str {
        match setting.kind {
            Kind::Number { .. } => "numeric",
            Kind::Choice(_) | Kind::Name | Kind::Channel => "text",
        }
    }

    fn choices(setting: &Setting) -> Option<&'static [(&'static str, &'static str)]> {
        match setting.kind {
            Kind::Choice(choices) => Some(choices),
            Kind::Number { .. } | Kind::Name | Kind::Channel => None,
        }
    }

    fn value(&self, id: &str, field: &str) -> &str {
        self.form.value(id, field)
    }

    /// The id of the form with the settings of a service, or of all.
    fn form_of(scope: &Scope) -> String {
        settings_of(&scope.to_string())
    }

    /// The id of the form in a modal.
    fn modal_form(modal: &Modal) -> String {
        form_of(&modal.id)
    }

    /// Whether this is what stands in a field.
    fn is_chosen(&self, id: &str, field: &str, choice: &str) -> bool {
        self.form.value(id, field) == choice
    }

    /// For a field at fault, and for no other, what tells assistive technology so.
    fn wrong(&self, id: &str, field: &str) -> Wrong {
        let is_wrong = self.form.is_wrong(id, field);
        Wrong(is_wrong.then(|| format!("{id}-complaint")))
    }
}

/// The attributes of a field at fault.
#[derive(Template)]
#[template(
    source = r#"{% if let Some(id) = self.0 %} aria-invalid="true" aria-describedby="{{ id }}"{% endif %}"#,
    ext = "html"
)]
struct Wrong(Option<String>);

impl HtmlSafe for Wrong {}
