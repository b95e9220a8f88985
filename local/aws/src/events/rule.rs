use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::name::{self, DEFAULT_BUS};
use super::{errors, pattern};
use crate::error::AwsError;

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
    pub const ALL: [Self; 3] = [
        Self::Enabled,
        Self::Disabled,
        Self::EnabledWithAllCloudTrailManagementEvents,
    ];

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

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RuleState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `arn:aws:events:<region>:<account>:rule/<name>`, or `…:rule/<bus>/<name>`.
    pub arn: String,
    /// Unique on its bus.
    pub name: String,
    /// The name of the bus whose events it takes.
    pub event_bus: String,
    pub account: String,
    pub region: String,
    pub state: RuleState,
    /// Which events it takes: JSON, as it was put.
    pub event_pattern: Option<String>,
    pub schedule_expression: Option<String>,
    pub description: Option<String>,
    /// The role that its targets are called with.
    pub role_arn: Option<String>,
}

impl Rule {
    /// The rule as `ListRules` answers it.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let fields = [
            ("Name", Some(&self.name)),
            ("Arn", Some(&self.arn)),
            ("EventPattern", self.event_pattern.as_ref()),
            ("ScheduleExpression", self.schedule_expression.as_ref()),
            ("Description", self.description.as_ref()),
            ("RoleArn", self.role_arn.as_ref()),
            ("EventBusName", Some(&self.event_bus)),
        ];
        let mut map: Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
            .collect();
        map.insert("State".to_owned(), json!(self.state));
        map
    }
}

/// A rule to be put into the world. Without further settings it is enabled, on the default bus, of the default account
/// in the default Region.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewRule {
    pub(crate) name: String,
    pub(crate) event_bus: Option<String>,
    pub(crate) state: RuleState,
    pub(crate) event_pattern: Option<String>,
    pub(crate) schedule_expression: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
}

impl NewRule {
    /// For the events that match a pattern, in JSON.
    pub fn new(name: impl Into<String>, event_pattern: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            event_bus: None,
            state: RuleState::Enabled,
            event_pattern: Some(event_pattern.into()),
            schedule_expression: None,
            description: None,
            role_arn: None,
        }
    }

    pub fn state(mut self, state: RuleState) -> Self {
        self.state = state;
        self
    }

    /// On this bus rather than the default one.
    pub fn event_bus(mut self, name: impl Into<String>) -> Self {
        self.event_bus = Some(name.into());
        self
    }

    pub(crate) fn bus(&self) -> &str {
        self.event_bus.as_deref().unwrap_or(DEFAULT_BUS)
    }

    /// Checks all that EventBridge checks without knowing what else there is, and makes the rule.
    pub(crate) fn checked(self, account: &str, region: &str) -> Result<Rule, AwsError> {
        name::check_rule(&self.name, "name")?;
        name::check_bus(self.bus())?;
        if let Some(event_pattern) = &self.event_pattern {
            pattern::check(event_pattern)?;
        }
        if let Some(schedule) = &self.schedule_expression {
            check_schedule(schedule, self.bus())?;
        }
        if self.event_pattern.is_none() && self.schedule_expression.is_none() {
            return Err(errors::invalid(
                "Parameter(s) EventPattern or ScheduleExpression must be specified.",
            ));
        }
        Ok(Rule {
            arn: name::rule_arn(account, region, self.bus(), &self.name),
            event_bus: self.bus().to_owned(),
            name: self.name,
            account: account.to_owned(),
            region: region.to_owned(),
            state: self.state,
            event_pattern: self.event_pattern,
            schedule_expression: self.schedule_expression,
            description: self.description,
            role_arn: self.role_arn,
        })
    }
}

/// `rate(…)` or `cron(…)`; what stands in the brackets is not looked at.
fn check_schedule(schedule: &str, bus: &str) -> Result<(), AwsError> {
    let known = ["rate(", "cron("]
        .into_iter()
        .any(|start| schedule.starts_with(start));
    if !known || !schedule.ends_with(')') {
        return Err(errors::invalid(
            "Parameter ScheduleExpression is not valid.",
        ));
    }
    if bus != DEFAULT_BUS {
        return Err(errors::invalid(
            "ScheduleExpression is supported only on the default event bus.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NewRule, RuleState};

    const PATTERN: &str = r#"{"source": ["aws.ec2"]}"#;

    #[test]
    fn states_have_their_names() {
        for state in RuleState::ALL {
            assert_eq!(RuleState::parse(state.as_str()), Some(state));
        }
        assert_eq!(RuleState::parse("Enabled"), None);
        assert_eq!(RuleState::default(), RuleState::Enabled);
    }

    #[test]
    fn a_rule_must_be_about_something() {
        let check = |new: NewRule| new.checked("123456789012", "us-east-1");
        let rule = check(NewRule::new("r", PATTERN).event_bus("b")).unwrap();
        assert_eq!(rule.arn, "arn:aws:events:us-east-1:123456789012:rule/b/r");
        let scheduled = |schedule: &str, bus: &str| {
            let mut new = NewRule::new("r", PATTERN).event_bus(bus);
            new.event_pattern = None;
            new.schedule_expression = (!schedule.is_empty()).then(|| schedule.to_owned());
            check(new).map(drop).map_err(|error| error.code)
        };
        let invalid = Err("ValidationException".to_owned());
        for (schedule, bus, expected) in [
            ("rate(5 minutes)", "default", Ok(())),
            ("cron(0 20 * * ? *)", "default", Ok(())),
            ("rate(5 minutes)", "b", invalid.clone()),
            ("5 minutes", "default", invalid.clone()),
            ("rate(5 minutes", "default", invalid.clone()),
            ("", "default", invalid),
        ] {
            assert_eq!(scheduled(schedule, bus), expected, "{schedule} {bus}");
        }
    }
}
