//! A thousand connections under a mixed policy, compared with a second opinion: the documented
//! order of the policy, in forty lines that share nothing with the product.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::Managed;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Status;
use gatekeeper_local::world::{Options, World};
use gatekeeper_local::world_file::WorldFile;
use serde_json::{Value, json};

use crate::run::{Replay, Run, cloudtrail, notification, queued, requested};

const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-southeast-2"];
const PAST: &str = "2026-11-20T12:00:00Z";
const FUTURE: &str = "2026-11-21T12:00:00Z";

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.throw(last + 1));
        }
    }
}

struct Wish {
    endpoint: String,
    service: String,
    owner: String,
    region: &'static str,
}

#[derive(Clone)]
struct Entry {
    /// `*` for all, as in the world file.
    service: String,
    principal: String,
    allow: bool,
    max: Option<usize>,
    regions: Vec<&'static str>,
    expires: Option<&'static str>,
}

struct Mixed {
    services: Vec<String>,
    wishes: Vec<Wish>,
    entries: Vec<Entry>,
    /// Rejects the unlisted.
    strict: String,
}

/// The expected decision about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Accept,
    Reject,
    Review,
    /// Accept, as long as the account has fewer than this many on the service.
    Limited(usize),
}

// The second opinion.

impl Entry {
    fn concerns(&self, wish: &Wish) -> bool {
        let live = self.expires != Some(PAST);
        let service = self.service == "*" || self.service == wish.service;
        let principal = self.principal == "*"
            || self.principal == wish.endpoint
            || self.principal == wish.owner;
        live && service && principal
    }

    fn names_region(&self, wish: &Wish) -> bool {
        self.regions.is_empty() || self.regions.contains(&wish.region)
    }

    /// The smaller, the more specific: endpoint, account, anyone; within each, the own service
    /// before `*`.
    fn rank(&self) -> (u8, u8) {
        let principal = match self.principal.as_str() {
            "*" => 2,
            id if id.starts_with("vpce-") => 0,
            _ => 1,
        };
        (principal, u8::from(self.service == "*"))
    }
}

impl Mixed {
    fn fate(&self, wish: &Wish) -> (Fate, Option<&Entry>) {
        let concerned = || self.entries.iter().filter(|entry| entry.concerns(wish));
        let denials = concerned().filter(|entry| !entry.allow && entry.names_region(wish));
        if let Some(deny) = denials.min_by_key(|entry| entry.rank()) {
            return (Fate::Reject, Some(deny));
        }
        match concerned()
            .filter(|entry| entry.allow)
            .min_by_key(|entry| entry.rank())
        {
            Some(entry) if !entry.names_region(wish) => (Fate::Review, Some(entry)),
            Some(entry) => (entry.max.map_or(Fate::Accept, Fate::Limited), Some(entry)),
            None if wish.service == self.strict => (Fate::Reject, None),
            None => (Fate::Review, None),
        }
    }
}

// The world and its events.

