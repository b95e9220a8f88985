use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::attachment::AttachmentListing;
use super::notification::{NotificationFacts, invented_body};

/// Makes the body of a connection notification. It must not use the simulator that calls it.
pub type NotificationBody = Arc<dyn Fn(&NotificationFacts) -> String + Send + Sync>;

/// Options that [`Ec2::set_options`](crate::Ec2::set_options) changes at any time. A change of a delay does not concern
/// what is under way.
#[derive(Clone)]
pub struct Ec2Options {
    /// The time from `pending` to `available`. AWS takes about a minute. Default: 2 s.
    pub pending_delay: Duration,
    /// The time from `deleting` to `deleted`. Default: 2 s.
    pub deleting_delay: Duration,
    /// The time from `deleted` until the connection is not listed any more. Default: 2 s.
    pub deleted_delay: Duration,
    /// `Describe…Connections` and `DescribeVpcEndpoints` lag by this much. Default: 0 s.
    pub describe_lag: Duration,
    /// Before each page of a list comes an empty one with a token, as EC2 may do.
    pub empty_pages: bool,
    /// The most items of a page. EC2 may answer fewer than `MaxResults` asks for. Default: 1000.
    pub page_size: usize,
    /// Answer `InvalidFilter` to the filter `vpc-endpoint-id` of `DescribeVpcEndpointConnections`. It is documented;
    /// public reports differ on whether it works.
    pub reject_endpoint_id_filter: bool,
    /// A rejected connection can be accepted. AWS does not say; public reports differ. Default: `InvalidState`.
    pub accept_after_reject: bool,
    /// How the connection of a transit gateway attachment that is created is listed. AWS does not say.
    pub attachment_listing: AttachmentListing,
    /// An endpoint that is listed for an attachment can be accepted and rejected by its own id too; if not, such an id
    /// is not found. AWS does not say. Default: on, so that a test notices code that does it.
    pub attachments_by_endpoint: bool,
    /// The most endpoints that one Accept or Reject takes. AWS publishes none; more are refused as a whole.
    pub decide_at_most: Option<usize>,
    /// Apply the documented token buckets (EC2 Developer Guide, "Request throttling").
    pub throttling: bool,
    /// Emit an event in the form of CloudTrail's for each call that creates, deletes, accepts or rejects.
    pub cloudtrail: bool,
    /// Makes the bodies of connection notifications. AWS does not document them: the default is invented.
    pub notification_body: NotificationBody,
}

impl Default for Ec2Options {
    fn default() -> Self {
        Self {
            pending_delay: Duration::from_secs(2),
            deleting_delay: Duration::from_secs(2),
            deleted_delay: Duration::from_secs(2),
            describe_lag: Duration::ZERO,
            empty_pages: false,
            page_size: 1000,
            reject_endpoint_id_filter: false,
            accept_after_reject: false,
            attachment_listing: AttachmentListing::default(),
            attachments_by_endpoint: true,
            decide_at_most: None,
            throttling: false,
            cloudtrail: false,
            notification_body: Arc::new(invented_body),
        }
    }
}

impl fmt::Debug for Ec2Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2Options")
            .field("pending_delay", &self.pending_delay)
            .field("deleting_delay", &self.deleting_delay)
            .field("deleted_delay", &self.deleted_delay)
            .field("describe_lag", &self.describe_lag)
            .field("empty_pages", &self.empty_pages)
            .field("page_size", &self.page_size)
            .field("reject_endpoint_id_filter", &self.reject_endpoint_id_filter)
            .field("accept_after_reject", &self.accept_after_reject)
            .field("attachment_listing", &self.attachment_listing)
            .field("attachments_by_endpoint", &self.attachments_by_endpoint)
            .field("decide_at_most", &self.decide_at_most)
            .field("throttling", &self.throttling)
            .field("cloudtrail", &self.cloudtrail)
            .finish_non_exhaustive()
    }
}
