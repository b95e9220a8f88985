use proptest::prelude::*;

use super::*;

/// The example in Slack's documentation.
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SIGNED_AT: &str = "1531420618";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn secrets(texts: &[&str]) -> Vec<SigningSecret> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_531_420_618 + seconds).unwrap()
}

fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    format!("v0={hex}")
}

/// Verifies with these headers, the rest as in Slack's example.
fn with(headers: &[(&str, &str)]) -> Result<(), NotSlacks> {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    verify(&secrets(&[SECRET]), headers, BODY, at(0))
}

/// Verifies Slack's example with another body and at another moment.
fn signed(signature: &str, body: &[u8], now: Timestamp) -> Result<(), NotSlacks> {
    let headers = [
        (
            "Content-Type",
            "application/x-www-form-urlencoded".as_bytes(),
        ),
        ("X-Slack-Request-Timestamp", SIGNED_AT.as_bytes()),
        ("X-Slack-Signature", signature.as_bytes()),
    ];
    verify(&secrets(&[SECRET]), headers, body, now)
}

#[test]
fn slacks_own_example_is_slacks() {
    assert_eq!(sign(SECRET, SIGNED_AT, BODY), SIGNATURE);
    assert_eq!(signed(SIGNATURE, BODY, at(0)), Ok(()));
}

#[test]
fn a_body_that_was_altered_or_encoded_again_is_not() {
    let mut altered = BODY.to_vec();
    altered[0] ^= 1;
    let mut longer = BODY.to_vec();
    longer.push(b'\n');
    for body in [altered.as_slice(), &longer, b"", &BODY[1..]] {
        assert_eq!(signed(SIGNATURE, body, at(0)), Err(NotSlacks::Mismatch));
    }
    let body = b"payload=%7B%22text%22%3A%22*%22%7D";
    let again = b"payload=%7B%22text%22%3A%22%2A%22%7D";
    let signature = sign(SECRET, SIGNED_AT, body);
    assert_eq!(signed(&signature, body, at(0)), Ok(()));
    assert_eq!(signed(&signature, again, at(0)), Err(NotSlacks::Mismatch));
}

#[test]
fn five_minutes_either_way_and_no_more() {
    for near in [-300, -1, 0, 300] {
        assert_eq!(signed(SIGNATURE, BODY, at(near)), Ok(()), "{near}");
    }
    for (far, said) in [
        (301, "the request was signed 301 s ago, more than 300 s"),
        (
            -301,
            "the request was signed 301 s from now, more than 300 s",
        ),
    ] {
        let refused = signed(SIGNATURE, BODY, at(far)).unwrap_err();
        assert_eq!(refused.to_string(), said);
    }
    let barely = at(300) + SignedDuration::from_millis(1);
    assert!(signed(SIGNATURE, BODY, barely).is_err());
}

#[test]
fn the_time_is_signed_too() {
    let headers = [
        (TIMESTAMP_HEADER, "1531420619"),
        (SIGNATURE_HEADER, SIGNATURE),
    ];
    assert_eq!(with(&headers), Err(NotSlacks::Mismatch));
    // The same moment, written in another way, is another text.
    let headers = [
        (TIMESTAMP_HEADER, "01531420618"),
        (SIGNATURE_HEADER, SIGNATURE),
    ];
    assert_eq!(with(&headers), Err(NotSlacks::Mismatch));
}

#[test]
fn both_headers_are_there_once() {
    let (time, signature) = ((TIMESTAMP_HEADER, SIGNED_AT), (SIGNATURE_HEADER, SIGNATURE));
    assert_eq!(with(&[time, signature]), Ok(()));
    for (headers, expected) in [
        (vec![], NotSlacks::Missing(TIMESTAMP_HEADER)),
        (vec![signature], NotSlacks::Missing(TIMESTAMP_HEADER)),
        (vec![time], NotSlacks::Missing(SIGNATURE_HEADER)),
        (
            vec![time, signature, ("X-SLACK-SIGNATURE", SIGNATURE)],
            NotSlacks::Repeated(SIGNATURE_HEADER),
        ),
        (
            vec![time, time, signature],
            NotSlacks::Repeated(TIMESTAMP_HEADER),
        ),
    ] {
        assert_eq!(with(&headers), Err(expected), "{headers:?}");
    }
}

