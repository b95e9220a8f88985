//! Events in the form in which EventBridge delivers what CloudTrail recorded.
//!
//! EC2's records wrap the parameters in `<Action>Request` and `<Action>Response`; a list of one is an object, of
//! several an array, and each item is `{"tag": N, "content": …}`. That is known for `CreateVpcEndpoint`, and inferred
//! for the others, of which no public sample was found.

use serde_json::{Value, json};

use super::Ec2;
use crate::caller::Caller;
use crate::error::AwsError;

/// A list of texts in a request.
pub(crate) fn list(texts: &[String]) -> Value {
    let numbered = texts.iter().zip(1..);
    one_or_many(
        numbered
            .map(|(text, n)| json!({ "tag": n, "content": text }))
            .collect(),
    )
}

/// A list of objects in a response; an empty one is the empty string.
pub(crate) fn items(items: Vec<Value>) -> Value {
    if items.is_empty() {
        json!("")
    } else {
        json!({ "item": one_or_many(items) })
    }
}

fn one_or_many(mut values: Vec<Value>) -> Value {
    match (values.len(), values.pop()) {
        (1, Some(value)) => value,
        (_, last) => {
            values.extend(last);
            Value::Array(values)
        }
    }
}

/// Sends the event of a call, if events are wanted. `parts` gives the parameters and the result.
pub(crate) fn emit<'e>(
    ec2: &Ec2,
    caller: &Caller,
    action: &str,
    parts: impl FnOnce() -> (Value, Result<Value, &'e AwsError>),
) {
    if !ec2.options().cloudtrail {
        return;
    }
    let (mut request, result) = parts();
    if let Value::Object(fields) = &mut request {
        fields.retain(|_, value| !value.is_null());
    }
    let time = format!("{:.0}", ec2.now());
    let request_id = ec2.ids().uuid();
    let mut detail = json!({
        "eventVersion": "1.10",
        "userIdentity": {
            "type": if caller.arn.contains(":assumed-role/") { "AssumedRole" } else { "IAMUser" },
            "arn": caller.arn,
            "accountId": caller.account,
            "accessKeyId": caller.access_key,
        },
        "eventTime": time,
        "eventSource": "ec2.amazonaws.com",
        "eventName": action,
        "awsRegion": caller.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "local",
        "requestParameters": { format!("{action}Request"): request },
        "responseElements": null,
        "requestID": request_id,
        "eventID": ec2.ids().uuid(),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": caller.account,
        "eventCategory": "Management",
    });
    if let Value::Object(detail) = &mut detail {
        match result {
            Ok(mut response) => {
                if let Value::Object(response) = &mut response {
                    response.insert("requestId".to_owned(), json!(request_id));
                }
                detail.insert(
                    "responseElements".to_owned(),
                    json!({ format!("{action}Response"): response }),
                );
            }
            Err(error) => {
                let side = if error.status >= 500 {
                    "Server"
                } else {
                    "Client"
                };
                detail.insert(
                    "errorCode".to_owned(),
                    json!(format!("{side}.{}", error.code)),
                );
                detail.insert("errorMessage".to_owned(), json!(error.message));
            }
        }
    }
    ec2.send_event(json!({
        "version": "0",
        "id": ec2.ids().uuid(),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": caller.account,
        "time": time,
        "region": caller.region,
        "resources": [],
        "detail": detail,
    }));
}
