//! One line of the logs: what happened, and the ids of the invocation.
//!
//! The runtime puts the ids into a span around each invocation. Nothing else of any span is
//! printed, because the fields of other crates' spans are not ours to publish.

use std::fmt::{self, Write as _};

use gatekeeper_core::visible::visible_json;
use serde_json::{Map, Value};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// The name of the runtime's span around an invocation.
const INVOCATION: &str = "Lambda runtime invoke";

/// The span's fields that go into each line: the request id, as in the access log and in Lambda's
/// own lines, and the trace id of AWS X-Ray.
const IDS: [&str; 2] = ["requestId", "xrayTraceId"];

/// Whether this describes the runtime's span around an invocation.
pub(super) fn is_invocation(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.name() == INVOCATION
}

/// Writes JSON lines with the ids of the invocation.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Format<Json>);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut spans = context.event_scope().into_iter().flatten();
        let ids = spans
            .find(|span| is_invocation(span.metadata()))
            .and_then(|span| ids_of::<S, N>(&span));
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        // The code that logs text from outside need not care about invisible characters in it.
        let line = visible_json(&line);
        match (line.trim_end().strip_suffix('}'), ids) {
            (Some(fields), Some(ids)) => writeln!(writer, "{fields}{ids}}}"),
            _ => writer.write_str(&line),
        }
    }
}

/// The ids, as they are appended to a line's own fields.
fn ids_of<S, N>(span: &SpanRef<'_, S>) -> Option<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: 'static,
{
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<N>>()?;
    let fields: Map<String, Value> = serde_json::from_str(fields).ok()?;
    let mut ids = String::new();
    for name in IDS {
        if let Some(value) = fields.get(name) {
            write!(ids, ",\"{name}\":{value}").ok()?;
        }
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use gatekeeper_core::visible::visible;
    use lambda_runtime::Context;
    use lambda_runtime::layers::trace::request_span;
    use serde_json::{Value, json};
    use tracing::subscriber::with_default;

    use crate::telemetry::subscriber;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn invocation(trace: Option<&str>) -> Context {
        let mut context = Context::default();
        context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
        context.xray_trace_id = trace.map(str::to_owned);
        context
    }

    /// The lines that `work` logs, without their time.
    fn logged(level: Option<&str>, work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let to = written.clone();
        with_default(subscriber(level, move || to.clone()), work);
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                let at = line.as_object_mut().unwrap().remove("timestamp").unwrap();
                assert!(at.as_str().unwrap().ends_with('Z'));
                line
            })
            .collect()
    }

    #[test]
    fn each_line_carries_the_invocations_ids_and_nothing_else_of_a_span() {
        let lines = logged(None, || {
            let context = invocation(Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
            let _invocation = request_span(&context).entered();
            tracing::info!(status = "accepted", "decision");
            let _inner = tracing::info_span!("send", secret = "xoxb-1").entered();
            tracing::warn!("a {{ brace }}");
        });
        let (id, trace) = (
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        );
        assert_eq!(
            lines,
            [
                json!({"level": "INFO", "message": "decision", "status": "accepted",
                    "requestId": id, "xrayTraceId": trace}),
                json!({"level": "WARN", "message": "a { brace }", "requestId": id, "xrayTraceId": trace}),
            ]
        );
    }

    #[test]
    fn a_line_without_a_trace_or_outside_an_invocation_leaves_the_ids_out() {
        let lines = logged(None, || {
            tracing::info!("starting");
            let _invocation = request_span(&invocation(None)).entered();
            tracing::info!("working");
        });
        assert_eq!(lines[0], json!({"level": "INFO", "message": "starting"}));
        assert_eq!(
            lines[1],
            json!({"level": "INFO", "message": "working",
                "requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd"})
        );
    }

    #[test]
    fn no_line_has_invisible_characters() {
        let odd = "Ex\u{202e}ample\u{3164}\u{1b}[31m\u{9b}\u{e0041}\n\"ü\" \\u202e";
        let seen = "Ex\\u{202e}ample\\u{3164}\\u{1b}[31m\\u{9b}\\u{e0041}\n\"ü\" \\u202e";
        let lines = logged(None, || {
            let context = invocation(None);
            tracing::error!(error = odd, customer = %odd, verdict = ?odd, "of {odd}");
            let _invocation = request_span(&context).entered();
            tracing::info!(item = odd, "of {odd}");
        });
        for line in &lines {
            assert_eq!(line["message"], format!("of {seen}"));
            for value in line.as_object().unwrap().values() {
                let value = value.as_str().unwrap();
                assert_eq!(visible(value), value);
            }
        }
        assert_eq!(lines[0]["error"], seen);
        assert_eq!(lines[0]["customer"], seen);
        assert_eq!(lines[1]["item"], seen);
        assert!(lines[1]["requestId"].is_string());
    }

    #[test]
    fn a_function_that_logs_only_errors_still_names_the_invocation() {
        for level in ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"] {
            let lines = logged(Some(level), || {
                let _invocation = request_span(&invocation(Some("Root=1-2"))).entered();
                tracing::error!("broken");
                tracing::event!(target: "aws_smithy_runtime", tracing::Level::DEBUG, "not ours");
            });
            assert_eq!(lines.len(), 1, "{level}");
            assert!(lines[0]["requestId"].is_string(), "{level}");
            assert_eq!(lines[0]["xrayTraceId"], "Root=1-2", "{level}");
        }
    }
}
