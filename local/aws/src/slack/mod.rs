//! A double of Slack that checks what Slack checks: the Web API's methods that an app posts, changes and reads messages
//! and opens modals with; what people see of it; and what Slack posts to the app when they press a button or submit a
//! modal, signed as Slack signs it.

mod answer;
mod api;
mod args;
mod blocks;
mod chat;
mod config;
mod errors;
mod history;
mod interaction;
mod message;
mod mrkdwn;
mod people;
mod response_url;
mod signature;
mod store;
mod text;
mod views;
mod workspace;

pub use config::{NewChannel, SlackConfig, SlackOptions};
pub use interaction::Interaction;
pub use message::{
    LinkKind, SlackAuthor, SlackContent, SlackEphemeral, SlackLink, SlackMarkup, SlackMessage,
    SlackPlace, SlackShownError, SlackView,
};
pub use people::CannotDo;
pub use signature::slack_signature;
pub use workspace::{Slack, SlackState};
