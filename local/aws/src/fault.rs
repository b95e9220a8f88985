use std::collections::VecDeque;

use crate::query::Params;

/// Something that goes wrong with calls of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The action, for example `AcceptVpcEndpointConnections` or `chat.postMessage`, or `*` for all.
    pub action: String,
    pub kind: FaultKind,
    pub times: u32,
}

impl Fault {
    /// One call of `action` goes wrong.
    pub fn new(action: impl Into<String>, kind: FaultKind) -> Self {
        Self {
            action: action.into(),
            kind,
            times: 1,
        }
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// All calls go wrong, until [`clear_faults`](crate::Control::clear_faults).
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused before any work: EC2 `RequestLimitExceeded` (503), SNS `Throttling` (400), Organizations
    /// `TooManyRequestsException` (400), EventBridge and Secrets Manager `ThrottlingException` (400), Slack
    /// `ratelimited` (429) with `Retry-After`.
    Throttle,
    /// HTTP 500 before any work.
    InternalError,
    /// HTTP 503 before any work.
    Unavailable,
    /// No answer, and no work: until the client gives up or [`release`](crate::Control::release) is called.
    Hang,
    /// The work is done, then the connection breaks: the client cannot know.
    AnswerLost,
    /// The work is done, then no answer comes, until the client gives up or [`release`](crate::Control::release) is
    /// called: the client cannot know.
    AnswerHangs,
    /// The work is done, then HTTP 500 is answered: the client cannot know.
    AnswerFails,
    /// Refused before any work: EC2 `UnauthorizedOperation` (403), SNS `AuthorizationError` (403), Organizations,
    /// EventBridge and Secrets Manager `AccessDeniedException` (400), Slack `invalid_auth` (200).
    Unauthorized,
    /// HTTP 400 (Slack: 200) before any work, thrown for the whole call, for what may be the fault of one item in it.
    Refused {
        code: String,
        message: String,
        /// The fault refuses calls that name one of these items; with no items, all calls. Other calls do not use the
        /// fault up.
        items: Vec<String>,
    },
    /// HTTP 200, but these items are answered as failed, and nothing is done for them. For actions with per-item
    /// results: Accept and Reject of EC2 (endpoint ids), `PublishBatch` of SNS (entry ids), `PutEvents` of EventBridge
    /// (one of an entry's `Resources`).
    Unsuccessful {
        /// The code of each of these items.
        code: String,
        /// The text of each of these items.
        message: String,
        /// The items that fail; with no items, all. A call that names none of them does not use the fault up.
        items: Vec<String>,
    },
}

/// A failure of some of the items of a call.
#[derive(Debug, Clone)]
pub(crate) struct ItemFault {
    pub(crate) code: String,
    pub(crate) message: String,
    items: Vec<String>,
}

impl ItemFault {
    pub(crate) fn covers_all(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn covers(&self, item: &str) -> bool {
        self.items.is_empty() || self.items.iter().any(|covered| covered == item)
    }
}

/// The faults that wait for their calls, first in, first out.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push_back(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.0.iter().cloned().collect()
    }

    /// The first fault that concerns this call, used up by one.
    pub(crate) fn take(&mut self, action: &str, params: &Params) -> Option<FaultKind> {
        let concerns = |fault: &Fault| {
            let items = match &fault.kind {
                FaultKind::Unsuccessful { items, .. } | FaultKind::Refused { items, .. } => {
                    items.as_slice()
                }
                _ => &[],
            };
            (fault.action == "*" || fault.action == action)
                && (items.is_empty()
                    || params
                        .pairs()
                        .iter()
                        .any(|(_, value)| items.contains(value)))
        };
        let at = self.0.iter().position(concerns)?;
        let fault = self.0.get_mut(at)?;
        let kind = fault.kind.clone();
        if fault.times != u32::MAX {
            fault.times -= 1;
        }
        if fault.times == 0 {
            self.0.remove(at);
        }
        Some(kind)
    }
}

impl From<(String, String, Vec<String>)> for ItemFault {
    fn from((code, message, items): (String, String, Vec<String>)) -> Self {
        Self {
            code,
            message,
            items,
        }
    }
}