impl Mixed {
    fn new(connections: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let services: Vec<String> = ["0a1b2c3d4e5f60718", "0a1b2c3d4e5f60719", "0badc0de"]
            .map(|hex| format!("vpce-svc-{hex}"))
            .into();
        let accounts: Vec<String> = (0..60)
            .map(|n| format!("{:012}", n * n * n * 4_567_891_u64))
            .collect();
        let wishes: Vec<Wish> = (0..connections)
            .map(|n| Wish {
                // Ids of both existing lengths.
                endpoint: format!("vpce-{n:0width$x}", width = if n % 2 == 0 { 8 } else { 17 }),
                service: services[dice.throw(3)].clone(),
                owner: accounts[dice.throw(accounts.len())].clone(),
                region: REGIONS[dice.throw(3)],
            })
            .collect();
        let mut entries = Vec::new();
        let mut rules = BTreeSet::new();
        let mut add = |entry: Entry| {
            if rules.insert((entry.service.clone(), entry.principal.clone(), entry.allow)) {
                entries.push(entry);
            }
        };
        let some_regions = |dice: &mut Dice| match dice.throw(3) {
            0 => vec![REGIONS[dice.throw(3)]],
            1 => vec![REGIONS[0], REGIONS[1 + dice.throw(2)]],
            _ => Vec::new(),
        };
        for account in &accounts {
            for _ in 0..dice.throw(4) {
                let own_service = dice.throw(3) > 0;
                let allow = dice.throw(4) > 0;
                let regions = some_regions(&mut dice);
                add(Entry {
                    service: if own_service {
                        services[dice.throw(3)].clone()
                    } else {
                        "*".to_owned()
                    },
                    principal: account.clone(),
                    allow,
                    max: (allow && dice.throw(3) == 0).then(|| dice.throw(5)),
                    regions,
                    expires: [None, None, None, Some(FUTURE), Some(PAST)][dice.throw(5)],
                });
            }
        }
        for wish in wishes.iter().step_by(17) {
            let regions = some_regions(&mut dice);
            add(Entry {
                service: [wish.service.clone(), "*".to_owned()][dice.throw(2)].clone(),
                principal: wish.endpoint.clone(),
                allow: dice.throw(2) > 0,
                max: None,
                regions,
                expires: [None, None, Some(PAST)][dice.throw(3)],
            });
        }
        let anyone = |service: &str, allow, regions: &[&'static str], expires| Entry {
            service: service.to_owned(),
            principal: "*".to_owned(),
            allow,
            max: None,
            regions: regions.to_vec(),
            expires,
        };
        add(anyone(&services[1], true, &["us-east-1"], None));
        add(anyone("*", true, &[], Some(PAST)));
        add(anyone("*", false, &[], Some(PAST)));
        add(anyone(&services[0], false, &["ap-southeast-2"], None));
        let strict = services[2].clone();
        Self {
            services,
            wishes,
            entries,
            strict,
        }
    }

    fn yaml(&self) -> String {
        let mut text = "now: 2026-11-20T12:00:00Z\nservices:\n".to_owned();
        for service in &self.services {
            writeln!(text, "  - service_id: {service}").unwrap();
        }
        text.push_str("connections:\n");
        for Wish {
            endpoint,
            service,
            owner,
            region,
        } in &self.wishes
        {
            writeln!(
                text,
                "  - endpoint_id: {endpoint}\n    service_id: {service}\n    owner: \"{owner}\""
            )
            .unwrap();
            if *region != "us-east-1" {
                writeln!(text, "    region: {region}").unwrap();
            }
        }
        writeln!(
            text,
            "policy:\n  settings:\n    - {{service_id: \"*\", on_unlisted: review}}"
        )
        .unwrap();
        writeln!(
            text,
            "    - {{service_id: {}, on_unlisted: reject}}\n  entries:",
            self.strict
        )
        .unwrap();
        for entry in &self.entries {
            let effect = if entry.allow { "allow" } else { "deny" };
            writeln!(
                text,
                "    - service_id: \"{}\"\n      principal: \"{}\"\n      effect: {effect}",
                entry.service, entry.principal
            )
            .unwrap();
            if let Some(max) = entry.max {
                writeln!(text, "      max_connections: {max}").unwrap();
            }
            if !entry.regions.is_empty() {
                writeln!(text, "      regions: [{}]", entry.regions.join(", ")).unwrap();
            }
            if let Some(expires) = entry.expires {
                writeln!(text, "      expires_at: {expires}").unwrap();
            }
        }
        text
    }

