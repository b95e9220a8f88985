//! `application/x-www-form-urlencoded`, read strictly: what is not well-formed is nothing that Slack
//! sends.

use std::fmt::Write as _;

/// The fields of a form in order. `None` if it is not a form.
pub(crate) fn decode(body: &[u8]) -> Option<Vec<(String, String)>> {
    if body.is_empty() {
        return Some(Vec::new());
    }
    body.split(|b| *b == b'&')
        .map(|field| {
            let mut halves = field.splitn(2, |b| *b == b'=');
            let (name, value) = (halves.next()?, halves.next()?);
            Some((unescape(name)?, unescape(value)?))
        })
        .collect()
}

/// Bytes as they stood before they were escaped; `None` if an escape is cut short or what comes out
/// is not UTF-8.
fn unescape(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |b: &u8| char::from(*b).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A form with these fields.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        escape(name, &mut form);
        form.push('=');
        escape(value, &mut form);
    }
    form
}

fn escape(text: &str, form: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            form.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_read_as_slack_writes_it() {
        let fields = decode(b"payload=%7B%22a%22%3A%22b+c%22%7D&x=").unwrap();
        let expected = [("payload", r#"{"a":"b c"}"#), ("x", "")];
        assert_eq!(fields.len(), 2);
        for ((name, value), expected) in fields.iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_str()), expected);
        }
        assert_eq!(decode(b""), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_well_formed_is_no_form() {
        for bad in [
            "payload", "a=1&", "a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "a=%c3",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in ".*", value in ".*") {
            let form = encode(&[(&name, &value), ("b", "c")]);
            prop_assert_eq!(
                decode(form.as_bytes()),
                Some(vec![(name, value), ("b".to_owned(), "c".to_owned())])
            );
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = decode(&body);
        }
    }
}
