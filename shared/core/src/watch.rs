//! Findings about services: configurations that let connections in past Gatekeeper, or that keep it
//! from learning of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// Something about a managed service that people must know as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The service accepts every request without a decision (`AcceptanceRequired=false`).
    AcceptanceNotRequired,
    /// The service's permissions allow every AWS account to connect (`*`).
    AnyoneMayAsk,
    /// The service has no connection notification.
    NotificationMissing,
    /// The service's connection notification is `Disabled`.
    NotificationDisabled,
    /// The service's connection notification goes to another topic than ours.
    NotificationElsewhere,
    /// The service's connection notification does not include `Connect`.
    NotificationIncomplete,
    /// The rule that forwards AWS CloudTrail's events is missing or disabled.
    CloudTrailRuleMissing,
    /// More connections should be revoked than one run may revoke, so none is revoked.
    TooManyRevocations,
    /// Connections should be revoked, and none is, since the allowlist holds no entry for the
    /// service.
    AllowlistEmpty,
    /// The service was managed and no longer is, and it still exists.
    NoLongerManaged,
    /// EC2 lists Transit Gateway attachments among the service's connections.
    TransitGatewayAttachments,
    /// Items of the allowlist that concern the service have keys that judging does not read.
    UnexpectedPolicyKeys,
    /// Nobody is subscribed to the topic for announcements.
    AnnouncementsUnsubscribed,
    /// Nobody is subscribed to the topic for alarms.
    AlarmsUnsubscribed,
}

/// What was looked for: each finding, and its evidence; `None` if the finding does not apply.
/// Findings that could not be looked for are left out.
pub type Seen = BTreeMap<Finding, Option<Evidence>>;

impl Finding {
    pub const ALL: [Self; 14] = [
        Self::AcceptanceNotRequired,
        Self::AnyoneMayAsk,
        Self::NotificationMissing,
        Self::NotificationDisabled,
        Self::NotificationElsewhere,
        Self::NotificationIncomplete,
        Self::CloudTrailRuleMissing,
        Self::TooManyRevocations,
        Self::AllowlistEmpty,
        Self::NoLongerManaged,
        Self::TransitGatewayAttachments,
        Self::UnexpectedPolicyKeys,
        Self::AnnouncementsUnsubscribed,
        Self::AlarmsUnsubscribed,
    ];

