//! SNS: topics, subscriptions with filter policies, and an inbox with what was delivered.

mod api;
mod confirmation;
mod delivery;
mod errors;
mod message;
mod param;
mod policy;
mod publish;
mod store;
mod subscription;
mod topic;
mod world;

pub use delivery::{Delivery, DeliveryKind};
pub use message::{Attribute, Message, Published};
pub use store::{Subscription, Topic};
pub use subscription::NewSubscription;
pub use world::{OnPublish, Sns, SnsState};

use crate::error::AwsError;
use crate::http::{Api, Call};
use crate::protocol::Protocol;
use crate::xml::Xml;
use world::{NAMESPACE, Request};

impl Api for SnsState {
    const PROTOCOL: Protocol = Protocol::Query { error };

    fn run(call: &Call<'_, Self>) -> Result<String, AwsError> {
        let operation: fn(&Request<'_>) -> Result<String, AwsError> = match call.action {
            "CreateTopic" => topic::create,
            "ListTopics" => topic::list,
            "GetTopicAttributes" => topic::get_attributes,
            "DeleteTopic" => topic::delete,
            "Subscribe" => subscription::subscribe,
            "ListSubscriptions" => subscription::list,
            "ListSubscriptionsByTopic" => subscription::list_by_topic,
            "GetSubscriptionAttributes" => subscription::get_attributes,
            "SetSubscriptionAttributes" => subscription::set_attributes,
            "ConfirmSubscription" => confirmation::confirm_call,
            "Unsubscribe" => confirmation::unsubscribe_call,
            "Publish" => publish::publish_call,
            "PublishBatch" => publish::batch_call,
            "" => return Err(errors::missing("Action")),
            other => return Err(errors::invalid_action(other)),
        };
        operation(call)
    }

    fn throttled() -> AwsError {
        AwsError::bad("Throttling", "Rate exceeded")
    }

    fn internal() -> AwsError {
        AwsError::new(500, "InternalError", "An internal error has occurred")
    }

    fn unavailable() -> AwsError {
        AwsError::new(503, "ServiceUnavailable", "Service is unavailable")
    }

    fn unauthorized(call: &Call<'_, Self>) -> AwsError {
        let resource = call.params.get("TopicArn").unwrap_or("*");
        errors::unauthorized(&call.caller.arn, call.action, resource)
    }
}

fn error(error: &AwsError, request_id: &str) -> String {
    Xml::root("ErrorResponse", NAMESPACE, |xml| {
        xml.element("Error", |xml| {
            xml.text(
                "Type",
                if error.status >= 500 {
                    "Receiver"
                } else {
                    "Sender"
                },
            );
            xml.text("Code", &error.code);
            xml.text("Message", &error.message);
        });
        xml.text("RequestId", request_id);
    })
}
