//! EC2's errors. Codes: "Error codes for the Amazon EC2 API" in the EC2 Developer Guide.

use std::fmt::Display;

use crate::error::AwsError;

pub(crate) fn missing(name: &str) -> AwsError {
    AwsError::bad(
        "MissingParameter",
        format!("The request must contain the parameter {name}"),
    )
}

pub(crate) fn invalid_value(value: impl Display, name: &str, why: &str) -> AwsError {
    AwsError::bad(
        "InvalidParameterValue",
        format!("Value ({value}) for parameter {name} is invalid. {why}"),
    )
}

pub(crate) fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::bad("InvalidParameter", message)
}

pub(crate) fn invalid_combination(message: impl Into<String>) -> AwsError {
    AwsError::bad("InvalidParameterCombination", message)
}

pub(crate) fn invalid_action(action: &str) -> AwsError {
    AwsError::bad(
        "InvalidAction",
        format!("The action {action} is not valid for this web service."),
    )
}

/// "The specified ID for the resource you are trying to tag is not valid."
pub(crate) fn invalid_resource(id: &str) -> AwsError {
    AwsError::bad("InvalidID", format!("The ID '{id}' is not valid"))
}

pub(crate) fn invalid_filter(name: &str) -> AwsError {
    AwsError::bad("InvalidFilter", format!("The filter {name} is invalid"))
}

pub(crate) fn filter_limit(message: &str) -> AwsError {
    AwsError::bad("FilterLimitExceeded", message)
}

pub(crate) fn invalid_token() -> AwsError {
    AwsError::bad("InvalidNextToken", "The specified NextToken is not valid.")
}

pub(crate) fn dry_run() -> AwsError {
    AwsError::new(
        412,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
}

pub(crate) fn throttled() -> AwsError {
    AwsError::new(503, "RequestLimitExceeded", "Request limit exceeded.")
}

pub(crate) fn internal() -> AwsError {
    AwsError::new(500, "InternalError", "An internal error has occurred")
}

pub(crate) fn unauthorized(arn: &str, action: &str) -> AwsError {
    AwsError::new(
        403,
        "UnauthorizedOperation",
        format!(
            "You are not authorized to perform this operation. User: {arn} is not authorized to perform: ec2:{action} \
             because no identity-based policy allows the ec2:{action} action"
        ),
    )
}

pub(crate) fn no_service(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidVpcEndpointServiceId.NotFound",
        format!("The VpcEndpointService Id '{id}' does not exist"),
    )
}

/// EC2 words it like this for endpoint ids (terraform-aws-modules/terraform-aws-vpc #312) and VPC ids.
fn malformed(id: &str, prefix: &str) -> String {
    format!(
        "Invalid Id: '{id}' (expecting '{prefix}...; the Id may only contain lowercase alphanumeric characters and a \
         single dash')"
    )
}

/// AWS writes `Id` twice.
pub(crate) fn malformed_service(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidVpcEndpointServiceIdId.Malformed",
        malformed(id, "vpce-svc-"),
    )
}

pub(crate) fn no_endpoint(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidVpcEndpointId.NotFound",
        format!("The Vpc Endpoint Id '{id}' does not exist"),
    )
}

pub(crate) fn malformed_endpoint(id: &str) -> AwsError {
    AwsError::bad("InvalidVpcEndpointId.Malformed", malformed(id, "vpce-"))
}

/// EC2 documents this code for a transit gateway attachment that is not there. That Accept and Reject answer it is
/// inferred.
pub(crate) fn no_attachment(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidTransitGatewayAttachmentID.NotFound",
        format!("Transit Gateway Attachment {id} was deleted or does not exist."),
    )
}

pub(crate) fn attachments_not_supported() -> AwsError {
    invalid_parameter(
        "TransitGatewayAttachmentIds are supported only for Gateway Load Balancer endpoint services",
    )
}

pub(crate) fn duplicate_attachment(gateway: &str, service: &str) -> AwsError {
    AwsError::bad(
        "DuplicateTransitGatewayAttachment",
        format!("{gateway} has an attachment to {service} already"),
    )
}

pub(crate) fn incorrect_state(id: &str, state: impl Display) -> AwsError {
    AwsError::bad(
        "IncorrectState",
        format!("{id} is in invalid state: {state}"),
    )
}

pub(crate) fn malformed_attachment(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidTransitGatewayAttachmentID.Malformed",
        malformed(id, "tgw-attach-"),
    )
}

/// AWS answers the same for a service that is not there and for one that the caller may not use.
pub(crate) fn no_service_name(name: &str) -> AwsError {
    AwsError::bad(
        "InvalidServiceName",
        format!("The Vpc Endpoint Service '{name}' does not exist"),
    )
}

pub(crate) fn invalid_state(id: &str, state: impl Display) -> AwsError {
    AwsError::bad(
        "InvalidState",
        format!(
            "VPC endpoint connection {id} is in state {state}, which does not allow this operation"
        ),
    )
}

pub(crate) fn existing_connections(id: &str) -> AwsError {
    AwsError::bad(
        "ExistingVpcEndpointConnections",
        format!("Service {id} has existing active VPC Endpoint connections!"),
    )
}

/// `DeleteVpcEndpoints` words it like this (couchbaselabs/cbdinocluster #199).
pub(crate) fn too_many(what: &str, done: &str, most: usize) -> AwsError {
    invalid_parameter(format!(
        "Maximum number of {what} to {done} was exceeded. You can provide up to {most} {what}."
    ))
}

pub(crate) fn idempotency(token: &str) -> AwsError {
    AwsError::bad(
        "IdempotentParameterMismatch",
        format!("The client token {token} was used in another request with other parameters"),
    )
}

pub(crate) fn invalid_principal(principal: &str) -> AwsError {
    AwsError::bad(
        "InvalidPrincipal",
        format!("Invalid Principal: '{principal}'"),
    )
}

pub(crate) fn no_notification(id: &str) -> AwsError {
    AwsError::bad(
        "InvalidConnectionNotification",
        format!("The connection notification '{id}' does not exist"),
    )
}
