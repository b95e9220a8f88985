use serde::Serialize;
use serde_json::{Value, json};

use super::record;
use crate::error::AwsError;
use crate::xml::Xml;

/// One item of a call that failed although the call succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsuccessful {
    /// The id of the endpoint, service or notification.
    pub resource_id: String,
    pub code: String,
    pub message: String,
}

impl Unsuccessful {
    pub(crate) fn new(resource_id: &str, error: &AwsError) -> Self {
        Self {
            resource_id: resource_id.to_owned(),
            code: error.code.clone(),
            message: error.message.clone(),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "resourceId": self.resource_id, "error": { "code": self.code, "message": self.message } })
    }
}

/// The answer of a call with results per item, as CloudTrail records it.
pub(crate) fn unsuccessful_event(failed: &[Unsuccessful]) -> Value {
    json!({ "unsuccessful": record::items(failed.iter().map(Unsuccessful::to_json).collect()) })
}

pub(crate) fn write_unsuccessful(xml: &mut Xml, items: &[Unsuccessful]) {
    xml.list("unsuccessful", "item", items, |xml, item| {
        xml.element("error", |xml| {
            xml.text("code", &item.code);
            xml.text("message", &item.message);
        });
        xml.text("resourceId", &item.resource_id);
    });
}
