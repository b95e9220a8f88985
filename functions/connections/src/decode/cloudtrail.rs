//! Decodes AWS CloudTrail's records of the EC2 calls that make, decide and end a connection.
//!
//! EC2's records are written by translation from XML and their layout varies: a list of one item is
//! often the item itself, an item is a text or an object with `content`, there may be a wrapper
//! named after the call. So fields are found by name without regard to case, and ids by what they
//! look like.

use gatekeeper_core::caller::PrincipalArn;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::ids::ServiceId;
use serde_json::{Map, Value};

use super::decoded::{Decoded, Ignored};
use super::fields::detail_of;
use super::malformed::Malformed;
use super::mentioned::{Mentioned, each_text};
use super::own_roles::OwnRoles;

const EVENT: &str = "the CloudTrail event";
/// EC2's `eventSource`.
const SOURCES: [&str; 2] = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"];
/// The `eventType`s of calls: those of users, and AWS's own.
const CALLS: [&str; 2] = ["AwsApiCall", "AwsServiceEvent"];
/// What each `eventName` means.
const KINDS: [(&str, HintKind); 4] = [
    ("CreateVpcEndpoint", HintKind::Requested),
    ("DeleteVpcEndpoints", HintKind::Deleted),
    ("AcceptVpcEndpointConnections", HintKind::Accepted),
    ("RejectVpcEndpointConnections", HintKind::Rejected),
];

/// Reads a record that came through EventBridge, as the body itself or inside another event.
pub(super) fn read_event(
    event: &Map<String, Value>,
    own_roles: &OwnRoles,
    is_outermost: bool,
) -> Result<Decoded, Malformed> {
    let call = detail_of(EVENT, event)?;
    let mut decoded = read(&call, own_roles)?;
    if let Decoded::Hints(hints) = &mut decoded
        && is_outermost
        && event.get("detail").is_some_and(Value::is_object)
        && let Some(caller) = caller(event, &call, own_roles)
    {
        let decisions = hints
            .iter_mut()
            .filter(|hint| matches!(hint.kind, HintKind::Accepted | HintKind::Rejected));
        decisions.for_each(|hint| hint.actor = Some(caller.clone()));
    }
    Ok(decoded)
}

/// The caller, from an event that EventBridge delivered as a record of CloudTrail in our own
/// account: a principal of that account. Anybody who may publish to a topic or forward events can
/// write any name, so no other event names anybody.
fn caller(
    event: &Map<String, Value>,
    call: &Map<String, Value>,
    own_roles: &OwnRoles,
) -> Option<PrincipalArn> {
    let is_own = |account: Option<&Value>| {
        account?
            .as_str()
            .filter(|id| own_roles.are_of(id))
            .map(drop)
    };
    is_own(event.get("account"))?;
    is_own(call.get("recipientAccountId"))?;
    let arn: PrincipalArn = call
        .get("userIdentity")?
        .get("arn")?
        .as_str()?
        .parse()
        .ok()?;
    own_roles.are_of(arn.account()).then_some(arn)
}

/// Reads a record from any source. The hint names nobody.
pub(super) fn read(call: &Map<String, Value>, own_roles: &OwnRoles) -> Result<Decoded, Malformed> {
    let text = |name: &str| call.get(name).and_then(Value::as_str);
    let part = |name: &str| call.get(name).unwrap_or(&Value::Null);
    // A record that EventBridge sent under `aws.ec2` is EC2's even if it does not repeat that.
    if text("eventSource").is_some_and(|source| !is_one_of(source, &SOURCES)) {
        return Ok(Decoded::Ignored(Ignored::OtherCall));
    }
    // CloudTrail also records traffic through VPC endpoints, insights and sign-ins, which are no
    // calls.
    match part("eventType") {
        Value::Null => {}
        Value::String(kind) if is_one_of(kind, &CALLS) => {}
        _ => return Ok(Decoded::Ignored(Ignored::NoCall)),
    }
    let Some(name) = text("eventName") else {
        return Err(Malformed::field(
            EVENT,
            "eventName",
            "is missing or is not a text",
        ));
    };
    let known = KINDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((_, kind)) = known.copied() else {
        return Ok(Decoded::Ignored(Ignored::OtherCall));
    };
    if is_given(part("errorCode")) {
        return Ok(Decoded::Ignored(Ignored::CallFailed));
    }
    let caller = part("userIdentity");
    if matches!(kind, HintKind::Accepted | HintKind::Rejected) && own_roles.made(caller) {
        return Ok(Decoded::Ignored(Ignored::OwnCall));
    }
    let request = part("requestParameters");
    let response = unwrapped(part("responseElements"), "response");
    let mentioned = if kind == HintKind::Requested {
        created(unwrapped(request, "request"), response)
    } else {
        named(request, response, kind)
    };
    let mentioned = match mentioned {
        Ok(mentioned) => mentioned,
        Err(why) => return Ok(Decoded::Ignored(why)),
    };
    // The call certainly was about connections but does not say which, so look at all.
    let subjects = match kind {
        HintKind::Accepted | HintKind::Rejected => {
            mentioned.subjects_of_decision(Subject::Everything)
        }
        _ => mentioned.subjects(Subject::Everything),
    };
    let hints = subjects.into_iter().map(|subject| Hint {
        kind,
        subject,
        actor: None,
    });
    Ok(Decoded::Hints(hints.collect()))
}