    /// The finding with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|finding| finding.as_str() == name)
    }

    /// The finding's name in tables, messages, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AcceptanceNotRequired => "acceptance_not_required",
            Self::AnyoneMayAsk => "anyone_may_ask",
            Self::NotificationMissing => "notification_missing",
            Self::NotificationDisabled => "notification_disabled",
            Self::NotificationElsewhere => "notification_elsewhere",
            Self::NotificationIncomplete => "notification_incomplete",
            Self::CloudTrailRuleMissing => "cloud_trail_rule_missing",
            Self::TooManyRevocations => "too_many_revocations",
            Self::AllowlistEmpty => "allowlist_empty",
            Self::NoLongerManaged => "no_longer_managed",
            Self::TransitGatewayAttachments => "transit_gateway_attachments",
            Self::UnexpectedPolicyKeys => "unexpected_policy_keys",
            Self::AnnouncementsUnsubscribed => "announcements_unsubscribed",
            Self::AlarmsUnsubscribed => "alarms_unsubscribed",
        }
    }

    /// Whether the service's connection notification is wrong, so that requests are found minutes
    /// late.
    #[must_use]
    pub fn is_about_notification(self) -> bool {
        matches!(
            self,
            Self::NotificationMissing
                | Self::NotificationDisabled
                | Self::NotificationElsewhere
                | Self::NotificationIncomplete
        )
    }

    /// Whether a topic has no subscribers, so that people are not notified of what they must know.
    #[must_use]
    pub fn is_unsubscribed(self) -> bool {
        matches!(
            self,
            Self::AnnouncementsUnsubscribed | Self::AlarmsUnsubscribed
        )
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::AcceptanceNotRequired => {
                "The service does not require acceptance: every request is connected at once, and \
                 nobody is asked."
            }
            Self::AnyoneMayAsk => {
                "The service's permissions hold the principal \"*\": every AWS account can create an \
                 endpoint and ask."
            }
            Self::NotificationMissing => {
                "The service has no connection notification: requests are found by reconcile only, \
                 minutes late."
            }
            Self::NotificationDisabled => {
                "The service's connection notification is disabled: requests are found by reconcile \
                 only, minutes late."
            }
            Self::NotificationElsewhere => {
                "The service's connection notification goes to another topic: requests are found by \
                 reconcile only, minutes late."
            }
            Self::NotificationIncomplete => {
                "The service's connection notification leaves out the event Connect: requests are \
                 found by reconcile only, minutes late."
            }
            Self::CloudTrailRuleMissing => {
                "The EventBridge rule for AWS CloudTrail's events is missing or disabled: who accepts \
                 or rejects a connection without Gatekeeper is not known."
            }
            Self::TooManyRevocations => {
                "More connections would be revoked than one run may revoke, so none is revoked."
            }
            Self::AllowlistEmpty => {
                "Connections that nothing allows any more would be revoked, and none is: the \
                 allowlist holds no entry for the service, which may be a mistake."
            }
            Self::NoLongerManaged => {
                "Gatekeeper looked after the service and does not any more: it has lost its tag, or \
                 its place in the parameter ManagedServices. Requests wait undecided, nothing is \
                 revoked, and who accepts or rejects there is not recorded."
            }
            Self::TransitGatewayAttachments => {
                "EC2 lists Transit Gateway attachments among the service's connections, which \
                 Gatekeeper neither accepts nor rejects."
            }
            Self::UnexpectedPolicyKeys => {
                "Items of the allowlist for the service, or for every service, have keys that judging \
                 does not read. An allow among them lets nobody in; whom a deny among them may mean \
                 is rejected where that is certain, and waits otherwise."
            }
            Self::AnnouncementsUnsubscribed => {
                "No subscription to the topic for announcements but Gatekeeper's own is confirmed: \
                 nobody is notified of decisions and reviews."
            }
            Self::AlarmsUnsubscribed => {
                "No subscription to the topic for alarms is confirmed: nobody is notified when Gatekeeper \
                 does not work."
            }
        }
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::AcceptanceNotRequired => {
                "Require acceptance (aws ec2 modify-vpc-endpoint-service-configuration \
                 --acceptance-required), then look through the connections that came in meanwhile."
            }
            Self::AnyoneMayAsk => {
                "Name the accounts that may ask instead (aws ec2 \
                 modify-vpc-endpoint-service-permissions), or accept that strangers can ask."
            }
            Self::NotificationMissing | Self::NotificationElsewhere => {
                "Run the command in the stack's output ConnectNotificationCommand for the service."
            }
            Self::NotificationDisabled => {
                "Check the topic's policy and its key, then delete the notification and create it \
                 anew by the stack's output ConnectNotificationCommand."
            }
            Self::NotificationIncomplete => {
                "Add the event (aws ec2 modify-vpc-endpoint-connection-notification \
                 --connection-events Connect Accept Reject Delete)."
            }
            Self::CloudTrailRuleMissing => "Deploy the stack again, or enable the rule.",
            Self::TooManyRevocations => {
                "Check that the allowlist says what you mean. If it does, raise the service's setting \
                 revoke_at_most until they are revoked."
            }
            Self::AllowlistEmpty => {
                "To revoke a connection, deny its account: a deny is an entry. To keep it, write an \
                 entry that allows it, or set the service's revoke to off."
            }
            Self::NoLongerManaged => {
                "If that is not meant, put back the tag (aws ec2 create-tags --resources <the \
                 service's id> --tags Key=privatelink-gatekeeper,Value=managed) or its id in \
                 ManagedServices, then look through the connections that came in meanwhile."
            }
            Self::TransitGatewayAttachments => {
                "List them (aws ec2 describe-vpc-endpoint-connections), and decide yourself (aws ec2 \
                 accept-vpc-endpoint-connections --vpc-endpoint-ids '[]' \
                 --transit-gateway-attachment-ids)."
            }
            Self::UnexpectedPolicyKeys => {
                "The log of the function reconcile names each item and what to write instead. Write the \
                 right item first, then delete the wrong one."
            }
            Self::AnnouncementsUnsubscribed => {
                "Subscribe somebody to the topic in the stack's output AnnouncementsTopicArn, and have \
                 them confirm."
            }
            Self::AlarmsUnsubscribed => {
                "Subscribe somebody to the topic in the stack's output AlarmsTopicArn, and have them \
                 confirm."
            }
        }
    }
}

/// What EC2 says, by id, of a service that was managed and is not listed among the managed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// It is still managed: the list lagged behind.
    Managed,
    /// It exists and is not managed.
    Unmanaged,
    /// It no longer exists.
    Deleted,
}

