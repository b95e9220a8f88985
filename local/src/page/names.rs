//! The names of the page's forms and sections.

/// The form that creates an endpoint.
pub(super) const CREATE_ENDPOINT: &str = "create-endpoint";
/// The list that endpoints are deleted from.
pub(super) const CONNECTIONS: &str = "connections-now";
/// The form that adds one.
pub(super) const ADD_ENTRY: &str = "add-entry";
/// The list that items are removed from.
pub(super) const ENTRIES: &str = "entries";
/// The form that adds one.
pub(super) const ADD_APPROVER: &str = "add-approver";
/// The forms of the channel: who one is, and its buttons.
pub(super) const CHAT: &str = "chat-now";

/// The id of the form with the settings of a service, or of all.
pub(super) fn settings_of(scope: &str) -> String {
    format!("settings-{scope}")
}

/// The id of the form in a modal.
pub(super) fn form_of(modal: &str) -> String {
    format!("modal-{modal}")
}
