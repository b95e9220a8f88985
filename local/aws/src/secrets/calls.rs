//! The operation.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Request, errors};
use crate::error::AwsError;
use crate::json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// "If you don't specify either a `VersionStage` or `VersionId`, then Secrets Manager returns the `AWSCURRENT`
/// version"; with both, "the two parameters must refer to the same secret version".
pub(crate) fn get_value(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: GetSecretValue = req.input()?;
    let id = input.secret_id.filter(|id| !id.is_empty());
    let id = id.ok_or_else(errors::no_id)?;
    let (account, region) = (&req.secrets.0.account, &req.secrets.0.region);
    let store = req.secrets.store();
    // A secret of another account is only found by its ARN, and resource policies are not modelled.
    let own = req.caller.account == *account;
    let found = store
        .get(&id)
        .filter(|_| req.caller.region == *region && (own || id.starts_with("arn:")));
    let secret = found.ok_or_else(errors::no_secret)?;
    if !own {
        let permission = "secretsmanager:GetSecretValue";
        return Err(json::unauthorized(&req.caller.arn, permission, &secret.arn));
    }
    let stage = match (&input.version_stage, &input.version_id) {
        (None, None) => Some("AWSCURRENT"),
        (stage, _) => stage.as_deref(),
    };
    let wanted = |found: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == found);
    let version = secret.versions().find(|(label, version)| {
        wanted(label, stage) && wanted(&version.id, input.version_id.as_deref())
    });
    let (label, version) = version.ok_or_else(|| match (stage, &input.version_id) {
        (Some(_), Some(_)) => errors::not_the_same_version(),
        (_, Some(id)) => errors::no_version("VersionId", id),
        (stage, None) => errors::no_version("staging label", stage.unwrap_or_default()),
    })?;
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "SecretString": version.value,
        "VersionStages": [label],
        "CreatedDate": version.created.as_duration().as_secs_f64(),
    }))
}
