//! How CloudTrail records the parameters and answers of EC2.
//!
//! The records wrap the parameters in `<Action>Request` and `<Action>Response`. They were XML once: a list of one is an
//! object, of several an array, and each item of a request is `{"tag": N, "content": …}`; an empty list is `""`; a text
//! that reads as a number or a boolean is one (an account, a tag's value). So it is in captured records of
//! `CreateVpcEndpoint` and `DeleteVpcEndpoints`; of accept and reject it is inferred from them.

use serde_json::{Value, json};

/// A list of texts in a request.
pub(crate) fn list(texts: &[String]) -> Value {
    let numbered = texts.iter().zip(1..);
    one_or_many(
        numbered
            .map(|(one, n)| json!({ "tag": n, "content": text(one) }))
            .collect(),
    )
}

/// A list of objects in a response; an empty one is the empty string.
pub(crate) fn items(items: Vec<Value>) -> Value {
    if items.is_empty() {
        json!("")
    } else {
        json!({ "item": one_or_many(items) })
    }
}

/// A text, which is a number or a boolean where it reads as one. With a leading zero it is neither.
pub(crate) fn text(text: &str) -> Value {
    let number = text.parse::<i64>().ok();
    match (number.filter(|number| number.to_string() == text), text) {
        (Some(number), _) => json!(number),
        (None, "true") => json!(true),
        (None, "false") => json!(false),
        (None, _) => json!(text),
    }
}

pub(crate) fn one_or_many(mut values: Vec<Value>) -> Value {
    match (values.len(), values.pop()) {
        (1, Some(value)) => value,
        (_, last) => {
            values.extend(last);
            Value::Array(values)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{items, list, text};

    #[test]
    fn texts_are_what_they_read_as() {
        for (given, expected) in [
            ("444455556666", json!(444_455_556_666_u64)),
            ("012345678901", json!("012345678901")),
            ("20261120", json!(20_261_120)),
            ("-1", json!(-1)),
            ("0", json!(0)),
            ("+1", json!("+1")),
            ("1.0", json!("1.0")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("true", json!(true)),
            ("False", json!("False")),
            ("", json!("")),
            ("vpce-0a", json!("vpce-0a")),
        ] {
            assert_eq!(text(given), expected, "{given}");
        }
    }

    #[test]
    fn lists_of_none_one_and_many_have_forms_of_their_own() {
        let ids = ["a".to_owned(), "7".to_owned()];
        assert_eq!(list(&ids[..1]), json!({ "tag": 1, "content": "a" }));
        assert_eq!(
            list(&ids),
            json!([{ "tag": 1, "content": "a" }, { "tag": 2, "content": 7 }])
        );
        assert_eq!(items(Vec::new()), json!(""));
        assert_eq!(items(vec![json!(1)]), json!({ "item": 1 }));
        assert_eq!(items(vec![json!(1), json!(2)]), json!({ "item": [1, 2] }));
    }
}
