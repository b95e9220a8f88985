//! Ids as types: no raw string passes an entry of the product.
//!
//! Each parses with [`FromStr`](std::str::FromStr) and says in one sentence what is wrong with what it was given.

use std::collections::BTreeSet;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}{}", .problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default())]
pub struct InvalidId {
    given: String,
    expected: &'static str,
    /// Which part of it is wrong, where that is known.
    problem: Option<String>,
}

impl InvalidId {
    pub(crate) fn new(given: &str, expected: &'static str) -> Self {
        // An event may carry anything in an id's place: an error must not grow with it.
        const SHOWN: usize = 80;
        let mut shown: String = given.chars().take(SHOWN).collect();
        if given.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self {
            given: shown,
            expected,
            problem: None,
        }
    }

    /// Which part of the text is wrong, where that is known.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The same, with the part that is wrong.
    pub(crate) fn because(self, problem: Option<String>) -> Self {
        Self { problem, ..self }
    }
}

/// Declares a text newtype that holds only what `$valid` lets through. `$problem` may say which part of a text
/// is wrong.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $valid:path, $expected:literal $(, $problem:path)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What it must be, in words.
            pub const EXPECTED: &'static str = $expected;

            /// The id as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::InvalidId;

            fn from_str(text: &str) -> Result<Self, $crate::ids::InvalidId> {
                if $valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::ids::InvalidId::new(text, $expected)$(.because($problem(text)))?)
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ids::InvalidId;

            fn try_from(text: String) -> Result<Self, $crate::ids::InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use id;

id!(
    /// An AWS account: twelve digits as text, because a leading zero matters.
    AccountId,
    is_account,
    "an AWS account id: 12 digits, leading zeros included"
);
id!(
    /// The provider's endpoint service, `vpce-svc-…`.
    ServiceId,
    is_service,
    "an endpoint service id: vpce-svc- and 8 or 17 lower-case hex digits"
);
id!(
    /// A consumer's VPC endpoint, `vpce-…`.
    EndpointId,
    is_endpoint,
    "a VPC endpoint id: vpce- and 8 or 17 lower-case hex digits"
);
id!(
    /// An AWS Region such as `eu-central-1` or `us-gov-west-1`.
    Region,
    is_region,
    "an AWS Region such as eu-central-1"
);
id!(
    /// A branch of an AWS Organization, written as IAM writes `aws:PrincipalOrgPaths` and ending in
    /// `/*`: the organizational unit itself and all below it.
    OrgPath,
    is_org_path,
    "an Organizations path: o-…/r-…/ou-…/* (or o-…/* or o-…/r-…/*)"
);
id!(
    /// An approver's id: an e-mail address, in lower case, so that one person is not two.
    ApproverId,
    is_email,
    "an e-mail address in lower case, such as alice@example.com",
    email_problem
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
    /// The ARN of an IAM or STS principal, such as `arn:aws:iam::123456789012:user/name`.
    PrincipalArn,
    is_principal,
    "the ARN of an IAM or STS principal, such as arn:aws:iam::123456789012:user/name"
);

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_service(text: &str) -> bool {
    text.strip_prefix("vpce-svc-").is_some_and(is_short_hex)
}

fn is_endpoint(text: &str) -> bool {
    text.strip_prefix("vpce-").is_some_and(is_short_hex)
}

/// AWS gives out 17 digits today and gave 8 before; emulators give 8. EC2 calls any other number malformed,
/// and refuses whatever call has such an id in it.
fn is_short_hex(text: &str) -> bool {
    matches!(text.len(), 8 | 17) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, names)) = parts.split_last() else {
        return false;
    };
    text.len() <= 32
        && names.len() >= 2
        && names
            .iter()
            .all(|name| name.len() >= 2 && name.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_org_path(text: &str) -> bool {
    let Some(path) = text.strip_suffix("/*") else {
        return false;
    };
    let mut segments = path.split('/');
    let organization = segments.next().is_some_and(|s| is_segment(s, "o-", false));
    let root = segments.next().is_none_or(|s| is_segment(s, "r-", false));
    organization && root && segments.all(|s| is_segment(s, "ou-", true))
}

fn is_segment(text: &str, prefix: &str, dashes: bool) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=68).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || (dashes && b == b'-'))
    })
}

impl OrgPath {
    /// How many levels the path names: the more, the more specific.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }

