//! The connections that an edit of the policy concerns.
//!
//! An edit changes one item of the allowlist table. Only the connections that it can concern are judged again
//! at once, because most edits are about one consumer among thousands.

use crate::approver::Approver;
use crate::hint::Subject;
use crate::ids::ServiceId;
use crate::policy::{Conditions, PolicyItem, Principal, Rule, Scope, ServiceSettings};
use crate::policy_key::{Meaning, PolicyKey};

/// The connections that an edit of one item can concern, from the item before and after. A side is `None` if
/// there was no item. Answers `None` if the edit changes no decision.
///
/// The fields for people, such as the customer's name, only show in texts, so they concern nobody.
#[must_use]
pub fn concerned(before: Option<&PolicyItem>, after: Option<&PolicyItem>) -> Option<Subject> {
    let (says_before, says_after) = (
        before.and_then(Decisive::part_of),
        after.and_then(Decisive::part_of),
    );
    if says_before == says_after {
        return None;
    }
    match (says_before, says_after) {
        (Some(before), Some(after)) if before.subject() != after.subject() => {
            // An item keeps its key, so these are two items, and this is no edit. Missing nothing is
            // what matters then.
            Some(Subject::Everything)
        }
        (before, after) => Some(after.or(before)?.subject()),
    }
}

/// The connections that an item can concern by its key, whatever its attributes are.
#[must_use]
pub fn subject_of(item: &PolicyItem) -> Subject {
    match item {
        PolicyItem::Entry(entry) => subject_of_rule(entry.rule()),
        PolicyItem::Settings(scope, _) => subject_of_scope(scope),
        PolicyItem::Approver(approver) => subject_of_approver(approver),
    }
}

/// The connections that an item with an unexpected key can concern. `None` if it concerns nobody.
#[must_use]
pub fn subject_of_key(key: &PolicyKey) -> Option<Subject> {
    match key.meaning()? {
        Meaning::Deny(rule) | Meaning::Unclear(rule) => Some(subject_of_rule(&rule)),
        Meaning::Allow | Meaning::Expected => None,
    }
}

/// The part of an item that decides.
#[derive(PartialEq)]
enum Decisive<'a> {
    Entry(&'a Rule, &'a Conditions),
    Settings(&'a Scope, ServiceSettings),
    Approver(&'a Approver),
}

impl<'a> Decisive<'a> {
    /// `None` if nothing does. Empty settings count as none.
    fn part_of(item: &'a PolicyItem) -> Option<Self> {
        match item {
            PolicyItem::Entry(entry) => Some(Self::Entry(entry.rule(), entry.conditions())),
            PolicyItem::Settings(scope, settings) => {
                let settings = settings.at_once();
                (settings != ServiceSettings::default()).then_some(Self::Settings(scope, settings))
            }
            PolicyItem::Approver(approver) => Some(Self::Approver(approver)),
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Entry(rule, _) => subject_of_rule(rule),
            Self::Settings(scope, _) => subject_of_scope(scope),
            Self::Approver(approver) => subject_of_approver(approver),
        }
    }
}

fn subject_of_rule(rule: &Rule) -> Subject {
    match &rule.principal {
        Principal::Endpoint(id) => Subject::Endpoints {
            service_id: one(&rule.service_id),
            endpoint_ids: vec![id.clone()],
        },
        Principal::Account(id) => Subject::Consumer {
            service_id: one(&rule.service_id),
            account_id: id.clone(),
        },
        // Who is in a branch is known to AWS Organizations only, so it may be anybody.
        Principal::Organization(_) | Principal::Anyone => subject_of_scope(&rule.service_id),
    }
}

/// An approver concerns the reviews of the services that they decide.
fn subject_of_approver(approver: &Approver) -> Subject {
    let mut services = approver.services.iter();
    match (services.next(), services.next()) {
        (Some(scope), None) => subject_of_scope(scope),
        _ => Subject::Everything,
    }
}

fn subject_of_scope(scope: &Scope) -> Subject {
    one(scope).map_or(Subject::Everything, Subject::Service)
}

fn one(scope: &Scope) -> Option<ServiceId> {
    match scope {
        Scope::Service(id) => Some(id.clone()),
        Scope::Every => None,
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
