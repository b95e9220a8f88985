//! `gatekeeper policy import`: a policy file of what existed before Gatekeeper.
//!
//! The file is printed and nothing is written: it has the policy as it is, and besides an entry for each
//! consumer that is found, marked `imported`. An entry that the policy has already stays as it is.

use std::collections::BTreeMap;

use gatekeeper_core::connection::Phase;
use gatekeeper_core::ids::{AccountId, ServiceId};
use gatekeeper_core::policy::{
    About, Conditions, Effect, Entry, PolicyItem, Principal, Rule, Scope,
};
use gatekeeper_core::policy_change::WholePolicy;
use gatekeeper_core::policy_item::read_entry;
use gatekeeper_core::precondition::PolicyItemId;
use gatekeeper_core::words;
use gatekeeper_core::written::{Attributes, Value};

use super::file::{in_file, yaml};
use super::live;
use super::report::counted;
use crate::args::{ImportCsvArgs, ImportServiceArgs};
use crate::commands::entries::policy;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast;
use crate::terminal::Terminal;

/// Entries of a CSV file. Its columns are the attributes of an entry.
pub(crate) async fn csv(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ImportCsvArgs,
) -> Result<(), CliError> {
    let text = std::fs::read(&args.file).map_err(|error| in_file(&args.file, &error))?;
    let name = args.file.display().to_string();
    let entries = rows(&name, &text, args.service.as_ref())?;
    print(deployment, terminal, entries).await
}

/// Entries for the accounts that a service's permissions name.
pub(crate) async fn principals(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ImportServiceArgs,
) -> Result<(), CliError> {
    let (_, services) = policy(deployment).await?;
    let service = services.find(&args.service)?;
    let mut entries = Vec::new();
    for arn in deployment.ec2.principals(&service).await? {
        match account_of(&arn) {
            Some(account) => {
                let reason = match arn.ends_with(":root") {
                    true => "The service's permissions allow the account.".to_owned(),
                    false => format!("The service's permissions allow {arn} only."),
                };
                entries.push(imported(&service, account, None, reason)?);
            }
            None => terminal.note(format!(
                "note: {arn} names no account, so no entry is made for it"
            ))?,
        }
    }
    print(deployment, terminal, entries).await
}

/// Entries for the accounts that are connected to a service.
pub(crate) async fn connections(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ImportServiceArgs,
) -> Result<(), CliError> {
    let (_, services) = policy(deployment).await?;
    let service = services.find(&args.service)?;
    let seen = forecast::seen(deployment, terminal, std::slice::from_ref(&service), None).await?;
    let mut connected: BTreeMap<AccountId, (usize, Option<String>)> = BTreeMap::new();
    for one in seen {
        if one.connection.state.phase() == Phase::Connected {
            let (count, customer) = connected.entry(one.connection.owner).or_default();
            *count += 1;
            let named = one.request.and_then(|request| request.customer);
            *customer = customer.take().or(named);
        }
    }
    let at = words::moment(deployment.clock.now());
    let entries: Result<Vec<Entry>, CliError> = connected
        .into_iter()
        .map(|(account, (count, customer))| {
            let reason = format!("{} at {at}.", counted(count, "connection", "connections"));
            imported(&service, account, customer, reason)
        })
        .collect();
    print(deployment, terminal, entries?).await
}

fn imported(
    service: &ServiceId,
    account: AccountId,
    customer: Option<String>,
    reason: String,
) -> Result<Entry, CliError> {
    let rule = Rule {
        service_id: Scope::Service(service.clone()),
        principal: Principal::Account(account),
        effect: Effect::Allow,
    };
    let about = About {
        customer,
        reason: Some(reason),
        imported: Some(true),
        ..About::default()
    };
    Entry::new(rule, Conditions::default(), about).map_err(|error| CliError::new(error.to_string()))
}

/// The account of an ARN of IAM, which may be a root, a user or a role, or an account alone.
fn account_of(principal: &str) -> Option<AccountId> {
    if let Ok(account) = principal.parse() {
        return Some(account);
    }
    let mut fields = principal.split(':');
    match (fields.next(), fields.nth(1), fields.next()) {
        (Some("arn"), Some("iam"), Some("")) => fields.next()?.parse().ok(),
        _ => None,
    }
}

/// Prints the policy as it is with these entries besides.
async fn print(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    entries: Vec<Entry>,
) -> Result<(), CliError> {
    let (_, mut policy) = live(deployment).await?;
    let found = entries.len();
    let new = add(&mut policy, entries);
    terminal.raw(yaml(&policy).as_bytes())?;
    terminal.note(format!(
        "{} found; {new} of them new, and marked imported: look through them, since the file allows \
         them. Then: gatekeeper policy plan FILE --out PLAN",
        counted(found, "consumer", "consumers")
    ))?;
    Ok(())
}

/// Adds the entries that the policy has not. Answers how many they are.
fn add(policy: &mut WholePolicy, entries: Vec<Entry>) -> usize {
    let mut new = 0;
    for entry in entries {
        let id = PolicyItemId::Entry(entry.rule().clone());
        if policy.get(&id).is_none() {
            policy.put(id, Some(PolicyItem::Entry(entry)));
            new += 1;
        }
    }
    new
}

