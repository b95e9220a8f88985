//! The table of decisions, row by row, and properties that hold for any facts.

use std::fmt::Write as _;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::announcement::AnnouncementKind;
use crate::approver::{Approver, ApproverId};
use crate::ballot::CastBallot;
use crate::caller::Caller;
use crate::change::{Change, Revocation, UsageChange};
use crate::connection::{Connection, ConnectionState, Organization, Phase};
use crate::fixtures::{at, connection, request};
use crate::ids::ServiceId;
use crate::judge::Decision;
use crate::observation::Observation;
use crate::policy::{
    About, Conditions, Effect, Entry, OnDeadline, OnUnlisted, OutOfBand, Policy, Revoke, Rule,
    Scope, ServiceSettings,
};
use crate::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use crate::request::{Actor, Cause, Enforcement, Request, Status};
use crate::review::HeldEmail;
use crate::vote::{Ballot, Channel, Choice, Unrecorded, Vote};

const SETUP: Setup = Setup {
    lag: SignedDuration::from_secs(60),
    claim: SignedDuration::from_secs(120),
    asks_by_email: true,
};

/// The facts of a test.
#[derive(Debug, Clone)]
struct Known {
    observation: Observation,
    request: Option<Request>,
    policy: Option<Result<PolicyRead, UnreadablePolicy>>,
    organization: Organization,
    usage: Option<UsageRead>,
    approvers: Option<Vec<Approver>>,
    held: Option<Option<HeldEmail>>,
    managed_since: Option<Timestamp>,
    began: Option<Timestamp>,
    entry: Option<Option<PolicyItemId>>,
    cast: Option<Cast>,
}

/// A vote of a test.
#[derive(Debug, Clone)]
struct Cast {
    approver: ApproverId,
    ballot: Ballot,
    channel: Channel,
    review: u64,
    managed: Option<Vec<ServiceId>>,
    shown: Request,
    doubt: Option<Unrecorded>,
}

impl Known {
    fn of(request: Option<Request>, connection: Option<Connection>, seen_at: Timestamp) -> Self {
        let observation = match connection {
            Some(connection) => Observation::of(connection, seen_at),
            None => {
                let connection = self::connection(ConnectionState::Deleted);
                Observation::unlisted(connection.endpoint_id, seen_at)
            }
        };
        Self {
            observation,
            request,
            policy: Some(Ok(PolicyRead::default())),
            organization: Organization::Off,
            usage: Some(UsageRead {
                others: 0,
                is_counted: true,
                is_compared: true,
            }),
            approvers: Some(vec![approver("alice@example.com")]),
            held: Some(None),
            managed_since: Some(at(-1)),
            began: None,
            entry: Some(None),
            cast: None,
        }
    }

    fn with_policy(mut self, policy: Policy) -> Self {
        let connection = self.observation.connection.clone();
        let connection = connection.unwrap_or_else(|| self::connection(ConnectionState::Deleted));
        self.policy = Some(Ok(PolicyRead {
            policy,
            items: PolicyItemId::all_of(&connection, &self.organization),
        }));
        self
    }

    fn audited(mut self, began: Timestamp) -> Self {
        self.began = Some(began);
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            observation: &self.observation,
            request: self.request.as_ref(),
            policy: self.policy.as_ref().map(Result::as_ref),
            organization: &self.organization,
            usage: self.usage,
            approvers: self.approvers.as_deref(),
            held: self.held.as_ref().map(Option::as_ref),
            managed_since: self.managed_since,
            audit: self.began.map(|began| AuditRun {
                began,
                entry: self.entry.as_ref().map(Option::as_ref),
            }),
            ballot: self.cast.as_ref().map(|cast| CastBallot {
                approver: &cast.approver,
                ballot: &cast.ballot,
                channel: cast.channel,
                review: cast.review,
                shown: &cast.shown,
                managed: cast.managed.as_deref(),
                doubt: cast.doubt.as_ref(),
            }),
            setup: SETUP,
        }
    }

    fn next(&self, now: Timestamp) -> Next {
        next(&self.facts(), now)
    }

    fn change(&self, now: Timestamp) -> Change {
        match self.next(now).action {
            Action::Write(change) => *change,
            action => panic!("a change: {action:?}"),
        }
    }
}

fn approver(id: &str) -> Approver {
    Approver {
        id: id.parse().unwrap(),
        slack_user_id: None,
        iam_principal: None,
        services: [Scope::Every].into(),
        own_accounts: Default::default(),
    }
}

