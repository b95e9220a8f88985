//! Counts and logs a call, runs the hooks, and lets the faults disturb it. The protocol does not matter here.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};

use crate::caller::Caller;
use crate::control::{CallPhase, CallRecord, Control};
use crate::fault::{FaultKind, ItemFault};
use crate::query::Params;

/// A call as the control sees it.
pub(crate) struct Incoming<'a> {
    pub(crate) action: &'a str,
    /// The parameters that a fault looks at.
    pub(crate) params: &'a Params,
    /// The parameters that the log keeps.
    pub(crate) logged: Vec<(String, String)>,
    pub(crate) caller: &'a Caller,
}

pub(crate) enum Course {
    /// It is carried out, perhaps with some items that fail.
    Work(Option<ItemFault>),
    /// It is refused without any work.
    Refused(FaultKind),
}

/// An answer, and the code of the error that it tells.
pub(crate) struct Outcome {
    response: Response,
    error: Option<String>,
}

impl Outcome {
    pub(crate) fn of(response: Response) -> Self {
        let error = None;
        Self { response, error }
    }

    pub(crate) fn failed(response: Response, code: impl Into<String>) -> Self {
        let error = Some(code.into());
        Self { response, error }
    }
}

/// Answers a call with what `answer` makes of it: counted, logged, with the hook run, and disturbed by the first fault
/// that concerns it.
pub(crate) async fn exchange(
    control: &Control,
    call: Incoming<'_>,
    answer: impl Fn(Course) -> Outcome,
) -> Response {
    let record = |error: Option<&str>| {
        control.record(CallRecord {
            action: call.action.to_owned(),
            caller: call.caller.clone(),
            params: call.logged.clone(),
            error: error.map(str::to_owned),
        });
    };
    control.count(call.action);
    control.hook(call.action, CallPhase::Before);
    let fault = control.take_fault(call.action, call.params);
    let course = match fault.clone() {
        None | Some(FaultKind::AnswerLost | FaultKind::AnswerHangs | FaultKind::AnswerFails) => {
            Course::Work(None)
        }
        Some(FaultKind::Hang) => return hang(control, || record(Some("Hang"))).await,
        Some(FaultKind::Unsuccessful {
            code,
            message,
            items,
        }) => Course::Work(Some(ItemFault::from((code, message, items)))),
        Some(kind) => Course::Refused(kind),
    };
    let mut outcome = answer(course);
    control.hook(call.action, CallPhase::After);
    match fault {
        Some(FaultKind::AnswerLost) => {
            record(Some("AnswerLost"));
            return broken();
        }
        Some(FaultKind::AnswerHangs) => {
            return hang(control, || record(Some("AnswerHangs"))).await;
        }
        Some(FaultKind::AnswerFails) => {
            outcome = answer(Course::Refused(FaultKind::InternalError));
        }
        _ => {}
    }
    record(outcome.error.as_deref());
    outcome.response
}

/// Does not answer until it is released.
async fn hang(control: &Control, record: impl FnOnce()) -> Response {
    let mut released = control.released();
    // The log shows the call only from now on, so that a test that sees it there can release it.
    record();
    // An error means that the simulator is gone, which is an end as well.
    let _ = released.changed().await;
    broken()
}

/// An answer that breaks off: its body fails, upon which the server closes the connection.
fn broken() -> Response {
    let body = futures_util::stream::once(async {
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    // The length that never comes keeps a client from taking the break for the end.
    ([(CONTENT_LENGTH, "1")], Body::from_stream(body)).into_response()
}
