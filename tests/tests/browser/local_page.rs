//! The local world's page, as somebody uses it after cloning the project.

use gatekeeper_aws::clock::Clock;
use gatekeeper_local::upkeep::{TICK, Upkeep};
use gatekeeper_local::world::{Options, READER, REGION, World};
use gatekeeper_local::world_file::WorldFile;
use local_aws::{Caller, ConnectionEvent, Message, NewEndpoint};

use crate::browser::{Browser, NARROW, SMALL, WIDE};
use crate::exchange::exchange;
use crate::webdriver::key::ENTER;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const ALLOWED: &str = "012345678901";
const DENIED: &str = "666666666666";
const UNKNOWN: &str = "222222222222";
/// A customer chooses its own name: it may be markup.
const NASTY: &str = "<img src=x onerror=alert(1)>\"'&amp;";

const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    notification: false
    principals: ["*"]
policy:
  entries:
    - service_id: vpce-svc-0a1b2c3d4e5f60718
      principal: "012345678901"
      effect: allow
      max_connections: 1
      customer: Example GmbH
    - service_id: "*"
      principal: "666666666666"
      effect: deny
      reason: contract ended
"#;

async fn world() -> World {
    let mut options = Options::new(Clock::system());
    options.ec2.cloudtrail = true;
    options.slack = true;
    let world = World::start(options).await.unwrap();
    let file = WorldFile::parse(WORLD).unwrap();
    file.put_into(&world).await.unwrap();
    let topic = world.notification_topic.clone();
    world
        .ec2
        .put_notification(SERVICE, topic, ConnectionEvent::ALL)
        .unwrap();
    world
}

/// Runs a test on the page of a running world. Holds at the end that the browser logged no error.
async fn on_the_page(test: impl AsyncFnOnce(&World, &Browser)) {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let world = world().await;
    while_running(&world, async {
        browser.goto(&address(&world)).await;
        test(&world, &browser).await;
        let mut complaints = browser.complaints().await;
        // The status of a form with an error in it; the browser logs it as an error.
        complaints.retain(|one| !one.contains("status of 422"));
        assert!(complaints.is_empty(), "{complaints:?}");
    })
    .await;
}

/// Does something while the world runs as it does in `gatekeeper local`.
async fn while_running(world: &World, work: impl Future<Output = ()>) {
    let (clock, mut upkeep) = (Clock::system(), Upkeep::default());
    let forever = async {
        loop {
            clock.sleep(TICK).await;
            upkeep.tick(world).await;
        }
    };
    tokio::select! {
        () = forever => {}
        () = work => {}
    }
}

fn address(world: &World) -> String {
    format!("http://{}/", world.address())
}

/// Creates an endpoint without the page, as the AWS CLI does.
fn create(world: &World, account: &str) -> String {
    let caller = Caller::new(account, REGION);
    let endpoint = world
        .ec2
        .create_endpoint(&caller, NewEndpoint::new(SERVICE));
    endpoint.unwrap().endpoint_id
}

/// Creates an endpoint with the page's form.
async fn create_on_page(browser: &Browser, account: &str) {
    browser.fill("#account", account).await;
    browser.click("#create-endpoint button").await;
}

/// Waits until the newest connection is of this account and has this status.
async fn newest_is(browser: &Browser, account: &str, status: &str) {
    browser
        .until(&format!(
            "text('.card h3').includes('{account}') && text('.card .status') === '{status}'"
        ))
        .await;
}

async fn put_item(world: &World, attributes: &[(&str, &str)]) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table());
    for (name, value) in attributes {
        put = put.item(*name, AttributeValue::S((*value).to_owned()));
    }
    put.send().await.unwrap();
}

// What it does.

