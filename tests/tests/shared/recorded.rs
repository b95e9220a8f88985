//! The messages that these tests have published, kept for `tests/docs/messages.py`, which checks
//! every message against docs/schemas. If `GATEKEEPER_RECORD_MESSAGES` names no folder, nothing is
//! kept.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use gatekeeper_aws::bootstrap::environment;
use gatekeeper_local::world::World;
use local_aws::{BusEvent, OnEvent, OnPublish, Published};
use serde_json::{Value, json};

/// Keeps what a world publishes from now on, for everybody or for one approver, and what it puts on
/// its event bus.
pub(crate) fn keep(world: &World) {
    let Some(file) = file() else { return };
    let topics = [
        world.announcements_topic.clone(),
        world.approvals_topic.clone(),
    ];
    let hook: OnPublish = Arc::new(move |published: &Published| {
        if topics.contains(&published.topic_arn) {
            let line = format!("{}\n", line(published));
            file.lock().unwrap().write_all(line.as_bytes()).unwrap();
        }
    });
    world.sns.set_on_publish(Some(hook));
    let hook: OnEvent = Arc::new(move |event: &BusEvent| {
        let line = format!("{}\n", line_of(event));
        file.lock().unwrap().write_all(line.as_bytes()).unwrap();
    });
    world.events.set_on_event(Some(hook));
}

/// One file for all tests of this process.
fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = || {
        let folder = environment("GATEKEEPER_RECORD_MESSAGES")?;
        std::fs::create_dir_all(&folder).unwrap();
        let name = format!("{}.jsonl", std::process::id());
        Some(Mutex::new(
            File::create(Path::new(&folder).join(name)).unwrap(),
        ))
    };
    FILE.get_or_init(open).as_ref()
}

/// The event as the target of a rule gets it.
fn line_of(event: &BusEvent) -> Value {
    let time = event
        .time
        .map(|time| jiff::Timestamp::from_second(time as i64).unwrap());
    json!({
        "test": std::thread::current().name(),
        "event": {
            "version": "0",
            "id": event.id,
            "detail-type": event.detail_type,
            "source": event.source,
            "account": event.account,
            "time": time,
            "region": event.region,
            "resources": event.resources,
            "detail": event.detail,
        },
    })
}

fn line(published: &Published) -> Value {
    json!({
        // If each test runs on a thread of its own, the thread has the test's name.
        "test": std::thread::current().name(),
        "topic": published.topic_arn.rsplit(':').next(),
        "json": published.json,
        "subject": published.subject,
        "attributes": published.attributes,
        "message": published.message,
    })
}
