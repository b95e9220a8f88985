//! Entries of the allowlist.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use gatekeeper_aws::error::chain;
use gatekeeper_aws::tables::encode_entry;
use gatekeeper_core::ids::Region;
use gatekeeper_core::policy::{About, Conditions, Effect, Entry, Principal, Rule, Scope};

use super::super::forms::{Complaint, Form, sentence};
use super::super::names::{ADD_ENTRY, ENTRIES};
use super::super::read::{Reader, Shared};
use super::answer::{answer, delete, put_new, words};

pub(in super::super) async fn add_entry(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(ADD_ENTRY, &body);
    let done = match entry(&form) {
        Ok(entry) => add(&reader, &entry).await,
        Err(complaint) => Err(complaint),
    };
    answer(&reader, form, done, "/#allowlist").await
}

fn entry(form: &Form) -> Result<Entry, Complaint> {
    let rule = Rule {
        effect: match form.get("effect") {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => {
                let message = "Choose whether to allow or to deny.";
                return Err(Complaint::new("effect", message));
            }
        },
        principal: form.parse::<Principal>("principal")?,
        service_id: form.parse::<Scope>("service_id")?,
    };
    let regions: BTreeSet<Region> = words(form, "regions")?;
    let time = "a time such as 2027-01-01T00:00:00Z";
    let conditions = Conditions {
        max_connections: form.parse_as("max_connections", "a whole number")?,
        regions: Some(regions).filter(|regions| !regions.is_empty()),
        expires_at: form.parse_as("expires_at", time)?,
    };
    let about = About {
        customer: form.optional("customer"),
        reason: form.optional("reason"),
        ..About::default()
    };
    Entry::new(rule, conditions, about)
        .map_err(|error| Complaint::new("max_connections", sentence(&error.to_string())))
}

async fn add(reader: &Reader, entry: &Entry) -> Result<(), Complaint> {
    let failed = |detail: String| Complaint::new("principal", detail);
    let item = encode_entry(entry).map_err(|error| failed(chain(&error)))?;
    let what = format!("an entry \"{}\"", entry.rule());
    put_new(reader, item, &what).await.map_err(failed)
}

/// Removes any item by its key, so that what nobody understands can be removed as well.
pub(in super::super) async fn remove_item(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(ENTRIES, &body);
    let done = delete(&reader, form.get("service_id"), form.get("rule")).await;
    let done = done.map_err(|detail| Complaint::new("rule", detail));
    answer(&reader, form, done, "/#allowlist").await
}