#[tokio::test]
async fn a_request_is_decided_and_its_emails_appear_on_the_page() {
    on_the_page(async |world, page| {
        assert!(page.text().await.contains("Nobody has asked yet"));
        for (account, status) in [
            (ALLOWED, "accepted"),
            (DENIED, "rejected"),
            (UNKNOWN, "in review"),
        ] {
            create_on_page(page, account).await;
            newest_is(page, account, status).await;
            page.until("document.getElementById('account').value === ''")
                .await;
        }
        assert_eq!(page.count(".card").await, 3);
        page.until("document.querySelectorAll('#inbox li').length === 3")
            .await;
        page.click("#inbox li:first-child summary").await;
        let mail = page.text_of("#inbox li:first-child pre").await;
        assert_eq!(
            mail.trim_end(),
            world.sns.inbox_of(READER)[2].message.trim_end()
        );
        assert!(mail.contains(UNKNOWN), "{mail}");
        page.click(".card.accepted .foot summary").await;
        let history = page.text_of(".card.accepted .history").await;
        assert!(history.contains("being accepted → accepted"), "{history}");
        assert!(history.contains("EC2 answered"), "{history}");
        page.until("text('.card.accepted .facts').includes('available')")
            .await;
    })
    .await;
}

#[tokio::test]
async fn changes_from_elsewhere_appear_and_keep_what_was_typed_and_opened() {
    on_the_page(async |world, page| {
        create(world, ALLOWED);
        newest_is(page, ALLOWED, "accepted").await;
        page.click(".card .foot summary").await;
        page.fill("#account", "2222").await;
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "in review").await;
        assert_eq!(
            page.value_of("#account").await,
            "2222",
            "what was typed stays"
        );
        let focused = page.eval("return document.activeElement.id").await;
        assert_eq!(focused, "account", "and the focus stays");
        let opened = page.count(".card.accepted .foot details[open]").await;
        assert_eq!(opened, 1, "what was opened stays open");
        let news = page.text_of("#news").await;
        assert!(
            news.contains(UNKNOWN) && news.contains("in review"),
            "{news}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_the_allowlist_appears_though_no_connection_changes() {
    let Some(browser) = Browser::open().await else {
        return;
    };
    // The world does not run: no function sees the edit, and nothing else changes.
    let world = world().await;
    browser.goto(&address(&world)).await;
    browser.until("text('#line') === 'Live'").await;
    let entry = [("service_id", "*"), ("rule", "deny#444444444444")];
    put_item(&world, &entry).await;
    browser
        .until("text('#entries').includes('444444444444')")
        .await;
}

#[tokio::test]
async fn the_consumers_offered_are_those_of_the_allowlist_and_an_unknown_one() {
    on_the_page(async |_, page| {
        let names = page.text_of(".consumers").await;
        assert!(
            names.contains("Example GmbH") && names.contains(UNKNOWN),
            "{names}"
        );
        page.click(&format!("#as-{DENIED} button")).await;
        newest_is(page, DENIED, "rejected").await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_deletes_its_endpoint() {
    on_the_page(async |world, page| {
        let endpoint = create(world, ALLOWED);
        newest_is(page, ALLOWED, "accepted").await;
        page.click(&format!("#{endpoint} .foot form button")).await;
        newest_is(page, "Example", "gone").await;
        page.until("text('.card .facts').includes('nothing any more')")
            .await;
        assert_eq!(
            page.count(".card .foot form").await,
            0,
            "it can be done once only"
        );
    })
    .await;
}

#[tokio::test]
async fn an_added_entry_accepts_the_waiting_connection_and_can_be_removed() {
    on_the_page(async |world, page| {
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "in review").await;
        page.click_through(".card .foot a").await;
        assert_eq!(
            page.value_of("#principal").await,
            UNKNOWN,
            "filled in by the link"
        );
        page.click("#add-entry input[value=allow]").await;
        page.fill("#customer", "Neu & Söhne").await;
        page.fill("#max", "2").await;
        page.fill("#regions", "us-east-1, eu-central-1").await;
        page.fill("#expires", "2100-01-01T00:00:00Z").await;
        page.click("#add-entry button").await;
        page.until("text('#entries').includes('Neu & Söhne')").await;
        page.until("text('.card.accepted h3').includes('Neu & Söhne')")
            .await;
        page.until("document.getElementById('principal').value === ''")
            .await;
        let entry = format!("entry-allow-{UNKNOWN}-{SERVICE}");
        let shown = page.text_of(&format!("#{entry}")).await;
        for part in [
            "2 connections at most",
            "eu-central-1, us-east-1",
            "until 2100-01-01",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        page.click(&format!("#{entry} button")).await;
        page.until(&format!("!document.getElementById('{entry}')"))
            .await;
        let focused = page.eval("return document.activeElement.id").await;
        assert_eq!(
            focused, "allowlist",
            "the focus does not go back to the top of the page"
        );
    })
    .await;
}

#[tokio::test]
async fn an_added_approver_gets_an_approval_email_and_decides() {
    on_the_page(async |world, page| {
        page.click("#add-one summary").await;
        page.fill("#approver", "carol@example.com").await;
        page.fill("#own", "12345").await;
        page.click("#add-approver button").await;
        page.until("text('#add-approver [role=alert]').includes('12 digits')")
            .await;
        page.fill("#own", "333333333333 444444444444").await;
        page.click("#add-approver button").await;
        page.until("text('#approvers').includes('but not of 333333333333, 444444444444')")
            .await;
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "in review").await;
        assert!(page.text_of(".card .by").await.contains("0 of 1 approvals"));
        let approval_email = "[id='mailbox-carol@example.com'] li";
        page.until(&format!("text(\"{approval_email}\") !== ''"))
            .await;
        page.click(&format!("{approval_email} summary")).await;
        page.click(&format!("{approval_email} a")).await;
        let windows = page.windows().await;
        page.to_front(&windows[1]).await;
        let endpoint = world.ec2.connections()[0].endpoint_id.clone();
        let end: String = endpoint.chars().skip(endpoint.len() - 6).collect();
        page.click("input[value=approve]").await;
        page.fill("input[name=typed]", &end).await;
        page.click_through("button").await;
        page.to_front(&windows[0]).await;
        newest_is(page, UNKNOWN, "accepted").await;
        let by = page.text_of(".card .by").await;
        assert_eq!(by, "Decided by carol@example.com");
        page.click("[id='approver-carol@example.com'] button").await;
        page.until("text('#approvers').includes('There is none')")
            .await;
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "in review").await;
        let by = page.text_of(".card .by").await;
        assert!(by.contains("nobody may decide"), "{by}");
    })
    .await;
}

/// Enters Alice as an approver, with a Slack user.
async fn put_alice(world: &World) {
    let file = "services: []\npolicy:\n  approvers:\n    \
        - {id: alice@example.com, services: [\"*\"], slack_user_id: U0ALICE}\n";
    let file = WorldFile::parse(file).unwrap();
    file.put_into(world).await.unwrap();
}

#[tokio::test]
async fn a_button_in_slack_decides_and_the_message_says_so() {
    on_the_page(async |world, page| {
        put_alice(world).await;
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "in review").await;
        page.until("text('.post h4').includes('Connection request')")
            .await;
        let asked = page.text_of(".post").await;
        assert!(
            asked.contains(UNKNOWN) && asked.contains("somebody has to decide"),
            "{asked}"
        );
        // Slack shows only to the person who pressed that they are not an approver.
        page.click("#be-U0MALLORY").await;
        page.until("text('[aria-pressed=true]') === 'somebody else'")
            .await;
        press_approve(page).await;
        page.until("text('.private').includes('You are not an approver')")
            .await;
        page.click("#be-U0ALICE").await;
        page.until("text('[aria-pressed=true]') === 'alice@example.com'")
            .await;
        assert_eq!(page.count(".private").await, 0);
        page.click(".buttons details summary").await;
        press_approve(page).await;
        newest_is(page, UNKNOWN, "accepted").await;
        assert_eq!(
            page.text_of(".card .by").await,
            "Decided by alice@example.com"
        );
        page.until("text('.post:not(.private) h4').startsWith('Accepted: ')")
            .await;
        assert_eq!(
            page.count(".post .buttons").await,
            0,
            "it can be done once only"
        );
        let shown = page.text_of(".private").await;
        assert!(
            shown.contains("Done: the connection is accepted"),
            "{shown}"
        );
    })
    .await;
}

/// Presses Approve, and confirms it in the dialog that Slack shows.
async fn press_approve(page: &Browser) {
    page.click(".buttons details summary").await;
    page.click(".buttons .confirm button").await;
}

#[tokio::test]
async fn a_rejection_in_slack_asks_for_a_reason_with_javascript_and_without() {
    for javascript in [true, false] {
        on_the_page(async |world, page| {
            put_alice(world).await;
            create(world, UNKNOWN);
            newest_is(page, UNKNOWN, "in review").await;
            page.until("text('.post h4').includes('Connection request')")
                .await;
            page.set_javascript(javascript).await;
            page.reload().await;
            let to = async |selector: &str, there: &str| {
                if javascript {
                    page.click(selector).await;
                    page.until(there).await;
                } else {
                    page.click_through(selector).await;
                    page.until(there).await;
                }
            };
            let reject = ".buttons button.danger";
            let open = "text('[role=dialog] h4') === 'Reject this connection'";
            to(reject, open).await;
            if javascript {
                // The field has the focus.
                page.until("document.activeElement.name === 'reason'").await;
            }
            page.fill("#input-reason", " ").await;
            to(
                "[role=dialog] button.main",
                "text('[role=dialog] [role=alert]').includes('wants something')",
            )
            .await;
            // Cancelling changes nothing, and the dialog can be opened again.
            to(
                "[role=dialog] button:not(.main)",
                "text('[role=dialog]') === ''",
            )
            .await;
            to(reject, open).await;
            page.fill("#input-reason", "Not a <b>customer</b>.").await;
            let done = "text('[role=dialog]').includes('Done: the connection is rejected')";
            to("[role=dialog] button.main", done).await;
            to(
                "[role=dialog] button:not(.main)",
                "text('[role=dialog]') === ''",
            )
            .await;
            loaded_until(page, "rejected").await;
            let why = page.text_of(".card .why").await;
            assert_eq!(why, "Rejected by alice@example.com. Not a <b>customer</b>.");
            while page.count(".post .buttons").await > 0 {
                page.reload().await;
            }
            let post = page.text_of(".post").await;
            assert!(post.contains("Rejected: "), "{post}");
            assert!(post.contains("Not a <b>customer</b>."), "{post}");
        })
        .await;
    }
}

#[tokio::test]
async fn settings_are_saved_and_apply_from_then_on() {
    on_the_page(async |world, page| {
        page.click("#of-\\* summary").await;
        page.choose("#on_unlisted-\\*", "reject").await;
        page.fill("#review_hours-\\*", "soon").await;
        page.click("#settings-\\* button").await;
        page.until("text('#settings-\\\\* [role=alert]').includes('not a whole number')")
            .await;
        assert_eq!(page.value_of("#on_unlisted-\\*").await, "reject");
        page.fill("#review_hours-\\*", "24").await;
        page.click("#settings-\\* button").await;
        page.until("text('#said-\\\\*').includes('is rejected')")
            .await;
        create(world, UNKNOWN);
        newest_is(page, UNKNOWN, "rejected").await;
        page.choose("#on_unlisted-\\*", "").await;
        page.fill("#review_hours-\\*", "").await;
        page.click("#settings-\\* button").await;
        page.until("text('#said-\\\\*').includes('by default')")
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_input_is_explained_beside_its_field_and_nothing_is_lost() {
    on_the_page(async |world, page| {
        create_on_page(page, "12345").await;
        page.until("text('#create-endpoint [role=alert]').includes('12 digits')")
            .await;
        assert_eq!(page.value_of("#account").await, "12345");
        assert_eq!(
            page.count("#account[aria-invalid][aria-describedby]").await,
            1
        );
        assert!(world.ec2.connections().is_empty());
        // A change of the world does not remove the error message.
        create(world, DENIED);
        newest_is(page, DENIED, "rejected").await;
        assert_eq!(page.count("#create-endpoint [role=alert]").await, 1);
        create_on_page(page, ALLOWED).await;
        newest_is(page, ALLOWED, "accepted").await;
        assert_eq!(page.count("[role=alert]").await, 0);

        page.click("#add summary").await;
        for (field, wrong, said) in [
            ("#principal", "o-1/r-a", "not an Organizations path"),
            ("#max", "many", "not a whole number"),
            ("#regions", "everywhere", "not an AWS Region"),
            ("#expires", "soon", "not a time"),
        ] {
            page.click("#add-entry input[value=deny]").await;
            page.fill("#principal", UNKNOWN).await;
            page.fill(field, wrong).await;
            page.click("#add-entry button").await;
            page.until(&format!(
                "text('#add-entry [role=alert]').includes('{said}')"
            ))
            .await;
            assert_eq!(page.value_of(field).await, wrong);
            assert_eq!(page.count(&format!("{field}[aria-invalid]")).await, 1);
            page.fill(field, "").await;
        }
        page.fill("#principal", UNKNOWN).await;
        page.fill("#max", "1").await;
        page.click("#add-entry button").await;
        page.until("text('#add-entry [role=alert]').includes('for allow entries only')")
            .await;
        // An entry that is there already is not overwritten; its conditions stay.
        page.click("#add-entry input[value=allow]").await;
        page.fill("#principal", ALLOWED).await;
        page.choose("#entry-service", SERVICE).await;
        page.click("#add-entry button").await;
        page.until("text('#add-entry [role=alert]').includes('already')")
            .await;
        assert!(
            page.text_of("#entries")
                .await
                .contains("1 connection at most")
        );
    })
    .await;
}

#[tokio::test]
async fn an_unreadable_item_is_shown_and_can_be_removed() {
    on_the_page(async |world, page| {
        let misspelt = [
            ("service_id", "*"),
            ("rule", "allow#222222222222"),
            ("expires_on", "2027-01-01T00:00:00Z"),
        ];
        put_item(world, &misspelt).await;
        page.until("text('#entries .complaint').includes('expires_on')")
            .await;
        page.click("#entries li:last-child button").await;
        page.until("text('#entries .complaint') === ''").await;
    })
    .await;
}

// Who can use it.

#[tokio::test]
async fn without_javascript_everything_works_by_loading_the_page() {
    on_the_page(async |world, page| {
        page.set_javascript(false).await;
        page.reload().await;
        assert!(page.text().await.contains("Without JavaScript"));
        page.fill("#account", "12345").await;
        page.click_through("#create-endpoint button").await;
        assert!(
            page.text_of("#create-endpoint [role=alert]")
                .await
                .contains("12 digits")
        );
        assert_eq!(page.value_of("#account").await, "12345");
        page.fill("#account", ALLOWED).await;
        page.click_through("#create-endpoint button").await;
        assert_eq!(page.url().await, format!("{}#connections", address(world)));
        loaded_until(page, "accepted").await;
        page.click(".card .foot summary").await;
        assert!(
            page.text_of(".card .history")
                .await
                .contains("being accepted → accepted")
        );
        page.click("#add summary").await;
        page.click("#add-entry input[value=deny]").await;
        page.fill("#principal", "not an account").await;
        page.click_through("#add-entry button").await;
        assert_eq!(
            page.count("#add[open] [role=alert]").await,
            1,
            "is not hidden"
        );
        page.fill("#principal", UNKNOWN).await;
        page.click_through("#add-entry button").await;
        assert_eq!(page.count(&format!("#entry-deny-{UNKNOWN}-\\*")).await, 1);
        page.click_through(".card .foot form button").await;
        loaded_until(page, "gone").await;
    })
    .await;
}

/// Reloads the page until the newest connection has this status.
async fn loaded_until(page: &Browser, status: &str) {
    for _ in 0..200 {
        if page.text_of(".card .status").await == status {
            return;
        }
        page.reload().await;
    }
    panic!("not {status}: {}", page.text().await);
}

#[tokio::test]
async fn everybody_can_read_it_on_desktops_and_phones_in_light_and_dark() {
    on_the_page(async |world, page| {
        fill_with_everything(world, page).await;
        page.assert_everybody_can_read_it(&[NARROW, WIDE, (760, 900), SMALL])
            .await;
    })
    .await;
}

/// Brings about each status, an error, opened e-mails and forms, and words longer than a line.
async fn fill_with_everything(world: &World, page: &Browser) {
    put_alice(world).await;
    let gone = create(world, ALLOWED);
    newest_is(page, ALLOWED, "accepted").await;
    world.ec2.delete_endpoint(&gone);
    newest_is(page, "Example", "gone").await;
    for (account, status) in [
        (ALLOWED, "accepted"),
        (DENIED, "rejected"),
        (UNKNOWN, "in review"),
    ] {
        create(world, account);
        newest_is(page, account, status).await;
    }
    let long = "Donaudampfschifffahrt".repeat(12);
    let item = [
        ("service_id", "*"),
        ("rule", "allow#333333333333"),
        ("customer", &long),
        ("reason", &long),
    ];
    put_item(world, &item).await;
    create(world, "333333333333");
    newest_is(page, &long, "accepted").await;
    let mail = Message::new(&long).subject("subject".repeat(14));
    world
        .sns
        .publish(&world.announcements_topic, &mail)
        .unwrap();
    put_item(
        world,
        &[("service_id", "*"), ("rule", "allow#*"), ("until", "x")],
    )
    .await;
    page.until("text('#entries .complaint') !== ''").await;
    page.until("text('.buttons .danger') !== ''").await;
    page.click(".buttons .danger").await;
    page.until("text('[role=dialog] h4') !== ''").await;
    create_on_page(page, "12345").await;
    page.until("text('#create-endpoint [role=alert]') !== ''")
        .await;
    page.eval("for (const one of document.querySelectorAll('details')) one.open = true")
        .await;
}

#[tokio::test]
async fn it_can_be_used_by_keyboard() {
    on_the_page(async |world, page| {
        put_alice(world).await;
        for account in [ALLOWED, UNKNOWN] {
            create(world, account);
            page.until(&format!("text('#connections').includes('{account}')"))
                .await;
        }
        newest_is(page, UNKNOWN, "in review").await;
        // Slack's message comes last.
        page.until("text('.buttons .danger') !== ''").await;
        page.assert_keyboard_reaches_everything().await;
        page.eval("document.getElementById('account').focus()")
            .await;
        page.press(&format!("{DENIED}{ENTER}")).await;
        newest_is(page, DENIED, "rejected").await;
    })
    .await;
}

#[tokio::test]
async fn links_in_emails_open_their_address_in_a_new_window() {
    on_the_page(async |world, page| {
        let link = format!("{}?principal={DENIED}", address(world));
        let mail = Message::new(format!("Decide here: {link}.\njavascript:alert(1)\n"));
        let mail = mail.subject("A link");
        world
            .sns
            .publish(&world.announcements_topic, &mail)
            .unwrap();
        page.until("text('#inbox .subject') === 'A link'").await;
        page.click("#inbox summary").await;
        assert_eq!(page.count("#inbox a").await, 1);
        page.click("#inbox a").await;
        let windows = page.windows().await;
        assert_eq!(windows.len(), 2, "in a window of its own");
        page.to_front(&windows[1]).await;
        assert_eq!(page.url().await, link);
        assert_eq!(page.value_of("#principal").await, DENIED);
    })
    .await;
}

#[tokio::test]
async fn two_windows_show_the_same() {
    on_the_page(async |world, page| {
        let [first, _] = page.second_window().await;
        page.goto(&address(world)).await;
        create_on_page(page, UNKNOWN).await;
        newest_is(page, UNKNOWN, "in review").await;
        page.to_front(&first).await;
        newest_is(page, UNKNOWN, "in review").await;
    })
    .await;
}

// What it refuses.

#[tokio::test]
async fn markup_from_outside_stays_text() {
    on_the_page(async |world, page| {
        let entry = [
            ("service_id", "*"),
            ("rule", "allow#333333333333"),
            ("customer", NASTY),
            ("reason", NASTY),
        ];
        put_item(world, &entry).await;
        create(world, "333333333333");
        let mail = Message::new(format!("{NASTY} https://example.com/{NASTY}")).subject("<b>x</b>");
        world
            .sns
            .publish(&world.announcements_topic, &mail)
            .unwrap();
        for _ in 0..2 {
            newest_is(page, "333333333333", "accepted").await;
            page.until("text('#inbox').includes('<b>x</b>')").await;
            page.eval("for (const one of document.querySelectorAll('details')) one.open = true")
                .await;
            assert_eq!(page.count("main img, .subject b").await, 0);
            for place in ["#entries", "#connections", "#inbox", ".consumers"] {
                let text = page.text_of(place).await;
                assert!(text.contains(NASTY), "{place}: {text}");
            }
            // First as the script has drawn it, then as the server has.
            page.reload().await;
        }
        page.goto(&format!(
            "{}?principal=%22%3E%3Cimg%20src=x%3E",
            address(world)
        ))
        .await;
        assert_eq!(page.value_of("#principal").await, "\"><img src=x>");
        assert_eq!(page.count("main img").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_form_of_another_page_is_refused() {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let world = world().await;
    let action = format!("{}page/create-endpoint", address(&world));
    let form = format!(
        "data:text/html,<form method=post action='{action}'><input name=account_id value={ALLOWED}>\
         <input name=service_id value={SERVICE}><button>Win a prize</button></form>"
    );
    browser.goto(&form).await;
    browser.click_through("button").await;
    assert!(browser.text().await.contains("came from another web page"));
    assert!(world.ec2.connections().is_empty());
}

#[tokio::test]
async fn it_says_so_when_the_world_has_stopped() {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let world = world().await;
    browser.goto(&address(&world)).await;
    browser.until("text('#line') === 'Live'").await;
    drop(world);
    browser
        .until("text('#line').includes('Not connected')")
        .await;
}

// Without a browser.

#[tokio::test]
async fn a_client_that_does_not_ask_for_html_gets_a_list_of_addresses() {
    let world = world().await;
    let port = world.address().port();
    for accept in ["text/plain", "*/*"] {
        let answer = exchange(port, "GET /", &[("accept", accept)], "")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .body
                .contains(&format!("EC2       {}ec2", address(&world))),
            "{answer:?}"
        );
    }
    let html = [("accept", "text/html,*/*;q=0.8")];
    let answer = exchange(port, "GET /", &html, "").await.unwrap();
    assert!(answer.body.starts_with("<!doctype html>"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[tokio::test]
async fn requests_from_other_pages_are_refused_everywhere() {
    let world = world().await;
    let port = world.address().port();
    for path in ["/page/add-entry", "/dynamodb", "/ec2", "/sns"] {
        let line = format!("POST {path}");
        let from_elsewhere = [("origin", "http://evil.example")];
        let answer = exchange(port, &line, &from_elsewhere, "x=y").await.unwrap();
        assert_eq!(answer.status, 403, "{path}");
        let rebound = [("host", "evil.example")];
        let answer = exchange(port, &line, &rebound, "x=y").await.unwrap();
        assert_eq!(answer.status, 421, "{path}");
    }
    let rebound = [("host", "evil.example:8700"), ("accept", "text/html")];
    let answer = exchange(port, "GET /", &rebound, "").await.unwrap();
    assert_eq!(answer.status, 421);
}

#[tokio::test]
async fn no_form_causes_a_server_error() {
    let world = world().await;
    let port = world.address().port();
    let forms = [
        "create-endpoint",
        "delete-endpoint",
        "add-entry",
        "remove",
        "add-approver",
        "settings",
        "slack/be",
        "slack/press",
        "slack/submit",
        "slack/close",
    ];
    let long = "x".repeat(70_000);
    for form in forms {
        for body in [
            "",
            "&&==",
            "%",
            "%ff=%ff&account_id=%00",
            "service_id=*",
            &long,
        ] {
            let line = format!("POST /page/{form}");
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            let answer = exchange(port, &line, &kind, body).await.unwrap();
            assert!(answer.status < 500, "{form} {body:.20}: {}", answer.status);
        }
        let answer = exchange(port, &format!("GET /page/{form}"), &[], "")
            .await
            .unwrap();
        assert_eq!(answer.status, 303, "back to the page");
    }
}
