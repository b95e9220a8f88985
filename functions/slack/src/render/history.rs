//! What became of a request, and when.

use gatekeeper_core::request::{Cause, Transition};

/// Whether a transition is somebody's or something's decision, and not what came of one.
pub(super) fn decides(transition: &Transition) -> bool {
    !matches!(
        transition.cause,
        Cause::Enforced | Cause::Refused | Cause::Ended
    )
}
