//! Does what was asked for: as a consumer would, or as whoever keeps the allowlist.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use gatekeeper_aws::error::chain;
use gatekeeper_aws::tables::{decode_policy_item, encode_entry};
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::policy::{About, Conditions, Effect, Entry, Principal, Rule, Scope};
use local_aws::{Caller, NewEndpoint};

use super::forms::{Complaint, Form, sentence};
use super::read::Reader;
use super::settings::{Kind, SETTINGS};
use super::{Shared, page};

/// The forms, by their ids. Those without fields are named after the list that they stand in.
pub(super) const CREATE_ENDPOINT: &str = "create-endpoint";
pub(super) const CONNECTIONS: &str = "connections-now";
pub(super) const ADD_ENTRY: &str = "add-entry";
pub(super) const ENTRIES: &str = "entries";

/// The id of the form with the settings of a service, or of all.
pub(super) fn settings_of(scope: &str) -> String {
    format!("settings-{scope}")
}

pub(super) async fn create_endpoint(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(CREATE_ENDPOINT, &body);
    let done = create(&reader, &form);
    answer(&reader, form, done, "/#connections").await
}

fn create(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let account: AccountId = form.parse("account_id")?;
    let service: ServiceId = form.parse("service_id")?;
    let ec2 = &reader.source.ec2;
    let known = ec2.service(service.as_str());
    let region = known.map_or_else(|| ec2.provider().region, |service| service.region);
    let caller = Caller::new(account.as_str(), region);
    ec2.create_endpoint(&caller, NewEndpoint::new(service.as_str()))
        .map(drop)
        .map_err(|error| Complaint::new("service_id", format!("EC2 refuses it: {error}")))
}

pub(super) async fn delete_endpoint(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(CONNECTIONS, &body);
    let done = delete(&reader, &form);
    answer(&reader, form, done, "/#connections").await
}

fn delete(reader: &Reader, form: &Form) -> Result<(), Complaint> {
    let endpoint: EndpointId = form.parse("endpoint_id")?;
    if reader.source.ec2.delete_endpoint(endpoint.as_str()) {
        Ok(())
    } else {
        let message = format!("The endpoint {endpoint} is not there any more.");
        Err(Complaint::new("endpoint_id", message))
    }
}

pub(super) async fn add_entry(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(ADD_ENTRY, &body);
    let done = match entry(&form) {
        Ok(entry) => put_entry(&reader, &entry).await,
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
                return Err(Complaint::new(
                    "effect",
                    "Choose whether to allow or to deny.",
                ));
            }
        },
        principal: form.parse::<Principal>("principal")?,
        service_id: form.parse::<Scope>("service_id")?,
    };
    let time = "a time such as 2027-01-01T00:00:00Z";
    let conditions = Conditions {
        max_connections: form.parse_optional("max_connections", "a whole number")?,
        regions: regions(form)?,
        expires_at: form.parse_optional("expires_at", time)?,
    };
    let about = About {
        customer: form.optional("customer"),
        reason: form.optional("reason"),
        ..About::default()
    };
    Entry::new(rule, conditions, about)
        .map_err(|error| Complaint::new("max_connections", sentence(&error.to_string())))
}

/// Regions with spaces or commas between them.
fn regions(form: &Form) -> Result<Option<BTreeSet<Region>>, Complaint> {
    let words = form.get("regions").split([',', ' ']);
    let regions: Result<BTreeSet<Region>, _> = words
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect();
    match regions {
        Ok(regions) => Ok(Some(regions).filter(|regions| !regions.is_empty())),
        Err(error) => Err(Complaint::new("regions", sentence(&error.to_string()))),
    }
}

/// Writes an entry, but not over another: that one may have conditions that this one lacks.
async fn put_entry(reader: &Reader, entry: &Entry) -> Result<(), Complaint> {
    let failed = |detail: String| Complaint::new("principal", detail);
    let item = encode_entry(entry).map_err(|error| failed(chain(&error)))?;
    let put = reader
        .source
        .tables
        .put_item()
        .table_name(&reader.source.config.allowlist_table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(service_id)")
        .send()
        .await;
    put.map(drop).map_err(|error| {
        failed(match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => format!(
                "There is an entry \"{}\" already; remove it first.",
                entry.rule()
            ),
            _ => not_written(&error),
        })
    })
}

pub(super) async fn remove_entry(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(ENTRIES, &body);
    // By its very key, so that what nobody understands can be removed as well.
    let done = delete_item(&reader, form.get("service_id"), form.get("rule")).await;
    answer(&reader, form, done, "/#allowlist").await
}

async fn delete_item(reader: &Reader, service_id: &str, rule: &str) -> Result<(), Complaint> {
    let delete = reader
        .source
        .tables
        .delete_item()
        .table_name(&reader.source.config.allowlist_table)
        .set_key(Some(key(service_id, rule)))
        .send()
        .await;
    delete
        .map(drop)
        .map_err(|error| Complaint::new("rule", not_written(&error)))
}

pub(super) async fn put_settings(State(reader): State<Shared>, body: Bytes) -> Response {
    let sent = Form::filled("", &body);
    let form = Form::filled(settings_of(sent.get("service_id")), &body);
    let done = write_settings(&reader, &form).await;
    answer(&reader, form, done, "/#allowlist").await
}

async fn write_settings(reader: &Reader, form: &Form) -> Result<(), Complaint> {
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
    for setting in &SETTINGS {
        let value = match setting.kind {
            Kind::Number => form
                .parse_optional::<u32>(setting.name, "a whole number")?
                .map(|number| AttributeValue::N(number.to_string())),
            Kind::Choice(_) => form.optional(setting.name).map(AttributeValue::S),
        };
        match value {
            Some(value) => item.insert(setting.name.to_owned(), value),
            None => item.remove(setting.name),
        };
    }
    decode_policy_item(item.clone()).map_err(|error| failed(error.to_string()))?;
    if item == key {
        return delete_item(reader, &scope.to_string(), "settings").await;
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

fn key(service_id: &str, rule: &str) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([
        ("service_id".to_owned(), text(service_id)),
        ("rule".to_owned(), text(rule)),
    ])
}

fn not_written<E: std::error::Error + 'static>(error: &SdkError<E>) -> String {
    format!("The allowlist could not be written: {}.", chain(error))
}

/// Back to the page, or the form again with what is wrong with it.
async fn answer(reader: &Reader, form: Form, done: Result<(), Complaint>, place: &str) -> Response {
    match done {
        Ok(()) => Redirect::to(place).into_response(),
        Err(complaint) => {
            let form = form.refused(complaint);
            page(reader, &form, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}
