use super::*;
use crate::announcement::AnnouncementKind;
use crate::change::{Change, Right};
use crate::connection::{Connection, ConnectionState, Organization, Phase};
use crate::decide::{Action, Facts, LeaveReason, Next, Setup, UsageRead, next};
use crate::fixtures::{at, connection, request};
use crate::judge::Decision;
use crate::observation::Observation;
use crate::policy::{
    About, Conditions, Effect, Entry, OnDeadline, Policy, Rule, Scope, ServiceSettings,
};
use crate::policy_key::Stops;
use crate::precondition::{PolicyItemId, UnreadablePolicy};
use crate::quorum::vote_of;
use crate::review::approvals_required;
use crate::vote::Vote;
use jiff::SignedDuration;
use proptest::prelude::*;

const CLAIM: SignedDuration = SignedDuration::from_secs(60);
const UNREADABLE: &str = "the allowlist item * / settings makes no sense";

/// Facts that own what [`Facts`] borrows.
#[derive(Debug, Clone)]
struct Known {
    request: Request,
    review: u64,
    connection: Result<Option<Connection>, Unrecorded>,
    managed: Option<Vec<ServiceId>>,
    approvers: Vec<Approver>,
    approver: ApproverId,
    ballot: Ballot,
    channel: Channel,
    policy: Result<(Decision, ServiceSettings), String>,
    /// The request that the voter saw, if it differs from the current one.
    shown: Option<Request>,
    now: Timestamp,
}

impl Known {
    /// The next action.
    fn next(&self) -> Next {
        let shown = connection(ConnectionState::PendingAcceptance);
        let listed = self.connection.clone().unwrap_or_default();
        let observation = match &listed {
            Some(listed) => Observation::of(listed.clone(), self.now),
            None => Observation::unlisted(shown.endpoint_id.clone(), self.now),
        };
        let organization = Organization::Off;
        let policy = self.policy.clone().map(|(decision, settings)| PolicyRead {
            policy: policy(decision, settings),
            items: PolicyItemId::all_of(listed.as_ref().unwrap_or(&shown), &organization),
        });
        let policy = policy.map_err(|detail| UnreadablePolicy {
            item: "* / settings".to_owned(),
            stops: Stops::EveryService,
            detail,
        });
        let facts = Facts {
            observation: &observation,
            request: Some(&self.request),
            policy: Some(policy.as_ref()),
            organization: &organization,
            usage: Some(UsageRead {
                others: 0,
                is_counted: true,
                is_compared: true,
            }),
            approvers: Some(&self.approvers),
            held: Some(None),
            managed_since: Some(at(-1)),
            audit: None,
            ballot: Some(CastBallot {
                approver: &self.approver,
                ballot: &self.ballot,
                channel: self.channel,
                review: self.review,
                shown: self.shown.as_ref().unwrap_or(&self.request),
                managed: self.managed.as_deref(),
                doubt: self.connection.as_ref().err(),
            }),
            setup: Setup {
                lag: SignedDuration::from_secs(5),
                claim: CLAIM,
                asks_by_email: true,
            },
        };
        next(&facts, self.now)
    }

    fn word(&self) -> String {
        word(&self.next().action)
    }

    /// The change that records the vote.
    fn recorded(&self) -> Change {
        match self.next().action {
            Action::Write(change) if change.consumes.is_some() => *change,
            action => panic!("it counts: {action:?}"),
        }
    }
}