    /// Events of every shape about nine connections in ten, a third of them twice or more, in an
    /// order that the seed gives.
    fn events(&self, seed: u64) -> Vec<Value> {
        let mut dice = Dice(seed);
        let mut events = Vec::new();
        for wish in &self.wishes {
            let times = [0, 1, 1, 1, 1, 1, 1, 2, 2, 5][dice.throw(10)];
            for _ in 0..times {
                events.push(self.event(wish, dice.throw(12)));
            }
        }
        events.push(notification("{}"));
        events.push(
            json!({ "source": "privatelink.gatekeeper", "detail-type": "Connection Requested",
            "detail": { "service_id": self.services[1] } }),
        );
        dice.shuffle(&mut events);
        // Some arrive in batches.
        let mut delivered = Vec::new();
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(1 + dice.throw(4)));
            let mut batch = std::mem::replace(&mut events, rest);
            if batch.len() == 1 || batch.iter().any(|event| event.get("Records").is_some()) {
                delivered.append(&mut batch);
            } else {
                delivered.push(queued(&batch));
            }
        }
        delivered
    }

    fn event(&self, wish: &Wish, shape: usize) -> Value {
        let Wish {
            endpoint, service, ..
        } = wish;
        let name = format!("com.amazonaws.vpce.us-east-1.{service}");
        let somebody = "arn:aws:iam::444455556666:user/bob";
        let created = || {
            cloudtrail(
                "CreateVpcEndpoint",
                somebody,
                json!({ "CreateVpcEndpointRequest": { "ServiceName": name } }),
                json!({ "CreateVpcEndpointResponse": { "vpcEndpoint": {
                    "vpcEndpointId": endpoint, "ownerId": "999999999999", "serviceName": name } } }),
            )
        };
        match shape {
            0 => requested(endpoint),
            1 => json!({ "source": "privatelink.gatekeeper", "detail-type": "Connection Requested",
                "detail": { "service_id": service, "endpoint_id": endpoint } }),
            2 => notification(
                &json!({ "vpcEndpointId": endpoint, "serviceId": service, "eventType": "Connect" })
                    .to_string(),
            ),
            3 => notification(&format!("{endpoint} asks to connect to {name}.\n")),
            4 => {
                json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification(endpoint) }] })
            }
            5 => created(),
            6 => created()["detail"].clone(),
            7 => queued(&[notification(&requested(endpoint).to_string())]),
            // Neither is true: the connection is still pending at EC2.
            8 => cloudtrail(
                "DeleteVpcEndpoints",
                somebody,
                json!({ "DeleteVpcEndpointsRequest": { "VpcEndpointId": { "tag": 1, "content": endpoint } } }),
                Value::Null,
            ),
            9 => cloudtrail(
                "AcceptVpcEndpointConnections",
                somebody,
                json!({ "serviceId": service, "vpcEndpointIdSet": { "items": [{ "vpcEndpointId": endpoint }] } }),
                Value::Null,
            ),
            10 => cloudtrail(
                "RejectVpcEndpointConnections",
                somebody,
                json!({ "RejectVpcEndpointConnectionsRequest": { "ServiceId": service, "VpcEndpointId": [
                    { "tag": 1, "content": endpoint }, { "tag": 2, "content": "vpce-0fffffffffffffff0" }] } }),
                json!({ "unsuccessful": [{ "resourceId": "vpce-0fffffffffffffff0" }] }),
            ),
            _ => {
                let mut denied = created();
                denied["detail"]["eventName"] = json!("AcceptVpcEndpointConnections");
                denied["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
                denied
            }
        }
    }
}

/// The records that a document of events holds.
fn records(events: &[Value]) -> usize {
    let of_one = |event: &Value| event["Records"].as_array().map_or(1, Vec::len);
    events.iter().map(of_one).sum()
}

fn run(mixed: &Mixed, seed: u64) -> Run {
    let events = mixed.events(seed);
    let third = events.len() / 3;
    let lines: String = events[..third]
        .iter()
        .map(|event| format!("{event}\n"))
        .collect();
    let pretty: String = events[2 * third..]
        .iter()
        .map(|event| serde_json::to_string_pretty(event).unwrap())
        .collect();
    let run = Replay::of(&mixed.yaml())
        .file("lines.jsonl", lines)
        .file("array.json", json!(events[third..2 * third]).to_string())
        .file("pretty.json", pretty)
        .json()
        .ok();
    assert_eq!(
        run.count("/records"),
        u64::try_from(records(&events)).unwrap()
    );
    run
}

