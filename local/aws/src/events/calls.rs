//! The operations.

use serde::Deserialize;
use serde_json::{Value, json};

use super::name::{self, DEFAULT_BUS};
use super::rule::{NewRule, Rule, RuleState};
use super::store::Store;
use super::{Request, errors};
use crate::error::AwsError;
use crate::page::Page;

/// "The maximum number of results per page for requests is 100."
const MOST: usize = 100;

/// What names a rule.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRule {
    name: Option<String>,
    event_bus_name: Option<String>,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRules {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

fn required(name: Option<String>) -> Result<String, AwsError> {
    let name = name.ok_or_else(|| errors::constraint("null", "name", "not be null"))?;
    name::check_rule(&name, "name")?;
    Ok(name)
}

/// The name of a bus that is given by name, by its ARN or not at all. Of another account or Region's ARN all of it,
/// which is no bus of the caller's: buses are not shared here.
fn bus_of(req: &Request<'_>, given: Option<String>) -> Result<String, AwsError> {
    let Some(given) = given else {
        return Ok(DEFAULT_BUS.to_owned());
    };
    if given.starts_with("arn:") {
        let own = format!(
            "arn:aws:events:{}:{}:event-bus/",
            req.caller.region, req.caller.account
        );
        return Ok(given.strip_prefix(&own).unwrap_or(&given).to_owned());
    }
    name::check_bus(&given)?;
    Ok(given)
}

fn check_bus(req: &Request<'_>, store: &Store, bus: &str) -> Result<(), AwsError> {
    if store.has_bus(req.caller, bus) {
        Ok(())
    } else {
        Err(errors::no_bus(bus))
    }
}

fn arn(req: &Request<'_>, bus: &str, name: &str) -> String {
    name::rule_arn(&req.caller.account, &req.caller.region, bus, name)
}

pub(crate) fn describe(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: Named = req.input()?;
    let (name, bus) = (required(input.name)?, bus_of(req, input.event_bus_name)?);
    let store = req.events.store();
    check_bus(req, &store, &bus)?;
    let rule = store.rules.get(&arn(req, &bus, &name));
    let rule = rule.ok_or_else(|| errors::no_rule(&name, &bus))?;
    let mut answer = rule.to_json();
    answer.insert("CreatedBy".to_owned(), json!(rule.account));
    Ok(Value::Object(answer))
}

pub(crate) fn list(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: ListRules = req.input()?;
    let prefix = input.name_prefix.unwrap_or_default();
    if !prefix.is_empty() {
        name::check_rule(&prefix, "namePrefix")?;
    }
    let bus = bus_of(req, input.event_bus_name)?;
    let limit = match input.limit.map(|limit| (limit, usize::try_from(limit))) {
        None => MOST,
        Some((_, Ok(limit))) if (1..=MOST).contains(&limit) => limit,
        Some((limit, _)) => {
            let rule = if limit < 1 {
                "have value greater than or equal to 1"
            } else {
                "have value less than or equal to 100"
            };
            return Err(errors::constraint(format!("'{limit}'"), "limit", rule));
        }
    };
    let page = Page::new("ListRules", limit, input.next_token.as_deref(), false);
    let page = page.ok_or_else(errors::invalid_token)?;
    let store = req.events.store();
    check_bus(req, &store, &bus)?;
    let rules = store.of_bus(req.caller, &bus);
    let rules = rules.filter(|rule| rule.name.starts_with(&prefix));
    let (rules, token) = page.of(rules.collect(), |rule| rule.name.clone());
    let rules: Vec<_> = rules.into_iter().map(Rule::to_json).collect();
    let mut answer = json!({ "Rules": rules });
    if let (Some(token), Some(fields)) = (token, answer.as_object_mut()) {
        fields.insert("NextToken".to_owned(), json!(token));
    }
    Ok(answer)
}

/// "If you omit arguments in `PutRule`, the old values for those arguments are not kept."
pub(crate) fn put(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: PutRule = req.input()?;
    let name = required(input.name)?;
    let state = match input.state.as_deref() {
        None => RuleState::default(),
        Some(text) => {
            let names = RuleState::ALL.map(RuleState::as_str).join(", ");
            let rule = format!("satisfy enum value set: [{names}]");
            let state = RuleState::parse(text);
            state.ok_or_else(|| errors::constraint(format!("'{text}'"), "state", &rule))?
        }
    };
    let bus = bus_of(req, input.event_bus_name)?;
    let mut store = req.events.store();
    check_bus(req, &store, &bus)?;
    let new = NewRule {
        name,
        event_bus: Some(bus),
        state,
        event_pattern: input.event_pattern,
        schedule_expression: input.schedule_expression,
        description: input.description,
        role_arn: input.role_arn,
    };
    let rule = new.checked(&req.caller.account, &req.caller.region)?;
    let arn = rule.arn.clone();
    store.rules.insert(arn.clone(), rule);
    Ok(json!({ "RuleArn": arn }))
}

pub(crate) fn enable(req: &Request<'_>) -> Result<Value, AwsError> {
    set_state(req, RuleState::Enabled)
}

pub(crate) fn disable(req: &Request<'_>) -> Result<Value, AwsError> {
    set_state(req, RuleState::Disabled)
}

fn set_state(req: &Request<'_>, state: RuleState) -> Result<Value, AwsError> {
    let input: Named = req.input()?;
    let (name, bus) = (required(input.name)?, bus_of(req, input.event_bus_name)?);
    let mut store = req.events.store();
    check_bus(req, &store, &bus)?;
    let rule = store.rules.get_mut(&arn(req, &bus, &name));
    rule.ok_or_else(|| errors::no_rule(&name, &bus))?.state = state;
    Ok(json!({}))
}

/// "If you call delete rule multiple times for the same rule, all calls will succeed."
pub(crate) fn delete(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: Named = req.input()?;
    let (name, bus) = (required(input.name)?, bus_of(req, input.event_bus_name)?);
    let mut store = req.events.store();
    check_bus(req, &store, &bus)?;
    store.rules.remove(&arn(req, &bus, &name));
    Ok(json!({}))
}