    /// Whether an account that sits at `place` is in this branch. Both are whole segments, so
    /// `ou-ab12-1111` does not cover `ou-ab12-11112222`.
    #[must_use]
    pub fn covers(&self, place: &OrgPath) -> bool {
        let branch = self.0.strip_suffix('*').unwrap_or(&self.0);
        place.0.starts_with(branch)
    }

    /// This path and every branch above it, the longest first: all the paths an allowlist entry
    /// could name to cover an account that sits here.
    #[must_use]
    pub fn branches(&self) -> Vec<OrgPath> {
        let path = self.0.strip_suffix("/*").unwrap_or(&self.0);
        let mut branches = vec![self.clone()];
        let mut rest = path;
        while let Some((above, _)) = rest.rsplit_once('/') {
            branches.push(OrgPath(format!("{above}/*")));
            rest = above;
        }
        branches
    }
}

impl ServiceId {
    /// Finds a service id anywhere in a text, for instance in the service name
    /// `com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0`.
    #[must_use]
    pub fn find_in(text: &str) -> Option<ServiceId> {
        find_all(text).find_map(|word| word.parse().ok())
    }
}

impl EndpointId {
    /// Every endpoint id in a text, in order, each once. Words that only look like one, such as
    /// `vpce-svc-…`, `vpce-nfn-…` and `vpce-con-…`, are not taken for one.
    #[must_use]
    pub fn find_all_in(text: &str) -> Vec<EndpointId> {
        let mut known = BTreeSet::new();
        find_all(text)
            .filter_map(|word| word.parse::<EndpointId>().ok())
            .filter(|id| known.insert(id.clone()))
            .collect()
    }
}

/// The words of a text that start like a PrivateLink id. An id ends where no letter, digit or dash
/// follows, so a longer word is never cut down to something that happens to be valid.
fn find_all(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("vpce-"))
}

/// Longer than any that IAM gives out: a name goes on record and must not bloat it.
const LONGEST_ARN: usize = 1024;

fn is_email(text: &str) -> bool {
    email_problem(text).is_none()
}

/// What may stand before the @ besides lower-case letters, digits and dots: RFC 5322 calls it atext.
const MARKS: &str = "!#$%&'*+-/=?^_`{|}~";

/// What is wrong with an e-mail address; `None` if nothing is. Upper case is refused so that one person is not two.
fn email_problem(text: &str) -> Option<String> {
    const LONGEST: usize = 128;
    let Some((user, host)) = text.rsplit_once('@') else {
        return Some("there is no @ in it".to_owned());
    };
    if let Some(upper) = text.chars().find(char::is_ascii_uppercase) {
        return Some(format!("{upper:?} is upper case: write it in lower case"));
    }
    if user.starts_with('"') {
        return Some("a name in quotation marks cannot be used".to_owned());
    }
    let is_allowed =
        |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '.' || MARKS.contains(*c);
    if let Some(wrong) = user.chars().find(|c| !is_allowed(c)) {
        return Some(format!(
            "{wrong:?} cannot stand before the @: write a to z, 0 to 9, dots and {MARKS} only"
        ));
    }
    if user.is_empty() {
        return Some("nothing stands before the @".to_owned());
    }
    if user.split('.').any(str::is_empty) {
        return Some("before the @, a dot stands between two other characters".to_owned());
    }
    let is_in_host = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(*c);
    if let Some(wrong) = host.chars().find(|c| !is_in_host(c)) {
        return Some(format!(
            "{wrong:?} cannot stand after the @: write a to z, 0 to 9, dots and - only"
        ));
    }
    if !host.contains('.') || host.split('.').any(str::is_empty) {
        return Some("after the @ stands a domain such as example.com".to_owned());
    }
    (text.len() > LONGEST).then(|| format!("it is longer than {LONGEST} characters"))
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

fn is_principal(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, name] = parts.as_slice() else {
        return false;
    };
    *arn == "arn"
        && (*partition == "aws" || partition.starts_with("aws-"))
        && matches!(*service, "iam" | "sts")
        && region.is_empty()
        && account.parse::<AccountId>().is_ok()
        && !name.is_empty()
        && text.len() <= LONGEST_ARN
        && text.bytes().all(|c| c.is_ascii_graphic())
}

