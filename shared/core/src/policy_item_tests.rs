use super::*;
use crate::approver::{PrincipalPattern, SlackUserId};
use crate::ids::{AccountId, Region};
use crate::written::Shape;

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => match text.strip_prefix('\u{1}') {
            Some(plain) => Value::Plain(plain.to_owned()),
            None => Value::Text(text.clone()),
        },
        Json::Number(number) => Value::Number(number.to_string()),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Null => Value::Null,
        Json::Array(elements) => Value::List(elements.iter().map(value).collect()),
        Json::Object(_) => Value::Map,
    }
}

const WRONG: &[(&str, &str, &str)] = &[
    (
        "entry",
        r##""max_connections": "2""##,
        "max_connections is the text \"2\"; write the number 2",
    ),
    (
        "entry",
        r##""max_connections": " 2""##,
        "max_connections is the text \" 2\"; write the number 2",
    ),
    (
        "entry",
        r##""max_connections": "two""##,
        "max_connections is the text \"two\"; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": """##,
        "max_connections is an empty text; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": -1"##,
        "max_connections is the number -1; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": 2.5"##,
        "max_connections is the number 2.5; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": 99999999999"##,
        "max_connections is the number 99999999999; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": true"##,
        "max_connections is true; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": [2]"##,
        "max_connections is a list; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_connections": {"N": "2"}"##,
        "max_connections is a map; write a whole number from 0 to 1000000",
    ),
    (
        "entry",
        r##""max_conections": 2"##,
        "max_conections is not an attribute of an entry; did you mean max_connections?",
    ),
    (
        "entry",
        r##""maxConnections": 2"##,
        "maxConnections is not an attribute of an entry; did you mean max_connections?",
    ),
    (
        "entry",
        r##""max-connections": 2"##,
        "max-connections is not an attribute of an entry; did you mean max_connections?",
    ),
    (
        "entry",
        r##""limit": 2"##,
        "limit is not an attribute of an entry; take it out, or write one of service_id, rule, max_connections, regions, expires_at, customer, contact, ticket, reason, created_by, imported, purge_at",
    ),
    (
        "entry",
        r##""": 2"##,
        "\"\" is not an attribute of an entry; take it out, or write one of service_id, rule, max_connections, regions, expires_at, customer, contact, ticket, reason, created_by, imported, purge_at",
    ),
    (
        "entry",
        r##""expires": "2027-01-31T00:00:00Z""##,
        "expires is not an attribute of an entry; did you mean expires_at?",
    ),
    (
        "entry",
        r##""expires_at ": "2027-01-31T00:00:00Z""##,
        "\"expires_at \" is not an attribute of an entry; did you mean expires_at?",
    ),
    (
        "entry",
        r##""region": ["eu-central-1"]"##,
        "region is not an attribute of an entry; did you mean regions?",
    ),
    (
        "entry",
        r##""purge": 1"##,
        "purge is not an attribute of an entry; did you mean purge_at?",
    ),
    (
        "entry",
        r##""on_unlisted": "reject""##,
        "on_unlisted is not an attribute of an entry; write it in the service's settings",
    ),
    (
        "entry",
        r##""expires_at": "never""##,
        "expires_at is \"never\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": "None""##,
        "expires_at is \"None\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": """##,
        "expires_at is an empty text; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": 0"##,
        "expires_at is the number 0; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": "0""##,
        "expires_at is \"0\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": -1"##,
        "expires_at is the number -1; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": false"##,
        "expires_at is false; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": true"##,
        "expires_at is true; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "9999-12-31""##,
        "expires_at is \"9999-12-31\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": "9999-12-31T23:59:59Z""##,
        "expires_at is \"9999-12-31T23:59:59Z\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": "+10000-01-01T00:00:00Z""##,
        "expires_at is \"+10000-01-01T00:00:00Z\"; leave expires_at out of an entry that never expires",
    ),
    (
        "entry",
        r##""expires_at": 1800000000"##,
        "expires_at is the number 1800000000; if it counts seconds since 1970, write \"2027-01-15T08:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "1800000000""##,
        "expires_at is \"1800000000\"; if it counts seconds since 1970, write \"2027-01-15T08:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": 1800000000000"##,
        "expires_at is the number 1800000000000; if it counts milliseconds since 1970, write \"2027-01-15T08:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "2027-01-31""##,
        "expires_at is \"2027-01-31\"; write the time as well, such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "2027-01-31T12:00:00""##,
        "expires_at is \"2027-01-31T12:00:00\"; write the zone as well, such as \"2027-01-31T12:00:00Z\" for UTC",
    ),
    (
        "entry",
        r##""expires_at": "2027-01-31 12:00""##,
        "expires_at is \"2027-01-31 12:00\"; write the zone as well, such as \"2027-01-31T12:00:00Z\" for UTC",
    ),
    (
        "entry",
        r##""expires_at": "2027-02-30T00:00:00Z""##,
        "expires_at is \"2027-02-30T00:00:00Z\", a time that does not exist; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "31.01.2027""##,
        "expires_at is \"31.01.2027\"; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "01/31/2027""##,
        "expires_at is \"01/31/2027\"; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "tomorrow""##,
        "expires_at is \"tomorrow\"; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": "P30D""##,
        "expires_at is \"P30D\"; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""expires_at": ["2027-01-31T00:00:00Z"]"##,
        "expires_at is a list; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "entry",
        r##""regions": "eu-central-1""##,
        "regions is the text \"eu-central-1\"; write a list: [\"eu-central-1\"]",
    ),
    (
        "entry",
        r##""regions": "eu-central-1, us-east-1""##,
        "regions is the text \"eu-central-1, us-east-1\"; write a list: [\"eu-central-1\", \"us-east-1\"]",
    ),
    (
        "entry",
        r##""regions": "Frankfurt""##,
        "regions is the text \"Frankfurt\"; write a list, each element an AWS Region such as eu-central-1",
    ),
    (
        "entry",
        r##""regions": []"##,
        "regions is empty; name at least one Region, or leave it out for all Regions",
    ),
    (
        "entry",
        r##""regions": ["EU-CENTRAL-1"]"##,
        "regions has \"EU-CENTRAL-1\"; write \"eu-central-1\"",
    ),
    (
        "entry",
        r##""regions": ["us-east-1", "eu-central-1a"]"##,
        "regions has \"eu-central-1a\"; write the Region of this zone: \"eu-central-1\"",
    ),
    (
        "entry",
        r##""regions": ["us-east-1-bos-1a"]"##,
        "regions has \"us-east-1-bos-1a\"; write the Region of this zone: \"us-east-1\"",
    ),
    (
        "entry",
        r##""regions": ["eu-centrall-1"]"##,
        "regions has \"eu-centrall-1\"; did you mean \"eu-central-1\"?",
    ),
    (
        "entry",
        r##""regions": ["us-eats-1"]"##,
        "regions has \"us-eats-1\"; did you mean \"us-east-1\"?",
    ),
    (
        "entry",
        r##""regions": ["eucentral1"]"##,
        "regions has \"eucentral1\"; write \"eu-central-1\"",
    ),
    (
        "entry",
        r##""regions": ["eu_central_1"]"##,
        "regions has \"eu_central_1\"; write \"eu-central-1\"",
    ),
    (
        "entry",
        r##""regions": ["eu-central"]"##,
        "regions has \"eu-central\"; write an AWS Region such as eu-central-1",
    ),
    (
        "entry",
        r##""regions": ["Frankfurt"]"##,
        "regions has \"Frankfurt\"; write an AWS Region such as eu-central-1",
    ),
    (
        "entry",
        r##""regions": ["*"]"##,
        "regions has \"*\"; leave the attribute out for all Regions",
    ),
    (
        "entry",
        r##""regions": [""]"##,
        "regions has an empty text; write an AWS Region such as eu-central-1",
    ),
    (
        "entry",
        r##""regions": [1]"##,
        "regions has the number 1; write an AWS Region such as eu-central-1, as a text",
    ),
    (
        "entry",
        r##""regions": [null]"##,
        "regions has null; write an AWS Region such as eu-central-1, as a text",
    ),
    (
        "entry",
        r##""regions": {"SS": ["eu-central-1"]}"##,
        "regions is a map; write a list, each element an AWS Region such as eu-central-1",
    ),
    (
        "entry",
        r##""customer": 5"##,
        "customer is the number 5; write it as the text \"5\"",
    ),
    (
        "entry",
        r##""customer": true"##,
        "customer is true; write it as the text \"true\"",
    ),
    (
        "entry",
        r##""customer": ["Example GmbH"]"##,
        "customer is a list; write one text",
    ),
    (
        "entry",
        r##""purge_at": "1800000000""##,
        "purge_at is the text \"1800000000\"; write the number 1800000000",
    ),
    (
        "entry",
        r##""purge_at": "2027-01-15T08:00:00Z""##,
        "purge_at is the text \"2027-01-15T08:00:00Z\"; write it in seconds since 1970, as 1800000000",
    ),
    (
        "entry",
        r##""purge_at": 1800000000.5"##,
        "purge_at is the number 1800000000.5; write a whole number of seconds since 1970",
    ),
    (
        "entry",
        r##""purge_at": "never""##,
        "purge_at is the text \"never\"; write a whole number of seconds since 1970",
    ),
    (
        "entry",
        r##""max_connections": "2", "regoins": ["eu-central-1"], "expires_at": "never""##,
        "max_connections is the text \"2\"; write the number 2. expires_at is \"never\"; leave expires_at out of an entry that never expires. regoins is not an attribute of an entry; did you mean regions?",
    ),
    (
        "entry",
        r##""principal": "012345678901""##,
        "principal is not an attribute of an entry; the rule says it, as allow#<principal> or deny#<principal>",
    ),
    (
        "entry",
        r##""expires_at": "2027-01-31T24:00:00Z""##,
        "expires_at is \"2027-01-31T24:00:00Z\", a time that does not exist; write a time such as \"2027-01-31T00:00:00Z\"",
    ),
    (
        "deny",
        r##""max_connections": 2"##,
        "max_connections is for allow entries only; leave it out of this deny",
    ),
    (
        "settings",
        r##""on_unlisted": "rejected""##,
        "on_unlisted is \"rejected\"; did you mean reject? It can be review or reject",
    ),
    (
        "settings",
        r##""on_unlisted": "Reject""##,
        "on_unlisted is \"Reject\"; write reject",
    ),
    (
        "settings",
        r##""on_unlisted": "deny""##,
        "on_unlisted is \"deny\"; write review or reject",
    ),
    (
        "settings",
        r##""on_unlisted": true"##,
        "on_unlisted is true; write review or reject",
    ),
    (
        "settings",
        r##""on_unlistet": "reject""##,
        "on_unlistet is not a setting; did you mean on_unlisted?",
    ),
    (
        "settings",
        r##""approvals_required": "2""##,
        "approvals_required is the text \"2\"; write the number 2",
    ),
    (
        "settings",
        r##""approvals_required": 101"##,
        "approvals_required is the number 101; write a whole number from 0 to 100",
    ),
    (
        "settings",
        r##""review_hours": 1000000"##,
        "review_hours is the number 1000000; write a whole number from 0 to 87840",
    ),
    (
        "settings",
        r##""revoke": "of""##,
        "revoke is \"of\"; did you mean off? It can be off, report or enforce",
    ),
    (
        "settings",
        r##""revoke": false"##,
        "revoke is false; write off, report or enforce",
    ),
    (
        "settings",
        r##""slack_chanel": "C0123ABCD""##,
        "slack_chanel is not a setting; did you mean slack_channel?",
    ),
    (
        "settings",
        r##""Name": "Payments API""##,
        "Name is not a setting; did you mean name?",
    ),
    (
        "settings",
        r##""note": "x""##,
        "note is not a setting; take it out, or write one of service_id, rule, name, on_unlisted, approvals_required, review_hours, on_deadline, remind_hours, slack_channel, revoke, revoke_grace_hours, revoke_at_most, out_of_band",
    ),
    (
        "settings",
        r##""expires_at": "2027-01-31T00:00:00Z""##,
        "expires_at is not a setting; write it in an entry",
    ),
    (
        "settings",
        r##""service_id": ["*"]"##,
        "service_id is a list; write a service's id (vpce-svc- and 8 or 17 lower-case hex digits), or * for every service, not a list",
    ),
    (
        "settings",
        r##""service_id": "vpce-svc-1""##,
        "service_id is \"vpce-svc-1\"; write a service's id (vpce-svc- and 8 or 17 lower-case hex digits), or * for every service",
    ),
    (
        "approver",
        r##""rule": "approver#Alice@example.com""##,
        "rule is \"approver#Alice@example.com\"; after approver#, write \"alice@example.com\"",
    ),
    (
        "approver",
        r##""rule": "approver#alice""##,
        "rule is \"approver#alice\"; after approver#, write an e-mail address in lower case, such as alice@example.com (there is no @ in it)",
    ),
    (
        "approver",
        r##""rule": "approver#<alice@example.com>""##,
        "rule is \"approver#<alice@example.com>\"; after approver#, write \"alice@example.com\"",
    ),
    (
        "approver",
        r##""rule": "approver#al ice@example.com""##,
        "rule is \"approver#al ice@example.com\"; after approver#, write an e-mail address in lower case, such as alice@example.com (' ' cannot stand before the @: write a to z, 0 to 9, dots and !#$%&'*+-/=?^_`{|}~ only)",
    ),
    (
        "approver",
        r##""rule": "approver#alice@localhost""##,
        "rule is \"approver#alice@localhost\"; after approver#, write an e-mail address in lower case, such as alice@example.com (after the @ stands a domain such as example.com)",
    ),
    (
        "approver",
        r##""rule": "allow#000000000001""##,
        "rule is \"allow#000000000001\"; write approver# and the person's e-mail address",
    ),
    (
        "approver",
        r##""services": "*""##,
        "services is the text \"*\"; write a list: [\"*\"]",
    ),
    (
        "approver",
        r##""services": ["vpce-1"]"##,
        "services has \"vpce-1\"; write a service's id (vpce-svc- and 8 or 17 lower-case hex digits), or * for every service",
    ),
    (
        "approver",
        r##""services": ["com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b2c3d4e5f60718"]"##,
        "services has \"com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b2c3d4e5f60718\"; write \"vpce-svc-0a1b2c3d4e5f60718\"",
    ),
    (
        "approver",
        r##""own_accounts": [123456789012]"##,
        "own_accounts has the number 123456789012; write it as the text \"123456789012\"",
    ),
    (
        "approver",
        r##""own_accounts": ["1234-5678-9012"]"##,
        "own_accounts has \"1234-5678-9012\"; write \"123456789012\"",
    ),
    (
        "approver",
        r##""own_accounts": ["12345678901"]"##,
        "own_accounts has \"12345678901\"; write an AWS account id: 12 digits, leading zeros included",
    ),
    (
        "approver",
        r##""own_accounts": ["arn:aws:iam::123456789012:root"]"##,
        "own_accounts has \"arn:aws:iam::123456789012:root\"; write \"123456789012\"",
    ),
    (
        "approver",
        r##""accounts": ["123456789012"]"##,
        "accounts is not an attribute of an approver; did you mean own_accounts?",
    ),
    (
        "approver",
        r##""slack_user_id": "alice""##,
        "slack_user_id is \"alice\"; write a Slack user id: U or W and upper-case letters and digits, such as U0123ABCD",
    ),
    (
        "approver",
        r##""slack_user_id": "@u0123abcd""##,
        "slack_user_id is \"@u0123abcd\"; write \"U0123ABCD\"",
    ),
    (
        "approver",
        r##""iam_principal": "*""##,
        "iam_principal is \"*\"; write an IAM principal's ARN such as arn:aws:sts::111122223333:assumed-role/Approver/* (service and account written out, * only after them)",
    ),
    (
        "approver",
        r##""email": "alice@example.com""##,
        "email is not an attribute of an approver; the rule says it, as approver#<e-mail address>",
    ),
    (
        "file entry",
        r##""principal": "12345""##,
        "principal is \"12345\"; write an AWS account id: 12 digits, leading zeros included",
    ),
    (
        "file entry",
        r##""principal": "vpce-1""##,
        "principal is \"vpce-1\"; write a VPC endpoint id: vpce- and 8 or 17 lower-case hex digits",
    ),
    (
        "file entry",
        r##""principal": "o-1/r-ab12/ou-ab12-1111""##,
        "principal is \"o-1/r-ab12/ou-ab12-1111\"; write \"o-1/r-ab12/ou-ab12-1111/*\"",
    ),
    (
        "file entry",
        r##""principal": "everybody""##,
        "principal is \"everybody\"; write an account (12 digits), an endpoint (vpce-…), an Organizations path (o-…/r-…/ou-…/*), or * for anybody",
    ),
    (
        "file entry",
        r##""principal": null"##,
        "principal is missing; write an account (12 digits), an endpoint (vpce-…), an Organizations path (o-…/r-…/ou-…/*), or * for anybody",
    ),
    (
        "file entry",
        r##""principal": 123456789012"##,
        "principal is the number 123456789012; write it as the text \"123456789012\"",
    ),
    (
        "file entry",
        r##""effect": "permit""##,
        "effect is \"permit\"; write allow or deny",
    ),
    (
        "file entry",
        r##""effect": "alow""##,
        "effect is \"alow\"; did you mean allow? It can be allow or deny",
    ),
    (
        "file entry",
        r##""service_id": "vpce-svc-0A1B2C3D4E5F60718""##,
        "service_id is \"vpce-svc-0A1B2C3D4E5F60718\"; write \"vpce-svc-0a1b2c3d4e5f60718\"",
    ),
    (
        "file entry",
        r##""rule": "allow#012345678901""##,
        "rule is not an attribute of an entry; write principal and effect in its place",
    ),
    (
        "file entry",
        r##""purge_at": 1800000000"##,
        "purge_at stands without expires_at, so that DynamoDB ends an entry that does not expire; write expires_at, and a later purge_at, or leave purge_at out",
    ),
    (
        "file settings",
        r##""name": """##,
        "name is an empty text; write a service's name: 1 to 80 characters in one line",
    ),
    (
        "file settings",
        r##""slack_channel": "#payments""##,
        "slack_channel is \"#payments\"; write a Slack channel id: C or G and upper-case letters and digits, such as C0123ABCD (not its name)",
    ),
    (
        "file settings",
        r##""approvals_required": "\u00012.5""##,
        "approvals_required is 2.5; write a whole number from 0 to 100",
    ),
    (
        "file approver",
        r##""id": "Alice@example.com""##,
        "id is \"Alice@example.com\"; write \"alice@example.com\"",
    ),
    (
        "file approver",
        r##""id": "jürgen@example.com""##,
        "id is \"jürgen@example.com\"; write an e-mail address in lower case, such as alice@example.com ('ü' cannot stand before the @: write a to z, 0 to 9, dots and !#$%&'*+-/=?^_`{|}~ only)",
    ),
];

