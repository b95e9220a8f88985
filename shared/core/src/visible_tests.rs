use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::alarm::{Alarm, AlarmKind};
use crate::announcement::{AnnouncementKind, note};
use crate::approver::ApproverId;
use crate::fixtures::{at, request};
use crate::invitation::{approval_email, invitation};
use crate::message::{Audience, Message};
use crate::request::{Actor, Ec2Answer, Request, Status};
use crate::vote::{Channel, Choice, Vote};
use crate::watch::Finding;

/// One invisible character of each kind.
const HIDDEN: [char; 42] = [
    '\u{0}',
    '\u{7}',
    '\u{8}',
    '\u{b}',
    '\u{1b}',
    '\u{7f}',
    '\u{85}',
    '\u{9b}',
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{1160}',
    '\u{17b4}',
    '\u{180e}',
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2064}',
    '\u{2066}',
    '\u{2069}',
    '\u{206a}',
    '\u{2800}',
    '\u{3164}',
    '\u{fe00}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{ffa0}',
    '\u{fff9}',
    '\u{ffff}',
    '\u{1d173}',
    '\u{e0001}',
    '\u{e0041}',
    '\u{e0100}',
    '\u{e01ef}',
];

fn is_all_seen(text: &str) -> bool {
    matches!(visible(text), Cow::Borrowed(_))
}

/// Texts in which hidden characters are frequent.
fn any_text() -> impl Strategy<Value = String> {
    let hidden = prop::sample::select(HIDDEN.as_slice());
    let other = prop_oneof![Just('\n'), Just('\r'), Just('\t'), any::<char>()];
    let character = prop_oneof![2 => hidden, 2 => prop::char::range('a', 'f'), 3 => other];
    prop::collection::vec(character, 0..24).prop_map(String::from_iter)
}

#[test]
fn what_is_hidden_is_marked_by_its_number() {
    for c in HIDDEN {
        let mark = format!("\\u{{{:x}}}", u32::from(c));
        assert_eq!(visible(&format!("a{c}b")), format!("a{mark}b"));
        assert_eq!(visible(&c.to_string()), mark);
        assert_eq!(without_hidden(&format!("a{c}b")), "ab");
    }
    for seen in [
        "",
        "Müller & Söhne\n\tEOF",
        "株式会社　例",
        "שלום، مرحبا",
        "naïve\u{301}",
        "a\u{a0}b",
        "…–’\u{fffd}",
        "🎉🇩🇪",
    ] {
        assert!(is_all_seen(seen), "{seen:?}");
    }
    assert_eq!(visible("a\r\nb\rc"), "a\nb\\u{d}c");
    assert_eq!(in_line("a\r\nb\tc\u{202e}"), "a b c\\u{202e}");
}

#[test]
fn a_variation_selector_stays_where_it_changes_what_is_seen() {
    for seen in [
        "⚠\u{fe0f}",
        "❤\u{fe0e}",
        "1\u{fe0f}\u{20e3}",
        "葛\u{e0100}城",
        "\u{1820}\u{180b}",
    ] {
        assert!(is_all_seen(seen), "{seen:?}");
    }
    for hidden in [
        "\u{fe0f}",
        "a\u{fe0f}",
        "1\u{fe0f}",
        " \u{fe0f}",
        "⚠\u{fe0f}\u{fe0f}",
        "\u{200b}\u{fe0f}",
        "é\u{e0100}",
        "⚠\u{e0100}",
        "葛\u{fe0f}",
        "a\u{180b}",
    ] {
        let shown = visible(hidden);
        assert!(shown.contains("\\u{"), "{shown}");
        assert!(is_all_seen(&shown), "{shown}");
    }
}

#[test]
fn what_a_person_typed_is_plain() {
    for (typed, plain) in [
        ("ｃｄｅｆ０１", "cdef01"),
        ("\u{3000}ＡＢＣ１２３\u{3000}", "ABC123"),
        ("①②③④⑤⑥", "123456"),
        ("𝟎𝟏𝟐abc", "012abc"),
        ("\u{feff}ab\u{200b}c\u{ad}d\u{202c}01\u{e0001}", "abcd01"),
        ("\u{ffa0}\u{3164}", ""),
        (" a b ", "a b"),
    ] {
        assert_eq!(as_typed(typed), plain);
    }
}

