use proptest::prelude::*;

use super::*;
use crate::connection::ConnectionState;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const ACCOUNT: &str = "777788889999";
const ENDPOINT: &str = "vpce-0123456789abcdef0";

fn rule(scope: &str, principal: &str) -> Rule {
    Rule {
        service_id: scope.parse().unwrap(),
        principal: principal.parse().unwrap(),
        effect: Effect::Deny,
    }
}

fn meaning(service_id: &str, rule: &str) -> Option<Meaning> {
    PolicyKey::new(service_id, rule).meaning()
}

#[test]
fn keys_that_judging_reads_are_expected() {
    for scope in ["*", SERVICE] {
        for rule in [
            "settings",
            "allow#*",
            "deny#*",
            "allow#777788889999",
            "deny#777788889999",
            "deny#vpce-0123456789abcdef0",
            "deny#o-a1b2c3d4e5/r-ab12/*",
        ] {
            assert_eq!(meaning(scope, rule), Some(Meaning::Expected), "{rule}");
        }
    }
    assert_eq!(
        meaning("approvers", "approver#alice@example.com"),
        Some(Meaning::Expected)
    );
}

#[test]
fn a_deny_for_a_root_arn_or_with_blanks_around_is_understood() {
    for (text, principal) in [
        ("deny#arn:aws:iam::777788889999:root", ACCOUNT),
        ("deny#arn:aws-us-gov:iam::777788889999:root", ACCOUNT),
        ("deny#arn:aws-cn:iam::777788889999:root", ACCOUNT),
        (" deny#arn:aws:iam::777788889999:root\n", ACCOUNT),
        ("deny#777788889999 ", ACCOUNT),
        ("\tdeny#777788889999", ACCOUNT),
        ("deny# 777788889999", ACCOUNT),
        ("deny #777788889999", ACCOUNT),
        ("deny#777788889999\u{a0}", ACCOUNT),
        ("\u{feff}deny#\u{200b}777788889999\u{200b}", ACCOUNT),
        ("deny#* ", "*"),
        ("deny#vpce-0123456789abcdef0\r\n", ENDPOINT),
        ("deny# o-a1b2c3d4e5/r-ab12/*", "o-a1b2c3d4e5/r-ab12/*"),
    ] {
        for scope in ["*", SERVICE] {
            let deny = Some(Meaning::Deny(rule(scope, principal)));
            assert_eq!(meaning(scope, text), deny, "{text:?}");
        }
        let scope = format!(" {SERVICE}\n");
        let deny = Some(Meaning::Deny(rule(SERVICE, principal)));
        assert_eq!(meaning(&scope, text), deny, "{text:?}");
    }
    // A sort key as it should be, in a partition with blanks around.
    let deny = Some(Meaning::Deny(rule("*", ACCOUNT)));
    assert_eq!(meaning("* ", "deny#777788889999"), deny);
}