/// Compares a run with the second opinion, and answers each connection's verdict.
fn check(mixed: &Mixed, run: &Run) -> BTreeMap<String, String> {
    let lines: BTreeMap<String, Value> = run
        .connections()
        .into_iter()
        .map(|line| (line["endpoint_id"].as_str().unwrap().to_owned(), line))
        .collect();
    assert_eq!(lines.len(), mixed.wishes.len(), "each has a line");
    assert_eq!(run.connections().len(), mixed.wishes.len(), "and one only");

    let mut limits: BTreeMap<(&str, &str), Limited> = BTreeMap::new();
    let (mut verdicts, mut over_limit) = (BTreeMap::new(), 0);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for wish in &mixed.wishes {
        let line = &lines[&wish.endpoint];
        let (fate, entry) = mixed.fate(wish);
        let verdict = line["verdict"].as_str().unwrap();
        let (status, ec2) = match verdict {
            "accept" => ("accepted", "available"),
            "reject" => ("rejected", "rejected"),
            _ => ("in_review", "pendingAcceptance"),
        };
        let context = format!("{fate:?}: {line}");
        assert_eq!(
            (&line["status"], &line["ec2"]),
            (&json!(status), &json!(ec2)),
            "{context}"
        );
        assert_eq!(
            (&line["service_id"], &line["account_id"]),
            (&json!(wish.service), &json!(wish.owner))
        );
        let rule = entry.map(|entry| {
            let effect = if entry.allow { "allow" } else { "deny" };
            json!({ "service_id": entry.service, "principal": entry.principal, "effect": effect })
        });
        assert_eq!(line["rule"], json!(rule), "{context}");
        let group = limits.entry((&wish.service, &wish.owner)).or_default();
        match fate {
            Fate::Accept => {
                assert_eq!(verdict, "accept", "{context}");
                group.unlimited += 1;
            }
            Fate::Reject => assert_eq!(verdict, "reject", "{context}"),
            Fate::Review => assert_eq!(verdict, "review", "{context}"),
            Fate::Limited(max) => {
                assert!(
                    group.max.is_none_or(|other| other == max),
                    "one limit for a consumer"
                );
                group.max = Some(max);
                group.eligible += 1;
                match verdict {
                    "accept" => group.accepted += 1,
                    "review" => over_limit += 1,
                    _ => panic!("{context}"),
                }
            }
        }
        *counted.entry(status.to_owned()).or_default() += 1;
        verdicts.insert(wish.endpoint.clone(), verdict.to_owned());
    }
    let mut binding = 0;
    for (group, limited) in &limits {
        let Limited {
            max: Some(max),
            eligible,
            accepted,
            unlimited,
        } = limited
        else {
            continue;
        };
        let most = *max.min(eligible);
        // Accepts by another rule count as well; the order decides whether before or after.
        let least = max.saturating_sub(*unlimited).min(*eligible);
        assert!((least..=most).contains(accepted), "{group:?}: {limited:?}");
        binding += usize::from(max < eligible);
    }
    assert!(binding >= 3, "the limits must matter: {binding}");

    for status in ["accepted", "rejected", "in_review"] {
        let count = counted.get(status).copied().unwrap_or(0);
        assert!(count > 20, "{status} must matter: {count}");
        assert_eq!(run.count(&format!("/{status}")), count, "{status}");
    }
    let all = u64::try_from(mixed.wishes.len()).unwrap();
    assert_eq!(
        run.count("/notifications"),
        all,
        "each outcome is announced once"
    );
    // Two transitions for each decision, one for each review. A limit may cost one more transaction
    // for each connection beyond it: the one that finds the last place taken.
    let transitions =
        2 * (run.count("/accepted") + run.count("/rejected")) + run.count("/in_review");
    let transactions = run.count("/dynamodb_calls/TransactWriteItems");
    assert!(
        (transitions..=transitions + over_limit).contains(&transactions),
        "{transactions} for {transitions}"
    );
    verdicts
}

