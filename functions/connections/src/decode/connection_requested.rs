//! Decodes our own event, by which an integrator asks us to look at a connection.

use std::str::FromStr;

use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::ids::InvalidId;
use serde_json::{Map, Value};

use super::decoded::Decoded;
use super::fields::detail_of;
use super::malformed::Malformed;

const EVENT: &str = "the Connection Requested event";

/// Reads the event. Unlike a notification it is a contract, so a wrong id is reported: the sender
/// can correct it.
pub(super) fn read(event: &Map<String, Value>) -> Result<Decoded, Malformed> {
    let detail = detail_of(EVENT, event)?;
    let service_id = id(&detail, "service_id", "detail.service_id")?;
    let endpoint_id = id(&detail, "endpoint_id", "detail.endpoint_id")?;
    let subject = match (service_id, endpoint_id) {
        (service_id, Some(endpoint_id)) => Subject::Endpoints {
            service_id,
            endpoint_ids: vec![endpoint_id],
        },
        (Some(service_id), None) => Subject::Service(service_id),
        (None, None) => {
            return Err(Malformed::field(
                EVENT,
                "detail",
                "has neither a service_id nor an endpoint_id",
            ));
        }
    };
    Ok(Decoded::Hints(vec![Hint {
        kind: HintKind::Requested,
        subject,
        actor: None,
    }]))
}

fn id<T: FromStr<Err = InvalidId>>(
    detail: &Map<String, Value>,
    name: &str,
    path: &'static str,
) -> Result<Option<T>, Malformed> {
    match detail.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(error) => Err(Malformed::field(EVENT, path, format!("is wrong: {error}"))),
        },
        Some(_) => Err(Malformed::field(EVENT, path, "is not a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{OwnRoles, decode};
    use serde_json::json;

    fn requested(detail: &Value) -> Result<Decoded, Malformed> {
        let event = json!({"source": "privatelink.gatekeeper", "detail-type": "Connection Requested", "detail": detail});
        decode(&event.to_string(), &OwnRoles::default())
    }

    fn hint(subject: Subject) -> Result<Decoded, Malformed> {
        Ok(Decoded::Hints(vec![Hint {
            kind: HintKind::Requested,
            subject,
            actor: None,
        }]))
    }

    #[test]
    fn both_ids_or_either() {
        let service_id = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let both = json!({"service_id": "vpce-svc-0a1b2c3d4e5f60718", "endpoint_id": "vpce-0123456789abcdef0",
            "owner": "444455556666"});
        let endpoint = |service_id| Subject::Endpoints {
            service_id,
            endpoint_ids: vec!["vpce-0123456789abcdef0".parse().unwrap()],
        };
        assert_eq!(requested(&both), hint(endpoint(Some(service_id))));
        // A detail that was encoded twice.
        assert_eq!(requested(&json!(both.to_string())), requested(&both));
        assert_eq!(
            requested(&json!({"service_id": null, "endpoint_id": "vpce-0123456789abcdef0"})),
            hint(endpoint(None))
        );
        assert_eq!(
            requested(&json!({"service_id": "vpce-svc-0a1b2c3d4e5f60718"})),
            hint(Subject::Service(
                "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap()
            ))
        );
    }

    #[test]
    fn a_mistake_is_named() {
        let event = "in the Connection Requested event, ";
        for (detail, sentence) in [
            (
                json!({}),
                "`detail` has neither a service_id nor an endpoint_id",
            ),
            (
                json!({"serviceId": "vpce-svc-0a1b2c3d"}),
                "`detail` has neither a service_id nor an endpoint_id",
            ),
            (json!(null), "`detail` is not an object"),
            (json!("vpce-0a1b2c3d"), "`detail` is not an object"),
            (json!([]), "`detail` is not an object"),
            (
                json!({"endpoint_id": 7}),
                "`detail.endpoint_id` is not a text",
            ),
            (
                json!({"service_id": "vpce-svc-0a1b2c3d", "endpoint_id": "vpce-svc-0a1b2c3d"}),
                "`detail.endpoint_id` is wrong: \"vpce-svc-0a1b2c3d\" is not a VPC endpoint id: vpce- and 8 or 17 lower-case hex digits",
            ),
            (
                json!({"service_id": "", "endpoint_id": "vpce-0a1b2c3d"}),
                "`detail.service_id` is wrong: \"\" is not an endpoint service id: vpce-svc- and 8 or 17 lower-case hex digits",
            ),
        ] {
            let error = requested(&detail).unwrap_err().to_string();
            assert_eq!(error, format!("{event}{sentence}"), "{detail}");
        }
    }

    #[test]
    fn an_event_without_detail_is_malformed() {
        let event =
            json!({"source": "privatelink.gatekeeper", "detail-type": "Connection Requested"});
        assert_eq!(
            decode(&event.to_string(), &OwnRoles::default())
                .unwrap_err()
                .to_string(),
            "in the Connection Requested event, `detail` is not an object"
        );
    }
}
