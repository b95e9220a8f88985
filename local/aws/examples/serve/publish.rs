//! Publishes EC2's connection notifications.

use std::io::Write;

use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sns::error::DisplayErrorContext;
use local_aws::{ConnectionNotification, Message, Sns};
use tokio::sync::mpsc::UnboundedReceiver;

/// Publishes to the SNS of this process.
pub(crate) async fn here(mut notifications: UnboundedReceiver<ConnectionNotification>, sns: Sns) {
    while let Some(notification) = notifications.recv().await {
        // A topic that is not there any more loses the message, as at AWS.
        let _ = sns.publish(&notification.topic_arn, &Message::new(notification.body));
    }
}

/// Publishes to an SNS somewhere else. The account that owns the service signs the calls, since no service has a key.
/// Headers say that `vpce.amazonaws.com` publishes, and for which service, so that an emulator can allow it;
/// `tests/deployed` does that. A message that cannot be published is lost, as at AWS, and reported on standard output.
pub(crate) async fn elsewhere(
    mut notifications: UnboundedReceiver<ConnectionNotification>,
    url: String,
    account: String,
) {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .credentials_provider(Credentials::new(&account, "test", None, None, "serve"));
    while let Some(notification) = notifications.recv().await {
        // arn:aws:sns:<Region>:…
        let region = notification.topic_arn.split(':').nth(3).unwrap_or_default();
        let service = &notification.service_id;
        let caller = [
            ("x-emulated-service", "vpce.amazonaws.com".to_owned()),
            ("x-amz-source-account", account.clone()),
            (
                "x-amz-source-arn",
                format!("arn:aws:ec2:{region}:{account}:vpc-endpoint-service/{service}"),
            ),
        ];
        let region = Region::new(region.to_owned());
        let client = aws_sdk_sns::Client::from_conf(config.clone().region(region).build());
        let published = client
            .publish()
            .topic_arn(&notification.topic_arn)
            .message(&notification.body)
            .customize()
            .mutate_request(move |request| {
                for (name, value) in &caller {
                    // `insert` panics on what is no header, which an id or an ARN is not.
                    let _ = request.headers_mut().try_insert(*name, value.clone());
                }
            })
            .send()
            .await;
        if let Err(error) = published {
            let _ = writeln!(
                std::io::stdout(),
                "lost {} of {} for {}: {}",
                notification.event,
                notification.endpoint_id,
                notification.topic_arn,
                DisplayErrorContext(&error)
            );
        }
    }
}
