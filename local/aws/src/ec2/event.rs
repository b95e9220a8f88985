//! Events in the form in which EventBridge delivers what CloudTrail recorded.

use serde_json::{Value, json};

use super::world::{Ec2, NAMESPACE};
use crate::caller::Caller;
use crate::error::AwsError;

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
                    response.insert("xmlns".to_owned(), json!(NAMESPACE));
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

/// The caller: a user, an assumed role, or the root of an account.
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