#[test]
fn other_forms_of_the_headers_are_refused() {
    for time in [
        "",
        " 1531420618",
        "+1531420618",
        "-1531420618",
        "1531420618.0",
        "1531420618,1531420618",
        "0x5b479a0a",
        "1531420618\u{661}",
        "99999999999999999999",
        "999999999999",
        "now",
    ] {
        let headers = [(TIMESTAMP_HEADER, time), (SIGNATURE_HEADER, SIGNATURE)];
        assert_eq!(
            with(&headers),
            Err(NotSlacks::MalformedTimestamp),
            "{time:?}"
        );
    }
    let hex = SIGNATURE.strip_prefix("v0=").unwrap();
    let (_, shorter) = hex.split_at(1);
    for signature in [
        String::new(),
        hex.to_owned(),
        format!("v1={hex}"),
        format!("V0={hex}"),
        format!("v0:{hex}"),
        format!("v0={}", hex.to_uppercase()),
        format!("v0={shorter}"),
        format!("v0={hex}0"),
        format!("v0={hex},v0={hex}"),
        format!(" v0={hex}"),
        format!("v0={shorter}g"),
        "v0=".to_owned(),
    ] {
        let headers = [
            (TIMESTAMP_HEADER, SIGNED_AT),
            (SIGNATURE_HEADER, signature.as_str()),
        ];
        assert_eq!(
            with(&headers),
            Err(NotSlacks::MalformedSignature),
            "{signature}"
        );
    }
    let headers = [
        (TIMESTAMP_HEADER, b"\xff".as_slice()),
        (SIGNATURE_HEADER, SIGNATURE.as_bytes()),
    ];
    let refused = verify(&secrets(&[SECRET]), headers, BODY, at(0));
    assert_eq!(refused, Err(NotSlacks::MalformedTimestamp));
}

#[test]
fn the_secret_before_counts_until_it_is_taken_away() {
    let headers = || {
        [
            (TIMESTAMP_HEADER, SIGNED_AT.as_bytes()),
            (SIGNATURE_HEADER, SIGNATURE.as_bytes()),
        ]
    };
    let verify = |texts: &[&str]| verify(&secrets(texts), headers(), BODY, at(0));
    assert_eq!(verify(&["the-new-secret", SECRET]), Ok(()));
    assert_eq!(verify(&[SECRET, "the-old-secret"]), Ok(()));
    assert_eq!(verify(&["the-new-secret"]), Err(NotSlacks::Mismatch));
    assert_eq!(verify(&[]), Err(NotSlacks::NoSecret));
}

#[test]
fn a_refusal_holds_neither_signature_nor_secret() {
    let hex = SIGNATURE.strip_prefix("v0=").unwrap();
    let (begin, _) = hex.split_at(8);
    for refused in [
        signed(SIGNATURE, b"", at(0)),
        signed(SIGNATURE, BODY, at(999)),
        signed(&format!("v1={hex}"), BODY, at(0)),
    ] {
        let error = refused.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains(begin) && !said.contains(SECRET), "{said}");
    }
}

proptest! {
    #[test]
    fn no_request_makes_it_panic_and_none_is_slacks_by_chance(
        headers in prop::collection::vec(
            (
                prop_oneof![Just(TIMESTAMP_HEADER), Just(SIGNATURE_HEADER), Just("host")],
                prop_oneof![
                    any::<Vec<u8>>(),
                    "[0-9]{0,14}".prop_map(String::into_bytes),
                    "v0=[0-9a-f]{62,66}".prop_map(String::into_bytes),
                ],
            ),
            0..4,
        ),
        body: Vec<u8>,
        now in -377_705_023_201_i64..253_402_207_200,
    ) {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_slice()));
        let now = Timestamp::from_second(now).unwrap();
        prop_assert!(verify(&secrets(&[SECRET]), headers, &body, now).is_err());
    }

    #[test]
    fn whatever_is_signed_is_slacks_and_nothing_beside_it(body: Vec<u8>, at_byte: usize, bit in 0..8) {
        let signature = sign(SECRET, SIGNED_AT, &body);
        prop_assert_eq!(signed(&signature, &body, at(0)), Ok(()));
        let mut altered = body;
        if let Some(length) = std::num::NonZeroUsize::new(altered.len()) {
            altered[at_byte % length] ^= 1_u8 << bit;
            prop_assert_eq!(signed(&signature, &altered, at(0)), Err(NotSlacks::Mismatch));
        }
    }
}
