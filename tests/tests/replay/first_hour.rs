//! `tests/first-hour.sh`: what a newcomer does with the command, against a world of the real binary.

use std::process::Command;

use crate::kept::Running;
use crate::run::binary;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/first-hour.sh");

#[test]
fn a_newcomer_comes_through_the_first_hour() {
    let data = tempfile::tempdir().unwrap();
    let world = Running::start(data.path());
    let folder = binary().parent().unwrap().to_owned();
    let output = Command::new("bash")
        .args(["-c", r#"PATH=$1:$PATH exec bash "$2" "$3""#, "bash"])
        .arg(folder)
        .args([SCRIPT, &world.port])
        .output()
        .unwrap();
    world.kill();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.ends_with("first-hour: all steps did what they said\n"),
        "{said}"
    );
}
