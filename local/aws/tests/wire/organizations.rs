use local_aws::{NewOrganization, NewOu};
use serde_json::{Value, json};

use crate::world::*;

const ORGANIZATION: &str = "o-a1b2c3d4e5";
const ROOT: &str = "r-ab12";
const CUSTOMERS: &str = "ou-ab12-11111111";
const EUROPE: &str = "ou-ab12-22222222";

/// The provider manages an organization; the consumer is two OUs deep.
fn world() -> World {
    let world = World::new();
    let new = NewOrganization::new().id(ORGANIZATION).root(ROOT);
    world.organizations.put_organization(new).unwrap();
    for (parent, id) in [(ROOT, CUSTOMERS), (CUSTOMERS, EUROPE)] {
        let ou = NewOu::new(parent).id(id);
        assert_eq!(world.organizations.put_ou(ou).unwrap(), id);
    }
    world.organizations.put_account(CONSUMER, EUROPE).unwrap();
    world
}

fn call_as(world: &World, key: &str, action: &str, input: &Value) -> JsonAnswer {
    let target = format!("AWSOrganizationsV20161128.{action}");
    let body = input.to_string();
    world
        .post_json("/organizations/", key, "us-east-1", &target, &body)
        .unwrap()
}

fn call(world: &World, action: &str, input: &Value) -> JsonAnswer {
    call_as(world, "AKIAPROVIDER", action, input)
}