/// The approvers whose rights a change requires.
fn rights(change: &Change) -> BTreeSet<ApproverId> {
    let items = change.preconditions.iter().map(|one| &one.item);
    let ids = items.filter_map(|item| match item {
        PolicyItemId::Approver(id) => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

/// Whether a change requires every possible deny to be absent.
fn rests_on_denies(change: &Change) -> bool {
    let items = PolicyItemId::all_of(
        &connection(ConnectionState::PendingAcceptance),
        &Organization::Off,
    );
    let denies = |item: &&PolicyItemId| {
        let rule = item.rule();
        rule.is_some_and(|rule| rule.effect == Effect::Deny)
    };
    let mut denies = items.iter().filter(denies);
    denies.all(|deny| change.preconditions.iter().any(|one| one.item == *deny))
}

/// Whether a change requires the settings to be unchanged.
fn rests_on_settings(change: &Change) -> bool {
    let is_settings = |one: &Precondition| matches!(one.item, PolicyItemId::Settings(_));
    change.preconditions.iter().any(is_settings)
}

fn announced(change: &Change) -> Vec<AnnouncementKind> {
    let announced = change.messages.announcements.iter();
    announced.map(|one| one.kind).collect()
}

/// A policy with this decision.
fn policy(decision: Decision, settings: ServiceSettings) -> Policy {
    let effect = match decision {
        Decision::Accept => Some(Effect::Allow),
        Decision::Reject => Some(Effect::Deny),
        Decision::Review => None,
    };
    let entry = |effect| {
        let rule = Rule {
            service_id: Scope::Every,
            principal: request(Status::InReview)
                .account_id
                .as_str()
                .parse()
                .unwrap(),
            effect,
        };
        Entry::new(rule, Conditions::default(), About::default()).unwrap()
    };
    Policy {
        entries: effect.map(entry).into_iter().collect(),
        settings: [(Scope::Every, settings)].into(),
        ..Policy::default()
    }
}

/// The action in a few words. An action that does not depend on the vote is "first".
fn word(action: &Action) -> String {
    let change = match action {
        Action::Nothing => return "nothing".to_owned(),
        Action::Need(need) => return format!("needs {need:?}"),
        Action::Leave(LeaveReason::Refused(refusal)) => return refused(refusal),
        Action::Leave(why) => return format!("left: {}", why.as_str()),
        Action::Write(change) => change,
    };
    let what = match change.consumes {
        Some(_) => "record",
        None => "first",
    };
    match &change.transition {
        Some(transition) => format!("{what}: {}", transition.to),
        None => what.to_owned(),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid => "invalid".to_owned(),
        Refusal::NotAnApprover => "no approver".to_owned(),
        Refusal::Already => "already".to_owned(),
        Refusal::TooLate => "too late".to_owned(),
        Refusal::Unmanaged => "unmanaged".to_owned(),
        Refusal::Ineligible(bar) => format!("barred: {bar:?}"),
        Refusal::Expired => "expired".to_owned(),
        Refusal::Unrecorded(why) => format!("unrecorded: {}", in_a_word(why)),
    }
}

fn in_a_word(why: &Unrecorded) -> &'static str {
    match why {
        Unrecorded::Silent => "silent",
        Unrecorded::NotListed => "not listed",
        Unrecorded::Unreadable => "unreadable",
        Unrecorded::UnknownState(_) => "unknown state",
        Unrecorded::Corrected => "corrected",
        Unrecorded::Policy(_) => "policy",
        Unrecorded::Meanwhile => "meanwhile",
        Unrecorded::PolicyDecides => "the policy decides",
        Unrecorded::NothingToWithdraw => "nothing to withdraw",
    }
}

fn id(name: &str) -> ApproverId {
    format!("{name}@example.com").parse().unwrap()
}

fn approver(name: &str) -> Approver {
    Approver {
        id: id(name),
        slack_user_id: None,
        iam_principal: None,
        services: ["*".parse().unwrap()].into(),
        own_accounts: Default::default(),
    }
}

fn vote(name: &str, choice: Choice) -> Vote {
    Vote {
        approver: id(name),
        choice,
        reason: String::new(),
        at: at(1),
        channel: Channel::Email,
        void: false,
        taken_back: false,
    }
}

/// A withdrawn vote, after which a person may still vote.
fn taken_back(name: &str) -> Vote {
    Vote {
        taken_back: true,
        ..vote(name, Choice::Approve)
    }
}

fn other_service() -> ServiceId {
    "vpce-svc-00000000000000001".parse().unwrap()
}

/// Alice votes, everything is in order, and one vote decides.
fn in_order(choice: Choice) -> Known {
    let waits = connection(ConnectionState::PendingAcceptance);
    Known {
        request: request(Status::InReview),
        review: 1,
        managed: Some(vec![waits.service_id.clone()]),
        connection: Ok(Some(waits)),
        approvers: ["alice", "bob", "carol"].map(approver).into(),
        approver: id("alice"),
        ballot: Ballot::new(choice, "Because.").unwrap(),
        channel: Channel::Email,
        policy: Ok((Decision::Review, ServiceSettings::default())),
        shown: None,
        now: at(10),
    }
}

/// The same with a change.
fn but(choice: Choice, change: impl Fn(&mut Known)) -> Known {
    let mut known = in_order(choice);
    change(&mut known);
    known
}

fn shows(known: &mut Known, state: &str) {
    known.connection = Ok(Some(connection(state.to_owned().into())));
}

/// The answers to an approval and to a rejection.
fn both(change: impl Fn(&mut Known)) -> [String; 2] {
    [Choice::Approve, Choice::Reject].map(|choice| but(choice, &change).word())
}

#[test]
fn every_fact_that_prevents_a_vote_has_its_answer() {
    type Row = (&'static str, fn(&mut Known), [&'static str; 2]);
    let same = |answer: &'static str| [answer; 2];
    let rows: [Row; 34] = [
        (
            "in order",
            |_| {},
            ["record: accepting", "record: rejecting"],
        ),
        (
            "no approver, by link",
            |k| drop(k.approvers.remove(0)),
            same("invalid"),
        ),
        (
            "no approver, in Slack",
            |k| (k.channel, _) = (Channel::Slack, k.approvers.remove(0)),
            same("no approver"),
        ),
        (
            "no approver, by IAM",
            |k| (k.channel, _) = (Channel::Iam, k.approvers.remove(0)),
            same("no approver"),
        ),
        (
            "voted",
            |k| k.request.votes = vec![vote("alice", Choice::Approve)],
            ["already", "record: rejecting"],
        ),
        (
            "withdrew",
            |k| k.request.votes = vec![taken_back("alice"), vote("alice", Choice::Withdraw)],
            ["already", "record: rejecting"],
        ),
        (
            "voted, and it is decided",
            |k| {
                k.request.votes = vec![vote("alice", Choice::Approve)];
                k.request.status = Status::Accepted;
            },
            same("already"),
        ),
        (
            "an earlier review",
            |k| k.request.review = Some(7),
            same("invalid"),
        ),
        ("a later review", |k| k.review = 7, same("invalid")),
        (
            "no review ever",
            |k| k.request.review = None,
            same("invalid"),
        ),
        (
            "accepting",
            |k| k.request.status = Status::Accepting,
            same("too late"),
        ),
        (
            "accepted",
            |k| k.request.status = Status::Accepted,
            same("too late"),
        ),
        (
            "rejecting",
            |k| k.request.status = Status::Rejecting,
            same("too late"),
        ),
        (
            "rejected",
            |k| k.request.status = Status::Rejected,
            same("too late"),
        ),
        (
            "revoking",
            |k| k.request.status = Status::Revoking,
            same("too late"),
        ),
        (
            "gone",
            |k| k.request.status = Status::Gone,
            same("too late"),
        ),
        (
            "not managed",
            |k| k.managed = Some(vec![other_service()]),
            same("unmanaged"),
        ),
        (
            "nothing managed",
            |k| k.managed = Some(Vec::new()),
            same("unmanaged"),
        ),
        (
            "another's service",
            |k| k.approvers[0].services.clear(),
            same("barred: OtherService"),
        ),
        (
            "their own account",
            |k| k.approvers[0].own_accounts = [k.request.account_id.clone()].into(),
            same("barred: OwnAccount"),
        ),
        (
            "EC2 is silent",
            |k| (k.connection, k.managed) = (Err(Unrecorded::Silent), None),
            same("unrecorded: silent"),
        ),
        (
            "EC2 did not say what is managed",
            |k| k.managed = None,
            same("unrecorded: silent"),
        ),
        (
            "EC2's answer cannot be read",
            |k| k.connection = Err(Unrecorded::Unreadable),
            same("unrecorded: unreadable"),
        ),
        (
            "a state that nobody knows",
            |k| shows(k, "hibernating"),
            same("unrecorded: unknown state"),
        ),
        (
            "not listed",
            |k| k.connection = Ok(None),
            same("first: gone"),
        ),
        (
            "connected",
            |k| shows(k, "available"),
            same("first: accepted"),
        ),
        (
            "rejected at EC2",
            |k| shows(k, "rejected"),
            same("first: rejected"),
        ),
        ("ended", |k| shows(k, "deleted"), same("first: gone")),
        (
            "another's connection",
            |k| {
                let mut other = connection(ConnectionState::PendingAcceptance);
                other.owner = "999999999999".parse().unwrap();
                k.connection = Ok(Some(other));
            },
            same("first"),
        ),
        (
            "a connection to another service, which is not managed",
            |k| {
                let mut other = connection(ConnectionState::PendingAcceptance);
                other.service_id = other_service();
                k.connection = Ok(Some(other));
            },
            same("unmanaged"),
        ),
        (
            "the policy cannot be read",
            |k| k.policy = Err(UNREADABLE.to_owned()),
            ["unrecorded: policy", "record: rejecting"],
        ),
        (
            "the policy allows it",
            |k| k.policy = Ok((Decision::Accept, ServiceSettings::default())),
            same("first: accepting"),
        ),
        (
            "the policy denies it",
            |k| k.policy = Ok((Decision::Reject, ServiceSettings::default())),
            same("first: rejecting"),
        ),
        (
            "two must approve",
            |k| {
                let settings = ServiceSettings {
                    approvals_required: Some(2),
                    ..ServiceSettings::default()
                };
                k.policy = Ok((Decision::Review, settings));
            },
            ["record", "record: rejecting"],
        ),
    ];
    for (name, change, expected) in rows {
        assert_eq!(both(change), expected, "{name}");
    }
}

#[test]
fn the_first_reason_in_the_list_answers_whatever_comes_later() {
    // Each fact alone prevents the vote, in the order of the module's list.
    let against: [(fn(&mut Known), &str); 8] = [
        (
            |k| k.approvers.retain(|approver| approver.id != id("alice")),
            "invalid",
        ),
        (
            |k| k.request.votes = vec![vote("alice", Choice::Approve)],
            "already",
        ),
        (|k| k.request.status = Status::Accepted, "too late"),
        (|k| k.managed = Some(Vec::new()), "unmanaged"),
        (
            |k| k.approvers.iter_mut().for_each(|it| it.services.clear()),
            "barred: OtherService",
        ),
        (
            |k| k.connection = Err(Unrecorded::Unreadable),
            "unrecorded: unreadable",
        ),
        (
            |k| k.policy = Ok((Decision::Reject, ServiceSettings::default())),
            "first: rejecting",
        ),
        (
            |k| {
                (k.request.deadline, k.request.deadline_rejects) = (Some(at(5)), true);
                if let Ok((_, settings)) = &mut k.policy {
                    (settings.review_hours, settings.on_deadline) =
                        (Some(0), Some(OnDeadline::Reject));
                }
            },
            "expired",
        ),
    ];
    for (first, (_, expected)) in against.iter().enumerate() {
        let known = but(Choice::Approve, |known| {
            // Make the last in the list true first, since some facts overwrite earlier ones.
            for (change, _) in against[first..].iter().rev() {
                change(known);
            }
        });
        assert_eq!(known.word(), *expected);
    }
}

#[test]
fn a_missed_deadline_is_read_from_the_policy_or_if_that_is_unknown_from_the_request() {
    let table = [
        // By the settings, by the request itself, and whether the policy can be read.
        (Some((1, OnDeadline::Reject)), None, true, "expired"),
        (
            Some((1, OnDeadline::Keep)),
            Some(true),
            true,
            "record: rejecting",
        ),
        (
            Some((2, OnDeadline::Reject)),
            Some(true),
            true,
            "record: rejecting",
        ),
        (None, Some(true), true, "record: rejecting"),
        (None, Some(true), false, "expired"),
        (None, Some(false), false, "record: rejecting"),
        (None, None, false, "record: rejecting"),
    ];
    for (by_settings, by_request, is_read, expected) in table {
        let known = but(Choice::Reject, |known| {
            known.now = at(3600);
            if let Some(rejects) = by_request {
                (known.request.deadline, known.request.deadline_rejects) =
                    (Some(at(3600)), rejects);
            }
            let settings = ServiceSettings {
                review_hours: by_settings.map(|(hours, _)| hours),
                on_deadline: by_settings.map(|(_, on_deadline)| on_deadline),
                ..ServiceSettings::default()
            };
            known.policy = match is_read {
                true => Ok((Decision::Review, settings)),
                false => Err(UNREADABLE.to_owned()),
            };
        });
        assert_eq!(
            known.word(),
            expected,
            "{by_settings:?} {by_request:?} {is_read}"
        );
    }
}

#[test]
fn a_vote_that_decides_is_written_with_all_its_preconditions() {
    let known = but(Choice::Approve, |known| {
        known.request.votes = vec![vote("bob", Choice::Approve)];
        let settings = ServiceSettings {
            approvals_required: Some(2),
            ..ServiceSettings::default()
        };
        known.policy = Ok((Decision::Review, settings));
    });
    let cast = known.recorded();
    let transition = cast.transition.clone().unwrap();
    assert_eq!(
        transition.actor,
        Actor::Approver("alice@example.com".to_owned())
    );
    assert_eq!(
        transition.reason,
        "Approved by bob@example.com and alice@example.com (2 of 2 needed). alice@example.com: Because."
    );
    assert_eq!(rights(&cast), [id("alice"), id("bob")].into());
    assert!(rests_on_denies(&cast) && rests_on_settings(&cast));
    assert_eq!(
        cast.consumes,
        Some(Right {
            approver: id("alice"),
            choice: Choice::Approve,
        })
    );
    let after = &cast.after;
    assert_eq!(
        (after.status, after.version, after.revision),
        (Status::Accepting, 2, 2)
    );
    assert_ne!(
        after.verdict, known.request.verdict,
        "as the policy says now"
    );
    assert_eq!(after.claimed_until, Some(at(10) + CLAIM));
    assert_eq!(after.approvals_required, 2);
    assert_eq!(announced(&cast), [AnnouncementKind::VoteCast]);
}

#[test]
fn a_rejection_requires_one_right_and_no_policy() {
    let known = but(Choice::Reject, |known| {
        known.request.votes = vec![vote("bob", Choice::Approve)];
        known.request.approvals_required = 3;
        known.policy = Err(UNREADABLE.to_owned());
    });
    let cast = known.recorded();
    assert_eq!(rights(&cast), [id("alice")].into());
    assert_eq!(cast.preconditions.len(), 1);
    assert_eq!(cast.after.status, Status::Rejecting);
    assert_eq!(
        cast.after.verdict, known.request.verdict,
        "it is not known better"
    );
    assert_eq!(cast.after.approvals_required, 3);
}

#[test]
fn a_vote_that_does_not_decide_requires_its_own_right() {
    let known = but(Choice::Approve, |known| {
        known.request.votes = vec![vote("bob", Choice::Approve)];
        let settings = ServiceSettings {
            approvals_required: Some(3),
            ..ServiceSettings::default()
        };
        known.policy = Ok((Decision::Review, settings));
        // Void votes are also noted.
        known.approvers[1].services.clear();
    });
    let cast = known.recorded();
    assert_eq!(cast.transition, None);
    assert_eq!(rights(&cast), [id("alice")].into());
    assert_eq!(cast.preconditions.len(), 1);
    let after = &cast.after;
    assert_eq!((after.version, after.revision), (1, 2));
    assert_eq!((after.votes.len(), after.claimed_until), (2, None));
    assert!(after.votes[0].void && !after.votes[1].void);
}

#[test]
fn a_voter_who_saw_another_owner_than_ec2_names_sees_that_before_they_vote() {
    let mut other = connection(ConnectionState::PendingAcceptance);
    other.owner = "999999999999".parse().unwrap();
    let mut known = in_order(Choice::Approve);
    let shown = known.request.clone();
    (known.connection, known.shown) = (Ok(Some(other.clone())), Some(shown));
    let Action::Write(corrects) = known.next().action else {
        panic!("it is noted whose it is")
    };
    assert_eq!((corrects.consumes, corrects.transition), (None, None));
    assert_eq!(corrects.after.account_id, other.owner);
    known.request = corrects.after;
    assert_eq!(known.word(), "unrecorded: corrected");
    // An approver who may not decide the other account's request sees that, and not the request.
    let mut ineligible = known.clone();
    ineligible.approvers[0].own_accounts = [other.owner].into();
    assert_eq!(ineligible.word(), "barred: OwnAccount");
    // When they come back, they see the current state.
    known.shown = None;
    assert_eq!(known.word(), "record: accepting");
}

#[test]
fn a_withdrawal_while_the_review_is_decided_is_too_late() {
    let mut known = approved(Choice::Withdraw);
    known.shown = Some(known.request.clone());
    known.request.status = Status::Accepted;
    assert_eq!(known.word(), "too late");
    known.ballot = Ballot::new(Choice::Approve, "").unwrap();
    assert_eq!(known.word(), "already", "they may not say that any more");
}

#[test]
fn an_endpoint_that_ec2_does_not_list_yet_can_be_voted_on_again() {
    for choice in [Choice::Approve, Choice::Reject] {
        let unlisted = but(choice, |known| {
            // The request is so recent that EC2's list may be older.
            (known.now, known.connection) = (at(1), Ok(None));
        });
        assert_eq!(unlisted.word(), "unrecorded: not listed");
    }
}

#[test]
fn the_state_of_a_review_for_each_viewer() {
    type Row = (&'static str, fn(&mut Known), &'static str);
    let rows: [Row; 9] = [
        ("in order", |_| {}, "open"),
        (
            "decided",
            |k| k.request.status = Status::Accepted,
            "decided",
        ),
        ("not managed", |k| k.managed = Some(Vec::new()), "unmanaged"),
        ("nobody knows what is managed", |k| k.managed = None, "open"),
        ("barred", |k| k.approvers[0].services.clear(), "barred"),
        (
            "voted",
            |k| k.request.votes = vec![vote("alice", Choice::Approve)],
            "voted",
        ),
        (
            "somebody else voted",
            |k| k.request.votes = vec![vote("bob", Choice::Approve)],
            "open",
        ),
        (
            "over",
            |k| (k.request.deadline, k.request.deadline_rejects) = (Some(k.now), true),
            "expired",
        ),
        (
            "kept past its deadline",
            |k| k.request.deadline = Some(k.now),
            "open",
        ),
    ];
    for (name, change, expected) in rows {
        let known = but(Choice::Approve, change);
        let looks = view(
            known.request.clone(),
            Vec::new(),
            &known.approvers[0],
            &known.approvers,
            known.managed.as_deref(),
            None,
            known.now,
        );
        let word = match looks {
            ReviewView::Shown(ReviewState::Open, details) if details.own.is_none() => "open",
            ReviewView::Shown(ReviewState::Open, _) => "voted",
            ReviewView::Shown(ReviewState::Decided, _) => "decided",
            ReviewView::Shown(ReviewState::Ineligible(_), _) => "barred",
            ReviewView::Shown(ReviewState::Unmanaged, _) => "unmanaged",
            ReviewView::Expired => "expired",
            ReviewView::Invalid => "invalid",
            ReviewView::Shown(state, _) => panic!("looking is no vote: {state:?}"),
            ReviewView::NotAnApprover => "no approver",
        };
        assert_eq!(word, expected, "{name}");
    }
}

const NAMES: [&str; 4] = ["alice", "bob", "carol", "mallory"];

fn any_approver(name: &'static str) -> impl Strategy<Value = Approver> {
    let bars = prop_oneof![8 => Just(""), 1 => Just("none"), 1 => Just("other"), 1 => Just("own")];
    (bars, 0..4_u8).prop_map(move |(bar, slack)| {
        let mut one = approver(name);
        match bar {
            "none" => one.services.clear(),
            "other" => one.services = [Scope::Service(other_service())].into(),
            "own" => one.own_accounts = [request(Status::InReview).account_id].into(),
            _ => {}
        }
        one.slack_user_id = (slack == 0).then(|| "U0SHARED".parse().unwrap());
        one
    })
}

fn any_choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        12 => Just(Choice::Approve),
        2 => Just(Choice::Withdraw),
        1 => Just(Choice::Reject),
    ]
}