#[test]
fn what_is_not_understood_concerns_whom_it_shows_without_doubt() {
    for (text, principal) in [
        // One account.
        ("Deny#777788889999", ACCOUNT),
        ("DENY#777788889999", ACCOUNT),
        ("deny#7777-8888-9999", ACCOUNT),
        ("deny#7777 8888 9999", ACCOUNT),
        ("deny#7777.8888.9999", ACCOUNT),
        ("deny##777788889999", ACCOUNT),
        ("deny:777788889999", ACCOUNT),
        ("deny-777788889999", ACCOUNT),
        ("deny 7777-8888-9999", ACCOUNT),
        ("deny777788889999", ACCOUNT),
        ("777788889999", ACCOUNT),
        ("reject#777788889999", ACCOUNT),
        ("denied#777788889999", ACCOUNT),
        ("deny#account/777788889999", ACCOUNT),
        ("deny#\"777788889999\"", ACCOUNT),
        ("deny#777788889999/", ACCOUNT),
        ("deny#AWS:777788889999", ACCOUNT),
        ("Deny#arn:aws:iam::777788889999:root", ACCOUNT),
        ("deny#arn:aws:iam::777788889999:user/bob", ACCOUNT),
        ("deny#arn:aws:sts::777788889999:assumed-role/x/y", ACCOUNT),
        ("deny#arn:AWS:iam::777788889999:root", ACCOUNT),
        ("deny#arn:aws:iam::777788889999:root:", ACCOUNT),
        // One endpoint.
        ("deny#VPCE-0123456789ABCDEF0", ENDPOINT),
        ("Deny#vpce-0123456789abcdef0", ENDPOINT),
        (
            "deny#arn:aws:ec2:eu-central-1:777788889999:vpc-endpoint/vpce-0123456789abcdef0",
            ENDPOINT,
        ),
        // One path.
        ("deny#o-a1b2c3d4e5/r-ab12", "o-a1b2c3d4e5/r-ab12/*"),
        ("deny#o-a1b2c3d4e5/r-ab12/", "o-a1b2c3d4e5/r-ab12/*"),
        ("deny#o-a1b2c3d4e5", "o-a1b2c3d4e5/*"),
        ("Deny#O-A1B2C3D4E5/R-AB12/*", "o-a1b2c3d4e5/r-ab12/*"),
        // Nobody without doubt, so everybody.
        ("Deny#*", "*"),
        ("deny", "*"),
        ("deny#", "*"),
        ("deny#everyone", "*"),
        ("deny#77778888999", "*"),
        ("deny#7777888899990", "*"),
        ("deny#777788889999,111122223333", "*"),
        ("deny#vpce-777788889999x", "*"),
        ("deny#vpce-777788889999", "*"),
        ("deny#vpce-012345678901", "*"),
        ("deny#vpce-svc-0a1b2c3d4e5f60718", "*"),
        (
            "deny#arn:aws:organizations::777788889999:ou/o-a1b2c3d4e5/ou-ab12-11111111",
            "*",
        ),
        ("deny#७७७७८८८८९९९९", "*"),
        ("Settings", "*"),
        ("settings ", "*"),
        ("setting", "*"),
        ("approver#alice@example.com", "*"),
        ("alow#*", "*"),
    ] {
        for scope in ["*", SERVICE] {
            let unclear = Some(Meaning::Unclear(rule(scope, principal)));
            assert_eq!(meaning(scope, text), unclear, "{text:?}");
        }
    }
}

#[test]
fn an_allow_that_is_written_otherwise_denies_nobody() {
    for text in [
        "Allow#777788889999",
        "ALLOW#*",
        "allow#arn:aws:iam::777788889999:root",
        "allow#777788889999 ",
        " allow#777788889999",
        "allow #777788889999",
        "allow#7777-8888-9999",
        "allow#",
        "allow#deny#777788889999",
    ] {
        assert_eq!(meaning("*", text), Some(Meaning::Allow), "{text:?}");
    }
    let elsewhere = meaning(&format!(" {SERVICE}"), "allow#*");
    assert_eq!(elsewhere, Some(Meaning::Allow));
}

#[test]
fn a_partition_belongs_to_the_service_that_it_names() {
    for service_id in [
        "com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b2c3d4e5f60718",
        "cn.com.amazonaws.vpce.cn-north-1.vpce-svc-0a1b2c3d4e5f60718",
        "arn:aws:ec2:eu-central-1:111122223333:vpc-endpoint-service/vpce-svc-0a1b2c3d4e5f60718",
        "com.amazonaws.vpce.eu-central-1. vpce-svc-0a1b2c3d4e5f60718 ",
    ] {
        let key = PolicyKey::new(service_id, "deny#777788889999");
        assert_eq!(key.scope(), Some(SERVICE.parse().unwrap()), "{service_id}");
        let unclear = Some(Meaning::Unclear(rule(SERVICE, ACCOUNT)));
        assert_eq!(key.meaning(), unclear, "{service_id}");
    }
    for service_id in ["VPCE-SVC-0A1B2C3D4E5F60718", "vpce-svc-0a1b2c3d 4e5f60718"] {
        let unclear = Some(Meaning::Unclear(rule(SERVICE, ACCOUNT)));
        assert_eq!(meaning(service_id, "deny#777788889999"), unclear);
    }
    for nobody in [
        "payments",
        "all",
        "approvers ",
        "vpce-svc-0a1b2c3d4e5f60718,vpce-svc-11111111111111111",
        "vpce-0123456789abcdef0",
        "**",
    ] {
        assert_eq!(meaning(nobody, "deny#777788889999"), None, "{nobody}");
        assert_eq!(meaning(nobody, "settings"), None, "{nobody}");
    }
}

