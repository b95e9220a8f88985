//! A chromedriver of one's own.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Once;

use gatekeeper_aws::bootstrap::environment;
use tempfile::TempDir;

use crate::exchange::exchange_now;

/// A chromedriver on a free port. When it is dropped, it ends, and all of its browsers with it.
pub(crate) struct Driver {
    process: Child,
    pub(crate) port: u16,
    /// Open as long as the process may write to it.
    _output: BufReader<ChildStdout>,
    /// What browsers leave behind, removed last.
    _scratch: TempDir,
}

/// Why there is no browser to test with.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl Driver {
    /// Starts one; an error if none is installed.
    pub(crate) fn start() -> Result<Self, Missing> {
        let program = program();
        let scratch = tempfile::tempdir().unwrap();
        let started = Command::new(&program)
            .arg("--port=0")
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Missing("chromedriver is not installed".to_owned()));
            }
            Err(error) => panic!("{}: {error}", program.display()),
        };
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let port = port(&mut output);
        Ok(Self {
            process,
            port: port.unwrap_or_else(|error| panic!("{}: {error}", program.display())),
            _output: output,
            _scratch: scratch,
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends the browsers, which outlive a driver that is killed.
        let _ = exchange_now(self.port, "GET /shutdown", &[], "");
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where GitHub's runners say that the one is that fits their Chrome, or wherever the system finds it.
/// <https://github.com/actions/runner-images>
fn program() -> PathBuf {
    environment("CHROMEWEBDRIVER")
        .map(|folder| PathBuf::from(folder).join("chromedriver"))
        .filter(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("chromedriver"))
}

/// The port that it says it has taken.
fn port(output: &mut BufReader<ChildStdout>) -> io::Result<u16> {
    let mut said = String::new();
    while output.read_line(&mut said)? > 0 {
        let port = said
            .trim_end()
            .rsplit_once("started successfully on port ")
            .and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!("it did not start: {said}")))
}

/// Says once that tests are skipped; where they must not be, fails.
pub(crate) fn skip(missing: &Missing) {
    let Missing(why) = missing;
    assert!(
        environment("GATEKEEPER_REQUIRE_BROWSER").is_none_or(|value| value != "1"),
        "GATEKEEPER_REQUIRE_BROWSER=1, and {why}"
    );
    static SAID: Once = Once::new();
    // Past the harness, which keeps to itself what a test that passes prints.
    SAID.call_once(|| {
        let _ = writeln!(io::stderr(), "SKIPPED: browser tests: {why}");
    });
}