fn rule(principal: &str, effect: Effect) -> Rule {
    Rule {
        service_id: Scope::Every,
        principal: principal.parse().unwrap(),
        effect,
    }
}

fn entry(principal: &str, effect: Effect, conditions: Conditions) -> Entry {
    Entry::new(rule(principal, effect), conditions, About::default()).unwrap()
}

fn policy(entries: Vec<Entry>, settings: ServiceSettings) -> Policy {
    Policy {
        entries,
        settings: [(Scope::Every, settings)].into(),
        ..Policy::default()
    }
}

fn allows() -> Policy {
    let allow = entry("012345678901", Effect::Allow, Conditions::default());
    policy(vec![allow], ServiceSettings::default())
}

fn denies() -> Policy {
    let deny = entry("012345678901", Effect::Deny, Conditions::default());
    policy(vec![deny], ServiceSettings::default())
}

fn vote(approver: &str, choice: Choice) -> Vote {
    Vote {
        approver: approver.parse().unwrap(),
        choice,
        reason: "because".to_owned(),
        at: at(1),
        channel: Channel::Email,
        void: false,
        taken_back: false,
    }
}

/// An answer in a few words.
fn words(next: &Next) -> String {
    let change = match &next.action {
        Action::Nothing => return "-".to_owned(),
        Action::Leave(why) => return format!("({})", why.as_str()),
        Action::Need(need) => return format!("needs {need:?}"),
        Action::Write(change) => change,
    };
    let announced = change.messages.announcements.iter();
    let announced: Vec<&str> = announced.map(|one| one.kind.as_str()).collect();
    let mut words = match &change.transition {
        Some(transition) => format!("{}/{}", transition.to, transition.cause.as_str()),
        None if change.after.claimed_until.is_some() => "take up".to_owned(),
        None => "note".to_owned(),
    };
    match change.usage {
        UsageChange::Keep => {}
        UsageChange::Take { .. } => words.push_str(" +1"),
        UsageChange::Release => words.push_str(" -1"),
    }
    if !change.preconditions.is_empty() {
        let _ = write!(words, " on {}", change.preconditions.len());
    }
    if !announced.is_empty() {
        let _ = write!(words, ", tells {}", announced.join(", "));
    }
    if let Some(ask) = &change.messages.ask {
        let _ = write!(words, ", asks {}", ask.approvers.len());
    }
    words
}

