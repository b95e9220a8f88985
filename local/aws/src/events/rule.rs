use super::name::{DEFAULT_BUS, rule_arn};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RuleState {
    /// Takes events, except for read-only management events that CloudTrail delivers.
    #[default]
    Enabled,
    Disabled,
    /// Takes events, read-only management events that CloudTrail delivers included.
    EnabledWithAllCloudTrailManagementEvents,
}

impl RuleState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::EnabledWithAllCloudTrailManagementEvents => {
                "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
            }
        }
    }
}

/// A rule on the default bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `arn:aws:events:<region>:<account>:rule/<name>`.
    pub arn: String,
    pub name: String,
    pub state: RuleState,
    /// Which events it takes: JSON, as it was put.
    pub event_pattern: String,
}

/// A rule to be put into the world. Without further settings it is enabled.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewRule {
    name: String,
    state: RuleState,
    event_pattern: String,
}

impl NewRule {
    /// For the events that match a pattern, in JSON, which is not looked at.
    pub fn new(name: impl Into<String>, event_pattern: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: RuleState::Enabled,
            event_pattern: event_pattern.into(),
        }
    }

    pub fn state(mut self, state: RuleState) -> Self {
        self.state = state;
        self
    }

    pub(super) fn made(self, account: &str, region: &str) -> Rule {
        Rule {
            arn: rule_arn(account, region, DEFAULT_BUS, &self.name),
            name: self.name,
            state: self.state,
            event_pattern: self.event_pattern,
        }
    }
}
