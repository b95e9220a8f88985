//! Settings of a service, or of all.

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use gatekeeper_aws::error::chain;
use gatekeeper_aws::tables::decode_policy_item;
use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::policy::settings::{Kind, SETTINGS, Setting};
use gatekeeper_core::policy::{Scope, ServiceName};

use super::super::forms::{Complaint, Form};
use super::super::names::settings_of;
use super::super::read::{Reader, Shared};
use super::answer::{answer, delete, key, not_written};

pub(in super::super) async fn put_settings(State(reader): State<Shared>, body: Bytes) -> Response {
    let sent = Form::filled("", &body);
    let form = Form::filled(settings_of(sent.get("service_id")), &body);
    let done = put(&reader, &form).await;
    answer(&reader, form, done, "/#allowlist").await
}

async fn put(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let scope: Scope = form.parse("service_id")?;
    let source = &reader.source;
    let failed = |detail: String| Complaint::new("service_id", detail);
    let key = key(&scope.to_string(), "settings");
    let known = source
        .tables
        .get_item()
        .table_name(&source.config.allowlist_table)
        .set_key(Some(key.clone()))
        .consistent_read(true)
        .send()
        .await
        .map_err(|error| failed(format!("The settings cannot be read: {}", chain(&error))))?;
    // What stands there and has no field here is left as it is.
    let mut item = known.item.unwrap_or_else(|| key.clone());
    for setting in SETTINGS {
        match value(form, setting)? {
            Some(value) => item.insert(setting.name.to_owned(), value),
            None => item.remove(setting.name),
        };
    }
    decode_policy_item(&item).map_err(|error| failed(error.to_string()))?;
    if item == key {
        let deleted = delete(reader, &scope.to_string(), "settings").await;
        return deleted.map_err(failed);
    }
    let put = source
        .tables
        .put_item()
        .table_name(&source.config.allowlist_table)
        .set_item(Some(item))
        .send()
        .await;
    put.map(drop).map_err(|error| failed(not_written(&error)))
}

/// What a field says; `None` if it says nothing.
fn value(form: &Form, setting: &Setting) -> Result<Option<AttributeValue>, Complaint> {
    let name = setting.name;
    let Some(text) = form.optional(name) else {
        return Ok(None);
    };
    Ok(Some(match setting.kind {
        Kind::Choice(_) => AttributeValue::S(text),
        Kind::Number { .. } => {
            form.parse_as::<u32>(name, "a whole number")?;
            AttributeValue::N(text)
        }
        Kind::Name => {
            form.parse::<ServiceName>(name)?;
            AttributeValue::S(text)
        }
        Kind::Channel => {
            form.parse::<SlackChannelId>(name)?;
            AttributeValue::S(text)
        }
    }))
}
