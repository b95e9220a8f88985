use std::collections::BTreeMap;

use super::errors;
use super::service::is_id;
use super::world::Request;
use crate::error::AwsError;
use crate::query::Params;

/// "Each tag key must be unique; the maximum is 50 tags per resource" (EC2 User Guide, "Tag your resources").
const MOST_TAGS: usize = 50;
/// EC2's API model.
const LONGEST_KEY: usize = 127;
/// EC2's API model.
const LONGEST_VALUE: usize = 256;

/// Tags that a call names. `DeleteTags` may leave out a value, which means any.
fn tags(params: &Params) -> Result<Vec<(String, Option<String>)>, AwsError> {
    let items = params.items("Tag");
    let mut tags = Vec::new();
    for item in items {
        let key = item
            .filled("Key")
            .ok_or_else(|| errors::missing("Tag.Key"))?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(errors::invalid_value(
                key,
                "tagKey",
                "Tag keys starting with 'aws:' are reserved for internal use",
            ));
        }
        if key.chars().count() > LONGEST_KEY {
            let most = format!("The key can be up to {LONGEST_KEY} characters long");
            return Err(errors::invalid_value(key, "tagKey", &most));
        }
        let value = item.get("Value").map(str::to_owned);
        if let Some(value) = &value
            && value.chars().count() > LONGEST_VALUE
        {
            let most = format!("The value can be up to {LONGEST_VALUE} characters long");
            return Err(errors::invalid_value(value, "tagValue", &most));
        }
        tags.push((key.to_owned(), value));
    }
    Ok(tags)
}

/// The services whose tags are to change. Other resources cannot be tagged here.
fn services(req: &Request<'_>) -> Result<Vec<String>, AwsError> {
    let ids = req.params.list("ResourceId");
    if ids.is_empty() {
        return Err(errors::missing("ResourceId"));
    }
    let store = req.simulator.store();
    match ids
        .iter()
        .find(|id| !is_id(id, "vpce-svc-") || store.own_service(req.caller, id).is_none())
    {
        Some(id) => Err(errors::invalid_resource(id)),
        None => Ok(ids),
    }
}

fn change(
    req: &Request<'_>,
    change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), AwsError>,
) -> Result<String, AwsError> {
    let ids = services(req)?;
    req.dry_run()?;
    let mut store = req.simulator.store();
    for id in &ids {
        let service = store.own_service_mut(req.caller, id);
        let service = service.ok_or_else(|| errors::invalid_resource(id))?;
        let mut tags = service.tags.clone();
        change(&mut tags)?;
        service.tags = tags;
    }
    Ok(req.answer(|xml| xml.text("return", true)))
}

pub(crate) fn create(req: &Request<'_>) -> Result<String, AwsError> {
    let new = tags(req.params)?;
    if new.is_empty() {
        return Err(errors::missing("Tag"));
    }
    change(req, |tags| {
        let new = new.iter().cloned();
        tags.extend(new.map(|(key, value)| (key, value.unwrap_or_default())));
        match tags.len() > MOST_TAGS {
            true => Err(AwsError::bad(
                "TagLimitExceeded",
                "The maximum number of tags for the resource has been reached.",
            )),
            false => Ok(()),
        }
    })
}

/// "If you omit this parameter, we delete all user-defined tags for the specified resources." (EC2's API model)
pub(crate) fn delete(req: &Request<'_>) -> Result<String, AwsError> {
    let old = tags(req.params)?;
    change(req, |tags| {
        let is_named = |key: &String, value: &String| {
            old.iter()
                .any(|(name, of)| name == key && of.as_ref().is_none_or(|of| of == value))
        };
        tags.retain(|key, value| !old.is_empty() && !is_named(key, value));
        Ok(())
    })
}