fn is_one_of(text: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// The endpoint that `CreateVpcEndpoint` made, and its service.
///
/// This reads only the fields for that, because tags and the endpoint's policy may name other
/// endpoints.
fn created(request: &Value, response: &Value) -> Result<Mentioned, Ignored> {
    let endpoint = field(response, "vpcEndpoint").unwrap_or(response);
    let name = [request, endpoint]
        .into_iter()
        .filter_map(|part| field(part, "serviceName"))
        .map(text_of)
        .find(|name| !name.is_empty());
    let mut mentioned = Mentioned::default();
    match name {
        Some(name) => match ServiceId::find_in(&name) {
            Some(service) => mentioned.add_service(service),
            None if name.contains("vpce-svc-") => {}
            None => return Err(Ignored::OtherService),
        },
        // Endpoints of these kinds have no service name.
        None if field(request, "resourceConfigurationArn").is_some()
            || field(request, "serviceNetworkArn").is_some() =>
        {
            return Err(Ignored::OtherService);
        }
        None => {}
    }
    if let Some(id) = field(endpoint, "vpcEndpointId") {
        each_text(id, &mut |text| mentioned.add(text));
    }
    Ok(mentioned)
}

/// The endpoints in calls that act on endpoints by id.
///
/// Their requests hold these ids and a dry-run flag, nothing else, so every id in them counts: this
/// covers a text, `content`, `items`, numbered fields, wrappers and layouts that nobody has seen yet.
fn named(request: &Value, response: &Value, kind: HintKind) -> Result<Mentioned, Ignored> {
    let mut mentioned = Mentioned::in_value(request);
    if kind == HintKind::Deleted {
        // This call takes no service.
        mentioned.forget_services();
    }
    // EC2 answers 200 and names the endpoints that failed.
    if let Some(failures) =
        field(response, "unsuccessful").or_else(|| field(response, "unsuccessfulSet"))
    {
        let mut failed = Mentioned::default();
        resource_ids(failures, &mut failed);
        if mentioned.leave_out(&failed) {
            return Err(Ignored::CallFailed);
        }
    }
    Ok(mentioned)
}

/// The ids under `resourceId`, at any depth, but not those in the text of an error message.
fn resource_ids(failures: &Value, found: &mut Mentioned) {
    match failures {
        Value::Array(items) => items.iter().for_each(|item| resource_ids(item, found)),
        Value::Object(fields) => {
            for (name, item) in fields {
                if name.eq_ignore_ascii_case("resourceId") {
                    each_text(item, &mut |text| found.add(text));
                } else {
                    resource_ids(item, found);
                }
            }
        }
        _ => {}
    }
}

/// Whether there is an `errorCode`.
fn is_given(code: &Value) -> bool {
    match code {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The content of the wrapper `<Call>Request` or `<Call>Response`, if there is one.
fn unwrapped<'a>(value: &'a Value, ending: &str) -> &'a Value {
    let wrapper = value.as_object().and_then(|fields| {
        fields
            .iter()
            .find(|(name, inner)| inner.is_object() && name.to_ascii_lowercase().ends_with(ending))
    });
    wrapper.map_or(value, |(_, inner)| inner)
}

/// A field, in any case of its letters.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let (_, value) = value
        .as_object()?
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))?;
    Some(value).filter(|value| !value.is_null())
}

