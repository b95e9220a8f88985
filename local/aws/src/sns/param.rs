//! Parameters that several operations take.

use std::collections::BTreeMap;

use super::errors;
use super::world::Request;
use crate::error::AwsError;

/// The attributes in `Attributes.entry.N.key` and `.value`.
pub(crate) fn attributes(req: &Request<'_>) -> BTreeMap<String, String> {
    let entries = req.params.items("Attributes").into_iter();
    entries
        .filter_map(|entry| {
            Some((
                entry.filled("key")?.to_owned(),
                entry.get("value").unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// The ARN of the parameter `name`, if it is a topic's, in the Region of the call.
pub(crate) fn topic_arn<'a>(req: &Request<'a>, name: &str) -> Result<&'a str, AwsError> {
    let arn = req
        .params
        .filled(name)
        .ok_or_else(|| errors::missing(name))?;
    let fields: Vec<&str> = arn.split(':').collect();
    if fields.len() < 6 {
        return Err(errors::invalid(&format!(
            "{name} Reason: An ARN must have at least 6 elements, not {}",
            fields.len()
        )));
    }
    if fields.len() != 6 || fields.get(3) != Some(&req.caller.region.as_str()) {
        return Err(errors::invalid(name));
    }
    Ok(arn)
}

/// The topic of the parameter `name`, if the caller may use it. Topic policies are not modelled: the owner may.
pub(crate) fn own_topic(req: &Request<'_>, name: &str) -> Result<String, AwsError> {
    let arn = topic_arn(req, name)?;
    if arn.split(':').nth(4) != Some(req.caller.account.as_str()) {
        return Err(errors::unauthorized(&req.caller.arn, req.action, arn));
    }
    Ok(arn.to_owned())
}

/// The parameter `SubscriptionArn`, well formed: a topic's ARN and one part more.
pub(crate) fn subscription_arn<'a>(req: &Request<'a>) -> Result<&'a str, AwsError> {
    let name = "SubscriptionArn";
    let arn = req
        .params
        .filled(name)
        .ok_or_else(|| errors::missing(name))?;
    if arn.split(':').count() == 7 && arn.starts_with("arn:") {
        Ok(arn)
    } else {
        Err(errors::invalid(name))
    }
}