fn any_vote() -> impl Strategy<Value = Vote> {
    let flags = (any::<bool>(), any::<bool>());
    (0..4_usize, any_choice(), flags, 0..20_i64).prop_map(
        |(name, choice, (void, taken_back), seconds)| Vote {
            void,
            taken_back: taken_back && choice == Choice::Approve,
            at: at(seconds),
            ..vote(NAMES[name], choice)
        },
    )
}

fn any_connection() -> impl Strategy<Value = Result<Option<Connection>, Unrecorded>> {
    let state = prop_oneof![
        12 => Just("pendingAcceptance"),
        1 => Just("available"),
        1 => Just("rejected"),
        1 => Just("deleted"),
        1 => Just("hibernating"),
    ];
    let listed = (state, 0..24_u8).prop_map(|(state, whose)| {
        let mut listed = connection(state.to_owned().into());
        match whose {
            0 => listed.owner = "999999999999".parse().unwrap(),
            1 => listed.service_id = other_service(),
            2 => listed.region = "us-east-1".parse().unwrap(),
            _ => {}
        }
        Ok(Some(listed))
    });
    prop_oneof![
        16 => listed,
        1 => Just(Ok(None)),
        1 => Just(Err(Unrecorded::Silent)),
        1 => Just(Err(Unrecorded::Unreadable)),
    ]
}