/// The text of a field that is a text or an object with `content`.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => field(value, "content")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::ids::EndpointId;
    use serde_json::json;

    const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
    const ONE: &str = "vpce-0123456789abcdef0";
    const TWO: &str = "vpce-0fedcba9876543210";
    const PERSON: &str = "arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com";

    fn call(name: &str, request: &Value, response: &Value) -> Value {
        json!({"eventVersion": "1.10", "eventSource": "ec2.amazonaws.com", "eventName": name,
            "userIdentity": {"type": "AssumedRole", "arn": PERSON},
            "requestParameters": request, "responseElements": response})
    }

    fn decoded(call: &Value) -> Result<Decoded, Malformed> {
        let own = OwnRoles::parse(["arn:aws:iam::111122223333:role/app/connections"]).unwrap();
        read(call.as_object().unwrap(), &own)
    }

    fn hint(call: &Value) -> Hint {
        match decoded(call) {
            Ok(Decoded::Hints(mut hints)) if hints.len() == 1 => hints.pop().unwrap(),
            other => panic!("{other:?} from {call}"),
        }
    }

    fn ignored(call: &Value) -> Ignored {
        match decoded(call) {
            Ok(Decoded::Ignored(why)) => why,
            other => panic!("{other:?} from {call}"),
        }
    }

    fn endpoints(service: Option<&str>, ids: &[&str]) -> Subject {
        Subject::Endpoints {
            service_id: service.map(|id| id.parse().unwrap()),
            endpoint_ids: ids
                .iter()
                .map(|id| id.parse::<EndpointId>().unwrap())
                .collect(),
        }
    }

    #[test]
    fn the_ids_of_accept_and_reject_in_every_layout() {
        let layouts = [
            json!({"ServiceId": SERVICE, "VpcEndpointId": ONE}),
            json!({"serviceId": SERVICE, "vpcEndpointId": ONE}),
            json!({"ServiceId": SERVICE, "VpcEndpointId": {"tag": 1, "content": ONE}}),
            json!({"ServiceId": {"content": SERVICE}, "VpcEndpointId": [ONE, ONE]}),
            json!({"ServiceId": SERVICE, "VpcEndpointId": [{"tag": 1, "content": ONE}]}),
            json!({"serviceId": SERVICE, "vpcEndpointIds": [ONE]}),
            json!({"ServiceId": SERVICE, "VpcEndpointIds": [ONE]}),
            json!({"serviceId": SERVICE, "vpcEndpointIdSet": {"items": [{"vpcEndpointId": ONE}]}}),
            json!({"serviceId": SERVICE, "vpcEndpointIdSet": {"items": [ONE]}}),
            json!({"serviceId": SERVICE, "vpcEndpointIdsSet": {"items": {"vpcEndpointId": ONE}}}),
            json!({"ServiceId": SERVICE, "VpcEndpointId.1": ONE, "DryRun": false}),
        ];
        for layout in &layouts {
            for (name, kind) in [
                ("AcceptVpcEndpointConnections", HintKind::Accepted),
                ("RejectVpcEndpointConnections", HintKind::Rejected),
            ] {
                let wrapped = json!({format!("{name}Request"): layout});
                for request in [layout, &wrapped] {
                    assert_eq!(
                        hint(&call(name, request, &Value::Null)),
                        Hint {
                            kind,
                            subject: endpoints(Some(SERVICE), &[ONE]),
                            actor: None,
                        },
                        "{request}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_decision_about_attachments_makes_us_look_for_attachments_only() {
        let tgw = "tgw-attach-0123456789abcdef0";
        for (request, expected) in [
            (
                json!({"ServiceId": SERVICE, "TransitGatewayAttachmentId": tgw}),
                Subject::Attachments(Some(SERVICE.parse().unwrap())),
            ),
            (
                json!({"ServiceId": SERVICE, "TransitGatewayAttachmentId": [{"tag": 1, "content": tgw}], "VpcEndpointId": ""}),
                Subject::Attachments(Some(SERVICE.parse().unwrap())),
            ),
            (
                json!({"transitGatewayAttachmentIdSet": {"items": [tgw]}}),
                Subject::Attachments(None),
            ),
            // An endpoint is looked at, whatever else is named.
            (
                json!({"ServiceId": SERVICE, "TransitGatewayAttachmentId": tgw, "VpcEndpointId": ONE}),
                endpoints(Some(SERVICE), &[ONE]),
            ),
        ] {
            for name in [
                "AcceptVpcEndpointConnections",
                "RejectVpcEndpointConnections",
            ] {
                let wrapped = json!({format!("{name}Request"): request});
                for request in [&request, &wrapped] {
                    let hint = hint(&call(name, request, &Value::Null));
                    assert_eq!(hint.subject, expected, "{request}");
                }
            }
        }
        // A call that is no decision names none.
        let request = json!({"VpcEndpointId": tgw});
        let hint = hint(&call("DeleteVpcEndpoints", &request, &Value::Null));
        assert_eq!(hint.subject, Subject::Everything);
    }

    #[test]
    fn several_endpoints_in_every_layout() {
        for request in [
            json!({"VpcEndpointId": [ONE, {"tag": 2, "content": TWO}]}),
            json!({"vpcEndpointIdSet": {"items": [{"vpcEndpointId": ONE}, {"vpcEndpointId": TWO}, {"vpcEndpointId": ONE}]}}),
            json!({"VpcEndpointId.1": ONE, "VpcEndpointId.2": TWO}),
            // The call takes no service, so one in the record is not believed.
            json!({"ServiceId": SERVICE, "VpcEndpointId": [ONE, TWO]}),
            json!({"DeleteVpcEndpointsRequest": {"VpcEndpointId": [{"tag": 1, "content": ONE}, {"tag": 2, "content": TWO}]}}),
        ] {
            assert_eq!(
                hint(&call("DeleteVpcEndpoints", &request, &Value::Null)),
                Hint {
                    kind: HintKind::Deleted,
                    subject: endpoints(None, &[ONE, TWO]),
                    actor: None,
                },
                "{request}"
            );
        }
    }

    #[test]
    fn a_call_without_readable_ids_makes_us_look_further() {
        let accept = |request: Value| {
            hint(&call(
                "AcceptVpcEndpointConnections",
                &request,
                &Value::Null,
            ))
            .subject
        };
        assert_eq!(
            accept(json!({"ServiceId": SERVICE, "VpcEndpointId": ""})),
            Subject::Service(SERVICE.parse().unwrap())
        );
        for request in [
            json!(null),
            json!({}),
            json!("x"),
            json!({"VpcEndpointId": "vpce-x"}),
        ] {
            assert_eq!(accept(request.clone()), Subject::Everything, "{request}");
            assert_eq!(
                hint(&call("DeleteVpcEndpoints", &request, &Value::Null)).subject,
                Subject::Everything
            );
            assert_eq!(
                hint(&call("CreateVpcEndpoint", &request, &Value::Null)).subject,
                Subject::Everything
            );
        }
    }

    #[test]
    fn a_created_endpoint_is_in_the_answer_and_its_service_in_the_request() {
        let name = format!("com.amazonaws.vpce.us-east-1.{SERVICE}");
        let endpoint = json!({"vpcEndpointId": ONE, "serviceName": name, "ownerId": "444455556666",
            "policyDocument": format!("aws:SourceVpce {TWO}"), "tagSet": {"items": [{"value": TWO}]}});
        let plain = json!({"ServiceName": name, "VpcId": "vpc-1", "TagSpecification": {"Tag": {"Value": TWO}}});
        for request in [
            plain.clone(),
            json!({"serviceName": name}),
            json!({"ServiceName": {"tag": 1, "content": name}}),
            json!({"CreateVpcEndpointRequest": plain}),
            // The service is known from the answer as well.
            json!({"CreateVpcEndpointRequest": {"ServiceName": ""}}),
            json!(null),
        ] {
            for response in [
                json!({"vpcEndpoint": endpoint}),
                json!({"VpcEndpoint": {"VpcEndpointId": ONE, "ServiceName": {"content": name}}}),
                json!({"CreateVpcEndpointResponse": {"xmlns": "x", "requestId": "r", "vpcEndpoint": endpoint}}),
            ] {
                assert_eq!(
                    hint(&call("CreateVpcEndpoint", &request, &response)),
                    Hint {
                        kind: HintKind::Requested,
                        subject: endpoints(Some(SERVICE), &[ONE]),
                        actor: None,
                    },
                    "{request} {response}"
                );
            }
        }
        let without_answer = call(
            "CreateVpcEndpoint",
            &json!({"ServiceName": name}),
            &Value::Null,
        );
        assert_eq!(
            hint(&without_answer).subject,
            Subject::Service(SERVICE.parse().unwrap())
        );
        // The id looks like one of ours but cannot be read; the endpoint is looked up all the same.
        let odd = call(
            "CreateVpcEndpoint",
            &json!({"ServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-X"}),
            &json!({"vpcEndpoint": {"vpcEndpointId": ONE}}),
        );
        assert_eq!(hint(&odd).subject, endpoints(None, &[ONE]));
    }

    #[test]
    fn an_endpoint_for_something_else_is_ignored() {
        for request in [
            json!({"ServiceName": "com.amazonaws.us-east-1.s3"}),
            json!({"CreateVpcEndpointRequest": {"ServiceName": "aws.api.us-east-1.kendra-ranking"}}),
            json!({"ServiceName": {"tag": 1, "content": "com.amazonaws.us-east-1.ssm"}}),
            json!({"VpcEndpointType": "Resource", "ResourceConfigurationArn": "arn:aws:vpc-lattice:us-east-1:111122223333:resourceconfiguration/rcfg-1"}),
            json!({"VpcEndpointType": "ServiceNetwork", "serviceNetworkArn": "arn:aws:vpc-lattice:us-east-1:111122223333:servicenetwork/sn-1"}),
        ] {
            let response = json!({"vpcEndpoint": {"vpcEndpointId": ONE}});
            assert_eq!(
                ignored(&call("CreateVpcEndpoint", &request, &response)),
                Ignored::OtherService,
                "{request}"
            );
        }
    }

    #[test]
    fn a_failed_call_is_ignored() {
        let accept = |code: Value| {
            let mut call = call(
                "AcceptVpcEndpointConnections",
                &json!({"ServiceId": SERVICE, "VpcEndpointId": ONE}),
                &Value::Null,
            );
            call["errorCode"] = code;
            call
        };
        for code in [
            json!("Client.UnauthorizedOperation"),
            json!({"code": "x"}),
            json!(403),
        ] {
            assert_eq!(ignored(&accept(code)), Ignored::CallFailed);
        }
        for code in [json!(null), json!(""), json!(" ")] {
            assert_eq!(hint(&accept(code)).kind, HintKind::Accepted);
        }
    }

    #[test]
    fn endpoints_that_failed_are_left_out() {
        let request = json!({"ServiceId": SERVICE, "VpcEndpointId": [ONE, TWO]});
        let with = |response: Value| call("RejectVpcEndpointConnections", &request, &response);
        let failure = |id: &str| json!({"error": {"code": "InvalidState", "message": format!("{ONE} {TWO}")}, "resourceId": id});
        for unsuccessful in [
            failure(TWO),
            json!([failure(TWO)]),
            json!({"item": failure(TWO)}),
            json!({"items": [failure(TWO)]}),
            json!({"item": [{"ResourceId": {"content": TWO}}]}),
        ] {
            for response in [
                json!({"unsuccessful": unsuccessful}),
                json!({"Unsuccessful": unsuccessful}),
                json!({"unsuccessfulSet": unsuccessful}),
                json!({"RejectVpcEndpointConnectionsResponse": {"requestId": "r", "unsuccessful": unsuccessful}}),
            ] {
                assert_eq!(
                    hint(&with(response.clone())).subject,
                    endpoints(Some(SERVICE), &[ONE]),
                    "{response}"
                );
            }
        }
        for nothing in [
            json!(""),
            json!({}),
            json!([]),
            json!(null),
            json!("rubbish"),
            json!([TWO]),
        ] {
            assert_eq!(
                hint(&with(json!({"unsuccessful": nothing}))).subject,
                endpoints(Some(SERVICE), &[ONE, TWO])
            );
        }
        let all = with(json!({"unsuccessful": [failure(ONE), failure(TWO)]}));
        assert_eq!(ignored(&all), Ignored::CallFailed);
        // There are more endpoints than we keep, and those that we do not keep may have been
        // rejected.
        let many: Vec<String> = (0..200).map(|n| format!("vpce-{n:08x}")).collect();
        let failures: Vec<Value> = many[..100].iter().map(|id| failure(id)).collect();
        let call = call(
            "RejectVpcEndpointConnections",
            &json!({"ServiceId": SERVICE, "VpcEndpointId": many}),
            &json!({ "unsuccessful": failures }),
        );
        assert_eq!(
            hint(&call).subject,
            Subject::Service(SERVICE.parse().unwrap())
        );
    }

    #[test]
    fn our_own_decisions_are_not_mistaken_for_others() {
        let ours = json!({"arn": "arn:aws:sts::111122223333:assumed-role/connections/f"});
        let request = json!({"ServiceId": SERVICE, "VpcEndpointId": ONE});
        for (name, own) in [
            ("AcceptVpcEndpointConnections", true),
            ("RejectVpcEndpointConnections", true),
            // We never make these calls; if we did, they would count like anybody's.
            ("DeleteVpcEndpoints", false),
            ("CreateVpcEndpoint", false),
        ] {
            let mut call = call(name, &request, &Value::Null);
            call["userIdentity"] = ours.clone();
            if own {
                assert_eq!(ignored(&call), Ignored::OwnCall);
            } else {
                hint(&call);
            }
        }
    }

    #[test]
    fn a_record_that_is_no_call_is_ignored() {
        let mut record = call(
            "AcceptVpcEndpointConnections",
            &json!({"ServiceId": SERVICE, "VpcEndpointId": ONE}),
            &Value::Null,
        );
        for kind in [
            json!("AwsApiCall"),
            json!("AwsServiceEvent"),
            json!("awsapicall"),
            json!(null),
        ] {
            record["eventType"] = kind;
            assert_eq!(hint(&record).kind, HintKind::Accepted);
        }
        for kind in [
            json!("AwsVpceEvent"),
            json!("AwsCloudTrailInsight"),
            json!("AwsConsoleAction"),
            json!("AwsConsoleSignIn"),
            json!("AwsApiCall "),
            json!(""),
            json!(7),
            json!(["AwsApiCall"]),
        ] {
            record["eventType"] = kind.clone();
            assert_eq!(ignored(&record), Ignored::NoCall, "{kind}");
            // Alone, from EventBridge under either name, and from SNS.
            let event =
                |name: &str| json!({"source": "aws.ec2", "detail-type": name, "detail": record});
            let by_event = event("AWS API Call via CloudTrail");
            let by_sns = json!({"Type": "Notification", "Message": by_event.to_string()});
            for body in [
                record.clone(),
                by_event,
                event("AWS Network Activity Event via CloudTrail"),
                by_sns,
            ] {
                let read = crate::decode::decode(&body.to_string(), &OwnRoles::default());
                assert_eq!(read, Ok(Decoded::Ignored(Ignored::NoCall)), "{body}");
            }
        }
    }

    #[test]
    fn aws_words_are_compared_without_case() {
        let request = json!({"ServiceId": SERVICE, "VpcEndpointId": ONE});
        for (name, kind) in [
            ("acceptvpcendpointconnections", HintKind::Accepted),
            ("REJECTVPCENDPOINTCONNECTIONS", HintKind::Rejected),
            ("deleteVpcEndpoints", HintKind::Deleted),
            ("createVpcEndpoint", HintKind::Requested),
        ] {
            let mut call = call(name, &request, &Value::Null);
            call["eventSource"] = json!("EC2.amazonaws.com");
            assert_eq!(hint(&call).kind, kind, "{name}");
            let event = json!({"source": "AWS.EC2", "detail-type": "aws api call via cloudtrail", "detail": call});
            for body in [call, event] {
                let read = crate::decode::decode(&body.to_string(), &OwnRoles::default());
                assert!(
                    matches!(&read, Ok(Decoded::Hints(hints)) if hints[0].kind == kind),
                    "{read:?}"
                );
            }
        }
    }

    #[test]
    fn china_counts_as_ec2() {
        let mut call = call(
            "DeleteVpcEndpoints",
            &json!({"VpcEndpointId": ONE}),
            &Value::Null,
        );
        call["eventSource"] = json!("ec2.amazonaws.com.cn");
        let whole = crate::decode::decode(&call.to_string(), &OwnRoles::default());
        assert_eq!(whole, decoded(&call));
        assert_eq!(hint(&call).subject, endpoints(None, &[ONE]));
    }

    #[test]
    fn other_calls_are_ignored_and_a_call_without_a_name_is_malformed() {
        for name in ["DescribeVpcEndpointConnections", "RunInstances", ""] {
            assert_eq!(
                ignored(&call(name, &json!({"x": ONE}), &Value::Null)),
                Ignored::OtherCall
            );
        }
        let mut other = call("CreateVpcEndpoint", &Value::Null, &Value::Null);
        other["eventSource"] = json!("vpc-lattice.amazonaws.com");
        assert_eq!(ignored(&other), Ignored::OtherCall);
        assert_eq!(
            decoded(&json!({"eventName": 7})).unwrap_err().to_string(),
            "in the CloudTrail event, `eventName` is missing or is not a text"
        );
    }
}
