use super::filter::Filters;
use super::service::{Service, service_id};
use super::{Request, errors};
use crate::caller::is_account;
use crate::error::AwsError;
use crate::ids::Ids;

/// The type that AWS gives a principal.
fn kind(principal: &str) -> &'static str {
    let resource = principal.rsplit(':').next().unwrap_or_default();
    match principal {
        "*" => "All",
        _ if principal.starts_with("arn:aws:organizations:") => "OrganizationUnit",
        _ if resource.starts_with("user/") => "User",
        _ if resource.starts_with("role/") => "Role",
        _ if principal.ends_with(".amazonaws.com") => "Service",
        _ => "Account",
    }
}

/// `*`, an ARN of IAM or Organizations, or an AWS service. An account id stands for its root.
pub(crate) fn parse(principal: &str) -> Result<String, AwsError> {
    let arn = principal.starts_with("arn:") && principal.split(':').count() >= 6;
    if is_account(principal) {
        Ok(format!("arn:aws:iam::{principal}:root"))
    } else if principal == "*" || arn || principal.ends_with(".amazonaws.com") {
        Ok(principal.to_owned())
    } else {
        Err(errors::invalid_principal(principal))
    }
}

fn parse_all(principals: &[String]) -> Result<Vec<String>, AwsError> {
    principals
        .iter()
        .map(|principal| parse(principal))
        .collect()
}

/// Adds a permission, if it is not there, and answers its id.
pub(crate) fn add(ids: &Ids, service: &mut Service, principal: &str) -> Option<String> {
    if service.principals.contains_key(principal) {
        return None;
    }
    let permission = ids.ec2("vpce-svc-perm-");
    service
        .principals
        .insert(principal.to_owned(), permission.clone());
    Some(permission)
}

pub(crate) fn modify(req: &Request<'_>) -> Result<String, AwsError> {
    let id = service_id(req.params)?;
    let principals = parse_all(&req.params.list("AddAllowedPrincipals"))?;
    let remove = parse_all(&req.params.list("RemoveAllowedPrincipals"))?;
    if principals.is_empty() && remove.is_empty() {
        return Err(errors::missing("AddAllowedPrincipals"));
    }
    let mut store = req.ec2.store();
    let service = store
        .own_service_mut(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    req.dry_run()?;
    // "This action doesn't affect existing connections" (PrivateLink guide, "Manage permissions").
    for principal in &remove {
        service.principals.remove(principal);
    }
    let added: Vec<(String, String)> = principals
        .into_iter()
        .filter_map(|principal| {
            let permission = add(req.ec2.ids(), service, &principal)?;
            Some((principal, permission))
        })
        .collect();
    Ok(req.answer(|xml| {
        xml.list(
            "addedPrincipalSet",
            "item",
            added,
            |xml, (principal, permission)| {
                xml.text("principalType", kind(&principal));
                xml.text("principal", principal);
                xml.text("servicePermissionId", permission);
                xml.text("serviceId", id);
                xml.text("permissionType", "vpc-endpoint");
            },
        );
        xml.text("return", true);
    }))
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let id = service_id(req.params)?;
    let filters = Filters::parse(
        req.params,
        &["principal", "principal-type", "permission-type"],
    )?;
    let page = req.page("DescribeVpcEndpointServicePermissions")?;
    let store = req.ec2.store();
    let service = store
        .own_service(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    req.dry_run()?;
    let principals: Vec<_> = service
        .principals
        .iter()
        .filter(|(principal, _)| {
            filters.all(|filter| match filter.name.as_str() {
                "principal" => filter.has(principal),
                "principal-type" => filter.has(kind(principal)),
                _ => filter.has("vpc-endpoint"),
            })
        })
        .collect();
    let (principals, token) = page.of(principals, |(principal, _)| (*principal).clone());
    Ok(req.answer(|xml| {
        xml.list(
            "allowedPrincipals",
            "item",
            principals,
            |xml, (principal, permission)| {
                xml.text("principalType", kind(principal));
                xml.text("principal", principal);
                xml.text("servicePermissionId", permission);
                xml.text("serviceId", id);
                xml.text("permissionType", "vpc-endpoint");
            },
        );
        xml.optional("nextToken", token);
    }))
}

#[cfg(test)]
mod tests {
    use super::{kind, parse};

    #[test]
    fn principals() {
        for (principal, expected) in [
            ("*", "All"),
            ("arn:aws:iam::012345678901:root", "Account"),
            ("arn:aws:iam::012345678901:user/a", "User"),
            ("arn:aws:iam::012345678901:role/a", "Role"),
            (
                "arn:aws:organizations::012345678901:ou/o-1/ou-1",
                "OrganizationUnit",
            ),
            ("a.amazonaws.com", "Service"),
        ] {
            assert_eq!(kind(principal), expected);
            assert_eq!(parse(principal).unwrap(), principal);
        }
        assert_eq!(
            parse("012345678901").unwrap(),
            "arn:aws:iam::012345678901:root"
        );
        assert_eq!(parse("bob").unwrap_err().code, "InvalidPrincipal");
    }
}
