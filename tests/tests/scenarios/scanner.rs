//! A mail scanner opens every link that anybody was sent, and sends every form that it finds there,
//! filled in like such programs do. It has no effect.

use std::collections::BTreeSet;

use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::approvals_page::contents;
use crate::slack::{CHANNEL, Workspace};
use crate::support::*;

/// Two of three must approve. 3 is a customer's; what asks for 1 was allowed, and for 2 denied.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000004, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000004"}
policy:
  settings:
    - {service_id: "*", approvals_required: 2, remind_hours: 4, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000001", effect: allow}
    - {service_id: "*", principal: "000000000002", effect: deny}
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: "Example & <https://example.com|Sons>"}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"], slack_user_id: U0BOB}
    - {id: carol@example.com, services: ["*"]}
"#;

/// What such programs type into any field, besides the link and the field's content.
const TYPED: [&str; 7] = [
    "",
    "test",
    "1",
    "yes",
    "a@example.com",
    "000000",
    "P@ssw0rd!",
];
/// Their headers.
const HEADERS: [&str; 4] = [
    "",
    "Referer: https://mail.example.com/\r\nCookie: session=1; consent=yes\r\n",
    // A browser that somebody's program drives.
    "User-Agent: Mozilla/5.0\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nOrigin: null\r\n",
    "X-HTTP-Method-Override: POST\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Language: tlh\r\n",
];

struct Scanner<'a> {
    world: &'a World,
    /// How many forms it sent.
    sent: usize,
}

/// A form, as such a program understands it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    /// Radio buttons, boxes and buttons, which send what they hold if chosen; by name and value.
    choices: Vec<(String, String)>,
    /// The text fields, by name and content.
    fields: Vec<(String, String)>,
}

