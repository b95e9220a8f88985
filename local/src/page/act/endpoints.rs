//! What consumers do.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use local_aws::{Caller, NewEndpoint};

use super::super::forms::{Complaint, Form};
use super::super::names::{CONNECTIONS, CREATE_ENDPOINT};
use super::super::read::{Reader, Shared};
use super::answer::answer;

pub(in super::super) async fn create_endpoint(
    State(reader): State<Shared>,
    body: Bytes,
) -> Response {
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

pub(in super::super) async fn delete_endpoint(
    State(reader): State<Shared>,
    body: Bytes,
) -> Response {
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
