//! Who may decide a review.
//!
//! An approver is a named person. What they may decide is looked up anew whenever it matters: when a
//! review opens, when they vote, and when the votes are counted.

use std::collections::BTreeSet;

use crate::ids::{AccountId, ServiceId, id};
use crate::scope::Scope;
use crate::written::{attributes, typed_id};

pub use crate::ids::{ApproverId, SlackChannelId, SlackUserId};

id!(
    /// The ARN of an IAM principal as STS names callers, with `*` for any run of characters after the
    /// account: `arn:aws:sts::111122223333:assumed-role/Approver/alice`.
    PrincipalPattern,
    is_principal_pattern,
    "an IAM principal's ARN such as arn:aws:sts::111122223333:assumed-role/Approver/* \
     (service and account written out, * only after them)"
);

typed_id!(PrincipalPattern: PrincipalPattern::EXPECTED);

attributes! {
    /// What an item says of an approver besides who they are.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct WrittenApprover, ATTRIBUTES {
        services: BTreeSet<Scope> {
            meaning: "the services that they may decide, or `*`; without it, none",
        }
        own_accounts: BTreeSet<AccountId> {
            meaning: "the consumer accounts that they may not decide about, since those are their own",
        }
        slack_user_id: SlackUserId {
            meaning: "the same person in Slack (profile → ⋮ → Copy member ID)",
        }
        iam_principal: PrincipalPattern {
            meaning: "the same person as AWS names its callers, such as \
                      `arn:aws:sts::111122223333:assumed-role/Approver/alice`; `*` for any run of characters \
                      after the account",
        }
        reason: String {
            meaning: "for people: why they are an approver",
        }
        created_by: String {
            meaning: "for people: who wrote the item",
        }
    }
}

/// A person who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// The person, by e-mail address.
    pub id: ApproverId,
    /// The same person in Slack.
    pub slack_user_id: Option<SlackUserId>,
    /// The same person as STS names them.
    pub iam_principal: Option<PrincipalPattern>,
    /// The services they may decide.
    pub services: BTreeSet<Scope>,
    /// The consumer accounts they may not decide about, since those are their own.
    pub own_accounts: BTreeSet<AccountId>,
}

/// Why an approver may not decide a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// The service is none of theirs.
    OtherService,
    /// The account is their own.
    OwnAccount,
}

impl Approver {
    /// Whether two items are evidently of one person: they name the same Slack user, the same IAM principal,
    /// or the same mailbox but for what follows a `+`. Upper and lower case make no two people.
    #[must_use]
    pub fn is(&self, other: &Approver) -> bool {
        fn same(one: Option<&str>, other: Option<&str>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one.eq_ignore_ascii_case(other))
        }
        self.mailbox() == other.mailbox()
            || same(self.in_slack(), other.in_slack())
            // IAM has no two roles or users whose names differ in case alone.
            || same(self.under_iam(), other.under_iam())
    }

    fn in_slack(&self) -> Option<&str> {
        self.slack_user_id.as_ref().map(SlackUserId::as_str)
    }

    fn under_iam(&self) -> Option<&str> {
        self.iam_principal.as_ref().map(PrincipalPattern::as_str)
    }

    /// Where mail to this person ends up: `alice+gatekeeper@example.com` is `alice@example.com`.
    fn mailbox(&self) -> (&str, &str) {
        let id = self.id.as_str();
        let (name, host) = id.split_once('@').unwrap_or((id, ""));
        match name.split_once('+') {
            Some((name, _)) if !name.is_empty() => (name, host),
            _ => (name, host),
        }
    }

    /// Whether a consumer's connections to a service may be decided under this item, as far as it alone says.
    fn may_decide(&self, service: &ServiceId, account: &AccountId) -> Result<(), Ineligible> {
        if !self.services.iter().any(|scope| scope.covers(service)) {
            return Err(Ineligible::OtherService);
        }
        if self.own_accounts.contains(account) {
            return Err(Ineligible::OwnAccount);
        }
        Ok(())
    }
}