fn states() -> [(&'static str, Option<ConnectionState>); 6] {
    [
        ("waiting", Some(ConnectionState::PendingAcceptance)),
        ("connected", Some(ConnectionState::Available)),
        ("rejected", Some(ConnectionState::Rejected)),
        ("ended", Some(ConnectionState::Deleted)),
        ("unlisted", None),
        ("odd", Some(ConnectionState::Unknown("new".to_owned()))),
    ]
}

fn statuses() -> impl Iterator<Item = Option<Status>> {
    [None].into_iter().chain(Status::ALL.into_iter().map(Some))
}

/// The request of the table's rows: it has this status and was opened at second 0.
fn recorded(status: Status) -> Request {
    let mut request = request(status);
    if status == Status::InReview {
        request.deciders = 1;
        request.approvals_required = 1;
        request.notified = ["alice@example.com".parse().unwrap()].into();
        request.approval_emails_at = Some(at(0));
    }
    request
}

#[test]
fn every_status_against_every_phase_under_every_verdict() {
    let mut table = String::new();
    let verdicts: [(&str, Option<Policy>); 5] = [
        ("accept", Some(allows())),
        ("reject", Some(denies())),
        ("review", Some(Policy::default())),
        ("unreadable", None),
        ("not read", None),
    ];
    for status in statuses() {
        for (phase, state) in states() {
            for audits in [false, true] {
                // An audit concerns accepted connections only.
                if audits && phase != "connected" {
                    continue;
                }
                for (verdict, policy) in &verdicts {
                    let connection = state.clone().map(connection);
                    let mut known = Known::of(status.map(recorded), connection, at(3600));
                    match policy {
                        Some(policy) => {
                            let mut policy = policy.clone();
                            policy.settings.insert(
                                Scope::Every,
                                ServiceSettings {
                                    revoke: Some(Revoke::Enforce),
                                    ..ServiceSettings::default()
                                },
                            );
                            known = known.with_policy(policy);
                        }
                        None if *verdict == "unreadable" => {
                            known.policy = Some(Err(UnreadablePolicy {
                                item: "* / deny#x".to_owned(),
                                stops: crate::policy_key::Stops::UnexpectedKey,
                                detail: "what is x?".to_owned(),
                            }));
                        }
                        None => known.policy = None,
                    }
                    known.entry = Some(Some(PolicyItemId::Entry(rule("*", Effect::Allow))));
                    if audits {
                        known = known.audited(at(3600));
                    }
                    let status = status.map_or("none", Status::as_str);
                    let phase = if audits { "connected, audited" } else { phase };
                    let answer = words(&known.next(at(3600)));
                    let _ = writeln!(table, "{status:<10} {phase:<18} {verdict:<10} {answer}");
                }
            }
        }
    }
    let expected = include_str!("decide_table.txt");
    assert!(
        table == expected,
        "the table is now:\n{table}\n(decide_table.txt holds what it should be)"
    );
}

#[test]
fn an_accept_depends_on_every_possible_deny_and_on_its_allow() {
    let waiting = connection(ConnectionState::PendingAcceptance);
    let known = Known::of(None, Some(waiting), at(0)).with_policy(allows());
    let change = known.change(at(0));
    let rests_on = |item: &PolicyItemId| change.preconditions.iter().any(|one| one.item == *item);
    for principal in ["012345678901", "vpce-0123456789abcdef0", "*"] {
        assert!(
            rests_on(&PolicyItemId::Entry(rule(principal, Effect::Deny))),
            "{principal}"
        );
    }
    assert!(rests_on(&PolicyItemId::UnexpectedKeys(Scope::Every)));
    assert!(rests_on(&PolicyItemId::Entry(rule(
        "012345678901",
        Effect::Allow
    ))));
    assert!(
        !rests_on(&PolicyItemId::Entry(rule("*", Effect::Allow))),
        "it governs before that"
    );
    assert_eq!(change.after.claimed_until, Some(at(120)));
}

#[test]
fn a_limit_is_counted_first_and_is_part_of_the_change() {
    let limited = Conditions {
        max_connections: Some(2),
        ..Conditions::default()
    };
    let allow = entry("012345678901", Effect::Allow, limited);
    let waiting = connection(ConnectionState::PendingAcceptance);
    let limited = policy(vec![allow], ServiceSettings::default());
    let mut known = Known::of(None, Some(waiting), at(0)).with_policy(limited);
    let usage = |others, is_counted, is_compared| {
        Some(UsageRead {
            others,
            is_counted,
            is_compared,
        })
    };
    for (read, expected) in [
        (None, "needs Policy"),
        (usage(0, false, false), "needs Usage"),
        (usage(5, true, false), "needs Usage"),
        (
            usage(5, true, true),
            "in_review/judged, tells review_opened, asks 1",
        ),
        (usage(1, true, false), "accepting/judged +1 on 12"),
    ] {
        known.usage = read;
        assert_eq!(words(&known.next(at(0))), expected, "{read:?}");
    }
    assert_eq!(
        known.change(at(0)).usage,
        UsageChange::Take { at_most: Some(2) }
    );
}

#[test]
fn people_are_notified_and_reminded_and_a_deadline_rejects() {
    let settings = ServiceSettings {
        remind_hours: Some(2),
        review_hours: Some(10),
        on_deadline: Some(OnDeadline::Reject),
        ..ServiceSettings::default()
    };
    let waiting = connection(ConnectionState::PendingAcceptance);
    let mut known = Known::of(None, Some(waiting), at(0)).with_policy(policy(vec![], settings));
    let opened = known.change(at(0));
    assert_eq!(opened.after.deadline, Some(at(36_000)));
    known.request = Some(opened.after);
    let open = known.next(at(1));
    assert_eq!(
        (words(&open).as_str(), open.holds_until),
        ("-", Some(at(7200)))
    );
    let reminded = known.change(at(7200));
    assert_eq!(reminded.after.reminders, 1);
    assert_eq!(
        reminded.messages.announcements[0].kind,
        AnnouncementKind::ReviewReminder
    );
    known.held = None;
    assert_eq!(words(&known.next(at(36_000))), "needs HeldEmail");
    // While the e-mail is held nobody was notified; the time counts from its release.
    let held = |until: Option<i64>| HeldEmail {
        review: 1,
        until: until.map(at),
    };
    known.held = Some(Some(held(None)));
    assert!(words(&known.next(at(36_000))).starts_with("note, tells review_reminder"));
    known.held = Some(Some(held(Some(100))));
    assert_eq!(known.next(at(36_050)).holds_until, Some(at(36_100)));
    known.held = Some(None);
    let over = known.change(at(36_000));
    let transition = over.transition.unwrap();
    assert_eq!(
        (transition.to, transition.cause),
        (Status::Rejecting, Cause::Deadline)
    );
    assert_eq!(transition.actor, Actor::Schedule);
    assert!(
        !over.preconditions.is_empty(),
        "that nobody was allowed meanwhile"
    );
    // Votes that suffice by now decide.
    let mut voted = known.request.clone().unwrap();
    voted.votes = vec![vote("alice@example.com", Choice::Approve)];
    known.request = Some(voted);
    assert_eq!(
        words(&known.next(at(5))),
        "accepting/voted +1 on 11, tells vote_cast"
    );
}

#[test]
fn a_held_email_matters_only_to_a_review_that_its_deadline_would_reject() {
    let waiting = connection(ConnectionState::PendingAcceptance);
    let held = HeldEmail {
        review: 1,
        until: Some(at(100)),
    };
    for (on_deadline, now) in [
        (OnDeadline::Keep, 1),
        (OnDeadline::Keep, 36_050),
        (OnDeadline::Reject, 1),
    ] {
        let settings = ServiceSettings {
            review_hours: Some(10),
            remind_hours: Some(0),
            on_deadline: Some(on_deadline),
            ..ServiceSettings::default()
        };
        let mut known = Known::of(None, Some(waiting.clone()), at(0));
        known = known.with_policy(policy(vec![], settings));
        known.request = Some(known.change(at(0)).after);
        known.held = None;
        let unread = known.next(at(now));
        known.held = Some(Some(held));
        assert_eq!(known.next(at(now)), unread, "{on_deadline:?} at {now}");
    }
}

#[test]
fn more_approvers_than_a_transaction_holds_are_all_notified() {
    let waiting = connection(ConnectionState::PendingAcceptance);
    let mut known = Known::of(None, Some(waiting), at(0)).with_policy(Policy::default());
    let everybody = (0..120).map(|n| approver(&format!("a{n}@example.com")));
    known.approvers = Some(everybody.collect());
    let opened = known.change(at(0));
    assert_eq!(opened.messages.ask.unwrap().approvers.len(), 120);
    known.request = Some(opened.after);
    let month = at(28 * 24 * 3600);
    let renewed = known.change(month);
    assert_eq!(renewed.messages.ask.unwrap().approvers.len(), 120);
}

#[test]
fn an_approval_that_ec2_has_not_taken_yields_to_a_deny() {
    let mut approved = request(Status::Accepting);
    approved.decided_by = Actor::Approver("alice@example.com".to_owned());
    let waiting = || Some(connection(ConnectionState::PendingAcceptance));
    let known = Known::of(Some(approved), waiting(), at(3600));
    for (policy, expected) in [
        (Policy::default(), "take up on 8"),
        (allows(), "take up on 8"),
        (denies(), "rejecting/judged -1 on 1"),
    ] {
        let known = known.clone().with_policy(policy);
        assert_eq!(words(&known.next(at(3600))), expected);
    }
}

#[test]
fn others_decisions_are_announced_unless_the_service_only_records_them() {
    let allow = Caller {
        call: Enforcement::Accept,
        arn: "arn:aws:iam::111122223333:user/alice".parse().unwrap(),
    };
    for (mode, announced) in [
        (OutOfBand::Record, 0),
        (OutOfBand::Alert, 1),
        (OutOfBand::Revert, 1),
    ] {
        let settings = ServiceSettings {
            out_of_band: Some(mode),
            ..ServiceSettings::default()
        };
        let connected = connection(ConnectionState::Available);
        let known = Known::of(Some(recorded(Status::InReview)), Some(connected), at(3600));
        let mut known = known.with_policy(policy(vec![], settings));
        let change = known.change(at(3600));
        assert_eq!(change.messages.announcements.len(), announced, "{mode:?}");
        assert!(change.after.past_policy);
        assert_eq!(change.after.decided_by, Actor::Unknown);
        // The name comes later, and once.
        known.request = Some(change.after);
        known.observation.callers = vec![allow.clone()];
        let named = known.change(at(3700));
        assert_eq!(named.messages.announcements.len(), announced, "{mode:?}");
        known.request = Some(named.after);
        assert_eq!(known.next(at(3800)).action, Action::Nothing);
    }
}

#[test]
fn a_name_waits_for_its_record() {
    let caller = Caller {
        call: Enforcement::Accept,
        arn: "arn:aws:iam::111122223333:user/alice".parse().unwrap(),
    };
    let mut claimed = request(Status::Accepting);
    claimed.claimed_until = Some(at(100));
    let waiting = connection(ConnectionState::PendingAcceptance);
    let mut known = Known::of(Some(claimed), Some(waiting), at(50));
    assert_eq!(words(&known.next(at(50))), "(claimed)");
    assert_eq!(known.next(at(50)).holds_until, Some(at(100)));
    known.observation.callers = vec![caller];
    assert_eq!(words(&known.next(at(50))), "(name_waits)");
}

#[test]
fn a_revocation_begins_is_carried_out_later_and_is_counted_by_a_run() {
    let settings = ServiceSettings {
        revoke: Some(Revoke::Enforce),
        revoke_grace_hours: Some(1),
        ..ServiceSettings::default()
    };
    let connected = || Some(connection(ConnectionState::Available));
    let withdrawn = policy(vec![], settings);
    let mut known = Known::of(Some(request(Status::Accepted)), connected(), at(10_000))
        .with_policy(withdrawn.clone())
        .audited(at(10_000));
    known.entry = None;
    assert_eq!(words(&known.next(at(10_000))), "needs AnyEntry");
    known.entry = Some(None);
    assert_eq!(words(&known.next(at(10_000))), "(allowlist_empty)");
    let other = PolicyItemId::Entry(rule("999999999999", Effect::Allow));
    known.entry = Some(Some(other.clone()));
    let begun = known.change(at(10_000));
    assert_eq!(begun.revokes(), Some(Revocation::Start));
    assert_eq!(begun.after.due, Some(at(13_600)));
    assert!(begun.preconditions.iter().any(|one| one.item == other));
    // Neither the run that began the revocation carries it out, nor a run before its time.
    known.request = Some(begun.after.clone());
    assert_eq!(words(&known.next(at(13_600))), "-");
    let mut later = known.clone().audited(at(10_001));
    let before = later.next(at(13_599));
    assert_eq!(
        (words(&before).as_str(), before.holds_until),
        ("-", Some(at(13_600)))
    );
    let cut = later.change(at(13_600));
    assert_eq!(cut.revokes(), Some(Revocation::Revoke));
    assert_eq!(cut.after.claimed_until, Some(at(13_720)));
    // It is allowed again, so it stays.
    later = later.with_policy(allows());
    assert_eq!(
        words(&later.next(at(13_600))),
        "accepted/restored on 12, tells revocation_undone"
    );
}

/// Any policy over a few principals and conditions.
fn any_policy() -> impl Strategy<Value = Policy> {
    let principal = prop::sample::select(vec![
        "012345678901",
        "vpce-0123456789abcdef0",
        "*",
        "o-a1b2c3d4e5/r-ab12/*",
        "999999999999",
    ]);
    let entry = (
        principal,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0i64..40_000),
        prop::option::of(0u32..4),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(principal, own, allow, expires, max, here)| {
            let effect = if allow { Effect::Allow } else { Effect::Deny };
            let mut rule = rule(principal, effect);
            if own {
                let service = connection(ConnectionState::Available).service_id;
                rule.service_id = Scope::Service(service);
            }
            let region = |here| if here { "eu-central-1" } else { "us-east-1" };
            let conditions = Conditions {
                max_connections: max.filter(|_| allow),
                regions: here.map(|here| [region(here).parse().unwrap()].into()),
                expires_at: expires.map(at),
            };
            let about = About {
                customer: Some(format!("Customer of {principal}")),
                ..About::default()
            };
            Entry::new(rule, conditions, about).unwrap()
        });
    let settings = (
        prop::option::of(prop::sample::select(vec![
            OnUnlisted::Review,
            OnUnlisted::Reject,
        ])),
        prop::option::of(0u32..4),
        prop::option::of(1u32..12),
        prop::option::of(prop::sample::select(vec![
            OnDeadline::Keep,
            OnDeadline::Reject,
        ])),
        prop::option::of(0u32..5),
        prop::option::of(prop::sample::select(vec![
            Revoke::Off,
            Revoke::Report,
            Revoke::Enforce,
        ])),
        prop::option::of(prop::sample::select(vec![
            OutOfBand::Record,
            OutOfBand::Alert,
            OutOfBand::Revert,
        ])),
    )
        .prop_map(
            |(on_unlisted, approvals, hours, on_deadline, remind, revoke, out_of_band)| {
                ServiceSettings {
                    on_unlisted,
                    approvals_required: approvals,
                    review_hours: hours,
                    on_deadline,
                    remind_hours: remind,
                    revoke,
                    out_of_band,
                    ..ServiceSettings::default()
                }
            },
        );
    (prop::collection::vec(entry, 0..6), settings).prop_map(|(entries, settings)| {
        let mut rules = std::collections::BTreeSet::new();
        let mut entries = entries;
        entries.retain(|entry| rules.insert(entry.rule().clone()));
        policy(entries, settings)
    })
}

