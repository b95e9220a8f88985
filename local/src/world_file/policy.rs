//! The policy in a world file.

use std::collections::BTreeMap;

use gatekeeper_core::acknowledgement::{self, Acknowledgement};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{Policy, Rule};
use gatekeeper_core::policy_item::{read_approver, read_entry, read_rule_only, read_settings};
use gatekeeper_core::written::{Attributes, Reader, Value};

use super::item::{called, first, read};
use super::problem::{BadWorld, Place, bad};
use super::yaml::Node;

/// A policy, and where its entries stand.
#[derive(Default)]
pub(super) struct WrittenPolicy {
    pub(super) policy: Policy,
    pub(super) places: BTreeMap<Rule, Place>,
}

/// The lists that make a policy.
pub(super) const LISTS: [&str; 3] = ["settings", "entries", "approvers"];

/// Reads the settings, entries and approvers under a node.
pub(super) fn policy(node: &Node) -> Result<WrittenPolicy, Vec<BadWorld>> {
    let mut written = WrittenPolicy::default();
    let mut problems = Vec::new();
    let add = [put_settings, put_entry, put_approver];
    for (name, put) in LISTS.into_iter().zip(add) {
        match node.list(name) {
            Ok(items) => {
                for item in items {
                    problems.extend(put(&mut written, item).err().into_iter().flatten());
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(written)
    } else {
        Err(problems)
    }
}

fn put_settings(written: &mut WrittenPolicy, item: &Node) -> Result<(), Vec<BadWorld>> {
    let name = match item.get("service_id") {
        Some(_) => called(item, "the settings of", "service_id"),
        None => "the settings".to_owned(),
    };
    let (scope, values) = read(item, &name, read_settings)?;
    match written.policy.settings.insert(scope, values) {
        Some(_) => Err(vec![bad(item.place, format!("{name} stand here twice"))]),
        None => Ok(()),
    }
}

fn put_entry(written: &mut WrittenPolicy, item: &Node) -> Result<(), Vec<BadWorld>> {
    let named = item
        .attributes("the entry")
        .ok()
        .and_then(|mut attributes| {
            attributes
                .retain(|name, _| ["service_id", "principal", "effect"].contains(&name.as_str()));
            read_rule_only(&attributes).ok()
        });
    let name = named.map_or_else(
        || "the entry".to_owned(),
        |rule| format!("the entry \"{rule}\""),
    );
    let entry = read(item, &name, read_entry)?;
    if written
        .places
        .insert(entry.rule().clone(), item.place)
        .is_some()
    {
        let problem = format!(
            "{name} stands here twice; the allowlist holds one for each service, principal and effect"
        );
        return Err(vec![bad(item.place, problem)]);
    }
    written.policy.entries.push(entry);
    Ok(())
}

fn put_approver(written: &mut WrittenPolicy, item: &Node) -> Result<(), Vec<BadWorld>> {
    let name = called(item, "the approver", "id");
    let approver = read(item, &name, read_approver)?;
    let approvers = &mut written.policy.approvers;
    if approvers.iter().any(|other| other.id == approver.id) {
        return Err(vec![bad(item.place, format!("{name} stands here twice"))]);
    }
    approvers.push(approver);
    Ok(())
}

/// Reads which entry is to be removed.
pub(super) fn rule(item: &Node) -> Result<Rule, Vec<BadWorld>> {
    read(item, "an entry to remove", read_rule_only)
}

/// Reads acknowledgements of findings.
pub(super) fn acknowledgements(items: &[Node]) -> Result<Vec<Acknowledgement>, BadWorld> {
    let mut known: Vec<Acknowledgement> = Vec::new();
    for item in items {
        let new = acknowledgement(item)?;
        let is_known = |one: &Acknowledgement| {
            (one.finding, &one.service_id) == (new.finding, &new.service_id)
        };
        if known.iter().any(is_known) {
            let rule = Acknowledgement::rule(new.finding, &new.service_id);
            let problem = format!("the acknowledgement {rule} stands here twice");
            return Err(bad(item.place, problem));
        }
        known.push(new);
    }
    Ok(known)
}

fn acknowledgement(item: &Node) -> Result<Acknowledgement, BadWorld> {
    let called = "the acknowledgement";
    let is_subject = |name: &str| ["finding", "service_id"].contains(&name);
    let attributes = item.attributes(called)?;
    let (subject, rest): (Attributes, Attributes) = attributes
        .into_iter()
        .filter(|(_, value)| *value != Value::Null)
        .partition(|(name, _)| is_subject(name));
    let mut reader = Reader::new(&subject, "a key of an acknowledgement");
    let finding: Option<String> = reader.required("finding");
    let service_id: Option<ServiceId> = reader.required("service_id");
    if let Err(mistakes) = reader.finish() {
        let problem = |mistake| bad(item.place_of(mistake), format!("{called}: {mistake}"));
        return Err(first(mistakes.iter().map(problem).collect(), item.place));
    }
    let service_id = service_id.map(|id| id.to_string()).unwrap_or_default();
    let rule = format!("{}#{service_id}", finding.unwrap_or_default());
    let rest = rest
        .into_iter()
        .map(|(name, value)| (name, of_acknowledgement(value)));
    Acknowledgement::read(&rule, &rest.collect())
        .map_err(|error| bad(item.place, format!("{called} {rule}: {error}")))
}

fn of_acknowledgement(value: Value) -> acknowledgement::Value {
    use acknowledgement::Value as Written;
    match value {
        Value::Text(text) | Value::Plain(text) | Value::Number(text) => Written::Text(text),
        Value::List(elements) => {
            let texts = elements
                .iter()
                .map(|one| one.as_text().map(ToOwned::to_owned));
            let texts: Option<Vec<String>> = texts.collect();
            texts.map_or(
                Written::Other("a list of other things than texts"),
                Written::Texts,
            )
        }
        Value::Bool(_) => Written::Other("true or false"),
        Value::Null => Written::Other("null"),
        Value::Map => Written::Other("a map"),
        Value::Other(what) => Written::Other(what),
    }
}
