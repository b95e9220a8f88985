//! What became of a request, and when.

use gatekeeper_core::request::{Cause, Transition};
use gatekeeper_slack_api::text::Mrkdwn;
use jiff::Timestamp;

/// A moment as people read it; everybody in the same time zone, since they talk about it.
pub(super) fn moment(at: Timestamp) -> Mrkdwn {
    Mrkdwn::line(&at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Whether a transition is somebody's or something's decision, and not what came of one.
pub(super) fn decides(transition: &Transition) -> bool {
    !matches!(
        transition.cause,
        Cause::Enforced | Cause::Refused | Cause::Ended
    )
}