fn item(kind: &str, attributes: &str) -> Attributes {
    let base = match kind {
        "entry" => r#"{"service_id": "*", "rule": "allow#012345678901"}"#,
        "deny" => r#"{"service_id": "*", "rule": "deny#012345678901"}"#,
        "settings" => r#"{"service_id": "*", "rule": "settings"}"#,
        "approver" => r#"{"service_id": "approvers", "rule": "approver#alice@example.com"}"#,
        "file entry" => r#"{"service_id": "*", "principal": "012345678901", "effect": "allow"}"#,
        "file settings" => r#"{"service_id": "*"}"#,
        "file approver" => r#"{"id": "alice@example.com"}"#,
        _ => panic!("{kind}"),
    };
    let parsed = |text: &str| -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(text).unwrap()
    };
    let mut item = parsed(base);
    item.extend(parsed(&format!("{{{attributes}}}")));
    item.iter()
        .map(|(name, json)| (name.clone(), value(json)))
        .collect()
}

fn said(kind: &str, attributes: &str) -> String {
    let item = item(kind, attributes);
    let mistakes = match kind {
        "file entry" => read_entry(&item).map(drop),
        "file settings" => read_settings(&item).map(drop),
        "file approver" => read_approver(&item).map(drop),
        _ => return read(&item).unwrap_err().detail,
    };
    written::all(&mistakes.unwrap_err())
}

