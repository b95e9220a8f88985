use super::*;
use crate::fixtures::{at, request};
use crate::vote::{Channel, Choice, Vote};
use proptest::prelude::*;

const QUEUE: &str = "arn:aws:sqs:eu-central-1:111122223333:slack";
const MINUTE: i64 = 60;

fn id(name: &str) -> ApproverId {
    format!("{name}@example.com").parse().unwrap()
}

fn approver(name: &str) -> Approver {
    Approver {
        id: id(name),
        slack_user_id: None,
        iam_principal: None,
        services: ["*".parse().unwrap()].into(),
        own_accounts: [].into(),
    }
}

fn in_slack(name: &str) -> Approver {
    let slack_user_id = Some("U0123ABCD".parse().unwrap());
    Approver {
        slack_user_id,
        ..approver(name)
    }
}

/// A confirmed subscription of a mailbox, with this filter policy.
fn subscription(endpoint: &str, filter_policy: Option<&str>) -> Subscription {
    Subscription {
        subscriber: Subscriber {
            arn: format!("arn:aws:sns:eu-central-1:111122223333:approvals:{endpoint}"),
            protocol: "email".to_owned(),
            endpoint: endpoint.to_owned(),
        },
        filter_policy: filter_policy.map(str::to_owned),
        filter_scope: filter_policy.map(|_| "MessageAttributes".to_owned()),
    }
}

/// A subscription as docs/approvals.md describes it.
fn own(name: &str) -> Subscription {
    let id = id(name);
    subscription(id.as_str(), Some(&format!(r#"{{"approver":["{id}"]}}"#)))
}

/// A sequence of looks.
struct Looks {
    state: ReachState,
    approvers: Vec<Approver>,
    all_readable: bool,
    slack: bool,
    own_queues: Vec<String>,
}

impl Looks {
    fn of(approvers: &[Approver]) -> Self {
        Self {
            state: ReachState::default(),
            approvers: approvers.to_vec(),
            all_readable: true,
            slack: false,
            own_queues: vec![QUEUE.to_owned()],
        }
    }

    fn look(&mut self, subscriptions: &[Subscription], seconds: i64) -> Look {
        let facts = ReachFacts {
            subscriptions,
            approvers: &self.approvers,
            all_readable: self.all_readable,
            slack: self.slack,
            own_queues: &self.own_queues,
            settles: SETTLES,
        };
        let look = look(&self.state, &facts, at(seconds));
        self.state = look.state.clone();
        look
    }

    /// A look long after these were first seen.
    fn settled(&mut self, subscriptions: &[Subscription]) -> Look {
        self.look(subscriptions, 0);
        self.look(subscriptions, 15 * MINUTE)
    }
}

fn keys(look: &Look) -> Vec<String> {
    look.findings.iter().map(ReachFinding::key).collect()
}

/// The announcements, in a word each.
fn news(look: &Look) -> Vec<String> {
    let word = |alarm: &ReachAlarm| {
        let how = match alarm.kind {
            AlarmKind::AlarmStarted => "begins",
            AlarmKind::AlarmEnded => "ends",
            AlarmKind::AlarmAcknowledged | AlarmKind::AcknowledgementEnded => "is acknowledged",
        };
        let of = alarm.finding.approver().map_or("", ApproverId::as_str);
        format!("{} {of} {how}", alarm.finding.as_str())
    };
    look.alarms.iter().map(word).collect()
}

#[test]
fn an_approver_with_their_own_subscription_is_sent_their_email() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    let look = world.settled(&[own("alice"), own("bob")]);
    assert_eq!(keys(&look), [""; 0]);
    for name in ["alice", "bob"] {
        assert_eq!(sending(Some(&look), &id(name)), Sending::Send, "{name}");
    }
}

#[test]
fn an_approver_whom_nothing_reaches_is_one_finding_until_something_does() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    let look = world.settled(&[own("alice")]);
    assert_eq!(keys(&look), ["approver_not_reached#bob@example.com"]);
    assert_eq!(sending(Some(&look), &id("alice")), Sending::Send);
    assert_eq!(sending(Some(&look), &id("bob")), Sending::Drop);

    let mut world = Looks::of(&[approver("bob")]);
    assert_eq!(
        news(&world.look(&[], 0)),
        ["approver_not_reached bob@example.com begins"]
    );
    assert_eq!(news(&world.look(&[], MINUTE)), [""; 0]);
    let look = world.look(&[own("bob")], 2 * MINUTE);
    assert_eq!(
        news(&look),
        [
            "subscription_new bob@example.com begins",
            "approver_not_reached bob@example.com ends"
        ]
    );
    let look = world.look(&[], 3 * MINUTE);
    assert!(news(&look).contains(&"approver_not_reached bob@example.com begins".to_owned()));
}

#[test]
fn a_former_approver_is_no_finding() {
    let mut world = Looks::of(&[approver("bob")]);
    world.look(&[], 0);
    world.approvers.clear();
    let look = world.look(&[], MINUTE);
    assert_eq!(news(&look), ["approver_not_reached bob@example.com ends"]);
    assert_eq!(
        sending(Some(&look), &id("bob")),
        Sending::Send,
        "by whoever asks him"
    );
}

#[test]
fn an_approvers_state_stays_while_their_item_cannot_be_read() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    world.settled(&[own("alice")]);
    let bob = world.approvers.pop().unwrap();
    world.all_readable = false;
    let look = world.look(&[own("alice"), own("bob")], 16 * MINUTE);
    assert_eq!(news(&look), ["subscription_new bob@example.com begins"]);
    assert_eq!(look.appeared, [].into(), "what he may decide is not known");
    world.approvers.push(bob);
    world.all_readable = true;
    let look = world.look(&[own("alice"), own("bob")], 17 * MINUTE);
    assert_eq!(news(&look), ["approver_not_reached bob@example.com ends"]);
    assert_eq!(look.appeared, [id("bob")].into());
}

