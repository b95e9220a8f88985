//! Recognizes AWS CloudTrail's records of our own calls.

use gatekeeper_core::ids::AccountId;
use serde_json::Value;

/// The IAM roles that this deployment calls EC2 with.
///
/// Their accepts and rejects come back as CloudTrail events, and must not be mistaken for somebody
/// else's decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnRoles(Vec<Role>);

/// A text that is not the ARN of an IAM role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of an IAM role, such as arn:aws:iam::123456789012:role/path/name")]
pub struct InvalidRoleArn(String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    arn: String,
    partition: String,
    account: AccountId,
    /// The name without the path, because the ARN of a session does not have the path. A name is
    /// unique in its account, so it identifies the role.
    name: String,
}

impl OwnRoles {
    /// Parses the ARNs of roles, `arn:aws:iam::123456789012:role/path/name`. The list may be empty:
    /// then every call is somebody else's.
    ///
    /// # Errors
    /// [`InvalidRoleArn`] for the first text that is not one.
    pub fn parse<'a>(arns: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidRoleArn> {
        let roles = arns.into_iter().map(|arn| {
            Role::parse(arn).ok_or_else(|| InvalidRoleArn(arn.chars().take(200).collect()))
        });
        Ok(Self(roles.collect::<Result<_, _>>()?))
    }

    /// Whether this is the account of the deployment, which is that of its roles. Without roles it
    /// is unknown, and no account is.
    pub(super) fn are_of(&self, account: &str) -> bool {
        self.0.iter().any(|role| role.account.as_str() == account)
    }

    /// Whether the `userIdentity` of a CloudTrail record is a session of one of these roles.
    pub(super) fn made(&self, user_identity: &Value) -> bool {
        let issuer = user_identity
            .pointer("/sessionContext/sessionIssuer/arn")
            .and_then(Value::as_str);
        let session = user_identity
            .get("arn")
            .and_then(Value::as_str)
            .and_then(Session::parse);
        self.0.iter().any(|role| {
            issuer == Some(role.arn.as_str())
                || session.as_ref().is_some_and(|session| {
                    session.partition == role.partition
                        && session.account == role.account.as_str()
                        && session.role == role.name
                })
        })
    }
}

impl Role {
    fn parse(arn: &str) -> Option<Self> {
        let (partition, account, resource) = arn_of("iam", arn)?;
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        let named = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
        named.then_some(Self {
            arn: arn.to_owned(),
            partition: partition.to_owned(),
            account: account.parse().ok()?,
            name: name.to_owned(),
        })
    }
}

struct Session<'a> {
    partition: &'a str,
    account: &'a str,
    role: &'a str,
}

impl<'a> Session<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        let (partition, account, resource) = arn_of("sts", arn)?;
        let (role, _session) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
        Some(Self {
            partition,
            account,
            role,
        })
    }
}

/// Partition, account and resource of an ARN, for services without a Region in their ARNs.
fn arn_of<'a>(service: &str, arn: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let (account, resource) = rest
        .strip_prefix(service)?
        .strip_prefix("::")?
        .split_once(':')?;
    let known = partition == "aws" || partition.starts_with("aws-");
    known.then_some((partition, account, resource))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own(arn: &str) -> OwnRoles {
        OwnRoles::parse([arn]).unwrap()
    }

    #[test]
    fn a_session_of_the_role_is_recognised_by_issuer_or_by_its_own_arn() {
        let roles = OwnRoles::parse([
            "arn:aws:iam::111122223333:role/gatekeeper/prod/connections",
            "arn:aws-us-gov:iam::111122223333:role/reconcile",
        ])
        .unwrap();
        for ours in [
            json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"type": "Role",
                "arn": "arn:aws:iam::111122223333:role/gatekeeper/prod/connections"}}}),
            json!({"arn": "arn:aws:sts::111122223333:assumed-role/connections/gatekeeper-connections"}),
            json!({"arn": "arn:aws-us-gov:sts::111122223333:assumed-role/reconcile/x"}),
        ] {
            assert!(roles.made(&ours), "{ours}");
        }
        for theirs in [
            json!(null),
            json!({}),
            json!("arn:aws:sts::111122223333:assumed-role/connections/x"),
            json!({"arn": "arn:aws:sts::444455556666:assumed-role/connections/x"}),
            json!({"arn": "arn:aws-cn:sts::111122223333:assumed-role/connections/x"}),
            json!({"arn": "arn:aws:sts::111122223333:assumed-role/connections-2/x"}),
            json!({"arn": "arn:aws:sts::111122223333:assumed-role/Connections/x"}),
            // The caller chooses the name of a session.
            json!({"arn": "arn:aws:sts::111122223333:assumed-role/Admin/connections"}),
            json!({"arn": "arn:aws:sts::111122223333:assumed-role/connections"}),
            json!({"arn": "arn:aws:iam::111122223333:user/connections"}),
            json!({"arn": ["arn:aws:sts::111122223333:assumed-role/connections/x"]}),
            json!({"sessionContext": {"sessionIssuer": {
                "arn": "arn:aws:iam::444455556666:role/gatekeeper/prod/connections"}}}),
        ] {
            assert!(!roles.made(&theirs), "{theirs}");
        }
    }

    #[test]
    fn without_roles_every_call_is_somebody_elses() {
        let identity = json!({"arn": "arn:aws:sts::111122223333:assumed-role/connections/x"});
        assert!(!OwnRoles::default().made(&identity));
        assert_eq!(OwnRoles::parse([]), Ok(OwnRoles::default()));
    }

    #[test]
    fn the_account_is_known_by_the_roles() {
        let roles = own("arn:aws:iam::001122223333:role/connections");
        assert!(roles.are_of("001122223333"));
        for other in ["1122223333", "444455556666", "", "001122223333 "] {
            assert!(!roles.are_of(other), "{other:?}");
        }
        assert!(!OwnRoles::default().are_of(""));
        assert!(!OwnRoles::default().are_of("001122223333"));
    }

    #[test]
    fn role_arns() {
        for good in [
            "arn:aws:iam::001122223333:role/name",
            "arn:aws-cn:iam::111122223333:role/a/b/name_+=,.@-",
            "arn:aws-us-gov:iam::111122223333:role/service-role/name",
        ] {
            own(good);
        }
        for bad in [
            "",
            "name",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/path/",
            "arn:aws:iam::111122223333:user/name",
            "arn:aws:iam::11112222333:role/name",
            "arn:aws:sts::111122223333:assumed-role/name/session",
            "arn:gcp:iam::111122223333:role/name",
            "arn:aws:iam::111122223333:role/na*me",
            " arn:aws:iam::111122223333:role/name",
        ] {
            let error = OwnRoles::parse([bad]).unwrap_err().to_string();
            assert!(error.contains("is not the ARN of an IAM role"), "{error}");
        }
    }
}
