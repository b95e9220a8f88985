//! Transit Gateway attachments among the connections of a service.
//!
//! Since 17 November 2026 a consumer can attach a Transit Gateway to a service of Gateway Load
//! Balancers. EC2 lists it among the service's connections: without an endpoint's id, or once for
//! each zone with one. No allowlist entry can name it, so it is counted and announced, and people
//! decide it at EC2.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::{ConnectionState, Phase};
use crate::evidence::Evidence;
use crate::ids::{EndpointId, ServiceId};

/// One item of EC2's list that belongs to an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The attachment's id, or another name that EC2 has for it. The same for each of its items.
    pub name: String,
    /// The endpoint, if EC2 names one beside the attachment.
    pub endpoint_id: Option<EndpointId>,
    pub state: ConnectionState,
    /// When it was created, if EC2 said so.
    pub created_at: Option<Timestamp>,
}

/// The attachments of one service, each once.
#[derive(Debug, Clone, Default)]
pub struct Attachments(BTreeMap<String, Attachment>);

impl Attachments {
    /// Adds an item. If an attachment has several, one that waits for a decision counts first.
    pub fn add(&mut self, item: Attachment) {
        match self.0.get(&item.name) {
            Some(known) if urgency(&known.state) >= urgency(&item.state) => {}
            _ => {
                self.0.insert(item.name.clone(), item);
            }
        }
    }

    /// The attachments that wait for a decision. One in an unknown state may wait.
    pub fn waiting(&self) -> impl Iterator<Item = &Attachment> {
        let all = self.0.values();
        all.filter(|one| matches!(one.state.phase(), Phase::Waiting | Phase::Unknown))
    }

    /// The attachments that are not deleted, each with its state.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let all = self.0.values();
        let listed = all.filter_map(|one| match one.state.phase() {
            Phase::Waiting | Phase::Unknown => Some(format!("{} waiting", one.name)),
            Phase::Connected => Some(format!("{} connected", one.name)),
            Phase::Rejected => Some(format!("{} rejected", one.name)),
            Phase::Ended => None,
        });
        Evidence::of(listed)
    }

    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for attachment in self.0.values() {
            match attachment.state.phase() {
                Phase::Waiting | Phase::Unknown => tally.waiting += 1,
                Phase::Connected => tally.connected += 1,
                Phase::Rejected => tally.rejected += 1,
                Phase::Ended => {}
            }
        }
        tally
    }
}

/// How much a state matters if the items of one attachment differ.
fn urgency(state: &ConnectionState) -> u8 {
    match state.phase() {
        Phase::Waiting | Phase::Unknown => 3,
        Phase::Connected => 2,
        Phase::Rejected => 1,
        Phase::Ended => 0,
    }
}

/// How many attachments EC2 lists on a service, without those that were deleted or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Attachments that wait for a decision.
    pub waiting: u32,
    /// Attachments that somebody accepted.
    pub connected: u32,
    /// Attachments that somebody rejected.
    pub rejected: u32,
}

impl Tally {
    #[must_use]
    pub fn listed(self) -> u32 {
        let Self {
            waiting,
            connected,
            rejected,
        } = self;
        waiting.saturating_add(connected).saturating_add(rejected)
    }

    /// Whether more wait, or more are connected, than was announced.
    #[must_use]
    pub fn is_more_than(self, announced: Self) -> bool {
        self.waiting > announced.waiting || self.connected > announced.connected
    }

    /// The least that is known if only a part of a service was seen now; `announced` is the earlier
    /// number.
    #[must_use]
    pub fn at_least(self, announced: Self) -> Self {
        Self {
            waiting: self.waiting.max(announced.waiting),
            connected: self.connected.max(announced.connected),
            rejected: self.rejected.max(announced.rejected),
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn meaning(self) -> String {
        let listed = match self.listed() {
            1 => "1 Transit Gateway attachment".to_owned(),
            listed => format!("{listed} Transit Gateway attachments"),
        };
        format!(
            "EC2 lists {listed} among the service's connections, which Gatekeeper neither accepts \
             nor rejects: waiting for a decision {}, connected {}, rejected {}.",
            self.waiting, self.connected, self.rejected
        )
    }
}

/// The command of the AWS CLI that lists a service's attachments.
#[must_use]
pub fn list_command(service: &ServiceId) -> String {
    format!(
        "aws ec2 describe-vpc-endpoint-connections --filters Name=service-id,Values={service} \
         --query 'VpcEndpointConnections[?TransitGatewayAttachmentId]'"
    )
}

/// What to do about a service's attachments.
#[must_use]
pub fn remedy(service: &ServiceId) -> String {
    format!(
        "List them ({}), and decide yourself: aws ec2 accept-vpc-endpoint-connections (or \
         reject-vpc-endpoint-connections) --service-id {service} --vpc-endpoint-ids '[]' \
         --transit-gateway-attachment-ids with their ids. The AWS CLI knows them since 17 November 2026.",
        list_command(service)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, state: &str) -> Attachment {
        Attachment {
            name: name.to_owned(),
            endpoint_id: None,
            state: state.parse().unwrap(),
            created_at: None,
        }
    }

    fn tally(items: &[(&str, &str)]) -> (u32, u32, u32) {
        let mut all = Attachments::default();
        for (name, state) in items {
            all.add(item(name, state));
        }
        let Tally {
            waiting,
            connected,
            rejected,
        } = all.tally();
        assert_eq!(all.waiting().count(), usize::try_from(waiting).unwrap());
        (waiting, connected, rejected)
    }

    #[test]
    fn an_attachment_counts_once_however_many_zones_it_has() {
        for (items, expected) in [
            (&[("a", "pendingAcceptance")][..], (1, 0, 0)),
            (&[("a", "available"), ("a", "available")], (0, 1, 0)),
            // An attachment that waits in one zone waits, in any order of EC2's list.
            (&[("a", "available"), ("a", "pendingAcceptance")], (1, 0, 0)),
            (&[("a", "pendingAcceptance"), ("a", "available")], (1, 0, 0)),
            (&[("a", "rejected"), ("a", "pending")], (0, 1, 0)),
            (&[("a", "deleted"), ("a", "rejected")], (0, 0, 1)),
            // One in a state of a later API may wait.
            (&[("a", "hibernating"), ("b", "available")], (1, 1, 0)),
            (
                &[("a", "deleted"), ("b", "failed"), ("c", "expired")],
                (0, 0, 0),
            ),
        ] {
            assert_eq!(tally(items), expected, "{items:?}");
        }
    }

    #[test]
    fn more_attachments_are_announced_again_and_fewer_are_not() {
        let of = |waiting, connected, rejected| Tally {
            waiting,
            connected,
            rejected,
        };
        assert!(of(1, 0, 0).is_more_than(of(0, 5, 5)));
        assert!(of(0, 1, 0).is_more_than(of(1, 0, 0)), "accepted by hand");
        assert!(!of(0, 0, 1).is_more_than(of(1, 0, 0)), "rejected by hand");
        assert!(!of(1, 1, 1).is_more_than(of(1, 1, 1)));
        assert_eq!(of(1, 0, 0).at_least(of(0, 2, 3)), of(1, 2, 3));
    }

    #[test]
    fn the_words_hold_the_count_and_the_command() {
        let meaning = Tally {
            waiting: 2,
            connected: 1,
            rejected: 0,
        }
        .meaning();
        assert!(
            meaning.contains("3 Transit Gateway attachments"),
            "{meaning}"
        );
        assert!(meaning.contains("waiting for a decision 2, connected 1, rejected 0"));
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        assert!(remedy(&service).contains(&list_command(&service)));
    }
}
