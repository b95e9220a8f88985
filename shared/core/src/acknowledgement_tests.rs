use std::collections::BTreeSet;

use super::*;
use crate::acknowledged_findings::follow;
use crate::alarm::Alarm;
use crate::evidence::Evidence;
use crate::findings::Findings;
use crate::fixtures::at;
use crate::watch::Seen;

const OPEN: Finding = Finding::AnyoneMayAsk;
const DAY: i64 = 24 * 3600;

fn service() -> ServiceId {
    "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A whole item.
fn attributes() -> BTreeMap<String, Value> {
    [
        ("evidence", Value::Texts(vec!["*".to_owned()])),
        ("acknowledged_by", text("alice@example.com")),
        ("until", text("2027-01-31T00:00:00Z")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

const RULE: &str = "anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718";

#[test]
fn an_item_says_which_finding_with_which_evidence_who_and_until_when() {
    let read = Acknowledgement::read(RULE, &attributes()).unwrap();
    assert_eq!(read.finding, OPEN);
    assert_eq!(read.service_id, service());
    assert_eq!(read.evidence, BTreeSet::from(["*".to_owned()]));
    assert_eq!(read.acknowledged_by, "alice@example.com");
    assert_eq!(read.until.to_string(), "2027-01-31T00:00:00Z");
    assert_eq!(read.reason, None);
    assert_eq!(Acknowledgement::rule(read.finding, &read.service_id), RULE);
}

#[test]
fn what_is_wrong_is_told_with_the_attribute_what_stands_there_and_what_to_write() {
    let missing = Value::Other("missing");
    let table = [
        (
            "until",
            text("next week"),
            "until is \"next week\"; write when it ends, as a text such as",
        ),
        (
            "until",
            Value::Other("a number"),
            "until is a number; write when it ends",
        ),
        (
            "until",
            missing.clone(),
            "until is missing; write when it ends",
        ),
        (
            "evidence",
            text("*"),
            "evidence is \"*\"; write all pieces of evidence",
        ),
        (
            "evidence",
            Value::Texts(vec![]),
            "evidence is 0 texts; write all pieces",
        ),
        (
            "evidence",
            missing.clone(),
            "evidence is missing; write all pieces",
        ),
        (
            "acknowledged_by",
            text(" "),
            "acknowledged_by is \" \"; write who",
        ),
        (
            "acknowledged_by",
            missing,
            "acknowledged_by is missing; write who",
        ),
        (
            "reason",
            Value::Texts(vec![]),
            "reason is 0 texts; write why",
        ),
        (
            "expires_at",
            text("x"),
            "expires_at is \"x\"; it is none of an acknowledgement: leave it out",
        ),
    ];
    for (name, value, expected) in table {
        let mut item = attributes();
        match value {
            Value::Other("missing") => item.remove(name),
            value => item.insert(name.to_owned(), value),
        };
        let said = Acknowledgement::read(RULE, &item).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
    let rules = [
        ("anyone_may_ask", "write <finding>#<service>"),
        (
            "Anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718",
            "What can be acknowledged is acceptance_not_required, ",
        ),
        ("anyone_may_ask#payments", "write <finding>#<service>"),
        ("anyone_may_ask#*", "write <finding>#<service>"),
        (
            " anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718",
            "write <finding>#<service>",
        ),
        (
            "policy_unreadable#vpce-svc-0a1b2c3d4e5f60718",
            "Policy that cannot be read and e-mail that is held cannot be",
        ),
        (
            "unexpected_policy_keys#vpce-svc-0a1b2c3d4e5f60718",
            "cannot be acknowledged",
        ),
    ];
    for (rule, expected) in rules {
        let said = Acknowledgement::read(rule, &attributes())
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(&format!("rule is {rule:?}; ")), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("is unexpected_policy_keys,"), "{said}");
    }
    let all = Acknowledgement::read("x", &BTreeMap::new()).unwrap_err();
    for part in ["rule is", "evidence is", "acknowledged_by is", "until is"] {
        assert!(all.to_string().contains(part), "{all}");
    }
}

/// A service's findings, and the items that are written for it.
struct Case {
    findings: Findings,
    items: BTreeMap<Finding, Acknowledgement>,
}

impl Case {
    fn new() -> Self {
        Self {
            findings: Findings::default(),
            items: BTreeMap::new(),
        }
    }

    fn write(&mut self, finding: Finding, evidence: &[&str], until: i64) {
        let item = Acknowledgement {
            finding,
            service_id: service(),
            evidence: evidence.iter().map(|one| (*one).to_owned()).collect(),
            acknowledged_by: "alice@example.com".to_owned(),
            until: at(until),
            reason: None,
        };
        self.items.insert(finding, item);
    }

    /// A run, which sees this evidence; `None` if the finding is not there. Answers what is news, in a word
    /// each.
    fn run(&mut self, finding: Finding, evidence: &[&str], now: i64) -> Vec<String> {
        let there = (!evidence.is_empty())
            .then(|| Evidence::of(evidence.iter().map(|one| (*one).to_owned())));
        let seen = Seen::from([(finding, there)]);
        self.look(&seen, true, now)
    }

    fn look(&mut self, seen: &Seen, reads: bool, now: i64) -> Vec<String> {
        let service = service();
        self.findings.note(&service, seen, at(now));
        let items = reads.then_some(&self.items);
        let news = follow(&mut self.findings, &service, items, seen, at(now));
        let word = |alarm: &Alarm| match alarm.acknowledgement.as_ref().unwrap().ended {
            None => "begins".to_owned(),
            Some(why) => format!("ends: {why:?}"),
        };
        news.iter().map(word).collect()
    }

    fn counts(&self) -> bool {
        self.findings.unacknowledged().next().is_some()
    }
}

#[test]
fn it_silences_what_it_names_and_is_told_when_it_begins_and_when_it_ends() {
    let mut case = Case::new();
    assert_eq!(case.run(OPEN, &["*"], 0), [""; 0]);
    assert!(case.counts());
    case.write(OPEN, &["*"], 10 * DAY);
    assert_eq!(case.run(OPEN, &["*"], 1), ["begins"]);
    assert!(!case.counts());
    assert_eq!(case.run(OPEN, &["*"], 10 * DAY - 1), [""; 0]);
    assert_eq!(case.run(OPEN, &["*"], 10 * DAY), ["ends: TimeUp"]);
    assert!(case.counts());
    assert_eq!(case.run(OPEN, &["*"], 10 * DAY + 1), [""; 0], "once");
    assert!(case.counts(), "and does not begin again");
}

#[test]
fn other_evidence_is_not_covered() {
    for others in [&["*", "arn"][..], &["arn"], &["* "]] {
        let mut case = Case::new();
        case.write(OPEN, &["*"], 10 * DAY);
        assert_eq!(case.run(OPEN, &["*"], 0), ["begins"]);
        assert_eq!(
            case.run(OPEN, others, 1),
            ["ends: EvidenceChanged"],
            "{others:?}"
        );
        assert!(case.counts());
        assert_eq!(case.run(OPEN, &["*"], 2), [""; 0], "it is over");
        assert!(case.counts());

        let mut case = Case::new();
        case.write(OPEN, others, 10 * DAY);
        assert_eq!(case.run(OPEN, &["*"], 0), [""; 0], "{others:?}");
        assert!(case.counts());
    }
}

#[test]
fn another_finding_is_not_covered() {
    let mut case = Case::new();
    case.write(OPEN, &["*"], 10 * DAY);
    let there = |piece| Some(Evidence::only(piece));
    let seen = Seen::from([
        (OPEN, there("*")),
        (Finding::AcceptanceNotRequired, there("*")),
    ]);
    assert_eq!(case.look(&seen, true, 0), ["begins"]);
    let counts: Vec<Finding> = case.findings.unacknowledged().collect();
    assert_eq!(counts, [Finding::AcceptanceNotRequired]);
}

#[test]
fn it_ends_with_the_finding_and_does_not_cover_the_next() {
    let mut case = Case::new();
    case.write(OPEN, &["*"], 10 * DAY);
    assert_eq!(case.run(OPEN, &["*"], 0), ["begins"]);
    assert_eq!(case.run(OPEN, &[], 1), ["ends: FindingOver"]);
    assert_eq!(case.run(OPEN, &["*"], 2), [""; 0]);
    assert!(case.counts());
    // Written anew, it is another one.
    case.write(OPEN, &["*"], 11 * DAY);
    assert_eq!(case.run(OPEN, &["*"], 3), ["begins"]);

    // Though nobody followed it in the run that saw the end.
    case.findings
        .note(&service(), &Seen::from([(OPEN, None)]), at(4));
    assert_eq!(case.run(OPEN, &["*"], 5), ["ends: FindingOver"]);
}

#[test]
fn one_that_was_written_before_its_finding_covers_it_only_if_both_are_seen_first_together() {
    let mut case = Case::new();
    case.write(OPEN, &["*"], 10 * DAY);
    assert_eq!(case.run(OPEN, &[], 0), [""; 0]);
    assert_eq!(case.run(OPEN, &["*"], 1), [""; 0]);
    assert!(case.counts());

    // What could not be looked at may be there.
    let mut case = Case::new();
    case.write(OPEN, &["*"], 10 * DAY);
    assert_eq!(case.look(&Seen::new(), true, 0), [""; 0]);
    assert_eq!(case.run(OPEN, &["*"], 1), ["begins"]);
}

#[test]
fn it_ends_at_thirty_or_ninety_days_whatever_it_says() {
    for (finding, days) in [
        (Finding::AcceptanceNotRequired, 30),
        (Finding::AnyoneMayAsk, 30),
        (Finding::NotificationMissing, 90),
        (Finding::TooManyRevocations, 90),
    ] {
        let mut case = Case::new();
        case.write(finding, &["x"], 1000 * DAY);
        assert_eq!(case.run(finding, &["x"], 5), ["begins"], "{finding:?}");
        let acknowledged = case.findings.acknowledged[&finding].clone();
        assert_eq!(acknowledged.ends_at(), at(5 + days * DAY));
        let words = Details::of(&acknowledged).words(finding);
        let bound = format!("is acknowledged for {days} days at the most");
        assert!(words.contains(&bound), "{words}");
        assert!(
            words.contains(&format!("until {:.0}", at(1000 * DAY))),
            "{words}"
        );
        assert_eq!(case.run(finding, &["x"], 4 + days * DAY), [""; 0]);
        assert_eq!(case.run(finding, &["x"], 5 + days * DAY), ["ends: TimeUp"]);
        assert!(case.counts());
        // The same item is no new one.
        assert_eq!(case.run(finding, &["x"], 6 + days * DAY), [""; 0]);

        let mut case = Case::new();
        case.write(finding, &["x"], DAY);
        case.run(finding, &["x"], 0);
        let within = Details::of(&case.findings.acknowledged[&finding]);
        assert_eq!((within.until, within.written_until), (at(DAY), None));
    }
}

#[test]
fn one_that_is_past_or_withdrawn_silences_nothing() {
    let mut case = Case::new();
    case.write(OPEN, &["*"], -1);
    assert_eq!(case.run(OPEN, &["*"], 0), [""; 0]);
    assert!(case.counts());

    case.write(OPEN, &["*"], DAY);
    assert_eq!(case.run(OPEN, &["*"], 1), ["begins"]);
    case.items.clear();
    assert_eq!(case.run(OPEN, &["*"], 2), ["ends: Withdrawn"]);
    assert!(case.counts());
    assert_eq!(case.run(OPEN, &["*"], 3), [""; 0]);
    case.write(OPEN, &["*"], DAY);
    assert_eq!(case.run(OPEN, &["*"], 4), ["begins"], "written anew");
    case.write(OPEN, &["*"], 2 * DAY);
    assert_eq!(case.run(OPEN, &["*"], 5), ["ends: Rewritten", "begins"]);
    assert!(!case.counts());
}

#[test]
fn where_the_items_cannot_be_read_what_holds_goes_on_to_its_end() {
    let there = Seen::from([(OPEN, Some(Evidence::only("*")))]);
    let mut case = Case::new();
    case.write(OPEN, &["*"], DAY);
    assert_eq!(case.look(&there, false, 0), [""; 0]);
    assert!(case.counts(), "what was not read does not begin");
    assert_eq!(case.look(&there, true, 1), ["begins"]);
    assert_eq!(case.look(&there, false, 2), [""; 0]);
    assert!(!case.counts());
    assert_eq!(case.look(&there, false, DAY), ["ends: TimeUp"]);
}

#[test]
fn what_is_shown_of_it_is_what_is_known() {
    use crate::alarm::AlarmKind;
    let mut case = Case::new();
    let shown = |case: &Case, kind| case.findings.alarm(&service(), OPEN, kind);
    case.write(OPEN, &["*"], DAY);
    let seen = Seen::from([(OPEN, Some(Evidence::only("*")))]);
    case.findings.note(&service(), &seen, at(0));
    let begun = follow(
        &mut case.findings,
        &service(),
        Some(&case.items),
        &seen,
        at(0),
    );
    assert_eq!(
        shown(&case, AlarmKind::AlarmAcknowledged),
        begun.first().cloned()
    );
    assert_eq!(shown(&case, AlarmKind::AcknowledgementEnded), None);
    let ended = follow(
        &mut case.findings,
        &service(),
        Some(&case.items),
        &seen,
        at(DAY),
    );
    assert_eq!(shown(&case, AlarmKind::AlarmAcknowledged), None);
    assert_eq!(
        shown(&case, AlarmKind::AcknowledgementEnded),
        ended.first().cloned()
    );
}

#[test]
fn the_item_to_write_is_the_one_that_is_read() {
    let evidence = [
        "it's *".to_owned(),
        "arn:aws:iam::777788889999:root".to_owned(),
    ];
    let item = item_to_write(OPEN, &service(), &evidence).unwrap();
    assert!(!item.contains('\''), "{item}");
    let read: serde_json::Value = serde_json::from_str(&item).unwrap();
    assert_eq!(read["service_id"]["S"], ACKNOWLEDGEMENTS);
    assert_eq!(read["rule"]["S"], RULE);
    let pieces: Vec<String> = serde_json::from_value(read["evidence"]["SS"].clone()).unwrap();
    assert_eq!(pieces, evidence);
    let rest = read
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !["service_id", "rule"].contains(&name.as_str()));
    assert!(rest.clone().all(|name| ATTRIBUTES.contains(&name.as_str())));
    assert_eq!(rest.count(), ATTRIBUTES.len());
    assert_eq!(
        item_to_write(Finding::UnexpectedPolicyKeys, &service(), &evidence),
        None
    );
}