/// All items of the person whom one of them is of, that one included, in the order of `approvers`.
#[must_use]
pub fn items_of<'a>(approver: &'a Approver, approvers: &'a [Approver]) -> Vec<&'a Approver> {
    let mut found = vec![approver];
    let mut looked_at = 0;
    // What is the same as one that is the same is the same.
    while let Some(one) = found.get(looked_at).copied() {
        let is_new =
            |other: &&Approver| one.is(other) && !found.iter().any(|known| known.id == other.id);
        let more: Vec<&Approver> = approvers.iter().filter(is_new).collect();
        found.extend(more);
        looked_at += 1;
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

/// Whether an approver may decide about a consumer's connections to a service, `approvers` being all that
/// there are: their own item says which services, and no item of theirs may name the account as their own.
///
/// # Errors
/// [`Ineligible`], with the reason.
pub fn may_decide(
    approver: &Approver,
    approvers: &[Approver],
    service: &ServiceId,
    account: &AccountId,
) -> Result<(), Ineligible> {
    approver.may_decide(service, account)?;
    let items = items_of(approver, approvers);
    match items.iter().any(|item| item.own_accounts.contains(account)) {
        true => Err(Ineligible::OwnAccount),
        false => Ok(()),
    }
}

/// Those of all approvers who may decide about a consumer's connections to a service.
#[must_use]
pub fn deciders<'a>(
    approvers: &'a [Approver],
    service: &ServiceId,
    account: &AccountId,
) -> Vec<&'a Approver> {
    let may = |one: &&Approver| may_decide(one, approvers, service, account).is_ok();
    approvers.iter().filter(may).collect()
}

/// How many different people some of all approvers are.
#[must_use]
pub fn people(some: &[&Approver], approvers: &[Approver]) -> u32 {
    let mut people: Vec<Vec<&Approver>> = Vec::new();
    for approver in some {
        let is_known = |person: &Vec<&Approver>| person.iter().any(|item| item.id == approver.id);
        if !people.iter().any(is_known) {
            people.push(items_of(approver, approvers));
        }
    }
    u32::try_from(people.len()).unwrap_or(u32::MAX)
}

/// The people who are entered more than once, each by the ids of their items.
#[must_use]
pub fn entered_twice(approvers: &[Approver]) -> BTreeSet<Vec<ApproverId>> {
    let ids = |approver| {
        let items = items_of(approver, approvers).into_iter();
        items.map(|item| item.id.clone()).collect()
    };
    let people = approvers.iter().map(ids);
    people
        .filter(|items: &Vec<ApproverId>| items.len() > 1)
        .collect()
}

