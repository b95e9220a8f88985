//! Events in the form in which EventBridge delivers what CloudTrail recorded.
//!
//! EC2's records wrap the parameters in `<Action>Request` and `<Action>Response`. They were XML once: a list of one is an
//! object, of several an array, and each item of a request is `{"tag": N, "content": …}`; an empty list is `""`; a text
//! that reads as a number or a boolean is one (an account, a tag's value). So it is in captured records of
//! `CreateVpcEndpoint` and `DeleteVpcEndpoints`; of accept and reject it is inferred from them.

use serde_json::{Value, json};

use super::Ec2;
use crate::caller::Caller;
use crate::error::AwsError;

/// A list of texts in a request.
pub(crate) fn list(texts: &[String]) -> Value {
    let numbered = texts.iter().zip(1..);
    one_or_many(
        numbered
            .map(|(one, n)| json!({ "tag": n, "content": text(one) }))
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

/// A text, which is a number or a boolean where it reads as one. With a leading zero it is neither.
pub(crate) fn text(text: &str) -> Value {
    let number = text.parse::<i64>().ok();
    match (number.filter(|number| number.to_string() == text), text) {
        (Some(number), _) => json!(number),
        (None, "true") => json!(true),
        (None, "false") => json!(false),
        (None, _) => json!(text),
    }
}

pub(crate) fn one_or_many(mut values: Vec<Value>) -> Value {
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
        "eventVersion": "1.11",
        "userIdentity": identity(caller, &time),
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
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": format!("ec2.{}.amazonaws.com", caller.region),
        },
    });
    if let Value::Object(detail) = &mut detail {
        match result {
            Ok(mut response) => {
                if let Value::Object(response) = &mut response {
                    response.insert("xmlns".to_owned(), json!(super::NAMESPACE));
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

/// Who called: a user, a role that was assumed, or the root of an account.
fn identity(caller: &Caller, time: &str) -> Value {
    let account = &caller.account;
    let resource = caller.arn.rsplit(':').next().unwrap_or_default();
    let session = |issuer: Value| {
        json!({
            "sessionIssuer": issuer,
            "webIdFederationData": {},
            "attributes": { "creationDate": time, "mfaAuthenticated": "false" },
        })
    };
    let assumed = resource
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split_once('/'));
    let mut identity = match assumed {
        Some((role, name)) => json!({
            "type": "AssumedRole",
            "principalId": format!("AROALOCAL:{name}"),
            "sessionContext": session(json!({
                "type": "Role",
                "principalId": "AROALOCAL",
                "arn": format!("arn:aws:iam::{account}:role/{role}"),
                "accountId": account,
                "userName": role,
            })),
        }),
        None if resource == "root" => json!({ "type": "Root", "principalId": account }),
        None => json!({
            "type": "IAMUser",
            "principalId": "AIDALOCAL",
            "userName": resource.rsplit('/').next().unwrap_or_default(),
        }),
    };
    if let Value::Object(identity) = &mut identity {
        for (name, value) in [
            ("arn", &caller.arn),
            ("accountId", account),
            ("accessKeyId", &caller.access_key),
        ] {
            identity.insert(name.to_owned(), json!(value));
        }
    }
    identity
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{items, list, text};

    #[test]
    fn texts_are_what_they_read_as() {
        for (given, expected) in [
            ("444455556666", json!(444_455_556_666_u64)),
            ("012345678901", json!("012345678901")),
            ("20261120", json!(20_261_120)),
            ("-1", json!(-1)),
            ("0", json!(0)),
            ("+1", json!("+1")),
            ("1.0", json!("1.0")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("true", json!(true)),
            ("False", json!("False")),
            ("", json!("")),
            ("vpce-0a", json!("vpce-0a")),
        ] {
            assert_eq!(text(given), expected, "{given}");
        }
    }

    #[test]
    fn lists_of_none_one_and_many_have_forms_of_their_own() {
        let ids = ["a".to_owned(), "7".to_owned()];
        assert_eq!(list(&ids[..1]), json!({ "tag": 1, "content": "a" }));
        assert_eq!(
            list(&ids),
            json!([{ "tag": 1, "content": "a" }, { "tag": 2, "content": 7 }])
        );
        assert_eq!(items(Vec::new()), json!(""));
        assert_eq!(items(vec![json!(1)]), json!({ "item": 1 }));
        assert_eq!(items(vec![json!(1), json!(2)]), json!({ "item": [1, 2] }));
    }
}