/// The entries of a CSV file. All that is wrong is named with its line.
fn rows(file: &str, text: &[u8], service: Option<&Scope>) -> Result<Vec<Entry>, CliError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text);
    let headers: Vec<String> = reader
        .headers()
        .map_err(|error| CliError::new(format!("{file}: {error}")))?
        .iter()
        // Spreadsheets begin a file with a byte order mark.
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    let mut problems = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines: BTreeMap<Rule, u64> = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(format!("{file}: {error}"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() > headers.len() {
            problems.push(format!(
                "{file}:{line}: the line has {} fields and the first line names {}; put quotation marks \
                 around a text with a comma",
                record.len(),
                headers.len()
            ));
            continue;
        }
        match read_entry(&attributes(&headers, &record, service)) {
            Ok(entry) => match lines.insert(entry.rule().clone(), line) {
                None => entries.push(entry),
                Some(first) => problems.push(format!(
                    "{file}:{line}: the entry \"{}\" stands in line {first} already",
                    entry.rule()
                )),
            },
            Err(mistakes) => {
                problems.extend(mistakes.iter().map(|one| format!("{file}:{line}: {one}")));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(entries),
        false => Err(CliError::new(problems.join("\nerror: "))),
    }
}

/// The attributes of a line. A cell without anything in it is no attribute.
fn attributes(
    headers: &[String],
    record: &csv::StringRecord,
    service: Option<&Scope>,
) -> Attributes {
    let cells = headers.iter().zip(record.iter());
    let mut attributes: Attributes = cells
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| {
            let value = match name.as_str() {
                "regions" => {
                    let names = cell.split([' ', ';', ',']).filter(|name| !name.is_empty());
                    Value::List(names.map(|name| Value::Text(name.to_owned())).collect())
                }
                _ => Value::Plain(cell.to_owned()),
            };
            (name.clone(), value)
        })
        .collect();
    let mut default = |name: &str, value: Value| {
        attributes.entry(name.to_owned()).or_insert(value);
    };
    default("effect", Value::Text("allow".to_owned()));
    default("imported", Value::Bool(true));
    if let Some(service) = service {
        default("service_id", Value::Text(service.to_string()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";

    #[test]
    fn a_csv_file_is_read_as_the_table_is() {
        let text = "\u{feff}principal,max_connections,regions,customer,ticket,expires_at\n\
                    012345678901,2,eu-central-1; us-east-1,\"Example, Inc.\",4711,2027-01-01T00:00:00Z\n\
                    \n\
                    111122223333,,,,,\n";
        let service = SERVICE.parse().unwrap();
        let entries = rows("a.csv", text.as_bytes(), Some(&service)).unwrap();
        let [first, second] = entries.as_slice() else {
            panic!("{entries:?}");
        };
        assert_eq!(
            first.rule().to_string(),
            format!("allow 012345678901 on {SERVICE}")
        );
        assert_eq!(first.conditions().max_connections, Some(2));
        assert_eq!(first.conditions().regions.as_ref().unwrap().len(), 2);
        assert_eq!(first.about().customer.as_deref(), Some("Example, Inc."));
        assert_eq!(first.about().ticket.as_deref(), Some("4711"));
        assert_eq!(first.about().imported, Some(true));
        assert_eq!(second.conditions(), &Conditions::default());
    }

    #[test]
    fn all_that_is_wrong_with_a_csv_file_is_named_with_its_line() {
        let text = "service_id,principal,max_conections\n\
                    *,012345678901,\n\
                    *,12345678901,\n\
                    *,012345678901,\n\
                    vpce-svc-1,111122223333,\n\
                    *,222233334444,1\n\
                    *,222233334444,1,2\n";
        let said = rows("a.csv", text.as_bytes(), None)
            .unwrap_err()
            .to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 5, "{said}");
        for (line, start) in lines.iter().zip([
            "error: a.csv:3: principal is \"12345678901\"",
            "error: a.csv:4: the entry \"allow 012345678901 on *\" stands in line 2 already",
            "error: a.csv:5: service_id is \"vpce-svc-1\"",
            "error: a.csv:6: max_conections is not an attribute of an entry; did you mean max_connections?",
            "error: a.csv:7: the line has 4 fields and the first line names 3",
        ]) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn accounts_are_found_in_principals() {
        for (principal, account) in [
            ("012345678901", Some("012345678901")),
            ("arn:aws:iam::012345678901:root", Some("012345678901")),
            ("arn:aws-cn:iam::012345678901:role/a", Some("012345678901")),
            ("arn:aws:iam::012345678901:user/a", Some("012345678901")),
            ("*", None),
            ("arn:aws:organizations::012345678901:ou/o-a/ou-b", None),
            ("lambda.amazonaws.com", None),
            ("arn:aws:iam", None),
            ("", None),
        ] {
            let found = account_of(principal);
            assert_eq!(
                found.as_ref().map(AccountId::as_str),
                account,
                "{principal}"
            );
        }
    }

    #[test]
    fn an_entry_that_is_there_stays_as_it_is() {
        let service: ServiceId = SERVICE.parse().unwrap();
        let entry = |reason: &str| {
            imported(
                &service,
                "012345678901".parse().unwrap(),
                None,
                reason.to_owned(),
            )
            .unwrap()
        };
        let mut policy = WholePolicy::of([PolicyItem::Entry(entry("old"))]);
        assert_eq!(add(&mut policy, vec![entry("new")]), 0);
        let id = PolicyItemId::Entry(entry("old").rule().clone());
        let Some(PolicyItem::Entry(kept)) = policy.get(&id) else {
            panic!("{policy:?}");
        };
        assert_eq!(kept.about().reason.as_deref(), Some("old"));
    }
}