impl PrincipalPattern {
    /// Whether a caller's ARN is one that this stands for. Upper and lower case matter, as in IAM.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        let mut parts = self.as_str().split('*');
        let Some(mut rest) = parts.next().and_then(|first| arn.strip_prefix(first)) else {
            return false;
        };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else {
            // No star: all of it was compared.
            return rest.is_empty();
        };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

fn is_principal_pattern(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, name] = parts.as_slice() else {
        return false;
    };
    *arn == "arn"
        && partition.starts_with("aws")
        && !partition.contains('*')
        && matches!(*service, "iam" | "sts")
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|c| c.is_ascii_digit())
        && name.len() > 1
        && name.contains('/')
        && !name.starts_with('*')
        && text.len() <= 512
        && name.bytes().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approver(id: &str, slack: Option<&str>) -> Approver {
        Approver {
            id: id.parse().unwrap(),
            slack_user_id: slack.map(|id| id.parse().unwrap()),
            iam_principal: None,
            services: ["*".parse().unwrap()].into(),
            own_accounts: ["000000000001".parse().unwrap()].into(),
        }
    }

    #[test]
    fn an_approver_decides_their_services_and_not_their_own_accounts() {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let other = "vpce-svc-00000000000000001".parse().unwrap();
        let (own, foreign) = (
            "000000000001".parse().unwrap(),
            "000000000002".parse().unwrap(),
        );
        let mut alice = approver("alice@example.com", None);
        let may = |alice: &Approver, account| {
            let all = [alice.clone()];
            may_decide(alice, &all, &service, account)
        };
        assert_eq!(may(&alice, &foreign), Ok(()));
        assert_eq!(may(&alice, &own), Err(Ineligible::OwnAccount));
        alice.services = [Scope::Service(other)].into();
        assert_eq!(may(&alice, &foreign), Err(Ineligible::OtherService));
        alice.services.clear();
        assert_eq!(may(&alice, &foreign), Err(Ineligible::OtherService));
    }

    fn under_iam(id: &str, principal: &str) -> Approver {
        let principal = format!("arn:aws:sts::111122223333:assumed-role/{principal}");
        Approver {
            iam_principal: Some(principal.parse().unwrap()),
            ..approver(id, None)
        }
    }

    #[test]
    fn one_person_entered_twice_is_one_person() {
        let mail = |id: &str| approver(id, None);
        let table = [
            (
                approver("alice@example.com", Some("U0ALICE")),
                approver("a.smith@example.com", Some("U0ALICE")),
                true,
            ),
            (
                approver("alice@example.com", Some("U0ALICE")),
                approver("bob@example.com", Some("U0BOB")),
                false,
            ),
            (mail("alice@example.com"), mail("bob@example.com"), false),
            (
                mail("alice@example.com"),
                mail("alice+gatekeeper@example.com"),
                true,
            ),
            (
                mail("alice+a@example.com"),
                mail("alice+b+c@example.com"),
                true,
            ),
            (mail("alice+@example.com"), mail("alice@example.com"), true),
            (mail("alice@example.com"), mail("alice@example.org"), false),
            (
                mail("alice+x@example.com"),
                mail("alicex@example.com"),
                false,
            ),
            (mail("a.lice@example.com"), mail("alice@example.com"), false),
            // Nobody's name is empty.
            (mail("+alice@example.com"), mail("+bob@example.com"), false),
            (
                under_iam("alice@example.com", "Approver/alice"),
                under_iam("a.smith@example.com", "approver/Alice"),
                true,
            ),
            (
                under_iam("alice@example.com", "Approver/*"),
                under_iam("a.smith@example.com", "Approver/*"),
                true,
            ),
            // They overlap, and may be two people.
            (
                under_iam("alice@example.com", "Approver/alice"),
                under_iam("bob@example.com", "Approver/*"),
                false,
            ),
        ];
        for (one, other, expected) in table {
            assert_eq!(one.is(&other), expected, "{} and {}", one.id, other.id);
            assert_eq!(other.is(&one), expected, "{} and {}", other.id, one.id);
            assert!(one.is(&one));
            let all = [one.clone(), other.clone()];
            assert_eq!(people(&[&one, &other], &all), if expected { 1 } else { 2 });
            assert_eq!(entered_twice(&all).len(), usize::from(expected));
        }
        assert_eq!(people(&[], &[]), 0);
        assert!(entered_twice(&[]).is_empty());
    }

    #[test]
    fn whoever_is_the_same_as_one_who_is_the_same_is_one_person() {
        // Alice's two items have nothing in common but what a third one has of each.
        let mail = approver("alice@example.com", None);
        let chat = approver("a.smith@example.com", Some("U0ALICE"));
        let both = approver("alice+slack@example.com", Some("U0ALICE"));
        let bob = approver("bob@example.com", None);
        let all = [bob.clone(), mail.clone(), both.clone(), chat.clone()];
        assert!(!mail.is(&chat));
        assert_eq!(
            people(&[&mail, &chat], &all),
            1,
            "though it is not among them"
        );
        assert_eq!(people(&[&mail, &chat, &bob, &both], &all), 2);
        let ids = |names: [&str; 3]| names.map(|name| name.parse().unwrap()).to_vec();
        let twice = ids([
            "a.smith@example.com",
            "alice+slack@example.com",
            "alice@example.com",
        ]);
        assert_eq!(entered_twice(&all), [twice].into());
    }

    #[test]
    fn what_bars_a_person_under_one_name_bars_them_under_all() {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let other = "vpce-svc-00000000000000001".parse().unwrap();
        let (theirs, foreign) = (
            "000000000009".parse().unwrap(),
            "000000000002".parse().unwrap(),
        );
        let mut mail = approver("alice@example.com", None);
        mail.services = [Scope::Service(other)].into();
        mail.own_accounts = ["000000000009".parse().unwrap()].into();
        let mut tagged = approver("alice+it@example.com", None);
        tagged.own_accounts.clear();
        let all = [mail.clone(), tagged.clone()];
        // What they may, they may under the item that says so.
        assert_eq!(may_decide(&tagged, &all, &service, &foreign), Ok(()));
        assert_eq!(
            may_decide(&mail, &all, &service, &foreign),
            Err(Ineligible::OtherService)
        );
        assert_eq!(
            may_decide(&tagged, &all, &service, &theirs),
            Err(Ineligible::OwnAccount)
        );
    }

    #[test]
    fn ids_are_read_strictly() {
        for good in [
            "alice@example.com",
            "a.b-c_d+e@sub.example.co",
            "x@1.example",
        ] {
            assert_eq!(good.parse::<ApproverId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "alice@example",
            "Alice@example.com",
            "alice@example.com ",
            "a(b@example.com",
            "a@b@example.com",
            "alice@example..com",
            "\u{430}lice@example.com",
        ] {
            assert!(bad.parse::<ApproverId>().is_err(), "{bad:?}");
        }
        assert!("U0123ABCD".parse::<SlackUserId>().is_ok());
        assert!("C0123ABCD".parse::<SlackChannelId>().is_ok());
        for bad in ["", "U", "u0123abcd", "#general", "C0123 BCD", "B0123ABCD"] {
            assert!(bad.parse::<SlackUserId>().is_err(), "{bad:?}");
            assert!(bad.parse::<SlackChannelId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_stands_for_those_it_names_and_for_nobody_else() {
        let table = [
            (
                "assumed-role/Approver/alice",
                "assumed-role/Approver/alice",
                true,
            ),
            (
                "assumed-role/Approver/alice",
                "assumed-role/Approver/alice2",
                false,
            ),
            (
                "assumed-role/Approver/alice",
                "assumed-role/Approver/Alice",
                false,
            ),
            ("assumed-role/Approver/*", "assumed-role/Approver/bob", true),
            ("assumed-role/Approver/*", "assumed-role/Approver/", true),
            (
                "assumed-role/Approver/*",
                "assumed-role/ApproverX/bob",
                false,
            ),
            ("assumed-role/*/alice", "assumed-role/A/alice", true),
            ("assumed-role/*/alice", "assumed-role/A/alice/bob", false),
            (
                "assumed-role/*_Ok_*/alice",
                "assumed-role/x_Ok_1/alice",
                true,
            ),
            (
                "assumed-role/*_Ok_*/alice",
                "assumed-role/x_No_1/alice",
                false,
            ),
            ("assumed-role/aa*aa", "assumed-role/aaa", false),
        ];
        for (pattern, name, expected) in table {
            let pattern: PrincipalPattern = format!("arn:aws:sts::111122223333:{pattern}")
                .parse()
                .unwrap();
            let arn = format!("arn:aws:sts::111122223333:{name}");
            assert_eq!(pattern.matches(&arn), expected, "{pattern} × {arn}");
            let elsewhere = format!("arn:aws:sts::444455556666:{name}");
            assert!(
                !pattern.matches(&elsewhere),
                "another account is somebody else"
            );
        }
        for bad in [
            "*",
            "arn:aws:sts::*:assumed-role/Approver/alice",
            "arn:aws:sts::111122223333:*",
            "arn:aws:s3:::bucket/key",
            "arn:aws:iam::111122223333:root",
            "arn:*:sts::111122223333:assumed-role/Approver/alice",
        ] {
            assert!(bad.parse::<PrincipalPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_may_hold_what_mail_systems_take_and_its_wrong_character_is_named() {
        for good in [
            "alice@example.com",
            "o'brien@example.com",
            "alice.b-c_d+e@mail.example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "1@2.example",
        ] {
            assert_eq!(good.parse::<ApproverId>().unwrap().as_str(), good);
        }
        let long = format!("{}@example.com", "a".repeat(117));
        let cases = [
            ("", "there is no @ in it"),
            ("alice", "there is no @ in it"),
            (
                "Alice@example.com",
                "'A' is upper case: write it in lower case",
            ),
            (
                "alice@Example.com",
                "'E' is upper case: write it in lower case",
            ),
            (
                "\"al ice\"@example.com",
                "a name in quotation marks cannot be used",
            ),
            ("al ice@example.com", "' ' cannot stand before the @"),
            (" alice@example.com", "' ' cannot stand before the @"),
            ("al(ice@example.com", "'(' cannot stand before the @"),
            ("al,ice@example.com", "',' cannot stand before the @"),
            ("al;ice@example.com", "';' cannot stand before the @"),
            ("al:ice@example.com", "':' cannot stand before the @"),
            ("al\\ice@example.com", "'\\\\' cannot stand before the @"),
            ("<alice@example.com>", "'<' cannot stand before the @"),
            ("mailto:alice@example.com", "':' cannot stand before the @"),
            ("alice@home@example.com", "'@' cannot stand before the @"),
            ("jürgen@example.com", "'ü' cannot stand before the @"),
            (
                "al\u{200b}ice@example.com",
                "'\\u{200b}' cannot stand before the @",
            ),
            ("@example.com", "nothing stands before the @"),
            (
                ".alice@example.com",
                "a dot stands between two other characters",
            ),
            (
                "alice.@example.com",
                "a dot stands between two other characters",
            ),
            (
                "al..ice@example.com",
                "a dot stands between two other characters",
            ),
            ("alice@", "after the @ stands a domain such as example.com"),
            (
                "alice@localhost",
                "after the @ stands a domain such as example.com",
            ),
            (
                "alice@example..com",
                "after the @ stands a domain such as example.com",
            ),
            (
                "alice@example.com.",
                "after the @ stands a domain such as example.com",
            ),
            ("alice@exa_mple.com", "'_' cannot stand after the @"),
            ("alice@example.com ", "' ' cannot stand after the @"),
            ("alice@example.com\n", "'\\n' cannot stand after the @"),
            ("alice@[192.0.2.1]", "'[' cannot stand after the @"),
            (long.as_str(), "it is longer than 128 characters"),
        ];
        for (bad, expected) in cases {
            let said = bad.parse::<ApproverId>().unwrap_err().to_string();
            assert!(said.contains(expected), "{bad:?}: {said}");
            assert!(
                said.len() < 400 && !said.contains(char::is_control),
                "{said}"
            );
        }
    }
}
