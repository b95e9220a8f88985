//! Decodes SNS notifications: AWS PrivateLink's messages about a connection, whose text AWS does
//! not document.

use std::borrow::Cow;

use gatekeeper_core::hint::{Hint, HintKind, Subject};
use serde_json::{Map, Value};

use super::decoded::{Decoded, Ignored, Nested, Read};
use super::mentioned::{Mentioned, each_text};

/// An SNS topic ARN has at most 256 characters of name.
const LONGEST_TOPIC_ARN: usize = 512;

/// Reads an SNS envelope. Its message may be another event; anything else is taken for a connection
/// notification, which is never malformed: at the least it says that something happened.
pub(super) fn read(envelope: &Map<String, Value>) -> Read<'_> {
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    let ignored = match text("Type") {
        Some("SubscriptionConfirmation") => Some(Ignored::SubscriptionConfirmation),
        Some("UnsubscribeConfirmation") => Some(Ignored::UnsubscribeConfirmation),
        _ => None,
    };
    if let Some(why) = ignored {
        return Read::Decoded(Decoded::Ignored(why));
    }
    let whole = envelope.get("Message").unwrap_or(&Value::Null);
    let parsed = whole
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let message = parsed.map_or(Cow::Borrowed(whole), Cow::Owned);
    let mentioned = Mentioned::in_value(&message);
    let topic = text("TopicArn")
        .filter(|arn| arn.starts_with("arn:") && arn.len() <= LONGEST_TOPIC_ARN)
        .map_or(Subject::Everything, |arn| Subject::Topic(arn.to_owned()));
    let kind = kind(&message, text("Subject"));
    Read::Nested(Nested::Message {
        names_ids: !mentioned.is_empty(),
        notification: hints_of(mentioned, topic, kind),
        message,
    })
}

/// Reads the text of a notification without its envelope. `None` if it neither names ids nor says
/// what happened, since it could then be anything.
pub(super) fn read_bare(message: &Value) -> Option<Decoded> {
    let mentioned = Mentioned::in_value(message);
    let kind = kind(message, None);
    let tells = !mentioned.is_empty() || kind != HintKind::Unspecified;
    tells.then(|| hints_of(mentioned, Subject::Everything, kind))
}

fn hints_of(mentioned: Mentioned, fallback: Subject, kind: HintKind) -> Decoded {
    let subjects = mentioned.subjects(fallback).into_iter();
    let hints = subjects.map(|subject| Hint {
        kind,
        subject,
        actor: None,
    });
    Decoded::Hints(hints.collect())
}

/// What happened, if a field of the message or the subject is one of the words that the
/// notification is configured with. Contradicting words count as none.
fn kind(message: &Value, subject: Option<&str>) -> HintKind {
    let mut said = Vec::new();
    // Compare whole fields, not words in them: "to accept it, open the console" says nothing.
    each_text(message, &mut |text| said.extend(kind_of(text)));
    let words = subject
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_alphanumeric());
    said.extend(words.filter_map(kind_of));
    match said.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other == first) => *first,
        _ => HintKind::Unspecified,
    }
}

