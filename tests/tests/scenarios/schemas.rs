//! Compares the schemas in docs/schemas with the types that they describe. `tests/docs/messages.py`
//! checks that the messages follow them.

use gatekeeper_core::announcement::AnnouncementKind;
use gatekeeper_core::request::Status;
use serde_json::Value;

fn listed(of: &str) -> Vec<String> {
    let schema = include_str!("../../../docs/schemas/announcement.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let listed = schema["$defs"][of]["enum"].as_array().unwrap();
    let words = listed.iter().map(|word| word.as_str().unwrap().to_owned());
    words.collect()
}

#[test]
fn the_schema_of_announcements_lists_every_kind_and_every_status_and_no_other() {
    assert_eq!(
        listed("kind"),
        AnnouncementKind::ALL.map(AnnouncementKind::as_str)
    );
    assert_eq!(listed("status"), Status::ALL.map(Status::as_str));
}
