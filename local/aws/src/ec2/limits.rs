use crate::buckets::Limit;

/// The token bucket of an action: "Request throttling for the Amazon EC2 API" in the EC2 Developer Guide.
pub(crate) fn limit(action: &str) -> Limit {
    let (size, per_second) = match action {
        "AcceptVpcEndpointConnections"
        | "RejectVpcEndpointConnections"
        | "ModifyVpcEndpointServiceConfiguration" => (10.0, 1.0),
        "CreateVpcEndpoint" => (4.0, 0.3),
        // Filtered and paginated.
        _ if action.starts_with("Describe") => (100.0, 20.0),
        // Any other that changes something.
        _ => (50.0, 5.0),
    };
    Limit { size, per_second }
}
