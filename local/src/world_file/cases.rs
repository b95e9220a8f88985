//! The cases that a policy is tested with, as a file has them.

use gatekeeper_core::connection::{Connection, ConnectionState, Organization};
use gatekeeper_core::ids::{AccountId, EndpointId, OrgPath, Region, ServiceId};
use gatekeeper_core::judge::Decision;
use gatekeeper_core::policy::{Effect, Principal, Rule, Scope};
use gatekeeper_core::policy_change::case::{Case, ExpectedRule};
use gatekeeper_core::written::{Misfit, Shape, Typed, Value};
use jiff::Timestamp;

use super::item::{called, read_with};
use super::problem::BadWorld;
use super::yaml::Node;

/// An endpoint that no entry names.
const NO_ENDPOINT: &str = "vpce-00000000000000000";

/// Reads the cases of a file. A case without a time is for now.
///
/// # Errors
/// All that is wrong, in the order of the file.
pub fn read_cases(text: &str, now: Timestamp) -> Result<Vec<Case>, Vec<BadWorld>> {
    let node = Node::parse(text).map_err(|problem| vec![problem])?;
    let known = read_with(&node, "the file", "a key of a file of cases", |reader| {
        reader.needs("cases", "the list of cases");
        Some(())
    });
    let mut problems: Vec<BadWorld> = known.err().into_iter().collect();
    let mut cases = Vec::new();
    match node.list("cases") {
        Ok(items) => {
            for item in items {
                match case(item, now) {
                    Ok(case) => cases.push(case),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Err(problem) => problems.push(problem),
    }
    problems.sort_by_key(BadWorld::place);
    match problems.is_empty() {
        true => Ok(cases),
        false => Err(problems),
    }
}

fn case(node: &Node, now: Timestamp) -> Result<Case, BadWorld> {
    let name = called(node, "the case", "name");
    read_with(node, &name, "a key of a case", |reader| {
        let name: Option<String> = reader.required("name");
        let service_id: Option<ServiceId> = reader.required("service_id");
        let owner: Option<AccountId> = reader.required("account");
        let region: Option<Region> = reader.required("region");
        let endpoint_id: Option<EndpointId> = reader.optional("endpoint_id");
        let path: Option<Path> = reader.optional("organization_path");
        let others: Option<u32> = reader.optional("other_connections");
        let at: Option<Timestamp> = reader.optional("at");
        let expected: Option<Expected> = reader.required("expect");
        let by: Option<By> = reader.optional("by");
        Some(Case {
            name: name?,
            connection: Connection {
                service_id: service_id?,
                endpoint_id: endpoint_id.or_else(|| NO_ENDPOINT.parse().ok())?,
                owner: owner?,
                region: region?,
                state: ConnectionState::PendingAcceptance,
                created_at: None,
            },
            organization: Organization::Known(path.map(|Path(path)| path)),
            others: others.unwrap_or(0),
            at: at.unwrap_or(now),
            decision: expected?.0,
            by: by.map_or(ExpectedRule::Any, |By(by)| by),
        })
    })
}

struct Path(OrgPath);

impl Typed for Path {
    const SHAPE: Shape = Shape::Id("the account's path in the organization");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        let path = value.as_text().and_then(|text| text.parse().ok());
        path.map(Self).ok_or_else(|| {
            let advice = "write the account's path, such as o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*";
            Misfit::new(value.shown(), advice)
        })
    }

    fn write(&self) -> Value {
        Value::Text(self.0.to_string())
    }
}

struct Expected(Decision);

impl Typed for Expected {
    const SHAPE: Shape = Shape::Id("accept, reject or review");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        let known = [Decision::Accept, Decision::Reject, Decision::Review];
        let decision = known
            .into_iter()
            .find(|decision| value.as_text() == Some(decision.as_str()));
        decision.map(Self).ok_or_else(|| {
            let advice = "write accept, reject or review (people decide)";
            Misfit::new(value.shown(), advice)
        })
    }

    fn write(&self) -> Value {
        Value::Text(self.0.as_str().to_owned())
    }
}

/// A rule as `gatekeeper explain` prints it.
struct By(ExpectedRule);

impl Typed for By {
    const SHAPE: Shape = Shape::Id("the rule that decides");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        let by = match value.as_text() {
            Some("none") => Some(ExpectedRule::NoEntry),
            Some(text) => rule(text).map(ExpectedRule::This),
            None => None,
        };
        by.map(Self).ok_or_else(|| {
            let advice = "write none (no entry decides), or the rule as gatekeeper explain prints it: \
                          allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718";
            Misfit::new(value.shown(), advice)
        })
    }

    fn write(&self) -> Value {
        Value::Text(match &self.0 {
            ExpectedRule::Any | ExpectedRule::NoEntry => "none".to_owned(),
            ExpectedRule::This(rule) => rule.to_string(),
        })
    }
}

fn rule(text: &str) -> Option<Rule> {
    let (effect, rest) = text.split_once(' ')?;
    let (principal, service_id) = rest.split_once(" on ")?;
    let effect = match effect {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        _ => return None,
    };
    let principal: Principal = principal.trim().parse().ok()?;
    let service_id: Scope = service_id.trim().parse().ok()?;
    Some(Rule {
        service_id,
        principal,
        effect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "\
cases:
  - name: Example GmbH in Frankfurt
    service_id: vpce-svc-0a1b2c3d4e5f60718
    account: 012345678901
    region: eu-central-1
    endpoint_id: vpce-0123456789abcdef0
    organization_path: o-a1b2c3d4e5/r-ab12/*
    other_connections: 2
    at: 2027-01-01T00:00:00Z
    expect: accept
    by: allow 012345678901 on *
  - { name: A stranger, service_id: vpce-svc-0a1b2c3d4e5f60718, account: '999999999999',
      region: us-east-1, expect: review, by: none }
";

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_case_is_read_with_all_that_it_may_have() {
        let cases = read_cases(WHOLE, now()).unwrap();
        let [whole, short] = cases.as_slice() else {
            panic!("{cases:?}");
        };
        assert_eq!(whole.connection.owner.as_str(), "012345678901");
        assert_eq!(whole.others, 2);
        assert_eq!(whole.at.to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(whole.decision, Decision::Accept);
        let ExpectedRule::This(rule) = &whole.by else {
            panic!("{whole:?}");
        };
        assert_eq!(rule.to_string(), "allow 012345678901 on *");
        assert!(matches!(whole.organization, Organization::Known(Some(_))));
        assert_eq!((short.at, short.others), (now(), 0));
        assert_eq!(short.by, ExpectedRule::NoEntry);
        assert_eq!(short.organization, Organization::Known(None));
    }

    #[test]
    fn all_that_is_wrong_is_named_with_its_place() {
        let text = WHOLE
            .replace("expect: accept", "expect: allow")
            .replace("region: us-east-1", "regoin: us-east-1")
            .replace("by: none", "by: nothing");
        let problems = read_cases(&text, now()).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with("10: the case Example GmbH in Frankfurt: expect"),
            "{said:?}"
        );
        assert!(
            said[0].contains("write accept, reject or review"),
            "{said:?}"
        );
        assert!(said[1].contains("the case A stranger: "), "{said:?}");
        let problems = read_cases("case: []", now()).unwrap_err();
        assert!(
            problems[0].to_string().contains("did you mean cases?"),
            "{problems:?}"
        );
    }
}