/// How a service is configured, as far as findings need it. `None` could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// Whether somebody must accept each connection.
    pub acceptance_required: Option<bool>,
    /// The principals that may connect, as the service's permissions name them; `*` is every AWS
    /// account.
    pub principals: Option<BTreeSet<String>>,
    /// Its connection notifications. Also `None` for a service that cannot have any, since its
    /// endpoints are not interface endpoints.
    pub notifications: Option<Vec<Notification>>,
    /// Whether the rule for AWS CloudTrail's events exists and is enabled.
    pub cloud_trail_rule: Option<bool>,
    /// Whether the topics have subscribers.
    pub subscribed: Subscribed,
}

/// Whether a topic has a confirmed subscription, or needs none. `None` was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscribed {
    /// The topic for announcements.
    pub announcements: Option<bool>,
    /// The topic for alarms.
    pub alarms: Option<bool>,
}

/// A connection notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The topic that it publishes to.
    pub topic: String,
    pub enabled: bool,
    /// Whether it includes connection requests.
    pub reports_requests: bool,
}

/// Checks a service for all findings that could be looked for. Its notification should go to
/// `topic`; with `None`, any topic is right.
#[must_use]
pub fn look(facts: &ServiceFacts, topic: Option<&str>) -> Seen {
    let mut seen = Seen::new();
    let mut note = |finding, is_there: Option<bool>, evidence: &str| {
        let evidence = is_there.map(|is_there| is_there.then(|| Evidence::only(evidence)));
        seen.extend(evidence.map(|evidence| (finding, evidence)));
    };
    note(
        Finding::AcceptanceNotRequired,
        facts.acceptance_required.map(|required| !required),
        "AcceptanceRequired=false",
    );
    note(
        Finding::CloudTrailRuleMissing,
        facts.cloud_trail_rule.map(|there| !there),
        "missing or disabled",
    );
    let Subscribed {
        announcements,
        alarms,
    } = facts.subscribed;
    for (finding, subscribed) in [
        (Finding::AnnouncementsUnsubscribed, announcements),
        (Finding::AlarmsUnsubscribed, alarms),
    ] {
        let unsubscribed = subscribed.map(|subscribed| !subscribed);
        note(finding, unsubscribed, "no confirmed subscription");
    }
    if let Some(principals) = &facts.principals {
        // All of them, so that somebody who acknowledges that anybody may connect has seen who else
        // may.
        let anyone = principals.contains("*");
        let evidence = anyone.then(|| Evidence::of(principals.iter().cloned()));
        seen.insert(Finding::AnyoneMayAsk, evidence);
    }
    if let Some(notifications) = &facts.notifications {
        let found = notification_finding(notifications, topic);
        for finding in [
            Finding::NotificationMissing,
            Finding::NotificationDisabled,
            Finding::NotificationElsewhere,
            Finding::NotificationIncomplete,
        ] {
            let is_it = found == Some(finding);
            seen.insert(finding, is_it.then(|| evidence_of(notifications)));
        }
    }
    seen
}

/// The notifications of a service, each in a few words.
fn evidence_of(notifications: &[Notification]) -> Evidence {
    if notifications.is_empty() {
        return Evidence::only("no connection notification");
    }
    Evidence::of(notifications.iter().map(|notification| {
        let disabled = if notification.enabled {
            ""
        } else {
            ", disabled"
        };
        let silent = if notification.reports_requests {
            ""
        } else {
            ", without Connect"
        };
        format!("to {}{disabled}{silent}", notification.topic)
    }))
}

