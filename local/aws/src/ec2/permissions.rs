use std::collections::BTreeMap;

use super::errors;
use super::filter::Filters;
use super::service::{PermissionType, Service, ServiceKind, service_id};
use super::world::Request;
use crate::caller::is_account;
use crate::error::AwsError;
use crate::ids::Ids;
use crate::query::Params;
use crate::xml::Xml;

impl PermissionType {
    /// The parameter of this name; the default is `vpc-endpoint`.
    fn of(params: &Params) -> Result<Self, AwsError> {
        match params.filled("PermissionType") {
            None | Some("vpc-endpoint") => Ok(Self::VpcEndpoint),
            Some("transit-gateway-attachment") => Ok(Self::TransitGatewayAttachment),
            Some(other) => Err(errors::invalid_value(
                other,
                "PermissionType",
                "Valid values are vpc-endpoint and transit-gateway-attachment.",
            )),
        }
    }

    /// "Supported only for Gateway Load Balancer endpoint services. You can grant it only to Amazon Web Services
    /// accounts (`arn:aws:iam::account-id:root`)." AWS documents no codes for what breaks that.
    fn takes(self, service: &Service, added: &[String]) -> Result<(), AwsError> {
        if self == Self::VpcEndpoint {
            return Ok(());
        }
        if service.kind != ServiceKind::GatewayLoadBalancer {
            return Err(errors::invalid_parameter(
                "The permission type transit-gateway-attachment is supported only for Gateway Load Balancer endpoint services",
            ));
        }
        match added.iter().find(|principal| !is_root(principal)) {
            Some(principal) => Err(errors::invalid_principal(principal)),
            None => Ok(()),
        }
    }
}

/// The root ARN of an account, in any partition.
fn is_root(principal: &str) -> bool {
    let fields: Vec<&str> = principal.split(':').collect();
    matches!(fields.as_slice(), ["arn", _, "iam", "", account, "root"] if is_account(account))
}

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

/// `*`, an ARN of IAM or Organizations, or an AWS service. An account id stands for its root. "Principal ARNs with path
/// components aren't supported." (EC2's API model)
pub(crate) fn parse(principal: &str) -> Result<String, AwsError> {
    let has_path = matches!(kind(principal), "User" | "Role") && principal.split('/').count() > 2;
    let arn = principal.starts_with("arn:") && principal.split(':').count() >= 6 && !has_path;
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
pub(crate) fn add(
    ids: &Ids,
    service: &mut Service,
    kind: PermissionType,
    principal: &str,
) -> Option<String> {
    let principals = service.principals_mut(kind);
    if principals.contains_key(principal) {
        return None;
    }
    let permission = ids.ec2("vpce-svc-perm-");
    principals.insert(principal.to_owned(), permission.clone());
    Some(permission)
}

/// Lets an account create transit gateway attachments; it may be allowed already.
pub(crate) fn add_attachments_of(
    ids: &Ids,
    service: &mut Service,
    principal: &str,
) -> Result<(), AwsError> {
    let (kind, principal) = (PermissionType::TransitGatewayAttachment, parse(principal)?);
    kind.takes(service, std::slice::from_ref(&principal))?;
    add(ids, service, kind, &principal);
    Ok(())
}

/// One permission, as both lists of them write it.
fn write(
    xml: &mut Xml,
    service_id: &str,
    kind: PermissionType,
    (principal, permission): (&str, &str),
) {
    xml.text("principalType", self::kind(principal));
    xml.text("principal", principal);
    xml.text("servicePermissionId", permission);
    xml.text("serviceId", service_id);
    xml.text("permissionType", kind.as_str());
}

pub(crate) fn modify(req: &Request<'_>) -> Result<String, AwsError> {
    let id = service_id(req.params)?;
    let kind = PermissionType::of(req.params)?;
    let principals = parse_all(&req.params.list("AddAllowedPrincipals"))?;
    let remove = parse_all(&req.params.list("RemoveAllowedPrincipals"))?;
    if principals.is_empty() && remove.is_empty() {
        return Err(errors::missing("AddAllowedPrincipals"));
    }
    let mut store = req.simulator.store();
    let service = store
        .own_service_mut(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    kind.takes(service, &principals)?;
    req.dry_run()?;
    // "This action doesn't affect existing connections" (PrivateLink guide, "Manage permissions").
    for principal in &remove {
        service.principals_mut(kind).remove(principal);
    }
    let added: Vec<(String, String)> = principals
        .into_iter()
        .filter_map(|principal| {
            let permission = add(req.simulator.ids(), service, kind, &principal)?;
            Some((principal, permission))
        })
        .collect();
    Ok(req.answer(|xml| {
        xml.list(
            "addedPrincipalSet",
            "item",
            added,
            |xml, (principal, permission)| write(xml, id, kind, (&principal, &permission)),
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
    let store = req.simulator.store();
    let service = store
        .own_service(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    req.dry_run()?;
    let of = |kind: PermissionType, principals: &BTreeMap<String, String>| {
        let principals = principals.iter();
        principals
            .map(|(principal, permission)| (kind, principal.clone(), permission.clone()))
            .collect::<Vec<_>>()
    };
    let mut found = of(PermissionType::VpcEndpoint, &service.principals);
    found.extend(of(
        PermissionType::TransitGatewayAttachment,
        &service.attachment_principals,
    ));
    found.retain(|(of_type, principal, _)| {
        filters.all(|filter| match filter.name.as_str() {
            "principal" => filter.has(principal),
            "principal-type" => filter.has(kind(principal)),
            _ => filter.has(of_type.as_str()),
        })
    });
    // A principal can have both; the one for endpoints comes first.
    let place = |(of_type, principal, _): &(PermissionType, String, String)| {
        let second = *of_type == PermissionType::TransitGatewayAttachment;
        format!("{principal} {}", u8::from(second))
    };
    found.sort_by_key(place);
    let (found, token) = page.of(found, place);
    Ok(req.answer(|xml| {
        xml.list(
            "allowedPrincipals",
            "item",
            found,
            |xml, (of_type, principal, permission)| {
                write(xml, id, of_type, (&principal, &permission));
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
        for bad in [
            "bob",
            "arn:aws:iam",
            "arn:aws:iam::012345678901:user/team/a",
            "arn:aws:iam::012345678901:role/aws-service-role/x.amazonaws.com/b",
        ] {
            assert_eq!(parse(bad).unwrap_err().code, "InvalidPrincipal", "{bad}");
        }
    }
}
