use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::message::Attribute;
use crate::clock::millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeliveryKind {
    /// A published message.
    Notification,
    /// SNS asks whether the subscription is wanted.
    SubscriptionConfirmation,
    /// SNS tells that the subscription was ended, by somebody who does not own it.
    UnsubscribeConfirmation,
}

impl DeliveryKind {
    /// The `Type` in SNS's envelope.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// A message as it reached one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    pub kind: DeliveryKind,
    /// The subscription.
    pub subscription_arn: String,
    /// `email`, `email-json`, `http`, `https`, `lambda` or `sqs`.
    pub protocol: String,
    /// The address: of e-mail, the mail address; of a function or a queue, its ARN.
    pub endpoint: String,
    pub topic_arn: String,
    /// The id that `Publish` answered.
    pub message_id: String,
    pub subject: Option<String>,
    /// The text that was meant for this protocol. At AWS, a footer with a link to unsubscribe follows it in mails.
    pub message: String,
    pub attributes: BTreeMap<String, Attribute>,
    /// Raw message delivery: the bare text, without an envelope.
    pub raw: bool,
    /// The token for `ConfirmSubscription`, in a [`DeliveryKind::SubscriptionConfirmation`].
    pub token: Option<String>,
    /// Where a click leads: of a notification, to unsubscribing, as in the footer of a mail; of a
    /// [`DeliveryKind::SubscriptionConfirmation`], to confirming.
    pub url: String,
    pub at: Timestamp,
}

impl Delivery {
    /// SNS's envelope, such as `"Type": "Notification"`, as queues, HTTP endpoints and e-mail in JSON get it. The signature is
    /// not one.
    pub fn envelope(&self) -> Value {
        let mut envelope = Map::new();
        let mut put = |name: &str, value: Value| drop(envelope.insert(name.to_owned(), value));
        put("Type", json!(self.kind.as_str()));
        put("MessageId", json!(self.message_id));
        put("TopicArn", json!(self.topic_arn));
        let notification = self.kind == DeliveryKind::Notification;
        if let (Some(subject), true) = (&self.subject, notification) {
            put("Subject", json!(subject));
        }
        put("Message", json!(self.message));
        put("Timestamp", json!(millis(self.at)));
        put("SignatureVersion", json!("1"));
        put("Signature", json!("bG9jYWw="));
        put("SigningCertURL", json!("http://127.0.0.1/none.pem"));
        if let Some(token) = &self.token {
            put("Token", json!(token));
        }
        let url = if notification {
            "UnsubscribeURL"
        } else {
            "SubscribeURL"
        };
        put(url, json!(self.url));
        if !self.attributes.is_empty() {
            put("MessageAttributes", json!(self.attributes));
        }
        Value::Object(envelope)
    }

    /// The bytes that the endpoint gets: the text, the envelope, or a function's event.
    pub fn body(&self) -> String {
        match self.protocol.as_str() {
            "email" => self.message.clone(),
            "lambda" => self.lambda_event().to_string(),
            _ if self.raw => self.message.clone(),
            _ => self.envelope().to_string(),
        }
    }

    /// The event that a function gets: one record.
    pub fn lambda_event(&self) -> Value {
        json!({ "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.subscription_arn,
            "Sns": {
                "Type": "Notification",
                "MessageId": self.message_id,
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
                "Message": self.message,
                "Timestamp": millis(self.at),
                "SignatureVersion": "1",
                "Signature": "bG9jYWw=",
                "SigningCertUrl": "http://127.0.0.1/none.pem",
                "UnsubscribeUrl": self.url,
                "MessageAttributes": self.attributes,
            },
        }] })
    }
}
