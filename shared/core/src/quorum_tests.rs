use super::*;
use crate::fixtures::{at, request};
use crate::ids::EndpointId;
use crate::request::Status;
use crate::vote::*;
use proptest::prelude::*;

fn approver(name: &str) -> Approver {
    Approver {
        id: id(name),
        slack_user_id: None,
        iam_principal: None,
        services: ["*".parse().unwrap()].into(),
        own_accounts: Default::default(),
    }
}

fn id(name: &str) -> ApproverId {
    format!("{name}@example.com").parse().unwrap()
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

fn review(votes: Vec<Vote>) -> Request {
    Request {
        votes,
        ..request(Status::InReview)
    }
}

#[test]
fn one_rejection_rejects_and_approvals_are_counted_by_person() {
    use Choice::{Approve, Reject};
    let mut approvers: Vec<Approver> = ["alice", "bob", "carol"].map(approver).into();
    let mut again = approver("a.smith");
    (approvers[0].slack_user_id, again.slack_user_id) = (
        Some("U0ALICE".parse().unwrap()),
        Some("U0ALICE".parse().unwrap()),
    );
    approvers.push(again);
    let table = [
        (vec![], 1, "waiting 0"),
        (vec![("alice", Approve)], 1, "approved"),
        (vec![("alice", Approve)], 0, "approved"),
        (vec![("alice", Approve)], 2, "waiting 1"),
        (vec![("alice", Approve), ("bob", Approve)], 2, "approved"),
        (vec![("alice", Approve), ("alice", Approve)], 2, "waiting 1"),
        (
            vec![("alice", Approve), ("a.smith", Approve)],
            2,
            "waiting 1",
        ),
        (
            vec![("alice", Approve), ("mallory", Approve)],
            2,
            "waiting 1",
        ),
        (vec![("mallory", Reject)], 1, "waiting 0"),
        (vec![("alice", Approve), ("bob", Reject)], 2, "rejected"),
        (vec![("bob", Reject)], 3, "rejected"),
    ];
    for (votes, required, expected) in table {
        let votes = votes.into_iter().map(|(name, choice)| vote(name, choice));
        let request = review(votes.collect());
        let word = match tally(&request, &approvers, required) {
            Tally::Rejected(_) => "rejected".to_owned(),
            Tally::Approved(_) => "approved".to_owned(),
            Tally::Waiting { given } => format!("waiting {given}"),
        };
        assert_eq!(word, expected, "{:?} of {required}", request.votes);
    }
}

#[test]
fn votes_of_those_who_may_not_decide_any_more_are_void() {
    let request = review(vec![vote("alice", Choice::Approve)]);
    let mut alice = approver("alice");
    assert!(matches!(
        tally(&request, &[alice.clone()], 1),
        Tally::Approved(_)
    ));
    alice.own_accounts.insert(request.account_id.clone());
    assert_eq!(
        tally(&request, &[alice.clone()], 1),
        Tally::Waiting { given: 0 }
    );
    alice.own_accounts.clear();
    alice.services.clear();
    assert_eq!(tally(&request, &[alice], 1), Tally::Waiting { given: 0 });
    assert_eq!(tally(&request, &[], 1), Tally::Waiting { given: 0 });
}

#[test]
fn the_end_of_an_endpoints_id_is_typed_or_it_is_not() {
    let endpoint = "vpce-0123456789abcdef0".parse().unwrap();
    for good in ["bcdef0", " BCDEF0\n", "abcdef0", "vpce-0123456789abcdef0"] {
        assert!(is_typed(good, &endpoint), "{good:?}");
    }
    for bad in [
        "",
        "cdef0",
        "bcdef1",
        "cdef0 ",
        "bcdef",
        "xvpce-0123456789abcdef0",
        "bcd ef0",
    ] {
        assert!(!is_typed(bad, &endpoint), "{bad:?}");
    }
}

#[test]
fn a_ballot_says_what_is_wrong_with_it() {
    assert_eq!(
        Ballot::new(Choice::Reject, " \n\t"),
        Err(InvalidBallot::NoReason)
    );
    assert_eq!(
        Ballot::new(Choice::Reject, "\u{200b}\u{202e} \u{feff}"),
        Err(InvalidBallot::NoReason)
    );
    assert_eq!(Ballot::new(Choice::Approve, "").unwrap().reason, "");
    let ballot = Ballot::new(Choice::Reject, "  not\r\na \u{7} customer ").unwrap();
    assert_eq!(ballot.reason, "not a customer");
    let long = "é".repeat(REASON_LIMIT + 1);
    assert_eq!(
        Ballot::new(Choice::Reject, &long),
        Err(InvalidBallot::LongReason)
    );
    assert!(Ballot::new(Choice::Reject, &"é".repeat(REASON_LIMIT)).is_ok());
}

#[test]
fn a_decision_is_told_with_all_who_made_it_and_why() {
    let mut votes = vec![vote("alice", Choice::Approve), vote("bob", Choice::Approve)];
    assert_eq!(
        reason_of(&votes[..1], Choice::Approve, 1),
        "Approved by alice@example.com."
    );
    votes[1].reason = "Contract 7.".to_owned();
    assert_eq!(
        reason_of(&votes, Choice::Approve, 2),
        "Approved by alice@example.com and bob@example.com (2 of 2 needed). bob@example.com: Contract 7."
    );
    assert_eq!(
        reason_of(&votes[1..], Choice::Reject, 2),
        "Rejected by bob@example.com. Contract 7."
    );
}

proptest! {
    #[test]
    fn nobody_can_approve_alone_what_takes_two(votes in proptest::collection::vec((0..3_usize, any::<bool>()), 0..8)) {
        let names = ["alice", "bob", "mallory"];
        let approvers = [approver("alice"), approver("bob")];
        let cast = votes.iter().map(|(name, yes)| {
            vote(names[*name], if *yes { Choice::Approve } else { Choice::Reject })
        });
        let request = review(cast.collect());
        let said = |name: usize, yes: bool| votes.contains(&(name, yes));
        match tally(&request, &approvers, 2) {
            Tally::Approved(_) => prop_assert!(said(0, true) && said(1, true) && !said(0, false) && !said(1, false)),
            Tally::Rejected(_) => prop_assert!(said(0, false) || said(1, false)),
            Tally::Waiting { given } => {
                prop_assert!(given < 2 && !said(0, false) && !said(1, false));
                prop_assert_eq!(given == 1, said(0, true) != said(1, true));
            }
        }
    }
}

#[test]
fn what_a_vote_did_not_do_is_not_called_its_effect() {
    use Effect::{Done, Overtaken, Pending};
    use Status::{Accepted, Accepting, Gone, InReview, Rejected, Rejecting, Revoking};
    let effects = |decided| Status::ALL.map(|now| (now, effect(decided, now)));
    let expected = |done, pending| {
        Status::ALL.map(|now| match now {
            now if now == done => (now, Done),
            now if now == pending => (now, Pending),
            now => (now, Overtaken),
        })
    };
    assert_eq!(effects(Accepting), expected(Accepted, Accepting));
    assert_eq!(effects(Rejecting), expected(Rejected, Rejecting));
    for overtaken in [InReview, Rejected, Rejecting, Revoking, Gone] {
        assert_eq!(effect(Accepting, overtaken), Overtaken, "{overtaken}");
    }
}

#[test]
fn whoever_votes_in_vain_is_told_why_and_what_to_do() {
    let wrong = "the allowlist item * / settings makes no sense".to_owned();
    let all = [
        (Unrecorded::Silent, "did not answer in time"),
        (Unrecorded::NotListed, "does not list"),
        (Unrecorded::Unreadable, "cannot read"),
        (
            Unrecorded::UnknownState("hibernating".to_owned().into()),
            "\"hibernating\"",
        ),
        (Unrecorded::Corrected, "otherwise whose"),
        (Unrecorded::Policy(wrong), "* / settings makes no sense"),
    ];
    for (why, expected) in all {
        let words = why.to_string();
        assert!(words.contains(expected), "{words}");
        assert!(words.to_lowercase().contains("vote again"), "{words}");
        assert!(
            words.ends_with('.') && !words.contains(['\n', '\u{0}']),
            "{words}"
        );
    }
}

#[test]
fn the_end_of_an_id_is_typed_on_any_keyboard() {
    let id: EndpointId = "vpce-0123456789abcdef0".parse().unwrap();
    for typed in [
        "bcdef0",
        " BCDEF0\n",
        "ｂｃｄｅｆ０",
        "ＢＣＤＥＦ０\u{3000}",
        "\u{feff}bc\u{200b}de\u{ad}f0\u{202c}",
        "vpce-0123456789abcdef0",
        "ｖｐｃｅ－０１２３４５６７８９ａｂｃｄｅｆ０",
        "𝚋𝚌𝚍𝚎𝚏𝟶",
    ] {
        assert!(is_typed(typed, &id), "{typed:?}");
    }
    for typed in [
        "",
        "cdef0",
        "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}",
        "ｃｄｅｆ０",
        "bcdef1",
        "bсdef0",
        "bcde f0",
        "bcdef0.",
    ] {
        assert!(!is_typed(typed, &id), "{typed:?}");
    }
}

#[test]
fn a_reason_of_nothing_that_is_seen_is_none() {
    for unseen in [
        "\u{3164}\u{200b}",
        "\u{2800}",
        "\u{e0041}\u{fe0f}",
        " \u{2028}\u{0}",
    ] {
        assert_eq!(
            Ballot::new(Choice::Reject, unseen),
            Err(InvalidBallot::NoReason),
            "{unseen:?}"
        );
    }
    let reason = Ballot::new(
        Choice::Reject,
        "no\u{202e}t\u{ad} ours\u{2029}yet ⚠\u{fe0f}",
    )
    .unwrap();
    assert_eq!(reason.reason, "not ours yet ⚠\u{fe0f}");
}
