//! Cases that a policy is tested with: this connection, at that time, has that verdict by that rule.

use jiff::Timestamp;

use super::WholePolicy;
use crate::connection::{Connection, Organization};
use crate::foretell::GivenPolicy;
use crate::judge::{Decision, Usage, Verdict, judge};
use crate::policy::Rule;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What people call it.
    pub name: String,
    pub connection: Connection,
    /// Where the consumer's account sits.
    pub organization: Organization,
    /// How many other connections the account has on the service.
    pub others: u32,
    pub at: Timestamp,
    pub decision: Decision,
    pub by: ExpectedRule,
}

/// Which rule is expected to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedRule {
    /// Whichever.
    Any,
    /// None: no entry matches, and the setting `on_unlisted` decides.
    NoEntry,
    This(Rule),
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult<'a> {
    pub case: &'a Case,
    /// What the policy says.
    pub found: Verdict,
}

impl CaseResult<'_> {
    /// Whether the policy says what is expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        let by_expected = match &self.case.by {
            ExpectedRule::Any => true,
            ExpectedRule::NoEntry => self.found.rule.is_none(),
            ExpectedRule::This(rule) => self.found.rule.as_ref() == Some(rule),
        };
        by_expected && self.found.decision == self.case.decision
    }
}

/// Judges the connections of cases.
#[must_use]
pub fn run<'a>(cases: &'a [Case], policy: &WholePolicy) -> Vec<CaseResult<'a>> {
    let given: GivenPolicy = policy.given();
    let result = |case: &'a Case| {
        let read = given.for_connection(&case.connection, &case.organization);
        let usage = Usage {
            others: case.others,
        };
        CaseResult {
            case,
            found: judge(
                &read.policy,
                &case.connection,
                &case.organization,
                usage,
                case.at,
            ),
        }
    };
    cases.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures::{at, connection};
    use crate::policy::{About, Conditions, Effect, Entry, PolicyItem};

    #[test]
    fn a_case_passes_if_decision_and_rule_are_the_expected_ones() {
        let rule = Rule {
            service_id: "*".parse().unwrap(),
            principal: "012345678901".parse().unwrap(),
            effect: Effect::Allow,
        };
        let conditions = Conditions {
            max_connections: Some(2),
            expires_at: Some(at(100)),
            ..Conditions::default()
        };
        let entry = Entry::new(rule.clone(), conditions, About::default()).unwrap();
        let policy = WholePolicy::of([PolicyItem::Entry(entry)]);
        let other = Rule {
            effect: Effect::Deny,
            ..rule.clone()
        };
        use Decision::{Accept, Review};
        use ExpectedRule::{Any, NoEntry, This};
        let table = [
            (0, 0, Accept, Any, true),
            (0, 0, Accept, This(rule.clone()), true),
            (0, 0, Accept, This(other), false),
            (0, 0, Accept, NoEntry, false),
            (0, 0, Review, Any, false),
            (0, 2, Review, This(rule.clone()), true),
            (100, 0, Review, NoEntry, true),
            (100, 0, Review, This(rule), false),
        ];
        let cases: Vec<Case> = table
            .iter()
            .map(|(seconds, others, decision, by, _)| Case {
                name: String::new(),
                connection: connection(ConnectionState::PendingAcceptance),
                organization: Organization::Off,
                others: *others,
                at: at(*seconds),
                decision: *decision,
                by: by.clone(),
            })
            .collect();
        let results = run(&cases, &policy);
        let passed: Vec<bool> = results.iter().map(CaseResult::passed).collect();
        assert_eq!(passed, table.map(|(.., passed)| passed));
    }
}