impl PrincipalArn {
    /// The account that the principal belongs to.
    #[must_use]
    pub fn account(&self) -> &str {
        self.as_str().split(':').nth(4).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_twelve_digits_and_keep_their_zeros() {
        assert_eq!(
            "001234567890".parse::<AccountId>().unwrap().as_str(),
            "001234567890"
        );
        for bad in [
            "",
            "1234567890",
            "1234567890123",
            "12345678901a",
            " 12345678901",
            "१२३४५६७८९०१२",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "12345".parse::<AccountId>().unwrap_err().to_string(),
            r#""12345" is not an AWS account id: 12 digits, leading zeros included"#
        );
    }

    #[test]
    fn service_and_endpoint_ids_cannot_be_mixed_up() {
        for good in ["vpce-svc-0a1b2c3d", "vpce-svc-0a1b2c3d4e5f60718"] {
            assert!(good.parse::<ServiceId>().is_ok(), "{good}");
            assert!(good.parse::<EndpointId>().is_err(), "{good}");
        }
        for good in ["vpce-0a1b2c3d", "vpce-0a1b2c3d4e5f60718"] {
            assert!(good.parse::<EndpointId>().is_ok(), "{good}");
            assert!(good.parse::<ServiceId>().is_err(), "{good}");
        }
        for digits in [1, 7, 9, 10, 12, 15, 16, 18, 32] {
            let id = "a".repeat(digits);
            assert!(format!("vpce-{id}").parse::<EndpointId>().is_err());
            assert!(format!("vpce-svc-{id}").parse::<ServiceId>().is_err());
        }
        for bad in [
            "vpce-",
            "vpce-0a1b2c3",
            "vpce-0a1b2c3d4e5f607189",
            "vpce-0A1B2C3D",
            "vpce-0a1b2c3g",
            "vpce-0a1b2c3d\n",
            "xvpce-0a1b2c3d",
        ] {
            assert!(bad.parse::<EndpointId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn regions() {
        for good in [
            "us-east-1",
            "eu-central-1",
            "us-gov-west-1",
            "ap-southeast-7",
            "us-isob-east-1",
        ] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "us-east",
            "useast1",
            "US-EAST-1",
            "us-east-1a",
            "us--1",
            "-1",
            "eu-central-100",
        ] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn organizations_paths() {
        for good in [
            "o-a1b2c3d4e5/*",
            "o-a1b2c3d4e5/r-ab12/*",
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*",
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/*",
        ] {
            assert!(good.parse::<OrgPath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "o-a1b2c3d4e5",
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111",
            "o-a1b2c3d4e5/ou-ab12-11111111/*",
            "r-ab12/*",
            "o-A/r-ab12/*",
            "o-a1b2c3d4e5//*",
        ] {
            assert!(bad.parse::<OrgPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_branch_covers_itself_and_below_by_whole_segments() {
        let path = |text: &str| text.parse::<OrgPath>().unwrap();
        let branch = path("o-1/r-ab12/ou-ab12-1111/*");
        assert!(branch.covers(&path("o-1/r-ab12/ou-ab12-1111/*")));
        assert!(branch.covers(&path("o-1/r-ab12/ou-ab12-1111/ou-ab12-2222/*")));
        assert!(!branch.covers(&path("o-1/r-ab12/ou-ab12-11112222/*")));
        assert!(!branch.covers(&path("o-1/r-ab12/*")));
        let branches: Vec<String> = branch.branches().into_iter().map(String::from).collect();
        assert_eq!(
            branches,
            ["o-1/r-ab12/ou-ab12-1111/*", "o-1/r-ab12/*", "o-1/*"]
        );
    }

    #[test]
    fn ids_are_found_in_any_text() {
        let text = r#"{"a":"arn:aws:ec2:::vpc-endpoint/vpce-0123456789abcdef0","b":"vpce-nfn-0123456789abcdef0",
            "n":"com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718","again":"vpce-0123456789abcdef0",
            "long":"vpce-0123456789abcdef01234"}"#;
        assert_eq!(
            ServiceId::find_in(text).unwrap().as_str(),
            "vpce-svc-0a1b2c3d4e5f60718"
        );
        assert_eq!(
            EndpointId::find_all_in(text),
            ["vpce-0123456789abcdef0".parse().unwrap()]
        );
        assert_eq!(EndpointId::find_all_in("not json"), []);
        // A multi-byte character beside an id must not be cut in two.
        assert_eq!(EndpointId::find_all_in("é vpce-0a1b2c3dé").len(), 1);
    }

    #[test]
    fn an_error_does_not_grow_with_its_input() {
        let error = "x".repeat(100_000).parse::<AccountId>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
