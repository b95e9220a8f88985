//! Filters of EC2's descriptions, and endpoints as errors name them.

use aws_sdk_ec2::types::Filter;
use gatekeeper_core::ids::EndpointId;

/// EC2 takes this many values in one filter.
pub(super) const VALUES_PER_FILTER: usize = 200;

pub(super) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.into_iter().map(str::to_owned).collect()))
        .build()
}

/// Endpoints as an error names them.
pub(super) fn named(ids: &[EndpointId]) -> String {
    match ids {
        [] => "no endpoint".to_owned(),
        [one] => one.to_string(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}