fn any_policy() -> impl Strategy<Value = Result<(Decision, ServiceSettings), String>> {
    let decision = prop_oneof![
        12 => Just(Decision::Review),
        1 => Just(Decision::Accept),
        1 => Just(Decision::Reject),
    ];
    let read = (
        decision,
        proptest::option::of(0..4_u32),
        proptest::option::of(0..2_u32),
        any::<bool>(),
    );
    let read = read.prop_map(|(decision, required, hours, rejects)| {
        let settings = ServiceSettings {
            approvals_required: required,
            review_hours: hours,
            on_deadline: rejects.then_some(OnDeadline::Reject),
            ..ServiceSettings::default()
        };
        Ok((decision, settings))
    });
    prop_oneof![12 => read, 1 => Just(Err(UNREADABLE.to_owned()))]
}

prop_compose! {
    fn any_facts()(
        status in prop_oneof![16 => Just(Status::InReview), 1 => proptest::sample::select(Status::ALL.to_vec())],
        votes in proptest::collection::vec(any_vote(), 0..4),
        connection in any_connection(),
        managed in prop_oneof![
            16 => Just(Some(vec![request(Status::InReview).service_id, other_service()])),
            1 => Just(Some(vec![request(Status::InReview).service_id])),
            1 => Just(Some(Vec::new())),
            1 => Just(None),
        ],
        approvers in (any_approver("alice"), any_approver("bob"), any_approver("carol")),
        count in prop_oneof![8 => Just(3_usize), 1 => 0..4_usize],
        name in prop_oneof![8 => 0..3_usize, 1 => Just(3_usize)],
        choice in any_choice(),
        policy in any_policy(),
        review in prop_oneof![16 => Just(1), 1 => 0..3_u64],
        required in 0..4_u32,
        over in proptest::option::weighted(0.2, any::<bool>()),
        seconds in prop_oneof![16 => 0..60_i64, 1 => 3600..8000_i64],
    ) -> Known {
        let mut approvers = vec![approvers.0, approvers.1, approvers.2];
        approvers.truncate(count);
        let mut reviewed = request(status);
        (reviewed.votes, reviewed.approvals_required) = (votes, required);
        reviewed.review = Some(1);
        if let Some(rejects) = over {
            (reviewed.deadline, reviewed.deadline_rejects) = (Some(at(30)), rejects);
        }
        Known {
            request: reviewed,
            review,
            connection,
            managed,
            approvers,
            approver: id(NAMES[name]),
            ballot: Ballot::new(choice, "Because.").unwrap(),
            channel: Channel::Slack,
            policy,
            shown: None,
            now: at(seconds),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_missing_fact_leads_to_a_vote_that_approves(known in any_facts()) {
        let Action::Write(cast) = known.next().action else {
            return Ok(());
        };
        if cast.consumes.is_none() {
            return Ok(());
        }
        let own = cast.after.votes.last().unwrap();
        prop_assert_eq!(&own.approver, &known.approver);
        prop_assert_eq!(known.request.status, Status::InReview);
        prop_assert!(rights(&cast).contains(&known.approver));
        let approves = known.ballot.choice == Choice::Approve;
        let accepts = cast.after.status == Status::Accepting;
        prop_assert!(!accepts || approves, "only who approves lets in");
        let voter = known.approvers.iter().find(|one| one.id == known.approver).unwrap();
        let last = vote_of(&known.request, voter, &known.approvers).map(|vote| vote.choice);
        prop_assert!(last < Some(known.ballot.choice), "nothing goes back");
        if !approves {
            return Ok(());
        }
        let listed = known.connection.clone().unwrap().unwrap();
        prop_assert_eq!(listed.state.phase(), Phase::Waiting);
        prop_assert!(known.request.is_about(&listed));
        prop_assert!(known.managed.clone().unwrap().contains(&listed.service_id));
        let (decision, settings) = known.policy.clone().unwrap();
        prop_assert_eq!(decision, Decision::Review);
        if accepts {
            prop_assert!(rests_on_denies(&cast) && rests_on_settings(&cast));
            let rights = rights(&cast);
            let rights = rights.iter().filter(|id| {
                let mut voters = known.approvers.iter();
                voters.any(|one| one.id == **id && may_vote(&known.request, one, &known.approvers).is_ok())
            });
            prop_assert!(rights.count() as u64 >= u64::from(approvals_required(&settings)));
        }
    }

    #[test]
    fn nothing_depends_on_the_order_of_approvers_or_votes(
        known in any_facts(),
        turn in 0..5_usize,
    ) {
        let mut other = known.clone();
        other.approvers.reverse();
        if !other.request.votes.is_empty() {
            let by = turn % other.request.votes.len();
            other.request.votes.rotate_left(by);
            if turn % 2 == 1 {
                other.request.votes.reverse();
            }
        }
        let sorted = |next: Next| {
            let mut next = next;
            if let Action::Write(change) = &mut next.action {
                let announced = change.messages.announcements.iter_mut();
                let announced = announced.filter_map(|one| one.review.as_mut());
                for votes in announced
                    .map(|review| &mut review.votes)
                    .chain([&mut change.after.votes])
                {
                    votes.sort_by_key(|vote| format!("{vote:?}"));
                }
            }
            next
        };
        prop_assert_eq!(sorted(known.next()), sorted(other.next()));
    }
}

/// Alice approved, and two must.
fn approved(choice: Choice) -> Known {
    but(choice, |known| {
        known.request.votes = vec![vote("alice", Choice::Approve)];
        (known.request.deciders, known.request.approvals_required) = (3, 2);
        let settings = ServiceSettings {
            approvals_required: Some(2),
            ..ServiceSettings::default()
        };
        known.policy = Ok((Decision::Review, settings));
    })
}

#[test]
fn a_vote_moves_from_approved_to_withdrawn_to_rejected_and_never_back() {
    use Choice::{Approve, Reject, Withdraw};
    let rows: [(&str, &[Vote], [&str; 3]); 4] = [
        (
            "said nothing",
            &[],
            [
                "record",
                "unrecorded: nothing to withdraw",
                "record: rejecting",
            ],
        ),
        (
            "approved",
            &[vote("alice", Approve)],
            ["already", "record", "record: rejecting"],
        ),
        (
            "withdrew",
            &[taken_back("alice"), vote("alice", Withdraw)],
            ["already", "already", "record: rejecting"],
        ),
        (
            "rejected",
            &[taken_back("alice"), vote("alice", Reject)],
            ["already", "already", "already"],
        ),
    ];
    for (name, votes, expected) in rows {
        let answers = [Approve, Withdraw, Reject].map(|choice| {
            let mut known = approved(choice);
            known.request.votes = votes.to_vec();
            known.word()
        });
        assert_eq!(answers, expected, "{name}");
        // The same under another of their names.
        let answers = [Approve, Withdraw, Reject].map(|choice| {
            let mut known = approved(choice);
            known.request.votes = votes.to_vec();
            known.approvers.push(approver("alice+oncall"));
            known.approver = id("alice+oncall");
            known.word()
        });
        assert_eq!(answers, expected, "{name}, under another name");
    }
}

#[test]
fn a_withdrawn_vote_does_not_count_and_stays_on_the_request() {
    let known = approved(Choice::Withdraw);
    let cast = known.recorded();
    assert_eq!(
        (cast.transition.as_ref(), announced(&cast).as_slice()),
        (None, &[AnnouncementKind::VoteWithdrawn][..])
    );
    assert_eq!(rights(&cast), [id("alice")].into());
    let [before, after] = cast.after.votes.as_slice() else {
        panic!("both are kept")
    };
    assert_eq!((before.choice, before.taken_back), (Choice::Approve, true));
    assert_eq!(
        (after.choice, after.reason.as_str()),
        (Choice::Withdraw, "Because.")
    );
    assert!(!after.taken_back && !cast.after.votes.iter().any(Vote::approves));
    // It needs two again.
    let mut bob = approved(Choice::Approve);
    (bob.request, bob.approver) = (cast.after, id("bob"));
    assert_eq!(bob.word(), "record");

    // A rejection withdraws an approval as well, under whichever name it was given.
    let mut rejects = approved(Choice::Reject);
    rejects.approvers.push(approver("alice+oncall"));
    rejects.approver = id("alice+oncall");
    let cast = rejects.recorded();
    assert!(cast.after.votes[0].taken_back);
    let both = [id("alice"), id("alice+oncall")].into();
    assert_eq!(rights(&cast), both);
}

#[test]
fn a_withdrawal_needs_a_right_and_neither_the_policy_nor_ec2() {
    type Row = (&'static str, fn(&mut Known), &'static str);
    let rows: [Row; 12] = [
        (
            "the policy cannot be read",
            |k| k.policy = Err(UNREADABLE.to_owned()),
            "record",
        ),
        (
            "EC2 is silent",
            |k| (k.connection, k.managed) = (Err(Unrecorded::Silent), None),
            "record",
        ),
        (
            "EC2 cannot be read",
            |k| k.connection = Err(Unrecorded::Unreadable),
            "record",
        ),
        ("not listed", |k| k.connection = Ok(None), "record"),
        (
            "a state that nobody knows",
            |k| shows(k, "hibernating"),
            "record",
        ),
        ("connected", |k| shows(k, "available"), "first: accepted"),
        (
            "the policy allows it",
            |k| k.policy = Ok((Decision::Accept, ServiceSettings::default())),
            "first: accepting",
        ),
        ("not managed", |k| k.managed = Some(Vec::new()), "unmanaged"),
        (
            "decided",
            |k| k.request.status = Status::Accepted,
            "already",
        ),
        (
            "barred",
            |k| k.approvers[0].services.clear(),
            "barred: OtherService",
        ),
        ("no approver", |k| drop(k.approvers.remove(0)), "invalid"),
        (
            "over",
            |k| {
                (k.request.deadline, k.request.deadline_rejects) = (Some(k.now), true);
                k.policy = Err(UNREADABLE.to_owned());
            },
            "expired",
        ),
    ];
    for (name, change, expected) in rows {
        let mut known = approved(Choice::Withdraw);
        change(&mut known);
        assert_eq!(known.word(), expected, "{name}");
    }
}

#[test]
fn a_withdrawal_never_accepts_even_if_the_remaining_votes_suffice() {
    let mut known = approved(Choice::Withdraw);
    known.request.votes.push(vote("bob", Choice::Approve));
    known.policy = Ok((Decision::Review, ServiceSettings::default()));
    assert_eq!(known.word(), "record");
}

#[test]
fn a_review_that_a_withdrawal_puts_out_of_reach_is_announced_once() {
    let mut known = approved(Choice::Withdraw);
    known.request.deciders = 2;
    let cast = known.recorded();
    assert_eq!(
        announced(&cast),
        [
            AnnouncementKind::VoteWithdrawn,
            AnnouncementKind::QuorumOutOfReach
        ]
    );
    assert!(cast.after.is_out_of_reach());
    assert_eq!((cast.after.may_approve(), cast.after.deciders), (1, 2));
    assert_eq!(cast.after.out_of_reach_since, Some(known.now));
    // Bob's vote makes that no worse.
    let mut bob = approved(Choice::Approve);
    (bob.request, bob.approver) = (cast.after, id("bob"));
    let cast = bob.recorded();
    assert_eq!(announced(&cast), [AnnouncementKind::VoteCast]);
}

#[test]
fn a_link_of_somebody_who_has_voted_is_valid_until_the_review_is_over() {
    let known = approved(Choice::Withdraw);
    let used_up =
        |request: &Request, name: &str| is_used_up(request, &approver(name), &known.approvers);
    assert!(!used_up(&known.request, "alice"));
    let mut over = known.request.clone();
    over.status = Status::Accepted;
    assert!(used_up(&over, "alice") && !used_up(&over, "bob"));
}