/// Any request of the connection.
fn any_request() -> impl Strategy<Value = Request> {
    let actor = prop::sample::select(vec![
        Actor::Policy(None),
        Actor::Policy(Some(rule("o-a1b2c3d4e5/r-ab12/*", Effect::Allow))),
        Actor::Approver("alice@example.com".to_owned()),
        Actor::Iam("arn:aws:iam::111122223333:user/alice".to_owned()),
        Actor::Schedule,
        Actor::Unknown,
        Actor::Found,
    ]);
    let choice = prop::sample::select(vec![Choice::Approve, Choice::Reject]);
    let votes = prop::collection::btree_map(0u8..3, choice, 0..3);
    (
        prop::sample::select(Status::ALL.to_vec()),
        actor,
        votes,
        prop::option::of(0i64..40_000),
        prop::option::of(0i64..40_000),
        prop::option::of(0i64..40_000),
        any::<[bool; 4]>(),
        0u32..3,
    )
        .prop_map(
            |(status, actor, votes, claim, due, approval_emails, flags, deciders)| {
                let [retried, past_policy, reported, notified] = flags;
                let mut request = request(status);
                request.decided_by = actor;
                request.deciders = deciders;
                request.approvals_required = 1;
                request.due = due.filter(|_| status == Status::Revoking).map(at);
                request.retried_at = retried.then(|| at(-5));
                request.past_policy = past_policy;
                request.reported_at = reported.then(|| at(-4));
                if status.pending_enforcement().is_some() {
                    request.claimed_until = claim.map(at);
                }
                if status == Status::InReview {
                    request.approval_emails_at = approval_emails.map(at);
                    if notified {
                        request.notified = ["alice@example.com".parse().unwrap()].into();
                    }
                    for (who, choice) in votes {
                        let who = ["alice", "bob", "stranger"][usize::from(who)];
                        request
                            .votes
                            .push(vote(&format!("{who}@example.com"), choice));
                    }
                }
                request
            },
        )
}

