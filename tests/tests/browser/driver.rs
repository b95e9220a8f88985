//! The process of chromedriver: each test has one.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use gatekeeper_aws::bootstrap::environment;
use tempfile::TempDir;

use crate::exchange::exchange_now;
use crate::skip::Missing;

/// A chromedriver on a free port. It ends when it is dropped, and all of its browsers with it.
pub(crate) struct Driver {
    process: Child,
    pub(crate) port: u16,
    /// Stays open, because the process may write to it.
    _output: BufReader<ChildStdout>,
    /// The browsers' temporary files. Dropped, and so removed, after the process has ended.
    _scratch: TempDir,
}

impl Driver {
    /// Starts a chromedriver; an error if none is installed.
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
        // A driver that is killed leaves its browsers running; this ends them.
        let _ = exchange_now(self.port, "GET /shutdown", &[], "");
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The chromedriver in `CHROMEWEBDRIVER`, where GitHub's runners keep the one that fits their Chrome, or
/// else the one on the path. <https://github.com/actions/runner-images>
fn program() -> PathBuf {
    environment("CHROMEWEBDRIVER")
        .map(|folder| PathBuf::from(folder).join("chromedriver"))
        .filter(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("chromedriver"))
}

/// The port that chromedriver prints when it listens.
fn port(output: &mut BufReader<ChildStdout>) -> io::Result<u16> {
    let mut printed = String::new();
    while output.read_line(&mut printed)? > 0 {
        let port = printed
            .trim_end()
            .rsplit_once("started successfully on port ")
            .and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!("it did not start: {printed}")))
}
