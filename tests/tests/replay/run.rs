//! Runs the real binary on worlds and events that a test writes.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
pub(crate) const OTHER_SERVICE: &str = "vpce-svc-0b1b2c3d4e5f60718";
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:privatelink-connections";

/// A run of `replay` that is being prepared, in a folder of its own with the world and events.
pub(crate) struct Replay {
    folder: TempDir,
    arguments: Vec<String>,
    stdin: Option<String>,
    record: Option<PathBuf>,
}

/// The result of a run of `replay`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Replay {
    pub(crate) fn of(world: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("world.yaml"), world).unwrap();
        Self {
            folder,
            arguments: vec!["--world".to_owned(), "world.yaml".to_owned()],
            stdin: None,
            record: None,
        }
    }

    /// With the permissions that its functions need written into a folder.
    pub(crate) fn recorded_in(mut self, folder: &Path) -> Self {
        self.record = Some(folder.to_owned());
        self
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A file of events, named on the command line.
    pub(crate) fn file(mut self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self.arguments.push(name.to_owned());
        self
    }

    /// One event, in a file of its own.
    pub(crate) fn event(self, event: &Value) -> Self {
        let name = format!("event-{}.json", self.arguments.len());
        self.file(&name, event.to_string())
    }

    pub(crate) fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// With `--json`; every line of standard output is checked to be an object.
    pub(crate) fn json(self) -> Run {
        let run = self.with(&["--json"]).text();
        for line in run.stdout.lines() {
            assert!(
                serde_json::from_str::<Value>(line).unwrap().is_object(),
                "{line}"
            );
        }
        run
    }

    pub(crate) fn without_world(self) -> Self {
        std::fs::remove_file(self.folder.path().join("world.yaml")).unwrap();
        self
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(binary());
        if let Some(folder) = &self.record {
            command.env("GATEKEEPER_RECORD_PERMISSIONS", folder);
        }
        command
            .arg("replay")
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env_remove("GATEKEEPER_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Reads the first line like `head -n 1`, and answers the error output.
    pub(crate) fn read_one_line(self) -> String {
        let mut child = self.spawn();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(!line.is_empty());
        String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
    }

    pub(crate) fn text(self) -> Run {
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.stdin.unwrap_or_default();
        let feeding = std::thread::spawn(move || {
            // A run that fails early reads nothing.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        Run {
            status: output.status.code().expect("replay was killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Asserts that all went well, without complaints.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (0, ""),
            "{}",
            self.stdout
        );
        self
    }

    /// Asserts unusable input: status 2, nothing on standard output, one line that begins like
    /// this.
    pub(crate) fn unusable(self, beginning: &str) {
        assert_eq!(
            (self.status, self.stdout.as_str()),
            (2, ""),
            "{}",
            self.stderr
        );
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(
            self.stderr.starts_with(&format!("error: {beginning}")),
            "expected {beginning:?}: {}",
            self.stderr
        );
    }

    fn lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The lines of steps.
    pub(crate) fn steps(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line.get("step").is_some());
        lines
    }

    /// The lines of connections, in the order of the world file.
    pub(crate) fn connections(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line.get("step").is_none());
        let (summary, connections) = lines.split_last().unwrap();
        assert!(
            summary.get("summary").is_some(),
            "the last line is the summary"
        );
        assert!(connections.iter().all(|line| line.get("summary").is_none()));
        connections.to_vec()
    }

    pub(crate) fn connection(&self, endpoint: &str) -> Value {
        let of_it: Vec<Value> = self
            .connections()
            .into_iter()
            .filter(|line| line["endpoint_id"] == endpoint)
            .collect();
        assert_eq!(
            of_it.len(),
            1,
            "{endpoint} must have one line\n{}",
            self.stdout
        );
        of_it[0].clone()
    }

    /// `verdict status ec2` of an endpoint.
    pub(crate) fn outcome(&self, endpoint: &str) -> String {
        let line = self.connection(endpoint);
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        format!("{} {} {}", text("verdict"), text("status"), text("ec2"))
    }

    pub(crate) fn summary(&self) -> Value {
        let last = self.stdout.lines().last().unwrap();
        serde_json::from_str::<Value>(last).unwrap()["summary"].clone()
    }

    /// A number of the summary; what it does not name is 0.
    pub(crate) fn count(&self, pointer: &str) -> u64 {
        self.summary()
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }

    pub(crate) fn accepts_and_rejects(&self) -> u64 {
        self.count("/ec2_calls/AcceptVpcEndpointConnections")
            + self.count("/ec2_calls/RejectVpcEndpointConnections")
    }
}

/// The binary, built first: `cargo test` alone does not build another package's binary, and an old
/// one would be tested instead.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let profile = own
            .parent()
            .and_then(Path::parent)
            .expect("tests run in target/…/deps");
        let target = profile.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            // With all of the workspace's features, because otherwise aws-sdk-ec2 would be compiled
            // again.
            .args([
                "build",
                "--quiet",
                "--locked",
                "--workspace",
                "--bin",
                "gatekeeper",
            ])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .arg("--target-dir")
            .arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.output();
        let path = profile.join(format!("gatekeeper{}", std::env::consts::EXE_SUFFIX));
        let why = match built {
            Ok(output) if output.status.success() && path.exists() => return path,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        panic!(
            "these tests run the binary {}, which could not be built: {why}\n\
             Build it with: cargo build --workspace --bin gatekeeper",
            path.display()
        );
    })
}