fn kind_of(word: &str) -> Option<HintKind> {
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    if is("connect") {
        Some(HintKind::Requested)
    } else if is("accept") || is("accepted") {
        Some(HintKind::Accepted)
    } else if is("reject") || is("rejected") {
        Some(HintKind::Rejected)
    } else if is("delete") || is("deleted") {
        Some(HintKind::Deleted)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{OwnRoles, decode};
    use serde_json::json;

    const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:privatelink";

    fn notified(message: &str, subject: Option<&str>) -> Hint {
        let envelope = json!({"Type": "Notification", "TopicArn": TOPIC, "Subject": subject, "Message": message});
        one(&envelope)
    }

    fn one(envelope: &Value) -> Hint {
        match decode(&envelope.to_string(), &OwnRoles::default()) {
            Ok(Decoded::Hints(hints)) => {
                assert_eq!(hints.len(), 1, "{hints:?}");
                hints.into_iter().next().unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn endpoint(service_id: Option<&str>) -> Subject {
        Subject::Endpoints {
            service_id: service_id.map(|id| id.parse().unwrap()),
            endpoint_ids: vec!["vpce-0123456789abcdef0".parse().unwrap()],
        }
    }

    #[test]
    fn a_message_without_ids_stands_for_its_topic() {
        let long = "lorem ipsum ".repeat(256 * 1024 / 12);
        for message in [
            "",
            "{}",
            "[]",
            "null",
            "42",
            "not json",
            "{\"cut\":",
            "\u{0}\u{1b}[",
            &long,
        ] {
            let hint = notified(message, None);
            assert_eq!(hint.subject, Subject::Topic(TOPIC.to_owned()));
            assert_eq!(hint.kind, HintKind::Unspecified);
            assert_eq!(hint.actor, None);
        }
    }

    #[test]
    fn without_a_usable_topic_it_means_everything() {
        for topic in [
            json!(null),
            json!(7),
            json!(""),
            json!("a topic"),
            json!(format!("arn:{}", "x".repeat(600))),
        ] {
            let hint = one(&json!({"Type": "Notification", "TopicArn": topic, "Message": "hello"}));
            assert_eq!(hint.subject, Subject::Everything);
        }
        // SNS does not send this, but it must not be lost either.
        let hint = one(&json!({"Type": "Notification", "TopicArn": TOPIC}));
        assert_eq!(hint.subject, Subject::Topic(TOPIC.to_owned()));
        let hint =
            one(&json!({"Type": "Notification", "Message": {"id": "vpce-0123456789abcdef0"}}));
        assert_eq!(hint.subject, endpoint(None));
    }

    #[test]
    fn ids_count_at_any_place() {
        let service = Some("vpce-svc-0a1b2c3d4e5f60718");
        for message in [
            r#"{"vpcEndpointId":"vpce-0123456789abcdef0","serviceId":"vpce-svc-0a1b2c3d4e5f60718"}"#,
            r#"["arn:aws:ec2:us-east-1:444455556666:vpc-endpoint/vpce-0123456789abcdef0","com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"]"#,
            r#"{"text":"service:\nvpce-svc-0a1b2c3d4e5f60718\nendpoint:\nvpce-0123456789abcdef0\n"}"#,
            "vpce-0123456789abcdef0 asks for vpce-svc-0a1b2c3d4e5f60718.",
            "{\"broken\": \"vpce-0123456789abcdef0\", vpce-svc-0a1b2c3d4e5f60718",
            r#""vpce-0123456789abcdef0 vpce-svc-0a1b2c3d4e5f60718""#,
        ] {
            assert_eq!(
                notified(message, None).subject,
                endpoint(service),
                "{message}"
            );
        }
        assert_eq!(
            notified("vpce-0123456789abcdef0", None).subject,
            endpoint(None)
        );
        assert_eq!(
            notified("vpce-svc-0a1b2c3d4e5f60718", None).subject,
            Subject::Service("vpce-svc-0a1b2c3d4e5f60718".parse().unwrap())
        );
    }

    #[test]
    fn the_kind_is_a_field_or_the_subject() {
        let table = [
            (r#"{"eventType":"Connect"}"#, None, HintKind::Requested),
            (r#"{"a":[{"event":"ACCEPT"}]}"#, None, HintKind::Accepted),
            (r#"{"event":"Reject"}"#, None, HintKind::Rejected),
            (r#"{"event":"Delete"}"#, None, HintKind::Deleted),
            (
                r#"{"event":"Delete"}"#,
                Some("Delete: endpoint"),
                HintKind::Deleted,
            ),
            (
                "text",
                Some("VPC endpoint connection: Accept"),
                HintKind::Accepted,
            ),
            (
                "text",
                Some("Endpoint connection rejected"),
                HintKind::Rejected,
            ),
            (
                "text",
                Some("VPC Endpoint Connection Notification"),
                HintKind::Unspecified,
            ),
            ("please Accept", None, HintKind::Unspecified),
            (r#"{"text":"please Accept"}"#, None, HintKind::Unspecified),
            (
                r#"{"events":["Connect","Accept"]}"#,
                None,
                HintKind::Unspecified,
            ),
            (
                r#"{"event":"Connect"}"#,
                Some("Reject"),
                HintKind::Unspecified,
            ),
        ];
        for (message, subject, kind) in table {
            assert_eq!(
                notified(message, subject).kind,
                kind,
                "{message} {subject:?}"
            );
        }
    }

    #[test]
    fn confirmations_are_ignored() {
        for (kind, why) in [
            (
                "SubscriptionConfirmation",
                Ignored::SubscriptionConfirmation,
            ),
            ("UnsubscribeConfirmation", Ignored::UnsubscribeConfirmation),
        ] {
            let body = json!({"Type": kind, "TopicArn": TOPIC, "Message": "vpce-0123456789abcdef0", "Token": "t"});
            assert_eq!(
                decode(&body.to_string(), &OwnRoles::default()),
                Ok(Decoded::Ignored(why))
            );
        }
    }

    #[test]
    fn a_notification_that_looks_like_an_aws_event_still_counts() {
        let message = json!({"source": "aws.vpce", "detail-type": "Connection State Change",
            "detail": {"event": "Connect", "vpcEndpointId": "vpce-0123456789abcdef0"}});
        let hint = notified(&message.to_string(), None);
        assert_eq!(hint.subject, endpoint(None));
        assert_eq!(hint.kind, HintKind::Requested);
    }

    #[test]
    fn other_events_and_calls_that_come_by_sns_are_ignored() {
        for (message, why) in [
            (
                json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
                Ignored::OtherEvent,
            ),
            // If this counted as a notification, our own questions to EC2 would cause further
            // questions.
            (
                json!({"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": {
                "eventSource": "ec2.amazonaws.com", "eventName": "DescribeVpcEndpointConnections",
                "requestParameters": {"x": "vpce-0123456789abcdef0"}}}),
                Ignored::OtherCall,
            ),
            (
                json!({"source": "aws.dynamodb", "detail-type": "AWS API Call via CloudTrail", "detail": {
                "requestParameters": {"x": "vpce-0123456789abcdef0"}}}),
                Ignored::OtherCall,
            ),
        ] {
            let body =
                json!({"Type": "Notification", "TopicArn": TOPIC, "Message": message.to_string()});
            assert_eq!(
                decode(&body.to_string(), &OwnRoles::default()),
                Ok(Decoded::Ignored(why)),
                "{message}"
            );
        }
    }
}