impl Scanner<'_> {
    /// One exchange; the status and the body.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<(&str, &str)>,
    ) -> (u16, String) {
        let address = self.world.address();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}"
        );
        if let Some((kind, body)) = body {
            head.push_str(&format!(
                "Content-Type: {kind}\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        let body = body.map_or("", |(_, body)| body);
        let request = format!("{head}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(status < 500, "{method}: {status}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }

    /// Opens a link in every way, and sends every form of the page that shows.
    async fn scan(&mut self, path: &str) {
        for headers in HEADERS {
            for method in [
                "GET", "HEAD", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND",
            ] {
                self.exchange(method, path, headers, None).await;
            }
        }
        let (_, page) = self.exchange("GET", path, "", None).await;
        let forms = forms_of(&page);
        // The answer is a page as well, perhaps with a form in it.
        let mut more = BTreeSet::new();
        for form in &forms {
            let bodies = self.filled_in(form, path).into_iter();
            for (body, headers) in bodies.zip(HEADERS.into_iter().cycle()) {
                more.extend(self.send(path, headers, &body).await);
            }
        }
        for form in more.iter().filter(|form| !forms.contains(form)) {
            self.send(path, "", &encoded(&[], &form.fields)).await;
            for choice in &form.choices {
                self.send(path, "", &encoded(&[choice], &form.fields)).await;
            }
        }
        // And a body that is no form.
        if let Some(body) = forms
            .first()
            .and_then(|form| self.filled_in(form, path).pop())
        {
            for method in ["GET", "PUT", "PATCH", "DELETE"] {
                let query = format!("{path}?{body}&_method=POST");
                self.exchange(method, &query, "", None).await;
                self.exchange(method, path, "", Some((FORM, &body))).await;
            }
            for kind in [
                "text/plain",
                "application/json",
                "multipart/form-data; boundary=x",
                "",
            ] {
                self.exchange("POST", path, "", Some((kind, &body))).await;
            }
        }
    }

    /// A form in all the ways that it is filled in: each choice or none or all, each text in all fields.
    fn filled_in(&self, form: &Form, path: &str) -> Vec<String> {
        let all: Vec<&(String, String)> = form.choices.iter().collect();
        let mut chosen: Vec<Vec<&(String, String)>> = vec![Vec::new()];
        chosen.extend(form.choices.iter().map(|choice| vec![choice]));
        chosen.push(all);
        let link = format!("http://{}{path}", self.world.address());
        let (_, tail) = path.split_at(path.len().saturating_sub(6));
        let mut texts: Vec<Option<&str>> = vec![None];
        texts.extend(
            TYPED
                .into_iter()
                .chain([link.as_str(), path, tail])
                .map(Some),
        );
        let mut bodies = Vec::new();
        for choices in &chosen {
            for text in &texts {
                let mut fields = form.fields.clone();
                for (_, value) in &mut fields {
                    *value = text.map_or_else(|| value.clone(), str::to_owned);
                }
                bodies.push(encoded(choices, &fields));
            }
        }
        bodies
    }

    /// Sends a form twice; the forms on the page that answers.
    async fn send(&mut self, path: &str, headers: &str, body: &str) -> Vec<Form> {
        self.sent += 1;
        self.exchange("POST", path, headers, Some((FORM, body)))
            .await;
        let (_, page) = self
            .exchange("POST", path, headers, Some((FORM, body)))
            .await;
        forms_of(&page)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn encoded(choices: &[&(String, String)], fields: &[(String, String)]) -> String {
    let encode = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let all = choices.iter().copied().chain(fields);
    let pairs = all.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The forms of a page. All of them lead to the page's own address.
fn forms_of(page: &str) -> Vec<Form> {
    let inside = page.split("<form").skip(1);
    let forms = inside.map(|rest| rest.split("</form>").next().unwrap());
    forms.map(form_of).collect()
}

fn form_of(html: &str) -> Form {
    let attributes = html.split('>').next().unwrap();
    assert!(!attributes.contains("action="), "{attributes}");
    let mut form = Form {
        choices: Vec::new(),
        fields: Vec::new(),
    };
    for tag in html.split('<').skip(1) {
        let (head, text) = tag.split_once('>').unwrap();
        let attribute = |name: &str| {
            let (_, rest) = head.split_once(&format!(" {name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let name = attribute("name");
        let value = attribute("value").unwrap_or_default();
        let kind = attribute("type").unwrap_or_default();
        match (head.split_whitespace().next(), name, kind.as_str()) {
            (Some("input"), Some(name), "radio" | "checkbox" | "submit")
            | (Some("button" | "option"), Some(name), _) => form.choices.push((name, value)),
            (Some("input"), Some(name), _) => form.fields.push((name, value)),
            (Some("textarea"), Some(name), _) => form.fields.push((name, text.trim().to_owned())),
            _ => {}
        }
    }
    form
}

/// The paths of a text's links that lead to a world; whatever else stands around them.
fn links_in(world: &World, text: &str) -> Vec<String> {
    let base = format!("http://{}", world.address());
    let ends = |c: char| c.is_whitespace() || "\"'<>|\\".contains(c);
    let behind = text.split(base.as_str()).skip(1);
    let links = behind.map(|rest| rest.split(ends).next().unwrap().to_owned());
    links.collect()
}

/// The links in everything that anybody was sent by SNS, each once.
fn links_sent(world: &World) -> BTreeSet<String> {
    let mut links = BTreeSet::new();
    for delivery in world.sns.inbox() {
        let subject = delivery.subject.unwrap_or_default();
        for text in [subject, delivery.message, delivery.url] {
            links.extend(links_in(world, &text));
        }
    }
    links
}

/// One vote is cast on 3, everybody was reminded, and nobody has answered about 4.
async fn busy() -> Workspace {
    let space = Workspace::of(PANEL).await;
    let world = &space.world;
    world.reconcile().await;
    let voted = vote(world, &by_link(world, "alice", 3), &approval()).await;
    assert_eq!(word(&voted), "waiting");
    hours_pass(world, 4);
    world.reconcile().await;
    space
}

/// Asserts that not a byte of the tables has changed.
fn assert_unchanged(before: &BTreeSet<String>, after: &BTreeSet<String>) {
    let changed: Vec<&String> = before.symmetric_difference(after).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[tokio::test]
async fn opening_all_links_and_sending_all_forms_has_no_effect_and_people_decide_afterwards() {
    let mut space = busy().await;
    space.deliver().await;
    let world = &space.world;
    let links = links_sent(world);
    // Everybody was notified of 4, and reminded.
    let asked = ["alice", "bob", "carol"].map(|name| approval_emails(world, name, 4).len());
    assert!(
        asked.iter().all(|approval_emails| *approval_emails == 2),
        "{asked:?}"
    );
    assert!(links.len() >= 10, "{}", links.len());
    assert!(links.iter().all(|link| link.starts_with("/a/")));
    // As the function does when it starts: it asks which services are managed, and remembers that for a while.
    world.gatekeeper(Function::Approvals).warm_up().await;
    let before = contents(world).await;
    let (ec2, sns) = (world.ec2.calls(), world.sns.calls());
    let mut scanner = Scanner { world, sent: 0 };
    for link in &links {
        scanner.scan(link).await;
        let (cut, _) = link.split_at(link.len() - 1);
        // A truncated link, or one with the characters around it.
        for odd in [cut, &format!("{link}."), &format!("{link}/")] {
            scanner.exchange("GET", odd, "", None).await;
        }
    }
    assert_unchanged(&before, &contents(world).await);
    assert!(scanner.sent > 400, "there were forms: {}", scanner.sent);
    assert_eq!((world.ec2.calls(), world.sns.calls()), (ec2, sns));
    let votes = request(world, 3).await.unwrap().votes;
    assert_eq!(votes.len(), 1, "{votes:?}");

    // The same links work, and the used ones lead nowhere.
    for (name, n, came_of_it) in [
        ("bob", 3, "decided"),
        ("carol", 4, "waiting"),
        ("alice", 4, "decided"),
    ] {
        let voted = vote(world, &by_link(world, name, n), &approval()).await;
        assert_eq!(word(&voted), came_of_it, "{name}");
    }
    let decided = contents(world).await;
    for link in links_sent(world) {
        scanner.scan(&link).await;
    }
    assert_unchanged(&decided, &contents(world).await);
}

#[tokio::test]
async fn nothing_in_slack_has_a_link_that_decides() {
    let mut space = busy().await;
    space.deliver().await;
    let messages = space.slack.messages(CHANNEL);
    assert!(!messages.is_empty());
    for message in &messages {
        let mut text = format!("{} {:?}", message.content.text, message.content.blocks);
        for earlier in &message.earlier {
            text.push_str(&format!("{} {:?}", earlier.text, earlier.blocks));
        }
        assert!(links_in(&space.world, &text).is_empty(), "{text}");
        assert!(
            !text.contains(r#""url""#),
            "no button leads anywhere: {text}"
        );
    }
    // Slack's own scanner finds nothing to open.
    assert_eq!(space.slack.links(), []);
    assert_eq!(space.slack.unfurled(), []);
}