fn parents(world: &World, child: &str) -> JsonAnswer {
    call(world, "ListParents", &json!({ "ChildId": child }))
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn an_organization_is_described_to_all_of_its_members() {
    let world = world();
    let expected = json!({ "Organization": {
        "Id": "o-a1b2c3d4e5",
        "Arn": "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5",
        "FeatureSet": "ALL",
        "MasterAccountArn": "arn:aws:organizations::123456789012:account/o-a1b2c3d4e5/123456789012",
        "MasterAccountId": "123456789012",
        "MasterAccountEmail": "aws-123456789012@example.com",
        "AvailablePolicyTypes": [],
    } });
    for key in ["AKIAPROVIDER", PROVIDER, CONSUMER] {
        let answer = call_as(&world, key, "DescribeOrganization", &json!({}));
        assert_eq!((answer.status, &answer.body), (200, &expected), "{key}");
    }
    let not_in_use = refused(400, "AWSOrganizationsNotInUseException");
    let stranger = call_as(&world, OTHER, "DescribeOrganization", &json!({}));
    assert_eq!(stranger.outcome(), not_in_use);
    assert!(world.organizations.remove_organization());
    assert!(!world.organizations.remove_organization());
    for action in ["DescribeOrganization", "ListParents"] {
        let answer = call(&world, action, &json!({}));
        assert_eq!(answer.outcome(), not_in_use, "{action}");
    }
    assert_eq!(parents(&world, CONSUMER).outcome(), not_in_use);
    assert_eq!(world.organizations.organization(), None);
    assert!(world.organizations.members().is_empty());
}

#[test]
fn parents_lead_up_to_the_root() {
    let world = world();
    let mut path = Vec::new();
    let mut child = CONSUMER.to_owned();
    loop {
        let answer = parents(&world, &child);
        let parent = answer.body["Parents"][0].clone();
        assert_eq!(answer.body, json!({ "Parents": [parent] }));
        child = parent["Id"].as_str().unwrap().to_owned();
        path.push(child.clone());
        assert!(path.len() < 10, "it goes on for ever");
        if parent["Type"] == "ROOT" {
            break;
        }
        assert_eq!(parent["Type"], "ORGANIZATIONAL_UNIT");
    }
    assert_eq!(path, [EUROPE, CUSTOMERS, ROOT]);
    assert_eq!(
        world.organizations.path_of(CONSUMER).unwrap(),
        "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/"
    );
    let root = json!([{ "Id": ROOT, "Type": "ROOT" }]);
    assert_eq!(parents(&world, PROVIDER).body["Parents"], root);
}

#[test]
fn what_has_no_parent_is_refused() {
    let world = world();
    for (child, code, reason) in [
        (ROOT, "InvalidInputException", json!("INVALID_PATTERN")),
        (
            ORGANIZATION,
            "InvalidInputException",
            json!("INVALID_PATTERN"),
        ),
        (
            "01234567890",
            "InvalidInputException",
            json!("INVALID_PATTERN"),
        ),
        ("ou-1", "InvalidInputException", json!("INVALID_PATTERN")),
        ("", "InvalidInputException", json!("INVALID_PATTERN")),
        (OTHER, "ChildNotFoundException", Value::Null),
        ("ou-ab12-99999999", "ChildNotFoundException", Value::Null),
    ] {
        let answer = parents(&world, child);
        assert_eq!(answer.outcome(), refused(400, code), "{child}");
        assert_eq!(answer.body["Reason"], reason, "{child}");
        assert!(answer.body["Message"].is_string(), "{answer:?}");
    }
    let nothing = call(&world, "ListParents", &json!({}));
    assert_eq!(nothing.outcome(), refused(400, "InvalidInputException"));
    assert_eq!(nothing.body["Reason"], "INPUT_REQUIRED");
}

#[test]
fn accounts_move_and_leave() {
    let world = world();
    let parent = |account: &str| {
        let answer = parents(&world, account);
        let id = answer.body["Parents"][0]["Id"].as_str();
        id.map(str::to_owned).ok_or(answer.outcome().1)
    };
    let organizations = &world.organizations;
    organizations.move_account(CONSUMER, ROOT).unwrap();
    assert_eq!(parent(CONSUMER).as_deref(), Ok(ROOT));
    organizations.put_account(CONSUMER, CUSTOMERS).unwrap();
    assert_eq!(parent(CONSUMER).as_deref(), Ok(CUSTOMERS));
    organizations.remove_account(CONSUMER).unwrap();
    assert_eq!(
        parent(CONSUMER),
        Err("ChildNotFoundException".to_owned()),
        "no member any more"
    );
    assert_eq!(organizations.path_of(CONSUMER), None);
    let members = organizations.members().into_iter();
    assert_eq!(
        members.map(|account| account.id).collect::<Vec<_>>(),
        [PROVIDER]
    );
    let again = organizations.remove_account(CONSUMER).unwrap_err();
    assert_eq!(again.code, "AccountNotFoundException");
}

#[test]
fn only_administrators_may_ask_about_others() {
    let world = world();
    let ask = |action: &str| {
        let input = json!({ "ChildId": CONSUMER });
        call_as(&world, CONSUMER, action, &input).outcome()
    };
    let delegate = |delegated| {
        let organizations = &world.organizations;
        organizations.set_delegated_administrator(CONSUMER, delegated)
    };
    assert_eq!(ask("ListParents"), refused(400, "AccessDeniedException"));
    assert!(delegate(true));
    assert_eq!(ask("ListParents"), refused(200, ""));
    assert!(delegate(false));
    assert_eq!(ask("ListParents").1, "AccessDeniedException");
    let organizations = &world.organizations;
    assert!(!organizations.set_delegated_administrator(OTHER, true));
}

#[test]
fn lists_are_paged_and_a_page_may_be_empty() {
    let world = world();
    let list = |more: Value| {
        let mut input = json!({ "ChildId": CONSUMER });
        let fields = input.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        call(&world, "ListParents", &input)
    };
    for (more, reason) in [
        (json!({ "MaxResults": 21 }), "MAX_VALUE_EXCEEDED"),
        (json!({ "MaxResults": 0 }), "MIN_VALUE_EXCEEDED"),
        (json!({ "MaxResults": -1 }), "MIN_VALUE_EXCEEDED"),
        (json!({ "NextToken": "x" }), "INVALID_NEXT_TOKEN"),
    ] {
        let answer = list(more);
        assert_eq!(answer.outcome(), refused(400, "InvalidInputException"));
        assert_eq!(answer.body["Reason"], reason);
    }
    for most in [1, 20] {
        let answer = list(json!({ "MaxResults": most }));
        assert_eq!(answer.body["Parents"][0]["Id"], EUROPE);
        assert_eq!(answer.body["NextToken"], Value::Null);
    }
    world.organizations.set_empty_pages(true);
    let first = list(json!({}));
    assert_eq!((first.status, &first.body["Parents"]), (200, &json!([])));
    let token = first.body["NextToken"].clone();
    let second = list(json!({ "NextToken": token }));
    assert_eq!(second.body["Parents"][0]["Id"], EUROPE);
    assert_eq!(second.body["NextToken"], Value::Null);
    let unknown = call(&world, "ListRoots", &json!({}));
    assert_eq!(unknown.outcome(), refused(400, "UnknownOperationException"));
    world.organizations.set_empty_pages(false);
    assert_eq!(list(json!({})).body["Parents"][0]["Id"], EUROPE);
}

#[test]
fn ids_are_made_from_the_seed() {
    let made = || {
        let world = World::new();
        let organizations = &world.organizations;
        let new = NewOrganization::new().management_account(OTHER);
        let organization = organizations.put_organization(new).unwrap();
        let ous = (0..2)
            .map(|_| organizations.put_ou(NewOu::new(&organization.root_id)))
            .collect::<Result<Vec<_>, _>>();
        (organization, ous.unwrap())
    };
    let (organization, ous) = made();
    assert_eq!((organization.clone(), ous.clone()), made());
    assert_ne!(ous[0], ous[1]);
    assert_eq!(organization.management_account, OTHER);
    assert_eq!(organization.id.len(), "o-a1b2c3d4e5".len());
    let root = organization.root_id.strip_prefix("r-").unwrap();
    assert!(ous[0].starts_with(&format!("ou-{root}-")), "{ous:?}");
}
