//! A person's action in Slack, from the body of Slack's request.
//!
//! <https://docs.slack.dev/interactivity/handling-user-interaction>. The body is a form with one field,
//! `payload`, of JSON. Check the request's [signature](crate::signature) first: until then, anybody can
//! have written it. What a modal sends back has been in a person's client. It names the request that they
//! mean, and proves no right to it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::address::{BaseUrl, InvalidAddress, ResponseUrl};
use crate::form;
use crate::ids::{AppId, ChannelId, EnterpriseId, MessageTs, TeamId, TenantId, UserId};

/// Longer bodies are refused unread. Slack's largest is a modal of 250 KB, encoded.
pub const BODY_LIMIT: usize = 1 << 20;

/// A person's action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interaction {
    /// Pressed a button.
    Pressed(Pressed),
    /// Sent a modal in.
    Submitted(Submitted),
    /// Closed a modal.
    Closed(Closed),
    /// An interaction that is not used here, by its type.
    Ignored(String),
}

/// Who did it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The person.
    pub user: UserId,
    /// The person's own workspace, or its organization. It is another one if a channel is shared with another
    /// company. `None` if Slack does not say it.
    pub user_tenant: Option<TenantId>,
    /// The workspace where it happened; of a modal, that of the sender. `None` if the app is installed for a
    /// whole organization and Slack does not say it.
    pub team: Option<TeamId>,
    /// The organization of that workspace, or for which the app is installed.
    pub organization: Option<EnterpriseId>,
    /// The app whose button or modal it was.
    pub app: AppId,
}

/// A button that was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// Who did it.
    pub by: By,
    /// Which button.
    pub action_id: String,
    /// What it says.
    pub value: String,
    /// The message that it is in. `None` for one in a modal.
    pub message: Option<Place>,
    /// Lets us open a modal.
    pub trigger_id: TriggerId,
    /// Where to answer.
    pub response_url: Option<ResponseUrl>,
}

/// A message, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its channel.
    pub channel: ChannelId,
    /// Its time.
    pub ts: MessageTs,
}

/// A modal that was sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Who did it.
    pub by: By,
    /// Which modal.
    pub callback_id: String,
    /// What it was to remember.
    pub private_metadata: String,
    /// What was written, by `block_id` and `action_id`.
    inputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Submitted {
    /// What was written into an input, if anything.
    #[must_use]
    pub fn input(&self, block_id: &str, action_id: &str) -> Option<&str> {
        let value = self.inputs.get(block_id)?.get(action_id)?;
        Some(value)
    }
}

/// A modal that was closed without being sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Who did it.
    pub by: By,
    /// Which modal.
    pub callback_id: String,
    /// What it was to remember.
    pub private_metadata: String,
}

/// Opens one modal within three seconds, for the person who acted. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct TriggerId(String);

impl TriggerId {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TriggerId(…)")
    }
}

/// Why a body is not an interaction. The error quotes nothing of it but an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long to be one.
    #[error("the body has {0} bytes, more than {BODY_LIMIT}")]
    TooLong(usize),
    /// It is not a form.
    #[error("the body is not a form of UTF-8")]
    NotAForm,
    /// It is a form with other fields.
    #[error("the form does not hold the field `payload` once and nothing else")]
    Fields,
    /// The field is not JSON, or not of the shape that its type has.
    #[error("the payload cannot be read ({0})")]
    Payload(String),
    /// A button's press without a button, or with more than one.
    #[error("the payload holds {0} actions where a person does one")]
    Actions(usize),
    /// The address to answer at is not Slack's.
    #[error(transparent)]
    ResponseUrl(#[from] InvalidAddress),
}

/// Reads the raw body of a request; `base` is where Slack is.
///
/// # Errors
/// [`Malformed`], with what is wrong.
pub fn decode(body: &[u8], base: &BaseUrl) -> Result<Interaction, Malformed> {
    if body.len() > BODY_LIMIT {
        return Err(Malformed::TooLong(body.len()));
    }
    let fields = form::decode(body).ok_or(Malformed::NotAForm)?;
    let payload = match fields.as_slice() {
        [(name, payload)] if name == "payload" => payload,
        _ => return Err(Malformed::Fields),
    };
    let Kind { r#type } = read(payload)?;
    match r#type.as_str() {
        "block_actions" => pressed(read(payload)?, base),
        "view_submission" => {
            let view: ViewPayload = read(payload)?;
            Ok(Interaction::Submitted(Submitted {
                by: view.by(),
                callback_id: view.view.callback_id,
                private_metadata: view.view.private_metadata,
                inputs: view.view.state.unwrap_or_default().inputs(),
            }))
        }
        "view_closed" => {
            let view: ViewPayload = read(payload)?;
            Ok(Interaction::Closed(Closed {
                by: view.by(),
                callback_id: view.view.callback_id,
                private_metadata: view.view.private_metadata,
            }))
        }
        other => Ok(Interaction::Ignored(other.chars().take(40).collect())),
    }
}