/// A vote on the connection's review, rarely on another.
fn any_cast() -> impl Strategy<Value = Cast> {
    let mut other = request(Status::InReview);
    other.account_id = "999999999999".parse().unwrap();
    let service = other.service_id.clone();
    (
        prop::sample::select(vec!["alice", "bob", "stranger"]),
        prop::sample::select(vec![Choice::Approve, Choice::Withdraw, Choice::Reject]),
        prop::sample::select(vec![Channel::Email, Channel::Slack, Channel::Iam]),
        prop_oneof![8 => Just(1), 1 => Just(2)],
        prop_oneof![8 => Just(Some(vec![service])), 1 => Just(Some(Vec::new())), 1 => Just(None)],
        prop_oneof![8 => Just(request(Status::InReview)), 1 => Just(other)],
        prop_oneof![8 => Just(None), 1 => Just(Some(Unrecorded::Silent))],
    )
        .prop_map(
            |(who, choice, channel, review, managed, shown, doubt)| Cast {
                approver: format!("{who}@example.com").parse().unwrap(),
                ballot: Ballot::new(choice, "Because.").unwrap(),
                channel,
                review,
                managed,
                shown,
                doubt,
            },
        )
}

fn any_known() -> impl Strategy<Value = Known> {
    let states = states().map(|(_, state)| state);
    let organization = prop::sample::select(vec![
        Organization::Off,
        Organization::Failed,
        Organization::Known(None),
        Organization::Known(Some(
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*".parse().unwrap(),
        )),
    ]);
    let caller = prop::option::of(prop::sample::select(vec![
        Enforcement::Accept,
        Enforcement::Reject,
    ]));
    (
        prop::option::of(any_request()),
        prop::sample::select(states.to_vec()),
        any_policy(),
        organization,
        (0u32..5, any::<bool>(), any::<bool>()),
        caller,
        (
            any::<[bool; 3]>(),
            prop::option::of(prop::option::of(0i64..40_000)),
            prop::option::of(any_cast()),
        ),
        0i64..20_000,
    )
        .prop_map(
            |(
                request,
                state,
                policy,
                organization,
                usage,
                caller,
                (flags, held, cast),
                seen_at,
            )| {
                let mut known = Known::of(request, state.map(connection), at(seen_at));
                known.organization = organization;
                known = known.with_policy(policy);
                let (others, is_counted, is_compared) = usage;
                known.usage = Some(UsageRead {
                    others,
                    is_counted,
                    is_compared,
                });
                let [audits, has_entry, two] = flags;
                if two {
                    let bob = approver("bob@example.com");
                    known.approvers.as_mut().unwrap().push(bob);
                }
                match cast {
                    // A vote comes without an audit and without an event.
                    Some(_) => known.cast = cast,
                    None if audits => known.began = Some(at(seen_at)),
                    None => {}
                }
                known.held = Some(held.map(|until| HeldEmail {
                    review: 1,
                    until: until.map(at),
                }));
                let entry = PolicyItemId::Entry(rule("*", Effect::Allow));
                known.entry = Some(has_entry.then_some(entry));
                known.observation.callers = caller
                    .map(|call| Caller {
                        call,
                        arn: "arn:aws:iam::111122223333:user/mallory".parse().unwrap(),
                    })
                    .into_iter()
                    .collect();
                known
            },
        )
}

