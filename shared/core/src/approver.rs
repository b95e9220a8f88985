//! Who may decide a review.
//!
//! An approver is a named person. What they may decide is looked up anew whenever it matters: when a
//! review opens, when they vote, and when the votes are counted.

use std::collections::BTreeSet;

use crate::ids::{AccountId, ServiceId, id};
use crate::policy::Scope;
use crate::request::Request;

id!(
    /// An approver's id: an e-mail address, in lower case, so that one person is not two.
    ApproverId,
    is_email,
    "an approver's id: an e-mail address in lower case, such as alice@example.com"
);
id!(
    /// A Slack user, `U…` or `W…`.
    SlackUserId,
    is_slack_user,
    "a Slack user id: U or W and upper-case letters and digits, such as U0123ABCD"
);
id!(
    /// A Slack channel, `C…` or `G…`; its name will not do, since it can change.
    SlackChannelId,
    is_slack_channel,
    "a Slack channel id: C or G and upper-case letters and digits, such as C0123ABCD (not its name)"
);
id!(
    /// The ARN of an IAM principal as STS names callers, with `*` for any run of characters after the
    /// account: `arn:aws:sts::111122223333:assumed-role/Approver/alice`.
    PrincipalPattern,
    is_principal_pattern,
    "an IAM principal's ARN such as arn:aws:sts::111122223333:assumed-role/Approver/* \
     (service and account written out, * only after them)"
);

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
pub enum Bar {
    /// The service is none of theirs.
    OtherService,
    /// The account is their own.
    OwnAccount,
}

impl Approver {
    /// Whether this person may decide about a consumer's connections to a service.
    ///
    /// # Errors
    /// [`Bar`], what stands against it.
    pub fn may_decide(&self, service: &ServiceId, account: &AccountId) -> Result<(), Bar> {
        if !self.services.iter().any(|scope| scope.covers(service)) {
            return Err(Bar::OtherService);
        }
        if self.own_accounts.contains(account) {
            return Err(Bar::OwnAccount);
        }
        Ok(())
    }

    /// Whether two approvers are one person, entered twice.
    #[must_use]
    pub fn is(&self, other: &Approver) -> bool {
        self.id == other.id
            || (self.slack_user_id.is_some() && self.slack_user_id == other.slack_user_id)
    }
}

/// Those of all approvers who may decide a request.
#[must_use]
pub fn deciders<'a>(approvers: &'a [Approver], request: &Request) -> Vec<&'a Approver> {
    let may = |approver: &&Approver| {
        approver
            .may_decide(&request.service_id, &request.account_id)
            .is_ok()
    };
    approvers.iter().filter(may).collect()
}

/// How many different people these are.
#[must_use]
pub fn people(approvers: &[&Approver]) -> u32 {
    let mut people: Vec<&Approver> = Vec::new();
    for approver in approvers {
        if !people.iter().any(|person| person.is(approver)) {
            people.push(approver);
        }
    }
    u32::try_from(people.len()).unwrap_or(u32::MAX)
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

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else {
        return false;
    };
    // What SNS would refuse anyway, and what would not be safe in a key, a filter or a header.
    let is_plain = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'+');
    text.len() <= 128
        && !user.is_empty()
        && user.bytes().all(is_plain)
        && host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        })
}

fn is_slack_user(text: &str) -> bool {
    is_slack_id(text, &['U', 'W'])
}

fn is_slack_channel(text: &str) -> bool {
    is_slack_id(text, &['C', 'G'])
}

fn is_slack_id(text: &str, kinds: &[char]) -> bool {
    let rest = text.strip_prefix(kinds).unwrap_or_default();
    (2..=30).contains(&rest.len())
        && rest
            .bytes()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
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
        assert_eq!(alice.may_decide(&service, &foreign), Ok(()));
        assert_eq!(alice.may_decide(&service, &own), Err(Bar::OwnAccount));
        alice.services = [Scope::Service(other)].into();
        assert_eq!(alice.may_decide(&service, &foreign), Err(Bar::OtherService));
        alice.services.clear();
        assert_eq!(alice.may_decide(&service, &foreign), Err(Bar::OtherService));
    }

    #[test]
    fn one_person_entered_twice_is_one_person() {
        let alice = approver("alice@example.com", Some("U0ALICE"));
        let again = approver("a.smith@example.com", Some("U0ALICE"));
        let bob = approver("bob@example.com", None);
        let carol = approver("carol@example.com", None);
        assert!(alice.is(&again) && !bob.is(&carol));
        assert_eq!(people(&[&alice, &again, &bob, &carol]), 3);
        assert_eq!(people(&[]), 0);
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
            "a#b@example.com",
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
}