#[derive(Debug, Default)]
struct Limited {
    max: Option<usize>,
    eligible: usize,
    accepted: usize,
    unlimited: usize,
}

#[test]
fn a_thousand_connections_are_each_decided_once() {
    let mixed = Mixed::new(1000, 7);
    check(&mixed, &run(&mixed, 11));
}

#[test]
fn another_order_decides_the_same() {
    let mixed = Mixed::new(300, 7);
    let [one, other] = [12, 13].map(|seed| check(&mixed, &run(&mixed, seed)));
    for wish in &mixed.wishes {
        if !matches!(mixed.fate(wish).0, Fate::Limited(_)) {
            assert_eq!(
                one[&wish.endpoint], other[&wish.endpoint],
                "{}",
                wish.endpoint
            );
        }
    }
}

/// Without limits nothing is tried twice: exactly one transaction for each transition, and as few
/// accept and reject calls as there are batches.
#[test]
fn without_limits_a_transition_is_a_transaction() {
    let mut mixed = Mixed::new(120, 3);
    for entry in &mut mixed.entries {
        entry.max = None;
    }
    let run = run(&mixed, 5);
    let transitions =
        2 * (run.count("/accepted") + run.count("/rejected")) + run.count("/in_review");
    assert_eq!(run.count("/dynamodb_calls/TransactWriteItems"), transitions);
    assert_eq!(run.connections().len(), 120);
    for line in run.connections() {
        let wish = mixed
            .wishes
            .iter()
            .find(|wish| line["endpoint_id"] == wish.endpoint.as_str())
            .unwrap();
        let expected = match mixed.fate(wish).0 {
            Fate::Accept => "accept",
            Fate::Reject => "reject",
            Fate::Review => "review",
            Fate::Limited(_) => unreachable!("no entry has a limit"),
        };
        assert_eq!(line["verdict"], expected, "{line}");
    }
}

/// The same in process, where the history can be read: one row for each transition, in order.
#[tokio::test]
async fn each_transition_has_one_row_of_history() {
    let mixed = Mixed::new(100, 23);
    let file = WorldFile::parse(&mixed.yaml()).unwrap();
    let mut options = Options::new(Clock::manual(file.now.unwrap()));
    options.managed = Managed::Listed(file.services.iter().map(|s| s.service_id.clone()).collect());
    let world = World::start(options).await.unwrap();
    file.put_into(&world).await.unwrap();
    for event in mixed.events(29) {
        world.queue.send(event.to_string());
    }
    let drained = world.drain().await;
    assert!(
        drained.malformed.is_empty() && drained.dead.is_empty(),
        "{drained:?}"
    );
    world.reconcile().await;
    // Look again when neither EC2's lag nor a claim is an excuse: nothing may be left to do.
    world.clock.advance(Duration::from_secs(600));
    for event in mixed.events(31) {
        world.queue.send(event.to_string());
    }
    world.drain().await;
    world.reconcile().await;
    for wish in &mixed.wishes {
        let endpoint: EndpointId = wish.endpoint.parse().unwrap();
        let request = world.request(&endpoint).await.unwrap().unwrap();
        let history = world.history(&endpoint).await.unwrap();
        let steps: Vec<(Option<Status>, Status)> =
            history.iter().map(|row| (row.from, row.to)).collect();
        let expected: &[(Option<Status>, Status)] = match request.status {
            Status::Accepted => &[
                (None, Status::Accepting),
                (Some(Status::Accepting), Status::Accepted),
            ],
            Status::Rejected => &[
                (None, Status::Rejecting),
                (Some(Status::Rejecting), Status::Rejected),
            ],
            Status::InReview => &[(None, Status::InReview)],
            other => panic!("{endpoint} is {other}"),
        };
        assert_eq!(steps, expected, "{endpoint}");
        assert_eq!(request.version, u64::try_from(steps.len()).unwrap());
    }
}
