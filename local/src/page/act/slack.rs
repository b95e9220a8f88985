//! What people do in Slack.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use gatekeeper_core::approver::SlackUserId;

use super::super::chat::Modal;
use super::super::forms::{Complaint, Form};
use super::super::names::{CHAT, form_of};
use super::super::read::{Reader, Shared};
use super::answer::answer;
use crate::slack::Workspace;

const PLACE: &str = "/#chat";

/// Somebody else sits down at the keyboard.
pub(in super::super) async fn be_in_slack(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(CHAT, &body);
    let done = be(&reader, &form);
    answer(&reader, form, done, PLACE).await
}

fn be(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let user: SlackUserId = form.parse("user")?;
    workspace(reader)?.set_present(user.as_str());
    Ok(())
}

pub(in super::super) async fn press_in_slack(
    State(reader): State<Shared>,
    body: Bytes,
) -> Response {
    let form = Form::filled(CHAT, &body);
    let done = press(&reader, &form).await;
    answer(&reader, form, done, PLACE).await
}

async fn press(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let user: SlackUserId = form.parse("user")?;
    let workspace = workspace(reader)?;
    let errors = Errors::so_far(workspace, &user);
    let pressed = workspace.press(user.as_str(), form.get("ts"), form.get("action_id"));
    pressed.await.map_err(|error| refused(&error))?;
    errors.none_since()
}

pub(in super::super) async fn submit_in_slack(
    State(reader): State<Shared>,
    body: Bytes,
) -> Response {
    let sent = Form::filled("", &body);
    let form = Form::filled(form_of(sent.get("view_id")), &body);
    let done = submit(&reader, &form).await;
    answer(&reader, form, done, PLACE).await
}

async fn submit(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let user: SlackUserId = form.parse("user")?;
    let workspace = workspace(reader)?;
    let errors = Errors::so_far(workspace, &user);
    let view = form.get("view_id");
    let modal = modal(workspace, &user, view);
    let fields = modal.iter().flat_map(Modal::inputs);
    let values: Vec<(&str, &str)> = fields
        .map(|input| (input.id.as_str(), form.get(&input.id)))
        .collect();
    if let Some((field, _)) = values.iter().find(|(_, value)| value.is_empty()) {
        let message = "Slack wants something here before it sends this.";
        return Err(Complaint::new((*field).to_owned(), message));
    }
    let submitted = workspace.submit(user.as_str(), view, &values);
    submitted.await.map_err(|error| refused(&error))?;
    errors.none_since()?;
    // What was typed stays with what the app found wrong with it.
    let modal = self::modal(workspace, &user, view);
    let wrong = modal.iter().flat_map(Modal::inputs);
    let mut wrong = wrong.filter_map(|input| Some((input.id.clone(), input.error.clone()?)));
    wrong
        .next()
        .map_or(Ok(()), |(field, error)| Err(Complaint::new(field, error)))
}

pub(in super::super) async fn close_in_slack(
    State(reader): State<Shared>,
    body: Bytes,
) -> Response {
    let form = Form::filled(CHAT, &body);
    let done = close(&reader, &form).await;
    answer(&reader, form, done, PLACE).await
}

async fn close(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let user: SlackUserId = form.parse("user")?;
    let closed = workspace(reader)?.close(user.as_str(), form.get("view_id"));
    closed.await.map_err(|error| refused(&error))
}

fn workspace(reader: &Reader) -> Result<&Workspace, Complaint> {
    let workspace = reader.source.slack.as_deref();
    workspace.ok_or_else(|| Complaint::new("user", "There is no Slack in this world."))
}

fn modal(workspace: &Workspace, user: &SlackUserId, id: &str) -> Option<Modal> {
    let views = workspace.slack.views(user.as_str());
    views.iter().find(|view| view.id == id).map(Modal::of)
}

fn refused(error: &local_aws::CannotDo) -> Complaint {
    Complaint::new("user", format!("Slack does not do it: {error}."))
}

/// The errors that Slack has shown to somebody before they did something.
struct Errors<'a> {
    workspace: &'a Workspace,
    user: String,
    before: usize,
}

impl<'a> Errors<'a> {
    fn so_far(workspace: &'a Workspace, user: &SlackUserId) -> Self {
        Self {
            workspace,
            user: user.to_string(),
            before: workspace.slack.errors_shown(user.as_str()).len(),
        }
    }

    fn none_since(&self) -> Result<(), Complaint> {
        let errors = self.workspace.slack.errors_shown(&self.user);
        errors.get(self.before).map_or(Ok(()), |error| {
            let message = format!("Slack shows that it did not work: {}.", error.why);
            Err(Complaint::new("user", message))
        })
    }
}
