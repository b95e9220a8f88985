/// The caller, as AWS takes it from the signature. Signatures are not checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The Region that the call was signed for.
    pub region: String,
    /// The access key id; for a caller made with [`Caller::new`], the account.
    pub access_key: String,
    /// The IAM principal, as CloudTrail names it in `userIdentity.arn`.
    pub arn: String,
}

impl Caller {
    /// The user `local` of an account, in a Region.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        let account = account.into();
        Self {
            region: region.into(),
            access_key: account.clone(),
            arn: format!("arn:aws:iam::{account}:user/local"),
            account,
        }
    }

    /// The same caller under another IAM principal.
    #[must_use]
    pub fn with_arn(mut self, arn: impl Into<String>) -> Self {
        self.arn = arn.into();
        self
    }

    /// From a Signature Version 4 header: `… Credential=AKID/date/region/service/aws4_request, …`. An access key
    /// id of 12 digits is the account itself; any other belongs to the default account.
    pub(crate) fn from_authorization(header: &str, account: &str, region: &str) -> Self {
        let credential = header
            .split_once("Credential=")
            .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default())
            .unwrap_or_default();
        let mut parts = credential.split('/');
        let access_key = parts.next().unwrap_or_default();
        let scope = parts.nth(1).filter(|scope| !scope.is_empty());
        let account = if is_account(access_key) {
            access_key
        } else {
            account
        };
        let mut caller = Self::new(account, scope.unwrap_or(region));
        if !access_key.is_empty() {
            caller.access_key = access_key.to_owned();
        }
        caller
    }
}

/// 12 digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn the_credential_names_account_and_region() {
        let cases = [
            (
                "AWS4-HMAC-SHA256 Credential=012345678901/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0",
                ("012345678901", "eu-west-1", "012345678901"),
            ),
            (
                "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-west-2/ec2/aws4_request,Signature=0",
                ("999999999999", "us-west-2", "AKIAEXAMPLE"),
            ),
            ("", ("999999999999", "us-east-1", "999999999999")),
            ("Bearer x", ("999999999999", "us-east-1", "999999999999")),
        ];
        for (header, (account, region, key)) in cases {
            let caller = Caller::from_authorization(header, "999999999999", "us-east-1");
            assert_eq!(
                (
                    caller.account.as_str(),
                    caller.region.as_str(),
                    caller.access_key.as_str()
                ),
                (account, region, key),
                "{header}"
            );
        }
    }
}
