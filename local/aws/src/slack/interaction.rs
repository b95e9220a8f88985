use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::signature::slack_signature;
use super::text::text_of;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Did {
    Press,
    /// With the id of the view.
    Submit(String),
    Close,
}

/// What Slack posts to the app when a person presses a button, or submits or closes a modal: all that goes over the
/// wire. A caller whose app answered it tells the double with [`Slack::answered`](crate::Slack::answered).
///
/// The methods make of it what Slack would never send, signed again unless they say otherwise.
///
/// ```
/// use local_aws::{NewChannel, Slack, SlackConfig};
///
/// let slack = Slack::new(SlackConfig::default());
/// slack.put_channel(NewChannel::new("C1", "reviews"));
/// let none = slack.press("U1", "C1", "1767225600.000001", "approve");
/// assert!(none.is_err(), "there is no such message");
/// ```
#[derive(Clone)]
pub struct Interaction {
    /// The request's headers: `Content-Type`, `X-Slack-Request-Timestamp`, `X-Slack-Signature` and so on.
    pub headers: Vec<(String, String)>,
    /// The request's body: a form with the field `payload`.
    pub body: Vec<u8>,
    pub(crate) payload: Value,
    pub(crate) did: Did,
    pub(crate) user: String,
    /// Whole seconds since 1970.
    timestamp: i64,
    secret: String,
}

impl Interaction {
    pub(crate) fn new(payload: Value, did: Did, at: Timestamp, secret: String) -> Self {
        let user = payload.get("user").map(|user| text_of(user, "id"));
        Self {
            headers: Vec::new(),
            body: Vec::new(),
            did,
            user: user.unwrap_or_default().to_owned(),
            timestamp: at.as_second(),
            secret,
            payload,
        }
        .encoded()
    }

    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// The first header of this name. Case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The trigger id. It opens one modal within three seconds.
    pub fn trigger_id(&self) -> &str {
        text_of(&self.payload, "trigger_id")
    }

    /// Where messages can be posted to, of what was done in a message.
    pub fn response_url(&self) -> Option<&str> {
        self.payload.get("response_url").and_then(Value::as_str)
    }

    #[must_use]
    pub fn with_team(self, team_id: &str) -> Self {
        self.with_payload(|payload| {
            for field in ["/team/id", "/user/team_id", "/view/team_id"] {
                set(payload, field, team_id);
            }
        })
    }

    /// As pressed by a user of another workspace that shares the channel.
    #[must_use]
    pub fn with_users_team(self, team_id: &str) -> Self {
        self.with_payload(|payload| set(payload, "/user/team_id", team_id))
    }

    /// As for an app that a whole Enterprise organization has installed: Slack names the organization and no workspace.
    #[must_use]
    pub fn with_org_install(self, enterprise_id: &str) -> Self {
        self.with_organization(enterprise_id)
            .with_payload(|payload| {
                set_to(payload, "is_enterprise_install", Value::Bool(true));
                set_to(payload, "team", Value::Null);
            })
    }

    /// In a workspace that belongs to an Enterprise organization: of the person, Slack names that in place of
    /// the workspace ("The `user.team_id` will report an enterprise organization ID").
    #[must_use]
    pub fn with_organization(self, enterprise_id: &str) -> Self {
        self.with_payload(|payload| {
            set_to(
                payload,
                "enterprise",
                json!({ "id": enterprise_id, "name": "local" }),
            );
            set(payload, "/user/team_id", enterprise_id);
            if let Some(team) = payload.get_mut("team").and_then(Value::as_object_mut) {
                team.insert("enterprise_id".to_owned(), json!(enterprise_id));
                team.insert("enterprise_name".to_owned(), json!("local"));
            }
        })
    }

    #[must_use]
    pub fn with_app(self, app_id: &str) -> Self {
        self.with_payload(|payload| {
            for field in ["/api_app_id", "/view/app_id"] {
                set(payload, field, app_id);
            }
        })
    }

    #[must_use]
    pub fn with_user(self, user_id: &str) -> Self {
        self.with_payload(|payload| set(payload, "/user/id", user_id))
    }

    /// With another payload.
    #[must_use]
    pub fn with_payload(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.payload);
        self.encoded()
    }

    /// With another body, which is not checked.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.signed()
    }

    /// Signed at another time.
    #[must_use]
    pub fn signed_at(mut self, at: Timestamp) -> Self {
        self.timestamp = at.as_second();
        self.signed()
    }

    /// Signed with another secret.
    #[must_use]
    pub fn signed_with(mut self, secret: impl Into<String>) -> Self {
        self.secret = secret.into();
        self.signed()
    }

    /// With a body that was changed after it was signed.
    #[must_use]
    pub fn tampered(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.body);
        self
    }

    /// With another header, or without it; nothing is signed again.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn encoded(mut self) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &self.payload.to_string());
        self.body = form.finish().into_bytes();
        self.signed()
    }

    fn signed(mut self) -> Self {
        let timestamp = self.timestamp.to_string();
        let signature = slack_signature(&self.secret, &timestamp, &self.body);
        self.headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json,*/*"),
            ("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
            ("X-Slack-Request-Timestamp", &timestamp),
            ("X-Slack-Signature", &signature),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        self
    }
}

/// Sets a field if it is there.
fn set(payload: &mut Value, pointer: &str, value: &str) {
    if let Some(field) = payload.pointer_mut(pointer) {
        *field = Value::from(value);
    }
}

/// Sets a field of the payload itself.
fn set_to(payload: &mut Value, name: &str, value: Value) {
    if let Some(fields) = payload.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Without the signature, which is as good as a password for five minutes.
impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interaction")
            .field("did", &self.did)
            .field("user", &self.user)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
