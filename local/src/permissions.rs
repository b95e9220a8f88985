//! Which permissions the functions need: what IAM would be asked about each call that reaches AWS's
//! stand-ins. Written down if [`FOLDER`] names a folder; `tests/template/privileges.py` holds the roles in
//! template.yaml against it.
//!
//! Each process appends to a file of its own, a line of JSON when something is needed for the first time:
//! nothing is lost however the process ends, and what was needed before costs a look-up.

mod needs;

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use gatekeeper_aws::bootstrap::environment;
use gatekeeper_aws::config::Managed;
use gatekeeper_core::ids::ServiceId;
use local_aws::Ec2;
use serde_json::{Value, json};

use crate::error::WorldError;
use crate::function::Function;
use crate::options::Options;
use crate::place::{ANNOUNCEMENTS, EVENT_BUS};
use crate::slack;
use needs::Need;

/// The variable that names the folder.
const FOLDER: &str = "GATEKEEPER_RECORD_PERMISSIONS";
/// What the largest call takes, which is DynamoDB's.
const BODY_LIMIT: usize = 16 << 20;

/// What has been written down in this process: by deployment, who needed what.
struct Recorder {
    file: File,
    seen: HashMap<Arc<str>, HashSet<(&'static str, Need)>>,
}

/// Watches the calls of one world.
#[derive(Clone)]
pub(crate) struct Recording {
    recorder: &'static Mutex<Recorder>,
    /// The parameters that template.yaml would be deployed with to be like this world, as JSON.
    deployment: Arc<str>,
    ec2: Ec2,
}

impl Recording {
    /// Of a world with these options; `None` if nobody wants it.
    pub(crate) fn wanted(options: &Options, ec2: &Ec2) -> Result<Option<Self>, WorldError> {
        static OF_PROCESS: OnceLock<Result<Option<Mutex<Recorder>>, String>> = OnceLock::new();
        let recorder = OF_PROCESS.get_or_init(|| match environment(FOLDER) {
            None => Ok(None),
            Some(folder) => Recorder::in_folder(&folder)
                .map(|recorder| Some(Mutex::new(recorder)))
                .map_err(|error| format!("{FOLDER}={folder}: {error}")),
        });
        match recorder {
            Err(why) => Err(WorldError::Make("the record of calls", why.clone())),
            Ok(recorder) => Ok(recorder.as_ref().map(|recorder| Self {
                recorder,
                deployment: deployment(options).to_string().into(),
                ec2: ec2.clone(),
            })),
        }
    }

    /// The same services, with every call to them recorded.
    pub(crate) fn over(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, record))
    }

    fn note(&self, function: &'static str, need: Need) -> std::io::Result<()> {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let Recorder { file, seen } = &mut *recorder;
        let seen = seen.entry(Arc::clone(&self.deployment)).or_default();
        let entry = (function, need);
        if seen.contains(&entry) {
            return Ok(());
        }
        let (_, need) = &entry;
        let deployment: Value = serde_json::from_str(&self.deployment)?;
        let line = json!({
            "function": function,
            "action": need.action,
            "resource": need.resource,
            "context": need.context,
            "deployment": deployment,
        });
        // In one go, so that there is no half of a line.
        file.write_all(format!("{line}\n").as_bytes())?;
        seen.insert(entry);
        Ok(())
    }
}

impl Recorder {
    fn in_folder(folder: &str) -> std::io::Result<Self> {
        let folder = Path::new(folder);
        if !folder.is_absolute() {
            // Tests run in folders of their own, and so do the processes that they start.
            let why = "the folder is to be named from the root on";
            return Err(std::io::Error::new(ErrorKind::InvalidInput, why));
        }
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.jsonl", std::process::id()));
        Ok(Self {
            file: OpenOptions::new().create(true).append(true).open(path)?,
            seen: HashMap::new(),
        })
    }
}

/// The template's parameters that a role's permissions depend on.
fn deployment(options: &Options) -> Value {
    let managed = match &options.managed {
        Managed::Tagged => "tagged".to_owned(),
        Managed::Listed(services) => {
            let services: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
            services.join(",")
        }
    };
    let organizations = if options.organizations { "on" } else { "off" };
    let mut parameters = json!({ "ManagedServices": managed, "Organizations": organizations });
    if options.slack
        && let Value::Object(parameters) = &mut parameters
    {
        let secret = needs::secret_arn(slack::SECRET_NAME);
        parameters.insert("SlackSecretArn".to_owned(), json!(secret));
    }
    if options.event_bus
        && let Value::Object(parameters) = &mut parameters
    {
        let bus = needs::arn("events", &format!("event-bus/{EVENT_BUS}"));
        parameters.insert("EventBusArn".to_owned(), json!(bus));
    }
    parameters
}

/// Which function calls, by the access key id that it signs with; none of those that set up or look at a world.
fn caller(headers: &HeaderMap) -> Option<&'static str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = header.split_once("Credential=")?;
    let (name, _) = credential.split_once('/')?;
    // The nth instance of a function.
    let instance = name.rsplit_once('-');
    let function = match instance {
        Some((function, nth)) if nth.bytes().all(|byte| byte.is_ascii_digit()) => function,
        _ => name,
    };
    let names = Function::ALL.into_iter().map(Function::name);
    names
        .chain([slack::FUNCTION, ANNOUNCEMENTS])
        .find(|name| *name == function)
}

async fn record(State(recording): State<Recording>, request: Request, next: Next) -> Response {
    let Some(function) = caller(request.headers()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    for need in needs::of(&parts, &body, &recording.ec2) {
        if let Err(error) = recording.note(function, need) {
            // A call that is not in the record is not to pass for one that was never made.
            let why = format!("the call could not be recorded: {error}");
            return (StatusCode::NOT_IMPLEMENTED, why).into_response();
        }
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_their_access_keys_and_nobody_else_is() {
        for (key, function) in [
            ("connections", Some("connections")),
            ("policy-changes", Some("policy-changes")),
            ("policy-changes-12", Some("policy-changes")),
            ("slack", Some("slack")),
            ("announcements-2", Some("announcements")),
            ("world", None),
            ("operator", None),
            ("111122223333", None),
            ("approvals-x", None),
        ] {
            let header =
                format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/ec2/aws4_request");
            let mut headers = HeaderMap::new();
            assert_eq!(caller(&headers), None);
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            assert_eq!(caller(&headers), function, "{key}");
        }
    }
}