#[test]
fn only_a_subscription_that_names_exactly_them_reaches_an_approver() {
    let elsewhere = subscription(
        "mailing-list@example.com",
        Some(r#"{"approver":["bob@example.com"]}"#),
    );
    let by_queue = |endpoint: &str| {
        let mut it = own("bob");
        (it.subscriber.protocol, it.subscriber.endpoint) = ("sqs".to_owned(), endpoint.to_owned());
        it
    };
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<Subscription>, bool)> = vec![
        ("none", vec![], false),
        ("their own", vec![own("bob")], true),
        ("in upper case", vec![subscription("Bob@Example.COM", Some(r#"{"approver":["bob@example.com"]}"#))], true),
        ("somebody else's", vec![own("alice")], false),
        ("at another address", vec![elsewhere], true),
        ("without a filter", vec![subscription("bob@example.com", None)], false),
        ("with two names", vec![subscription("bob@example.com", Some(r#"{"approver":["bob@example.com","eve@example.com"]}"#))], false),
        ("by a prefix", vec![subscription("bob@example.com", Some(r#"{"approver":[{"prefix":"bob@"}]}"#))], false),
        ("the stack's own queue", vec![by_queue(QUEUE)], false),
        ("another queue", vec![by_queue("arn:aws:sqs:eu-central-1:111122223333:mails")], true),
        ("one too many", vec![own("bob"), subscription("eve@example.com", None)], true),
    ];
    for (what, subscriptions, expected) in table {
        let mut world = Looks::of(&[approver("bob")]);
        let look = world.settled(&subscriptions);
        assert_eq!(look.reached.contains(&id("bob")), expected, "{what}");
        let is_told = keys(&look).contains(&"approver_not_reached#bob@example.com".to_owned());
        assert_eq!(is_told, !expected, "{what}");
    }
}

#[test]
fn an_approver_in_slack_needs_no_subscription_while_slack_is_on() {
    for (slack, expected) in [(true, 0), (false, 1)] {
        let mut world = Looks::of(&[in_slack("bob")]);
        world.slack = slack;
        let look = world.settled(&[]);
        assert_eq!(look.findings.len(), expected);
        assert_eq!(
            sending(Some(&look), &id("bob")),
            Sending::Drop,
            "no e-mail reaches them in any case"
        );
    }
    let mut world = Looks::of(&[in_slack("bob"), approver("carol")]);
    world.slack = true;
    let look = world.settled(&[]);
    assert_eq!(keys(&look), ["approver_not_reached#carol@example.com"]);
}

#[test]
fn everybodys_email_is_held_while_one_subscription_is_open() {
    let mut world = Looks::of(&[approver("alice")]);
    let open = subscription("archive@example.com", None);
    let look = world.settled(&[own("alice"), open.clone()]);
    assert_eq!(
        keys(&look),
        [format!("subscription_open#{}", open.subscriber.arn)]
    );
    assert_eq!(sending(Some(&look), &id("alice")), Sending::Hold);
    let look = world.look(&[own("alice")], 16 * MINUTE);
    assert_eq!(news(&look), ["subscription_open  ends"]);
    assert_eq!(sending(Some(&look), &id("alice")), Sending::Send);
}

#[test]
fn a_filter_policy_that_is_new_holds_email_for_fifteen_minutes() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    world.settled(&[own("alice")]);
    let both = [own("alice"), own("bob")];
    let seen = 20 * MINUTE;
    for (seconds, expected) in [
        (0, Sending::Hold),
        (MINUTE, Sending::Hold),
        (15 * MINUTE - 1, Sending::Hold),
        (15 * MINUTE, Sending::Send),
    ] {
        let look = world.look(&both, seen + seconds);
        let sent = sending(Some(&look), &id("alice"));
        assert_eq!(sent, expected, "after {seconds} s");
    }
    // After an edit it is new again.
    let mut edited = own("bob");
    edited.filter_policy = Some(r#"{ "approver": ["bob@example.com"] }"#.to_owned());
    let look = world.look(&[own("alice"), edited.clone()], 40 * MINUTE);
    assert_eq!(news(&look), ["subscription_new bob@example.com begins"]);
    assert!(holds(Some(&look)));
    edited.filter_scope = None;
    let look = world.look(&[own("alice"), edited.clone()], 55 * MINUTE);
    assert!(holds(Some(&look)), "another scope is another filter");
    let look = world.look(&[own("alice"), edited], 70 * MINUTE);
    assert!(!holds(Some(&look)));
}

#[test]
fn a_filter_policy_that_was_open_is_new_when_it_is_corrected() {
    let mut world = Looks::of(&[approver("bob")]);
    let open = subscription("bob@example.com", None);
    world.settled(&[open]);
    let look = world.look(&[own("bob")], 60 * MINUTE);
    assert_eq!(
        news(&look),
        [
            "subscription_new bob@example.com begins",
            "subscription_open  ends",
            "approver_not_reached bob@example.com ends",
        ]
    );
    assert!(holds(Some(&look)));
    assert!(!holds(Some(&world.look(&[own("bob")], 75 * MINUTE))));
}

#[test]
fn a_subscription_that_comes_back_is_new() {
    let mut world = Looks::of(&[approver("bob")]);
    assert!(!holds(Some(&world.settled(&[own("bob")]))));
    world.look(&[], 20 * MINUTE);
    assert!(holds(Some(&world.look(&[own("bob")], 40 * MINUTE))));
}

#[test]
fn a_clock_that_goes_back_makes_no_filter_policy_old() {
    let mut world = Looks::of(&[approver("bob")]);
    world.look(&[own("bob")], 60 * MINUTE);
    assert!(holds(Some(&world.look(&[own("bob")], 0))));
}

#[test]
fn an_address_that_is_not_the_approvers_is_announced_and_holds_nothing() {
    let to = |protocol: &str, endpoint: &str| {
        let mut it = own("bob");
        it.subscriber = Subscriber {
            arn: it.subscriber.arn,
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        it
    };
    for (subscription, is_told) in [
        (to("email", "bob@example.com"), false),
        (to("email", "BOB@EXAMPLE.COM"), false),
        (to("email-json", "bob@example.com"), false),
        (to("email", "bob@example.com.evil.example"), true),
        (to("email", "bob+x@example.com"), true),
        (to("email", "mallory@example.com"), true),
        (to("https", "https://example.com/bob@example.com"), true),
        (to("sms", "+15555550100"), true),
        (
            to(
                "lambda",
                "arn:aws:lambda:eu-central-1:111122223333:function:f",
            ),
            true,
        ),
        (to("sqs", QUEUE), true),
    ] {
        let mut world = Looks::of(&[approver("bob")]);
        let look = world.settled(std::slice::from_ref(&subscription));
        let found: Vec<_> = look.findings.iter().map(ReachFinding::as_str).collect();
        let announced = found.contains(&"subscription_elsewhere");
        assert_eq!(announced, is_told, "{:?}", subscription.subscriber);
        assert!(!holds(Some(&look)), "{:?}", subscription.subscriber);
    }
}

#[test]
fn a_subscription_for_a_future_approver_is_not_open() {
    // The order of docs/approvals.md: subscribe, wait, confirm, then the item.
    let mut world = Looks::of(&[approver("alice")]);
    let look = world.settled(&[own("alice"), own("bob")]);
    assert_eq!(keys(&look), [""; 0]);
    let now = at(15 * MINUTE);
    assert!(!look.is_good_for(&[id("bob")].into(), now), "look again");
    world.approvers.push(approver("bob"));
    let look = world.look(&[own("alice"), own("bob")], 16 * MINUTE);
    assert_eq!(news(&look), [""; 0]);
    assert_eq!(look.appeared, [].into(), "he was asked and could be told");
    assert_eq!(sending(Some(&look), &id("bob")), Sending::Send);
}

#[test]
fn open_reviews_are_sent_to_newly_reached_approvers() {
    let mut world = Looks::of(&[approver("bob")]);
    let look = world.look(&[own("bob")], 0);
    assert_eq!(look.appeared, [].into(), "reachable until known not to be");
    world.look(&[], MINUTE);
    world.look(&[subscription("bob@example.com", None)], 2 * MINUTE);
    let look = world.look(&[own("bob")], 3 * MINUTE);
    assert_eq!(look.appeared, [id("bob")].into());
    let look = world.look(&[own("bob")], 4 * MINUTE);
    assert_eq!(look.appeared, [].into(), "once");
}

#[test]
fn an_approver_in_slack_gets_the_open_reviews_by_email_too_once_subscribed() {
    let mut world = Looks::of(&[in_slack("bob")]);
    world.slack = true;
    world.look(&[], 0);
    assert_eq!(
        world.look(&[own("bob")], MINUTE).appeared,
        [id("bob")].into()
    );
}

#[test]
fn a_look_is_good_for_a_minute_and_for_the_approvers_it_reached() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    let look = world.settled(&[own("alice")]);
    let seen = 15 * MINUTE;
    for (names, seconds, expected) in [
        (vec!["alice"], 0, true),
        (vec!["alice"], 60, true),
        (vec!["alice", "bob"], 0, false),
        (vec!["alice"], 61, false),
        (vec!["bob"], 61, false),
        (vec!["alice"], -1, false),
        (vec!["alice", "carol"], 0, false),
        (vec![], 60, true),
    ] {
        let approvers = names.iter().map(|name| id(name)).collect();
        let is_good = look.is_good_for(&approvers, at(seen + seconds));
        assert_eq!(is_good, expected, "{names:?} after {seconds} s");
    }
}

#[test]
fn many_findings_are_announced_in_parts_and_take_effect_at_once() {
    let many: Vec<Approver> = (0..120).map(|n| approver(&format!("a{n:03}"))).collect();
    let mut world = Looks::of(&many);
    let open = [subscription("x@example.com", None)];
    let mut announced = Vec::new();
    for (minute, expected) in [(0, 50), (1, 50), (2, 21), (3, 0)] {
        let look = world.look(&open, minute * MINUTE);
        assert!(holds(Some(&look)));
        assert_eq!((look.findings.len(), look.alarms.len()), (121, expected));
        announced.extend(news(&look));
    }
    assert_eq!(announced[0], "subscription_open  begins");
    for minute in 4..7 {
        announced.extend(news(&world.look(&[own("a000")], minute * MINUTE)));
    }
    let ends = announced
        .iter()
        .filter(|news| news.ends_with("ends"))
        .count();
    assert_eq!(ends, 2, "x@ and a000: {announced:?}");
}

#[test]
fn a_look_that_fails_holds() {
    for name in ["alice", "bob"] {
        assert_eq!(sending(None, &id(name)), Sending::Hold, "{name}");
    }
    assert!(holds(None));
}

#[test]
fn the_state_is_read_as_it_was_written() {
    let mut world = Looks::of(&[approver("alice"), approver("bob")]);
    let elsewhere = subscription(
        "x@example.com",
        Some(r#"{"approver":["alice@example.com"]}"#),
    );
    world.look(
        &[own("alice"), elsewhere, subscription("y@example.com", None)],
        0,
    );
    let written = serde_json::to_string(&world.state).unwrap();
    let read: ReachState = serde_json::from_str(&written).unwrap();
    assert_eq!(read, world.state);
    assert_eq!(read.findings().count(), 5);
    assert_eq!(
        serde_json::from_str::<ReachState>("{}").unwrap(),
        ReachState::default()
    );
}

#[test]
fn each_finding_names_the_fault_its_place_and_the_remedy() {
    let mut world = Looks::of(&[approver("bob")]);
    let elsewhere = subscription("x@example.com", Some(r#"{"approver":["bob@example.com"]}"#));
    let mut open = subscription("büro@example.com", None);
    let mut alarms = world.look(&[], 0).alarms;
    alarms.extend(world.look(&[elsewhere.clone(), open.clone()], 60).alarms);
    open.filter_policy = Some("{".to_owned());
    alarms.extend(world.look(&[elsewhere, open], 120).alarms);
    assert_eq!(alarms.len(), 7);
    let mut ids = BTreeSet::new();
    for alarm in alarms {
        let message = alarm.message().unwrap();
        assert!(
            message.subject.is_ascii() && message.subject.len() < 100,
            "{}",
            message.subject
        );
        assert!(message.text.contains(&alarm.meaning), "{}", message.text);
        let starts = alarm.kind == AlarmKind::AlarmStarted;
        assert_eq!(
            message.text.contains(&alarm.remedy),
            starts,
            "{}",
            message.text
        );
        let names = [
            alarm.finding.approver().map(ApproverId::as_str),
            alarm.finding.subscription().map(|it| it.endpoint.as_str()),
        ];
        for name in names.into_iter().flatten() {
            assert!(message.text.contains(name), "{name}: {}", message.text);
        }
        let read: ReachAlarm = serde_json::from_str(&message.document).unwrap();
        assert_eq!(read, alarm);
        assert_eq!(message.attributes["finding"], alarm.finding.as_str());
        assert!(ids.insert(message.id), "{}", alarm.id);
    }
}

#[test]
fn an_open_review_is_sent_to_those_who_were_notified_and_have_not_voted() {
    type Change = fn(&mut Request, &mut Approver);
    #[rustfmt::skip]
    let table: [(&str, Change, bool); 7] = [
        ("open", |_, _| (), true),
        ("decided", |review, _| review.status = Status::Accepting, false),
        ("gone", |review, _| review.status = Status::Gone, false),
        ("not asked", |review, _| review.notified = [id("alice")].into(), false),
        ("their own account", |review, bob| bob.own_accounts = [review.account_id.clone()].into(), false),
        ("another service", |_, bob| bob.services = [].into(), false),
        ("voted", |review, _| review.votes.push(Vote {
            approver: id("bob"), choice: Choice::Approve, reason: String::new(), at: at(1), channel: Channel::Slack, void: false, taken_back: false,
        }), false),
    ];
    for (what, change, expected) in table {
        let (mut review, mut bob) = (request(Status::InReview), approver("bob"));
        review.notified = [id("alice"), id("bob")].into();
        change(&mut review, &mut bob);
        let approvers = [approver("alice"), bob.clone()];
        assert_eq!(is_to_be_sent(&review, &bob, &approvers), expected, "{what}");
    }
}

/// Filter policies, most of them about an approver.
fn policy() -> impl Strategy<Value = Option<String>> {
    let name = prop_oneof![Just("alice"), Just("bob"), Just("eve")];
    prop_oneof![
        4 => name.prop_map(|name| Some(format!(r#"{{"approver":["{}"]}}"#, id(name)))),
        1 => Just(None),
        1 => "\\PC{0,12}".prop_map(Some),
        1 => name_pattern(),
    ]
}

fn name_pattern() -> impl Strategy<Value = Option<String>> {
    let pattern = prop_oneof![
        Just(r#"{"exists":true}"#),
        Just(r#"{"prefix":"a"}"#),
        Just(r#"{"anything-but":"bob@example.com"}"#),
        Just(r#""alice@example.com","bob@example.com""#),
    ];
    pattern.prop_map(|pattern| Some(format!(r#"{{"approver":[{pattern}]}}"#)))
}

proptest! {
    /// For any subscriptions at any time: nothing is sent while somebody else could read it, and
    /// what is said of an approver is what the newest look saw.
    #[test]
    fn nothing_is_sent_that_somebody_else_could_read(
        looks in prop::collection::vec((prop::collection::vec(policy(), 0..4), 1_i64..1200), 1..8)
    ) {
        let mut world = Looks::of(&[approver("alice"), approver("bob")]);
        let mut seconds = 0;
        let mut seen: BTreeMap<(usize, Option<String>), i64> = BTreeMap::new();
        for (policies, pause) in looks {
            seconds += pause;
            let subscriptions: Vec<Subscription> = policies
                .iter()
                .enumerate()
                .map(|(n, policy)| subscription(&format!("s{n}@example.com"), policy.as_deref()))
                .collect();
            let now: BTreeMap<(usize, Option<String>), i64> = policies
                .iter()
                .cloned()
                .enumerate()
                .map(|key| { let since = seen.get(&key).copied().unwrap_or(seconds); (key, since) })
                .collect();
            seen = now;
            let look = world.look(&subscriptions, seconds);
            for name in ["alice", "bob"] {
                let exactly = format!(r#"{{"approver":["{}"]}}"#, id(name));
                let names = policies.iter().any(|policy| policy.as_ref() == Some(&exactly));
                let sending = sending(Some(&look), &id(name));
                prop_assert_eq!(sending == Sending::Drop, !names);
                if sending == Sending::Send {
                    for ((_, policy), since) in &seen {
                        let one = policy.as_deref().and_then(|policy| policy.strip_prefix(r#"{"approver":[""#));
                        let one = one.and_then(|rest| rest.strip_suffix(r#""]}"#));
                        prop_assert!(one.is_some_and(|one| one.parse::<ApproverId>().is_ok()), "{:?}", policy);
                        prop_assert!(seconds - since >= 15 * 60);
                    }
                }
            }
        }
    }
}
