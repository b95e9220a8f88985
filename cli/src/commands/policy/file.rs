//! A policy as a file has it.

use std::fmt::Write as _;
use std::path::Path;

use gatekeeper_core::policy::{Policy, PolicyItem};
use gatekeeper_core::policy_change::WholePolicy;
use gatekeeper_core::policy_change::attributes::attributes_of;
use gatekeeper_local::world_file::{BadWorld, read_policy};
use serde_json::Value;

use crate::error::CliError;

/// The attributes that name an item, in the order of a file.
const KEYS: [&str; 4] = ["id", "service_id", "principal", "effect"];

/// The items of a policy.
pub(crate) fn whole(policy: Policy) -> WholePolicy {
    let entries = policy.entries.into_iter().map(PolicyItem::Entry);
    let settings = policy.settings.into_iter();
    let settings = settings.map(|(scope, settings)| PolicyItem::Settings(scope, settings));
    let approvers = policy.approvers.into_iter().map(PolicyItem::Approver);
    WholePolicy::of(entries.chain(settings).chain(approvers))
}

/// Reads a policy file.
pub(crate) fn read(file: &Path) -> Result<Policy, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| in_file(file, &error))?;
    read_policy(&text).map_err(|problems| problems_in(file, &problems))
}

/// All that is wrong with a file, each with its place.
pub(super) fn problems_in(file: &Path, problems: &[BadWorld]) -> CliError {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.place() {
            Some(place) => format!(
                "{}:{}:{}: {}",
                file.display(),
                place.line,
                place.column,
                problem.problem()
            ),
            None => format!("{}: {}", file.display(), problem.problem()),
        })
        .collect();
    CliError::new(lines.join("\nerror: "))
}

pub(super) fn in_file(file: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format!("{}: {error}", file.display()))
}

/// An item as a file has it: the attributes that name it, and its own.
pub(super) fn as_json(item: &PolicyItem) -> Value {
    let mut attributes = serde_json::Map::new();
    match item {
        PolicyItem::Entry(entry) => {
            let rule = entry.rule();
            attributes.insert("service_id".to_owned(), rule.service_id.to_string().into());
            attributes.insert("principal".to_owned(), rule.principal.to_string().into());
            attributes.insert("effect".to_owned(), rule.effect.to_string().into());
        }
        PolicyItem::Settings(scope, _) => {
            attributes.insert("service_id".to_owned(), scope.to_string().into());
        }
        PolicyItem::Approver(approver) => {
            attributes.insert("id".to_owned(), approver.id.to_string().into());
        }
    }
    attributes.extend(attributes_of(item));
    Value::Object(attributes)
}

/// The policy as YAML. Values are written as JSON, which YAML has in it.
pub(super) fn yaml(policy: &WholePolicy) -> String {
    let mut text = String::new();
    let lists: [(&str, fn(&PolicyItem) -> bool); 3] = [
        ("settings", |item| matches!(item, PolicyItem::Settings(..))),
        ("entries", |item| matches!(item, PolicyItem::Entry(_))),
        ("approvers", |item| matches!(item, PolicyItem::Approver(_))),
    ];
    for (name, is_in) in lists {
        let items: Vec<&PolicyItem> = policy
            .items()
            .map(|(_, item)| item)
            .filter(|item| is_in(item))
            .collect();
        // Writing to a string cannot fail.
        let _ = match items.is_empty() {
            true => writeln!(text, "{name}: []"),
            false => writeln!(text, "{name}:"),
        };
        for item in items {
            let Value::Object(attributes) = as_json(item) else {
                continue;
            };
            // What an item is for stands first.
            let place = |name: &str| KEYS.iter().position(|key| *key == name);
            let mut attributes: Vec<_> = attributes.into_iter().collect();
            attributes.sort_by_key(|(name, _)| place(name).unwrap_or(KEYS.len()));
            for (number, (name, value)) in attributes.iter().enumerate() {
                let dash = if number == 0 { "-" } else { " " };
                let _ = writeln!(text, "  {dash} {name}: {value}");
            }
        }
    }
    text
}
