//! Does what was asked for: as a consumer would, as the allowlist's writer, or as somebody in
//! Slack.

mod answer;
mod approvers;
mod endpoints;
mod entries;
mod settings;
mod slack;

pub(super) use approvers::add_approver;
pub(super) use endpoints::{create_endpoint, delete_endpoint};
pub(super) use entries::{add_entry, remove_item};
pub(super) use settings::put_settings;
pub(super) use slack::{be_in_slack, close_in_slack, press_in_slack, submit_in_slack};