/// An answer without the moment at which it was made and the times counted from that.
fn timeless(next: &Next, now: Timestamp) -> String {
    let Action::Write(change) = &next.action else {
        return format!("{:?}", next.action);
    };
    let since = |at: Option<Timestamp>| at.map(|at| at.duration_since(now));
    let after = &change.after;
    let mut plain = after.clone();
    let anew = change.transition.is_some();
    if change.consumes.is_some() {
        plain.votes.last_mut().unwrap().at = at(0);
    }
    plain.opened_at = at(0);
    plain.status_since = at(0);
    for field in [
        &mut plain.claimed_until,
        &mut plain.due,
        &mut plain.retried_at,
        &mut plain.reported_at,
        &mut plain.reminded_at,
        &mut plain.approval_emails_at,
        &mut plain.out_of_reach_since,
    ] {
        *field = field.map(|_| at(0));
    }
    if anew {
        plain.deadline = plain.deadline.map(|_| at(0));
    }
    plain.stays_rejected = plain.stays_rejected.map(|mut stays| {
        stays.announced_at = at(0);
        stays
    });
    plain
        .other_names
        .listed
        .iter_mut()
        .for_each(|one| one.at = at(0));
    let transition = change.transition.as_ref().map(|transition| {
        assert_eq!(transition.at, now);
        let reason = match transition.to {
            // The reason names the time of the revocation.
            Status::Revoking => "",
            _ => transition.reason.as_str(),
        };
        (
            transition.from,
            transition.to,
            transition.cause,
            &transition.actor,
            reason.to_owned(),
        )
    });
    let announced = change.messages.announcements.iter();
    let announced: Vec<_> = announced.map(|one| (one.kind, &one.id)).collect();
    format!(
        "{plain:?} {transition:?} {:?} {:?} {:?} {announced:?} {:?} {:?} {:?}",
        change.preconditions,
        change.consumes,
        change.usage,
        change.messages.ask,
        since(after.claimed_until),
        since(after.due.filter(|_| anew)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_missing_fact_is_requested_or_changes_nothing(
        known in any_known(),
        lacks in any::<[bool; 5]>(),
        now in 0i64..40_000,
    ) {
        let whole = known.next(at(now));
        let mut partial = known.clone();
        let [policy, usage, approvers, entry, held] = lacks;
        if policy {
            partial.policy = None;
        }
        if usage {
            partial.usage = None;
        }
        if approvers {
            partial.approvers = None;
        }
        if entry {
            partial.entry = None;
        }
        if held {
            partial.held = None;
        }
        let answer = partial.next(at(now));
        if !matches!(answer.action, Action::Need(_)) {
            prop_assert_eq!(answer, whole);
        }
    }

    #[test]
    fn nothing_is_accepted_rejected_or_revoked_by_an_unreadable_policy(
        known in any_known(),
        now in 0i64..40_000,
    ) {
        let mut known = known;
        known.cast = None;
        known.policy = Some(Err(UnreadablePolicy {
            item: "* / deny#x".to_owned(),
            stops: crate::policy_key::Stops::UnexpectedKey,
            detail: "what is x?".to_owned(),
        }));
        if let Action::Write(change) = known.next(at(now)).action {
            let decides = change.transition.as_ref().is_some_and(|transition| {
                transition.to.pending_enforcement().is_some() || transition.to == Status::InReview
            });
            prop_assert!(!decides, "{change:?}");
            prop_assert_eq!(change.revokes(), None);
            // Only a rejection by people is carried out.
            if change.after.claimed_until.is_some() && change.transition.is_none() {
                prop_assert_eq!(change.after.status, Status::Rejecting);
            }
        }
    }

    #[test]
    fn the_answer_does_not_depend_on_the_order_of_facts(
        known in any_known(),
        now in 0i64..40_000,
    ) {
        let mut turned = known.clone();
        if let Some(Ok(read)) = &mut turned.policy {
            read.policy.entries.reverse();
            read.items.reverse();
        }
        if let Some(approvers) = &mut turned.approvers {
            approvers.reverse();
        }
        let sorted = |next: Next| {
            let mut next = next;
            if let Action::Write(change) = &mut next.action {
                change.preconditions.sort_by_key(|one| one.item.clone());
            }
            next
        };
        prop_assert_eq!(sorted(known.next(at(now))), sorted(turned.next(at(now))));
    }

    #[test]
    fn an_answer_holds_until_the_time_that_it_names(
        known in any_known(),
        now in 0i64..40_000,
        later in 0.0..1.0f64,
    ) {
        let answer = known.next(at(now));
        let end = answer.holds_until.map_or(at(90_000), |end| end.min(at(90_000)));
        prop_assert!(end > at(now));
        let seconds = end.duration_since(at(now)).as_secs();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        let then = at(now + ((seconds - 1) as f64 * later) as i64);
        let again = known.next(then);
        prop_assert_eq!(timeless(&answer, at(now)), timeless(&again, then));
    }

    #[test]
    fn every_change_is_legal_and_counts_each_version_once(
        known in any_known(),
        now in 0i64..40_000,
    ) {
        match known.next(at(now)).action {
            Action::Leave(LeaveReason::Illegal(error)) => prop_assert!(false, "{}", error),
            Action::Write(change) => {
                let before = known.request.as_ref();
                let version = before.map_or(0, |before| before.version);
                let moves = u64::from(change.transition.is_some());
                prop_assert_eq!(change.after.version, version + moves);
                prop_assert_eq!(change.before_revision, before.map(|before| before.revision));
                let revision = before.map_or(0, |before| before.revision);
                prop_assert_eq!(change.after.revision, revision + 1);
                // If a change makes a request count against the limit, the change says so.
                let held = before.is_some_and(|before| before.status.counts_as_usage());
                let holds = change.after.status.counts_as_usage();
                let expected = match (held, holds) {
                    (false, true) => matches!(change.usage, UsageChange::Take { .. }),
                    (true, false) => change.usage == UsageChange::Release,
                    _ => change.usage == UsageChange::Keep,
                };
                prop_assert!(expected, "{:?}", change);
                // Nothing that the policy denies is accepted, no matter who approved it.
                if change.after.status == Status::Accepting {
                    prop_assert_ne!(change.after.verdict.decision, Decision::Reject);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn an_ended_endpoint_is_never_accepted(known in any_known(), now in 0i64..40_000) {
        let mut known = known;
        if known.observation.phase() != Phase::Ended {
            known.observation.connection = Some(connection(ConnectionState::Failed));
        }
        if let Action::Write(change) = known.next(at(now)).action {
            // A withdrawal needs no answer from EC2 and lets nobody in.
            let withdraws = change.consumes.is_some_and(|right| right.choice == Choice::Withdraw);
            let stays = if withdraws { Status::InReview } else { Status::Gone };
            prop_assert_eq!(change.after.status, stays);
        }
    }
}
