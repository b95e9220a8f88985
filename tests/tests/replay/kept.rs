//! `gatekeeper local --data`: what a process that is killed leaves, the real binary.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::run::binary;

/// A world that runs until it is killed.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) port: String,
    said: String,
}

impl Running {
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = Command::new(binary())
            .args(["local", "--port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Self {
            lines: BufReader::new(child.stdout.take().unwrap()),
            child,
            port: String::new(),
            said: String::new(),
        };
        running.read_until("Or do it all in a browser: http://127.0.0.1:");
        let address = running.said.trim_end().trim_end_matches('/');
        running.port = address.rsplit(':').next().unwrap().to_owned();
        running
    }

    fn read_until(&mut self, part: &str) {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it said {part:?}: {}", self.said);
            self.said.push_str(&line);
            if line.contains(part) {
                return;
            }
        }
    }

    /// The JSON that a command prints about this world.
    fn ask(&self, args: &[&str]) -> Value {
        let output = Command::new(binary())
            .arg(format!("--local={}", self.port))
            .args(["--output", "json"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// EC2's state and the status on record, by endpoint.
    fn connections(&self) -> BTreeMap<String, (String, String)> {
        let listed = self.ask(&["connections"]);
        let listed = listed.as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let of = |one: &Value| {
            let states = (text(&one["ec2"]), text(&one["recorded"]));
            (text(&one["endpoint_id"]), states)
        };
        listed.map(of).collect()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn once(data: &Path) -> Output {
    Command::new(binary())
        .args(["local", "--once", "--port", "0", "--data"])
        .arg(data)
        .output()
        .unwrap()
}

#[test]
fn a_killed_process_leaves_connections_and_requests_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path());
    let before = first.connections();
    assert_eq!(before.len(), 4, "{before:?}");
    let allowed = first.ask(&["entries"]);
    first.kill();

    let second = Running::start(folder.path());
    assert!(second.said.contains("nobody asks anew"), "{}", second.said);
    let after = second.connections();
    assert_eq!(second.ask(&["entries"]), allowed);
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>(),
        "the same endpoints, and no others"
    );
    let recorded = |all: &BTreeMap<String, (String, String)>| -> Vec<String> {
        all.values().map(|(_, recorded)| recorded.clone()).collect()
    };
    assert_eq!(recorded(&after), recorded(&before));
    let requests = second.ask(&["requests"]);
    for request in requests.as_array().unwrap() {
        let endpoint = request["endpoint_id"].as_str().unwrap();
        assert!(after.contains_key(endpoint), "EC2 lists {endpoint}");
    }
    second.kill();
}

#[test]
fn a_second_process_is_refused_and_the_consumers_ask_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = once(folder.path());
    assert!(first.status.success(), "{first:?}");
    let creates = |output: &Output| {
        let said = String::from_utf8_lossy(&output.stdout);
        said.matches(" creates vpce-").count()
    };
    assert_eq!(creates(&first), 4);
    let again = once(folder.path());
    assert!(again.status.success(), "{again:?}");
    assert_eq!(creates(&again), 0);

    let running = Running::start(folder.path());
    let second = once(folder.path());
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    let expected = format!(
        "error: {}: another process uses this folder; stop it, or take another folder\n",
        folder.path().display()
    );
    assert_eq!(said, expected);
    assert_eq!(running.connections().len(), 4);
    running.kill();
}