fn pressed(payload: ActionsPayload, base: &BaseUrl) -> Result<Interaction, Malformed> {
    let by = payload.by();
    let mut actions = payload.actions;
    let action = match (actions.pop(), actions.len()) {
        (Some(action), 0) => action,
        (Some(_), others) => return Err(Malformed::Actions(others + 1)),
        (None, _) => return Err(Malformed::Actions(0)),
    };
    if action.r#type != "button" {
        return Ok(Interaction::Ignored(
            action.r#type.chars().take(40).collect(),
        ));
    }
    let response_url = payload.response_url.filter(|url| !url.is_empty());
    Ok(Interaction::Pressed(Pressed {
        by,
        action_id: action.action_id,
        value: action.value.unwrap_or_default(),
        message: payload.container.and_then(Container::message),
        trigger_id: payload.trigger_id,
        response_url: response_url
            .map(|url| ResponseUrl::parse(&url, base))
            .transpose()?,
    }))
}

fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Malformed> {
    // What serde says may quote the payload at any length.
    const SAID: usize = 160;
    serde_json::from_str(payload)
        .map_err(|error| Malformed::Payload(error.to_string().chars().take(SAID).collect()))
}

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct User {
    id: UserId,
    team_id: Option<TenantId>,
}

/// Null for an app that is installed for a whole organization.
#[derive(Deserialize)]
struct Team {
    id: TenantId,
    enterprise_id: Option<EnterpriseId>,
}

#[derive(Deserialize)]
struct Enterprise {
    id: EnterpriseId,
}

#[derive(Deserialize)]
struct ActionsPayload {
    user: User,
    team: Option<Team>,
    enterprise: Option<Enterprise>,
    api_app_id: AppId,
    actions: Vec<Action>,
    container: Option<Container>,
    trigger_id: TriggerId,
    response_url: Option<String>,
}

#[derive(Deserialize)]
struct ViewPayload {
    user: User,
    team: Option<Team>,
    enterprise: Option<Enterprise>,
    api_app_id: AppId,
    view: View,
}

impl ActionsPayload {
    fn by(&self) -> By {
        by(
            &self.user,
            self.team.as_ref(),
            self.enterprise.as_ref(),
            &self.api_app_id,
        )
    }
}

impl ViewPayload {
    fn by(&self) -> By {
        by(
            &self.user,
            self.team.as_ref(),
            self.enterprise.as_ref(),
            &self.api_app_id,
        )
    }
}

fn by(user: &User, team: Option<&Team>, enterprise: Option<&Enterprise>, app: &AppId) -> By {
    let (workspace, its_organization) = match team.map(|team| (&team.id, &team.enterprise_id)) {
        Some((TenantId::Workspace(id), organization)) => (Some(id), organization.as_ref()),
        Some((TenantId::Organization(id), _)) => (None, Some(id)),
        None => (None, None),
    };
    By {
        user: user.id.clone(),
        user_tenant: user.team_id.clone(),
        team: workspace.cloned(),
        organization: its_organization
            .or(enterprise.map(|enterprise| &enterprise.id))
            .cloned(),
        app: app.clone(),
    }
}

#[derive(Deserialize)]
struct Action {
    r#type: String,
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Container {
    Message {
        channel_id: ChannelId,
        message_ts: MessageTs,
    },
    #[serde(other)]
    Other,
}

impl Container {
    fn message(self) -> Option<Place> {
        match self {
            Self::Message {
                channel_id,
                message_ts,
            } => Some(Place {
                channel: channel_id,
                ts: message_ts,
            }),
            Self::Other => None,
        }
    }
}

#[derive(Deserialize)]
struct View {
    callback_id: String,
    #[serde(default)]
    private_metadata: String,
    state: Option<State>,
}

#[derive(Deserialize, Default)]
struct State {
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, Value>>,
}

impl State {
    /// The texts among the inputs. One that was left empty has no value.
    fn inputs(self) -> BTreeMap<String, BTreeMap<String, String>> {
        let texts = |inputs: BTreeMap<String, Value>| {
            let text = |(id, input): (String, Value)| {
                let value = input.get("value")?.as_str()?;
                Some((id, value.to_owned()))
            };
            inputs.into_iter().filter_map(text).collect()
        };
        self.values
            .into_iter()
            .map(|(block, inputs)| (block, texts(inputs)))
            .collect()
    }
}

impl<'de> Deserialize<'de> for TriggerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_one = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if is_one {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("the trigger_id is none"))
        }
    }
}

#[cfg(test)]
#[path = "interaction_tests.rs"]
mod tests;