#[test]
fn a_line_of_json_says_the_same_with_what_is_hidden_marked() {
    let said = |text: &str| {
        let line = serde_json::json!({ "error": text, "n": 1 }).to_string();
        let line = format!("{line}\n");
        let shown = visible_json(&line).into_owned();
        assert!(shown.ends_with('\n') && shown.lines().count() == 1);
        let read: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["n"], 1);
        read["error"].as_str().unwrap().to_owned()
    };
    for c in HIDDEN {
        assert_eq!(
            said(&format!("a{c}b")),
            format!("a\\u{{{:x}}}b", u32::from(c))
        );
    }
    for as_it_is in [
        "",
        "\"quoted\"",
        "C:\\users\\b",
        "\\u202e",
        "a\nb\tc",
        "ü/🎉",
        "\\\\r",
    ] {
        assert_eq!(said(as_it_is), as_it_is);
    }
    // As others encode it: JSON may escape any character.
    let read: Value =
        serde_json::from_str(&visible_json(r#"{"a":"\u202e\u0041\ud83c\udf89\/"}"#)).unwrap();
    assert_eq!(read["a"], "\\u{202e}A🎉/");
    assert_eq!(
        visible_json(r#"{"a":"\u20"#),
        r#"{"a":"\u20"#,
        "no JSON, and no panic"
    );
}

proptest! {
    #[test]
    fn whatever_a_text_holds_all_of_it_is_seen(text in any_text()) {
        let shown = visible(&text);
        prop_assert!(is_all_seen(&shown), "{shown:?}");
        prop_assert_eq!(visible(&shown), shown.as_ref(), "once is enough");
        prop_assert!(!in_line(&text).contains(['\n', '\r', '\t']));
        prop_assert!(is_all_seen(&without_hidden(&text)));
        prop_assert!(!as_typed(&text).contains(is_hidden));
        let json = serde_json::json!([text.replace("\r\n", "\n")]).to_string();
        let read: Vec<String> = serde_json::from_str(&visible_json(&json)).unwrap();
        let plain = |text: &str| text.replace("\\u{d}", "\r");
        prop_assert_eq!(plain(&read[0]), plain(&shown), "a log line shows it alike");
    }

    #[test]
    fn any_line_is_survived(line in ".*", raw in any_text()) {
        let _ = visible_json(&line);
        let _ = visible_json(&raw);
    }
}

/// A request in which every text comes from somebody.
fn any_request() -> impl Strategy<Value = Request> {
    let texts = prop::collection::vec(any_text(), 6);
    (texts, prop::option::of(any_text()), any::<bool>()).prop_map(|(texts, customer, by_iam)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().unwrap_or_default();
        let mut request = request(Status::InReview);
        request.customer = customer;
        request.service_name = text().parse().ok();
        request.verdict.reason = text();
        request.decided_by = if by_iam {
            Actor::Iam(text())
        } else {
            Actor::Approver(text())
        };
        request.deciders = 1;
        request.deadline = Some(at(3600));
        request.votes = vec![Vote {
            approver: "alice@example.com".parse().unwrap(),
            choice: Choice::Approve,
            reason: text(),
            at: at(1),
            channel: Channel::Slack,
            void: false,
            taken_back: false,
        }];
        request
    })
}

/// Asserts that everything for people is visible, and nothing for programs is changed.
fn assert_seen(message: &Message) -> Result<(), TestCaseError> {
    prop_assert!(is_all_seen(&message.subject), "{}", message.subject);
    prop_assert!(is_all_seen(&message.text), "{}", message.text);
    if let Some(notification) = &message.notification {
        let document: Value = serde_json::from_str(notification).unwrap();
        let content = &document["content"];
        let mut texts = vec![&content["title"], &content["description"]];
        texts.extend(content["nextSteps"].as_array().into_iter().flatten());
        texts.push(&document["metadata"]["summary"]);
        for text in texts {
            prop_assert!(is_all_seen(text.as_str().unwrap()), "{text:?}");
        }
    }
    // Kept until it is sent, it comes out as it went in.
    let kept = serde_json::to_string(message).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Message>(&kept).unwrap(), message);
    Ok(())
}

proptest! {
    #[test]
    fn no_message_of_any_kind_holds_what_is_not_seen(
        request in any_request(),
        reason in any_text(),
        code in any_text(),
        id in any_text(),
    ) {
        let alice: ApproverId = "alice@example.com".parse().unwrap();
        for kind in AnnouncementKind::ALL {
            let mut announcement = note(&request, kind, at(0));
            announcement.reason = reason.clone();
            announcement.ec2 = Some(Ec2Answer { code: code.clone(), request_id: Some(id.clone()) });
            let message = announcement.message().unwrap();
            assert_seen(&message)?;
            let facts = message.text.lines().filter(|line| line.starts_with("Decided by")).count();
            prop_assert!(facts <= 1, "nobody writes a line of ours: {}", message.text);
            let document: Value = serde_json::from_str(&message.document).unwrap();
            prop_assert_eq!(document["reason"].as_str().unwrap(), &reason, "programs get the true text");
            let asked = invitation(&announcement, &alice, at(0)).unwrap().unwrap();
            assert_seen(&asked)?;
            let Audience::Approver(bound) = &asked.to else {
                return Err(TestCaseError::fail("for an approver"));
            };
            prop_assert!(is_all_seen(&approval_email(&asked.text, bound, "https://example.com/a/x")));
        }
    }

    #[test]
    fn no_alarm_holds_what_is_not_seen(meaning in any_text(), remedy in any_text()) {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        for kind in [AlarmKind::AlarmStarted, AlarmKind::AlarmEnded] {
            let mut alarm = Alarm::new(&service, Finding::UnexpectedPolicyKeys, kind, at(0));
            (alarm.meaning, alarm.remedy) = (meaning.clone(), remedy.clone());
            let message = alarm.message().unwrap();
            assert_seen(&message)?;
            prop_assert!(!BTreeMap::is_empty(&message.attributes));
        }
    }
}
