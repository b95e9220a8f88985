use local_aws::Secrets;
use serde_json::{Value, json};

use crate::world::*;

const NAME: &str = "slack/signing-secret";
const FIRST: &str = "the-first-value";
const SECOND: &str = "the-second-value";
const THIRD: &str = "the-third-value";

fn call_as(world: &World, key: &str, region: &str, input: &Value) -> JsonAnswer {
    let body = input.to_string();
    world
        .post_json(
            "/secrets/",
            key,
            region,
            "secretsmanager.GetSecretValue",
            &body,
        )
        .unwrap()
}

fn get(world: &World, input: &Value) -> JsonAnswer {
    call_as(world, "AKIAPROVIDER", "us-east-1", input)
}

/// The value, or the code of the error.
fn value(world: &World, input: &Value) -> String {
    let answer = get(world, input);
    let value = answer.body["SecretString"].as_str();
    value.map_or(answer.outcome().1, str::to_owned)
}

#[test]
fn a_secret_is_read_by_name_and_by_arn() {
    let world = World::new();
    let arn = world.secrets.put_secret(NAME, FIRST).unwrap();
    let start = "arn:aws:secretsmanager:us-east-1:123456789012:secret:slack/signing-secret-";
    let suffix = arn.strip_prefix(start).unwrap();
    assert_eq!(suffix.len(), 6);
    let answer = get(&world, &json!({ "SecretId": NAME }));
    let id = answer.body["VersionId"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        answer.body,
        json!({
            "ARN": arn,
            "Name": NAME,
            "VersionId": id,
            "SecretString": FIRST,
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": 1_767_225_600.0,
        })
    );
    let partial = start.trim_end_matches('-');
    for wanted in [arn.as_str(), partial] {
        assert_eq!(value(&world, &json!({ "SecretId": wanted })), FIRST);
    }
    let again = world.secrets.put_secret(NAME, SECOND).unwrap();
    assert_eq!(again, arn, "the same secret");
    assert_eq!(value(&world, &json!({ "SecretId": NAME })), SECOND);
    assert!(world.secrets.remove_secret(NAME) && !world.secrets.remove_secret(NAME));
    let gone = value(&world, &json!({ "SecretId": arn }));
    assert_eq!(gone, "ResourceNotFoundException");
}

#[test]
fn a_rotation_keeps_the_previous_version_and_no_other() {
    let world = World::new();
    let arn = world.secrets.put_secret(NAME, FIRST).unwrap();
    let staged = |stage: &str| value(&world, &json!({ "SecretId": NAME, "VersionStage": stage }));
    let none = "ResourceNotFoundException";
    assert_eq!([staged("AWSCURRENT"), staged("AWSPREVIOUS")], [FIRST, none]);
    let first = get(&world, &json!({ "SecretId": NAME })).body["VersionId"].clone();
    world.advance(60);
    world.secrets.rotate(NAME, SECOND).unwrap();
    assert_eq!(
        [staged("AWSCURRENT"), staged("AWSPREVIOUS")],
        [SECOND, FIRST]
    );
    assert_eq!(value(&world, &json!({ "SecretId": NAME })), SECOND);
    let by_id = json!({ "SecretId": NAME, "VersionId": first });
    let previous = get(&world, &by_id).body;
    assert_eq!(previous["SecretString"], FIRST);
    assert_eq!(previous["VersionStages"], json!(["AWSPREVIOUS"]));
    assert_eq!(previous["CreatedDate"], 1_767_225_600.0);
    let both = json!({ "SecretId": NAME, "VersionId": first, "VersionStage": "AWSCURRENT" });
    assert_eq!(value(&world, &both), "InvalidRequestException");
    world.secrets.rotate(&arn, THIRD).unwrap();
    assert_eq!(
        [staged("AWSCURRENT"), staged("AWSPREVIOUS")],
        [THIRD, SECOND]
    );
    assert_eq!(value(&world, &by_id), none, "without a label it is gone");
    assert_eq!(staged("AWSPENDING"), none);
}

#[test]
fn what_is_not_there_is_refused_in_secrets_managers_words() {
    let world = World::new();
    let arn = world.secrets.put_secret(NAME, FIRST).unwrap();
    let no_secret = "Secrets Manager can't find the specified secret.";
    let no_stage =
        "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS";
    for (input, code, message) in [
        (
            json!({ "SecretId": "slack" }),
            "ResourceNotFoundException",
            no_secret,
        ),
        (
            json!({ "SecretId": format!("{arn}x") }),
            "ResourceNotFoundException",
            no_secret,
        ),
        (
            json!({ "SecretId": NAME, "VersionStage": "AWSPREVIOUS" }),
            "ResourceNotFoundException",
            no_stage,
        ),
        (
            json!({ "SecretId": NAME, "VersionId": "x" }),
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for VersionId: x",
        ),
        (
            json!({}),
            "InvalidParameterException",
            "You must provide a value for the SecretId parameter.",
        ),
    ] {
        let answer = get(&world, &input);
        assert_eq!(answer.outcome(), (400, code.to_owned()), "{input}");
        assert_eq!(answer.body["Message"], message);
    }
    for (key, region, wanted, code) in [
        (PROVIDER, "eu-west-1", NAME, "ResourceNotFoundException"),
        (OTHER, "us-east-1", NAME, "ResourceNotFoundException"),
        (OTHER, "us-east-1", &arn, "AccessDeniedException"),
    ] {
        let answer = call_as(&world, key, region, &json!({ "SecretId": wanted }));
        assert_eq!(answer.outcome(), (400, code.to_owned()), "{key} {region}");
    }
    for (name, value, code) in [
        ("", FIRST, "ValidationException"),
        ("a b", FIRST, "ValidationException"),
        (NAME, "", "InvalidParameterException"),
        (NAME, &"x".repeat(65_537), "InvalidParameterException"),
    ] {
        let error = world.secrets.put_secret(name, value).unwrap_err();
        assert_eq!(error.code, code);
    }
    let error = world.secrets.rotate("slack", FIRST).unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

#[test]
fn no_log_and_no_debug_output_holds_a_value() {
    let world = World::new();
    world.secrets.put_secret(NAME, FIRST).unwrap();
    world.secrets.rotate(NAME, SECOND).unwrap();
    get(&world, &json!({ "SecretId": NAME }));
    let body = json!({ "Name": "n", "SecretString": THIRD, "SecretBinary": THIRD }).to_string();
    let target = "secretsmanager.CreateSecret";
    let answer = world
        .post_json("/secrets", PROVIDER, "us-east-1", target, &body)
        .unwrap();
    assert_eq!(
        answer.outcome(),
        (400, "UnknownOperationException".to_owned())
    );
    let log = world.secrets.log();
    assert_eq!(log[0].params, [("SecretId".to_owned(), NAME.to_owned())]);
    assert_eq!(log[1].params, [("Name".to_owned(), "n".to_owned())]);
    let control: &local_aws::Control = &world.secrets;
    let secrets: &Secrets = &world.secrets;
    let shown = format!("{log:?} {control:?} {secrets:?} {}", answer.body);
    for value in [FIRST, SECOND, THIRD] {
        assert!(!shown.contains(value), "{shown}");
    }
}