/// A world as text. `policy` is the YAML below `policy:`, without indentation.
pub(crate) fn world(services: &[&str], connections: &[Connection<'_>], policy: &str) -> String {
    let mut text = "now: 2026-11-20T12:00:00Z\nservices:\n".to_owned();
    for service in services {
        writeln!(text, "  - service_id: {service}").unwrap();
    }
    text.push_str("connections:\n");
    for Connection(endpoint, service, owner, more) in connections {
        writeln!(
            text,
            "  - {{endpoint_id: {endpoint}, service_id: {service}, owner: \"{owner}\"{more}}}"
        )
        .unwrap();
    }
    text.push_str("policy:\n");
    for line in policy.lines() {
        writeln!(text, "  {line}").unwrap();
    }
    text
}

/// Endpoint, service, owner, and more keys, such as `, state: available`.
pub(crate) struct Connection<'a>(
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) &'a str,
);

/// Three consumers of one service: one allowed, one denied, one unknown.
pub(crate) fn three() -> String {
    world(
        &[SERVICE],
        &[
            Connection(ALLOWED, SERVICE, "012345678901", ""),
            Connection(DENIED, SERVICE, "666666666666", ""),
            Connection(UNKNOWN, SERVICE, "222222222222", ""),
        ],
        "entries:
  - {service_id: \"*\", principal: \"012345678901\", effect: allow}
  - {service_id: \"*\", principal: \"666666666666\", effect: deny}",
    )
}

pub(crate) const ALLOWED: &str = "vpce-0123456789abcdef0";
pub(crate) const DENIED: &str = "vpce-0123456789abcdef1";
pub(crate) const UNKNOWN: &str = "vpce-0123456789abcdef2";

/// Asserts the right decisions about all three of [`three`].
pub(crate) fn assert_three_decided(run: &Run) {
    assert_eq!(run.outcome(ALLOWED), "accept accepted available");
    assert_eq!(run.outcome(DENIED), "reject rejected rejected");
    assert_eq!(run.outcome(UNKNOWN), "review in_review pendingAcceptance");
    assert_eq!(run.connections().len(), 3);
}

pub(crate) fn requested(endpoint: &str) -> Value {
    json!({
        "source": "privatelink.gatekeeper",
        "detail-type": "Connection Requested",
        "detail": { "endpoint_id": endpoint },
    })
}

pub(crate) fn notification(message: &str) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "5f1c5d0e-6a1b-5c58-9d43-000000000001",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": "2026-11-20T12:00:00.000Z",
    })
}

/// A batch as Lambda gets it from SQS.
pub(crate) fn queued(bodies: &[Value]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            json!({
                "messageId": format!("00000000-0000-0000-0000-{index:012}"),
                "receiptHandle": "AQEBEXAMPLE==",
                "body": body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:connections",
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

/// CloudTrail's event of a call, from EventBridge.
pub(crate) fn cloudtrail(name: &str, caller: &str, request: Value, response: Value) -> Value {
    json!({
        "source": "aws.ec2",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "ec2.amazonaws.com",
            "eventName": name,
            "userIdentity": { "type": "AssumedRole", "arn": caller },
            "requestParameters": request,
            "responseElements": response,
        },
    })
}
