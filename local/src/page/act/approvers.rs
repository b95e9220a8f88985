//! Who decides reviews.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use gatekeeper_aws::error::chain;
use gatekeeper_aws::tables::encode_approver;
use gatekeeper_core::approver::Approver;
use gatekeeper_core::policy::Scope;

use super::super::forms::{Complaint, Form};
use super::super::names::ADD_APPROVER;
use super::super::read::{Reader, Shared};
use super::answer::{answer, put_new, words};
use crate::topics::subscribe_approver;

pub(in super::super) async fn add_approver(State(reader): State<Shared>, body: Bytes) -> Response {
    let form = Form::filled(ADD_APPROVER, &body);
    let done = match approver(&form) {
        Ok(approver) => add(&reader, &approver).await,
        Err(complaint) => Err(complaint),
    };
    answer(&reader, form, done, "/#allowlist").await
}

fn approver(form: &Form) -> Result<Approver, Complaint> {
    Ok(Approver {
        id: form.parse("approver_id")?,
        slack_user_id: form.parse_optional("slack_user_id")?,
        iam_principal: form.parse_optional("iam_principal")?,
        services: [form.parse::<Scope>("service_id")?].into(),
        own_accounts: words(form, "own_accounts")?,
    })
}

/// Adds an approver, and has them get mail: at AWS, a subscription of theirs with a filter.
async fn add(reader: &Reader, approver: &Approver) -> Result<(), Complaint> {
    let failed = |detail: String| Complaint::new("approver_id", detail);
    let item = encode_approver(approver).map_err(|error| failed(chain(&error)))?;
    let what = format!("an approver {}", approver.id);
    put_new(reader, item, &what).await.map_err(failed)?;
    let source = &reader.source;
    subscribe_approver(&source.sns, &source.approvals_topic, &approver.id)
        .map_err(|error| failed(error.to_string()))
}