fn connection() -> Connection {
    Connection {
        service_id: SERVICE.parse().unwrap(),
        endpoint_id: ENDPOINT.parse().unwrap(),
        owner: ACCOUNT.parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        state: ConnectionState::PendingAcceptance,
        created_at: None,
    }
}

fn of(rules: &[&str]) -> UnexpectedKeys {
    UnexpectedKeys::of(rules.iter().map(|rule| PolicyKey::new("*", *rule)))
}

#[test]
fn only_whom_a_key_may_deny_stays_undecided() {
    let place = |path: Option<&str>| Organization::Known(path.map(|path| path.parse().unwrap()));
    let inside = place(Some("o-1/r-ab12/ou-ab12-1/*"));
    let cases = [
        ("Deny#777788889999", &inside, true),
        ("Deny#111122223333", &inside, false),
        ("Deny#vpce-0123456789abcdef0", &inside, true),
        ("Deny#vpce-00000000000000001", &inside, false),
        ("Deny#o-1/r-ab12", &inside, true),
        ("Deny#o-2/r-ab12", &inside, false),
        ("Deny#o-1/r-ab12", &place(None), false),
        ("Deny#o-1/r-ab12", &Organization::Off, true),
        ("Deny#o-1/r-ab12", &Organization::Failed, true),
        ("Deny#*", &inside, true),
        ("deny#777788889999 ", &inside, false),
        ("Allow#*", &inside, false),
    ];
    for (text, organization, expected) in cases {
        let objection = of(&[text]).objection(&connection(), organization);
        assert_eq!(objection.is_some(), expected, "{text} {organization:?}");
    }
}

#[test]
fn a_deny_that_is_understood_is_to_be_read_by_whom_it_may_match() {
    let keys = of(&[
        "deny#777788889999 ",
        "deny#111122223333 ",
        "Deny#*",
        "allow# *",
    ]);
    let denies: Vec<_> = keys
        .denies(&connection(), &Organization::Off)
        .map(|(key, rule)| (key.rule.clone(), rule))
        .collect();
    assert_eq!(
        denies,
        [("deny#777788889999 ".to_owned(), rule("*", ACCOUNT))]
    );
}

#[test]
fn more_than_can_be_remembered_concern_everybody() {
    let others = |count: usize| {
        (0..count)
            .map(|n| format!("deny#{n:012} "))
            .collect::<Vec<_>>()
    };
    let keys = |texts: &[String]| {
        UnexpectedKeys::of(texts.iter().map(|rule| PolicyKey::new("*", rule.as_str())))
    };
    let most = keys(&others(REMEMBERED));
    assert_eq!(most.objection(&connection(), &Organization::Off), None);
    let too_many = keys(&others(REMEMBERED + 1));
    assert_eq!(
        (too_many.denying, too_many.keys.len()),
        (REMEMBERED + 1, REMEMBERED)
    );
    let objection = too_many
        .objection(&connection(), &Organization::Off)
        .unwrap();
    assert!(
        objection.to_string().contains("the first of 21 items"),
        "{objection}"
    );

    // Allows let nobody in, so any number of them stops nothing, and hides no deny.
    let mut texts: Vec<String> = (0..1000).map(|n| format!("Allow#{n:012}")).collect();
    let allows = keys(&texts);
    assert_eq!((allows.allowing, allows.keys.len()), (1000, REMEMBERED));
    assert_eq!(allows.objection(&connection(), &Organization::Off), None);
    texts.push(format!("Deny#{ACCOUNT}"));
    assert!(
        keys(&texts)
            .objection(&connection(), &Organization::Off)
            .is_some()
    );
}