/// The finding for the best of the notifications.
fn notification_finding(notifications: &[Notification], topic: Option<&str>) -> Option<Finding> {
    let ours: Vec<&Notification> = notifications
        .iter()
        .filter(|notification| topic.is_none_or(|topic| notification.topic == topic))
        .collect();
    let enabled = |notification: &&&Notification| notification.enabled;
    if notifications.is_empty() {
        Some(Finding::NotificationMissing)
    } else if ours.is_empty() {
        Some(Finding::NotificationElsewhere)
    } else if !ours.iter().any(|notification| notification.enabled) {
        Some(Finding::NotificationDisabled)
    } else if !ours.iter().filter(enabled).any(|n| n.reports_requests) {
        Some(Finding::NotificationIncomplete)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "arn:aws:sns:eu-central-1:111122223333:notifications";

    fn good() -> ServiceFacts {
        ServiceFacts {
            acceptance_required: Some(true),
            principals: Some(BTreeSet::new()),
            notifications: Some(vec![notification(OURS, true, true)]),
            cloud_trail_rule: Some(true),
            subscribed: Subscribed {
                announcements: Some(true),
                alarms: Some(true),
            },
        }
    }

    fn notification(topic: &str, enabled: bool, reports_requests: bool) -> Notification {
        Notification {
            topic: topic.to_owned(),
            enabled,
            reports_requests,
        }
    }

    #[test]
    fn each_finding_is_found_and_a_sound_service_has_none() {
        let found = |change: fn(&mut ServiceFacts)| {
            let mut facts = good();
            change(&mut facts);
            let seen = look(&facts, Some(OURS));
            let there = seen.into_iter().filter(|(_, evidence)| evidence.is_some());
            Vec::from_iter(there.map(|(finding, _)| finding))
        };
        assert_eq!(found(|_| ()), []);
        assert_eq!(
            found(|f| f.acceptance_required = Some(false)),
            [Finding::AcceptanceNotRequired]
        );
        assert_eq!(
            found(|f| f.principals = Some(BTreeSet::from(["*".to_owned()]))),
            [Finding::AnyoneMayAsk]
        );
        assert_eq!(
            found(|f| f.cloud_trail_rule = Some(false)),
            [Finding::CloudTrailRuleMissing]
        );
        assert_eq!(
            found(|f| f.notifications = Some(Vec::new())),
            [Finding::NotificationMissing]
        );
        assert_eq!(
            found(|f| f.subscribed.announcements = Some(false)),
            [Finding::AnnouncementsUnsubscribed]
        );
        assert_eq!(
            found(|f| f.subscribed.alarms = Some(false)),
            [Finding::AlarmsUnsubscribed]
        );
    }

    #[test]
    fn a_finding_that_could_not_be_looked_for_neither_begins_nor_ends() {
        assert_eq!(look(&ServiceFacts::default(), Some(OURS)), BTreeMap::new());
        let mut facts = good();
        facts.principals = None;
        let seen = look(&facts, Some(OURS));
        assert_eq!(seen.get(&Finding::AnyoneMayAsk), None);
        assert_eq!(seen.get(&Finding::AcceptanceNotRequired), Some(&None));
    }

    #[test]
    fn the_evidence_is_the_principals_and_the_notifications_topics() {
        let mut facts = good();
        let account = "arn:aws:iam::777788889999:root";
        let principals = BTreeSet::from(["*".to_owned(), account.to_owned()]);
        facts.principals = Some(principals.clone());
        facts.notifications = Some(vec![notification(OURS, false, false)]);
        let seen = look(&facts, Some(OURS));
        let pieces = |finding| {
            let evidence: &Option<Evidence> = seen.get(&finding).unwrap();
            evidence.clone().unwrap().pieces().clone()
        };
        assert_eq!(pieces(Finding::AnyoneMayAsk), principals);
        let disabled = format!("to {OURS}, disabled, without Connect");
        assert_eq!(
            pieces(Finding::NotificationDisabled),
            BTreeSet::from([disabled])
        );
        assert_eq!(seen.get(&Finding::NotificationMissing), Some(&None));
    }

    #[test]
    fn no_finding_is_left_out_of_the_list_of_all() {
        let error = serde_json::from_str::<Finding>("\"nothing\"").unwrap_err();
        let said = error.to_string();
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Finding::ALL.map(Finding::as_str));
        for finding in Finding::ALL {
            assert_eq!(Finding::named(finding.as_str()), Some(finding));
        }
        assert_eq!(Finding::named("nothing"), None);
    }

    #[test]
    fn one_good_notification_is_enough() {
        let elsewhere = notification("arn:aws:sns:eu-central-1:111122223333:other", true, true);
        let table = [
            (
                vec![elsewhere.clone()],
                Some(Finding::NotificationElsewhere),
            ),
            (
                vec![notification(OURS, false, true)],
                Some(Finding::NotificationDisabled),
            ),
            (
                vec![notification(OURS, true, false)],
                Some(Finding::NotificationIncomplete),
            ),
            (
                vec![
                    notification(OURS, false, true),
                    notification(OURS, true, false),
                ],
                Some(Finding::NotificationIncomplete),
            ),
            (
                vec![elsewhere.clone(), notification(OURS, true, true)],
                None,
            ),
        ];
        for (notifications, expected) in table {
            let found = notification_finding(&notifications, Some(OURS));
            assert_eq!(found, expected, "{notifications:?}");
        }
        assert_eq!(
            notification_finding(&[elsewhere], None),
            None,
            "no topic is wanted"
        );
    }
}