#[test]
fn whatever_is_wrong_is_told_with_the_attribute_what_stands_there_and_what_to_write() {
    assert!(WRONG.len() >= 60);
    for (kind, attributes, expected) in WRONG {
        assert_eq!(said(kind, attributes), *expected, "{kind}: {attributes}");
    }
}

#[test]
fn an_error_names_the_item_and_what_it_stops() {
    let wrong = item("entry", r#""max_connections": "2""#);
    let error = read(&wrong).unwrap_err();
    assert_eq!(error.stops, Stops::EveryService);
    assert_eq!(
        error.to_string(),
        "the allowlist item * / allow#012345678901 cannot be understood: max_connections is the text \"2\"; write \
         the number 2"
    );
    let keyless = read(&Attributes::new()).unwrap_err();
    assert_eq!(
        (keyless.item.as_str(), keyless.stops),
        ("? / ?", Stops::Nothing)
    );
    let key = item("entry", r#""rule": "permit#012345678901""#);
    let said = read(&key).unwrap_err().detail;
    assert!(
        said.starts_with("its key is not one that is read"),
        "{said}"
    );
}

#[test]
fn a_message_stays_short_and_shows_nothing_hidden() {
    let long = "x".repeat(100_000);
    let odd = format!("\u{7}\u{200b}{long}");
    for kind in ["entry", "settings", "approver"] {
        let mut attributes = item(kind, "");
        for name in [
            "regions",
            "name",
            "services",
            "customer",
            "on_unlisted",
            &odd,
        ] {
            attributes.insert(name.to_owned(), Value::List(vec![Value::Text(odd.clone())]));
        }
        let said = read(&attributes).unwrap_err().to_string();
        assert!(said.chars().count() < 4_000, "{}", said.len());
        assert!(!said.contains(crate::visible::is_hidden), "{said}");
    }
}

#[test]
fn null_is_as_good_as_absent_and_a_files_plain_value_is_what_its_place_makes_of_it() {
    let entry = item(
        "file entry",
        r#""customer": "\u00015", "max_connections": "\u00015", "expires_at": null, "principal": "\u0001012345678901""#,
    );
    let entry = read_entry(&entry).unwrap();
    assert_eq!(entry.about().customer.as_deref(), Some("5"));
    assert_eq!(entry.conditions().max_connections, Some(5));
    assert_eq!(entry.conditions().expires_at, None);
    assert_eq!(entry.rule().principal.to_string(), "012345678901");
}

#[test]
fn what_decides_nothing_is_left_out_in_the_table_and_refused_in_a_file() {
    let table = item(
        "settings",
        r##""slack_channel": "#payments", "review_hours": 2"##,
    );
    let PolicyItem::Settings(_, settings) = read(&table).unwrap() else {
        panic!("settings")
    };
    assert_eq!(
        (settings.slack_channel, settings.review_hours),
        (None, Some(2))
    );
    let ignored = settings.ignored.iter().map(ToString::to_string);
    assert_eq!(
        ignored.collect::<Vec<_>>(),
        [
            "* / settings: slack_channel is \"#payments\", and is left out (services without one of their own have \
          none); write a Slack channel id: C or G and upper-case letters and digits, such as C0123ABCD (not its \
          name), or take the attribute out"
        ]
    );
    let file = item("file settings", r##""slack_channel": "#payments""##);
    assert!(read_settings(&file).is_err());
    let purge = r#""expires_at": "2027-01-31T00:00:00Z", "purge_at": 1"#;
    assert!(read(&item("entry", purge)).is_ok());
    let said = said("file entry", purge);
    assert!(said.contains("is not after expires_at"), "{said}");
}

/// What an item of the table says besides its key, a file's says in the same words.
#[test]
fn the_table_and_a_file_are_read_alike() {
    for (kind, attributes, _) in WRONG {
        let kind = *kind;
        if kind.starts_with("file") || attributes.contains("\"rule\"") || attributes.contains("_id")
        {
            continue;
        }
        let known = |text: String| text.split("; take it out").next().unwrap().to_owned();
        let file = match kind {
            "deny" => said("file entry", &format!("{attributes}, \"effect\": \"deny\"")),
            _ if attributes.contains("\"principal\"") || attributes.contains("\"email\"") => {
                continue;
            }
            _ => said(&format!("file {kind}"), attributes),
        };
        assert_eq!(known(file), known(said(kind, attributes)), "{attributes}");
    }
}

#[test]
fn items_are_written_as_they_are_read() {
    let full = [
        (
            "entry",
            r#""max_connections": 2, "regions": ["eu-central-1", "us-east-1"], "expires_at": "2027-01-01T00:00:00Z",
               "customer": "Example GmbH", "contact": "a", "ticket": "b", "reason": "c", "created_by": "d", "imported": true,
               "purge_at": 1800000000"#,
        ),
        (
            "settings",
            r#""name": "Payments API", "on_unlisted": "reject", "approvals_required": 2, "review_hours": 3,
               "on_deadline": "reject", "remind_hours": 4, "slack_channel": "C0123ABCD", "revoke": "report",
               "revoke_grace_hours": 5, "revoke_at_most": 6, "out_of_band": "revert""#,
        ),
        (
            "approver",
            r#""services": ["*"], "own_accounts": ["000000000001"], "slack_user_id": "U0123ABCD",
               "iam_principal": "arn:aws:sts::111122223333:assumed-role/Approver/*""#,
        ),
    ];
    for (kind, attributes) in full {
        let whole = item(kind, attributes);
        let written = write(&read(&whole).unwrap());
        let key = ["service_id", "rule"];
        let rest = whole
            .into_iter()
            .filter(|(name, _)| !key.contains(&name.as_str()));
        assert_eq!(written, rest.collect::<Attributes>());
    }
}

const POLICY: &str = include_str!("../../../docs/policy.md");
const SCHEMA: &str = include_str!("../../../docs/world.schema.json");

#[test]
fn the_documents_have_every_attribute_in_the_words_of_its_declaration() {
    for attribute in entry_attributes().chain(approver_attributes()) {
        let Attribute {
            name,
            shape,
            meaning,
        } = attribute;
        let row = format!("| `{name}` | {} | {meaning} |", shape.letters());
        assert!(
            POLICY.lines().any(|line| line == row),
            "docs/policy.md lacks: {row}"
        );
        if let Shape::Number { most, .. } = shape {
            assert!(
                POLICY.contains(&format!("`{name}` at most {most}")),
                "{name}: {most}"
            );
        }
    }
}

#[test]
fn the_schema_of_world_files_has_every_attribute_and_no_other() {
    use serde_json::{Value as Json, json};
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let of = |attribute: &Attribute| {
        let definition = |expected: &str| match expected {
            _ if expected == Region::EXPECTED => "region",
            _ if expected == AccountId::EXPECTED => "account_id",
            _ if Shape::Id(expected.to_owned().leak()) == Scope::SHAPE => "scope",
            _ if expected == SlackUserId::EXPECTED => "slack_user",
            _ if expected == PrincipalPattern::EXPECTED => "iam_principal",
            _ => panic!("{expected}"),
        };
        let or_null =
            |name: &str| json!({"anyOf": [{"$ref": format!("#/$defs/{name}")}, {"type": "null"}]});
        let mut property = match attribute.shape {
            Shape::Text => json!({"$ref": "#/$defs/optional_text"}),
            Shape::Number { least, most } => {
                json!({"type": ["integer", "null"], "minimum": least, "maximum": most})
            }
            Shape::Seconds => {
                json!({"type": ["integer", "null"], "minimum": 0, "maximum": 253_402_207_200_u64})
            }
            Shape::Time { .. } => or_null("timestamp"),
            Shape::Id(expected) => or_null(definition(expected)),
            Shape::Ids(expected) => json!({
                "type": ["array", "null"], "items": {"$ref": format!("#/$defs/{}", definition(expected))}
            }),
            Shape::Flag => json!({"type": ["boolean", "null"]}),
            Shape::Choice(_) => panic!("{}", attribute.name),
        };
        property["description"] = json!(attribute.meaning);
        if attribute.name == "regions" {
            property["minItems"] = json!(1);
        }
        (attribute.name.to_owned(), property)
    };
    let keys = |properties: &Json, keys: &[&str]| -> serde_json::Map<String, Json> {
        let properties = properties.as_object().unwrap();
        assert!(keys.iter().all(|key| properties.contains_key(*key)));
        let others = properties
            .iter()
            .filter(|(name, _)| !keys.contains(&name.as_str()));
        others
            .map(|(name, property)| (name.clone(), property.clone()))
            .collect()
    };
    let entry = keys(
        &schema["$defs"]["entry"]["properties"],
        &["service_id", "principal", "effect"],
    );
    assert_eq!(
        Json::from(entry),
        entry_attributes().map(of).collect::<Json>()
    );
    let approver = keys(&schema["$defs"]["approver"]["properties"], &["id"]);
    assert_eq!(
        Json::from(approver),
        approver_attributes().map(of).collect::<Json>()
    );
}