#[test]
fn it_is_the_same_for_the_same_keys_and_small_whatever_they_are() {
    let one = of(&["Deny#1", "Deny#2", "settings", "allow#*"]);
    assert_eq!(one, of(&["allow#*", "Deny#2", "Deny#1", "Deny#1"]));
    assert_ne!(one.hash, of(&["Deny#1"]).hash);
    assert_eq!(of(&["settings", "deny#*"]), UnexpectedKeys::default());
    assert!(UnexpectedKeys::default().is_empty());
    // Where one text ends and the next begins matters.
    let key = PolicyKey::new;
    assert_ne!(
        UnexpectedKeys::of([key("ab", "c")]).hash,
        UnexpectedKeys::of([key("a", "bc")]).hash
    );
    // Beyond what is remembered by its text, a change still shows.
    let many = |last: &str| {
        let all = (0..50)
            .map(|n| format!("Deny#{n:03}"))
            .chain([last.to_owned()]);
        UnexpectedKeys::of(all.map(|rule| PolicyKey::new("*", rule)))
    };
    assert_ne!(many("Deny#x").hash, many("Deny#y").hash);
    assert_eq!(many("Deny#x").keys, many("Deny#y").keys);
}

#[test]
fn advice_says_what_to_write() {
    for (service_id, text, said) in [
        (
            "*",
            "deny#arn:aws:iam::777788889999:root",
            "it holds as the deny that it means. Write it anew with service_id \"*\" and rule \"deny#777788889999\"",
        ),
        (
            "*",
            "Deny#777788889999",
            "so 777788889999, whom it shows, stays undecided. If it is one, write it anew with service_id \"*\" and rule \"deny#777788889999\"",
        ),
        (
            "*",
            "Deny#*",
            "so everybody whom the partition concerns stays undecided",
        ),
        ("*", "Allow#*", "it lets nobody in"),
        (
            "payments",
            "deny#*",
            "its service_id names no endpoint service",
        ),
    ] {
        let advice = advice(&PolicyKey::new(service_id, text));
        assert!(advice.contains(said), "{advice}");
    }
    let shown = PolicyKey::new("*", "deny#777788889999 \u{200b}").to_string();
    assert_eq!(shown, r#"* / "deny#777788889999 \u{200b}""#);
    assert!(PolicyKey::new("*", "x".repeat(1000)).to_string().len() < 300);
}

proptest! {
    /// What is in a service's own partition is either read by its key, or an allow, or remembered as
    /// something that may deny: nothing is passed over.
    #[test]
    fn nothing_in_a_services_partition_is_passed_over(text in "\\PC{0,40}") {
        let key = PolicyKey::new(SERVICE, text.as_str());
        let keys = UnexpectedKeys::of([key.clone()]);
        match key.meaning().unwrap() {
            Meaning::Expected => {
                prop_assert!(keys.is_empty());
                let is_read = text == "settings"
                    || ["allow#", "deny#"].iter().any(|effect| {
                        let principal = text.strip_prefix(effect);
                        principal.is_some_and(|text| {
                            text.parse::<Principal>().is_ok_and(|parsed| parsed.to_string() == text)
                        })
                    });
                prop_assert!(is_read);
            }
            Meaning::Allow => prop_assert!(text.to_lowercase().contains("allow")),
            Meaning::Deny(_) | Meaning::Unclear(_) => prop_assert_eq!(keys.denying, 1),
        }
    }

    /// Blanks around a deny never change whom it denies.
    #[test]
    fn blanks_around_change_nothing(
        before in "[ \t\n\u{a0}\u{200b}]{0,3}",
        between in "[ \t\n\u{a0}\u{200b}]{0,3}",
        after in "[ \t\n\u{a0}\u{200b}]{0,3}",
        principal in prop_oneof![Just(ACCOUNT), Just(ENDPOINT), Just("*"), Just("o-1/r-ab12/*")],
    ) {
        let text = format!("{before}deny#{between}{principal}{after}");
        let meaning = meaning("*", &text).unwrap();
        if [&before, &between, &after].iter().all(|blanks| blanks.is_empty()) {
            prop_assert_eq!(meaning, Meaning::Expected);
        } else {
            prop_assert_eq!(meaning, Meaning::Deny(rule("*", principal)));
        }
    }

    /// An account whose number a key holds in any grouping never goes unconcerned.
    #[test]
    fn the_account_that_a_key_shows_is_concerned(
        digits in "[0-9]{12}",
        effect in "(deny|Deny|DENY|reject|block)",
        separator in "[#:= /_-]{1,2}",
        group in "[-. _]?",
    ) {
        let groups: Vec<String> = digits
            .as_bytes()
            .chunks(4)
            .map(|group| String::from_utf8(group.to_vec()).unwrap())
            .collect();
        let number = groups.join(&group);
        let text = format!("{effect}{separator}{number}");
        let own = Connection { owner: digits.parse().unwrap(), ..connection() };
        let keys = of(&[&text]);
        let is_concerned = text == format!("deny#{digits}")
            || keys.objection(&own, &Organization::Off).is_some()
            || keys.denies(&own, &Organization::Off).next().is_some();
        prop_assert!(is_concerned, "{}", text);
    }
}

#[test]
fn an_item_that_cannot_be_understood_is_counted_by_what_it_stops() {
    use Stops::{Approver, EveryService, Nothing, Service, UnexpectedKey};
    let service = "vpce-svc-0a1b2c3d4e5f60718";
    for (service_id, rule, expected) in [
        ("approvers", "approver#alice@example.com", Approver),
        ("approvers", "alice", Approver),
        (service, "allow#000000000001", Service),
        (service, "settings", Service),
        ("*", "deny#*", EveryService),
        ("*", "settings", EveryService),
        ("*", "Deny#000000000001", UnexpectedKey),
        (service, "deny#000000000001 ", UnexpectedKey),
        (service, "Allow#000000000001", Nothing),
        ("payments", "deny#000000000001", Nothing),
        (
            "acknowledgements",
            "anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718",
            Nothing,
        ),
    ] {
        let key = PolicyKey::new(service_id, rule);
        assert_eq!(key.stops(), expected, "{key}");
    }
}

#[test]
fn an_acknowledgement_has_an_expected_key_and_who_missed_its_partition_is_told_so() {
    let rule = "anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718";
    let meaning = |service_id: &str| PolicyKey::new(service_id, rule).meaning();
    assert_eq!(meaning("acknowledgements"), Some(Meaning::Expected));
    for service_id in [
        "Acknowledgements",
        "acknowledgement",
        "acknowledgments",
        "acknowledgements ",
    ] {
        assert_eq!(meaning(service_id), None, "it concerns nobody");
        let advice = advice(&PolicyKey::new(service_id, rule));
        assert!(
            advice.contains("service_id \"acknowledgements\""),
            "{advice}"
        );
    }
    let other = advice(&PolicyKey::new("payments", rule));
    assert!(!other.contains("acknowledge"), "{other}");
}

#[test]
fn the_evidence_for_unexpected_keys_is_the_keys() {
    let keys =
        |rules: &[&str]| UnexpectedKeys::of(rules.iter().map(|rule| PolicyKey::new("*", *rule)));
    let evidence = |parts: &[&UnexpectedKeys]| UnexpectedKeys::evidence(parts);
    assert_eq!(evidence(&[&keys(&[])]), None);
    let one = evidence(&[&keys(&["Allow#000000000001"]), &keys(&[])]).unwrap();
    let pieces: Vec<&String> = one.pieces().iter().collect();
    assert_eq!(pieces, ["* / Allow#000000000001"]);
    let many: Vec<String> = (0..40).map(|n| format!("Allow#{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (all, fewer) = (keys(&many), keys(&many[..39]));
    assert_ne!(
        evidence(&[&all]),
        evidence(&[&fewer]),
        "beyond what is remembered"
    );
}
