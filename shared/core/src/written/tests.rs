use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::ids::{AccountId, ApproverId, EndpointId, Region};
use crate::policy::{Effect, Principal};

/// As of November 2026, those of all partitions.
const REGIONS: &str = "us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-east-2 ap-northeast-1 \
    ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 \
    ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 \
    eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 \
    us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 eu-isoe-west-1 \
    us-isof-east-1 us-isof-south-1 eusc-de-east-1";

fn read<T: Typed>(value: &Value) -> Result<T, Misfit> {
    T::read(value, &T::SHAPE)
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

#[test]
fn every_region_of_aws_is_read_and_none_of_its_zones() {
    for name in REGIONS.split_whitespace() {
        let region: Region = read(&text(name)).unwrap();
        assert_eq!(region.as_str(), name);
        for zone in [
            format!("{name}a"),
            name.to_uppercase(),
            format!("{name}-bos-1a"),
        ] {
            let misfit = read::<Region>(&text(&zone)).unwrap_err();
            let right = format!("\"{name}\"");
            assert!(
                misfit.advice().contains(&right),
                "{zone}: {}",
                misfit.advice()
            );
        }
    }
}

#[test]
fn the_region_that_was_meant_is_named() {
    for (written, right) in [
        ("EU-CENTRALL-1", "eu-central-1"),
        ("us_gov_east_1", "us-gov-east-1"),
        ("us gov east 1", "us-gov-east-1"),
        ("eucentral1", "eu-central-1"),
        ("apsoutheast2", "ap-southeast-2"),
        (" eu-west-1", "eu-west-1"),
    ] {
        let misfit = read::<Region>(&text(written)).unwrap_err();
        assert_eq!(misfit.advice(), format!("write \"{right}\""), "{written}");
    }
    for written in ["usgoveast1", "frankfurt", "eu", "1", "-"] {
        let misfit = read::<Region>(&text(written)).unwrap_err();
        assert_eq!(misfit.advice(), "write an AWS Region such as eu-central-1");
    }
}

#[test]
fn an_attribute_is_suggested_where_it_is_near_and_no_other() {
    let known = [
        "max_connections",
        "regions",
        "expires_at",
        "customer",
        "reason",
        "name",
    ];
    for (written, meant) in [
        ("max_connection", Some("max_connections")),
        ("MaxConnections", Some("max_connections")),
        ("connections", Some("max_connections")),
        ("expiresAt", Some("expires_at")),
        ("expires", Some("expires_at")),
        ("expiry_at", Some("expires_at")),
        ("region", Some("regions")),
        ("costumer", Some("customer")),
        ("nmae", Some("name")),
        ("note", None),
        ("at", None),
        ("x", None),
        ("", None),
    ] {
        let said = unknown(written, "an attribute", &known).advice;
        match meant {
            Some(meant) => assert_eq!(said, format!("did you mean {meant}?"), "{written}"),
            None => assert!(said.starts_with("take it out"), "{written}: {said}"),
        }
    }
}

#[test]
fn hidden_characters_are_marked_in_messages() {
    for hidden in [
        "\u{ffa0}", "\u{3164}", "\u{202e}", "\u{200b}", "\u{fe0f}", "\u{7}",
    ] {
        for value in [
            hidden.to_owned(),
            format!("a{hidden}b"),
            format!("\u{2764}{hidden}"),
        ] {
            holds::<AccountId>(&Value::Text(value.clone()));
            holds::<BTreeSet<AccountId>>(&Value::List(vec![Value::Text(value)]));
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<String>().prop_map(Value::Text),
        "[a-z0-9*@.:/#-]{0,30}".prop_map(Value::Text),
        "-?[0-9]{1,20}(\\.[0-9]+)?".prop_map(Value::Number),
        "-?[0-9]{1,20}".prop_map(Value::Plain),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        Just(Value::Map),
        Just(Value::Other("binary")),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Value::List)
    })
}

/// Whatever is not read is told in one short line, with something to write instead.
fn holds<T: Typed>(value: &Value) {
    if let Err(misfit) = read::<T>(value) {
        let said = misfit.of("attribute").to_string();
        assert!(said.chars().count() < 900, "{said}");
        assert!(
            !said.contains('\n') && !said.contains(crate::visible::is_hidden),
            "{said}"
        );
        assert!(said.contains("; "), "{said}");
    }
}

/// What the advice shows in quotation marks is read if it is written.
fn advice_holds<T: Typed>(value: &Value) {
    let Err(misfit) = read::<T>(value) else {
        return;
    };
    if let Some(right) = misfit.advice().strip_prefix("write \"")
        && let Some((right, "")) = right.split_once('"')
    {
        assert!(read::<T>(&text(right)).is_ok(), "{value:?}: {right}");
    }
}

proptest! {
    #[test]
    fn any_value_is_read_or_told(value in any_value()) {
        holds::<String>(&value);
        holds::<u32>(&value);
        holds::<i64>(&value);
        holds::<bool>(&value);
        holds::<Timestamp>(&value);
        holds::<Region>(&value);
        holds::<ApproverId>(&value);
        holds::<Principal>(&value);
        holds::<Effect>(&value);
        holds::<BTreeSet<AccountId>>(&value);
        advice_holds::<AccountId>(&value);
        advice_holds::<EndpointId>(&value);
        advice_holds::<ApproverId>(&value);
        advice_holds::<Region>(&value);
        advice_holds::<Principal>(&value);
    }

    #[test]
    fn what_is_written_is_read_as_the_same(number in any::<u32>(), seconds in 0..253_402_207_200_i64) {
        prop_assert_eq!(read::<u32>(&number.write()), Ok(number));
        let time = Timestamp::from_second(seconds).unwrap();
        prop_assert_eq!(read::<Timestamp>(&time.write()), Ok(time));
    }
}
