//! The lines that the functions log in these tests, at the most detailed level, are checked for
//! secrets. A line with a secret makes the logging code panic.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, Once, PoisonError};

use gatekeeper_aws::telemetry;
use gatekeeper_local::world::SECRET;

use crate::support::*;

/// How long a link's token is: 32 bytes in base64 without padding.
const TOKEN_CHARACTERS: usize = 43;

/// Tokens that tests have read in approval e-mails.
static TOKENS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The texts that tests look for in the log, and the lines that held them.
static MARKS: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

/// Keeps lines with this text from now on. Tests run at the same time, so each uses a text of its
/// own.
pub(crate) fn keep(mark: &str) {
    let mut marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
    marks.entry(mark.to_owned()).or_default();
}

/// The lines with this text, since it was asked for.
pub(crate) fn kept(mark: &str) -> Vec<String> {
    let marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
    marks.get(mark).cloned().unwrap_or_default()
}

/// Has all logs read from now on.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = telemetry::subscriber(Some("TRACE"), || Reader);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// Has a token looked for in all logs from now on.
pub(crate) fn must_not_show(token: &str) {
    let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
    if !tokens.iter().any(|known| known == token) {
        tokens.push(token.to_owned());
    }
}

struct Reader;

impl io::Write for Reader {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
        for (mark, lines) in marks.iter_mut() {
            if text.contains(mark.as_str()) {
                lines.push(text.clone().into_owned());
            }
        }
        drop(marks);
        let leak = leak_in(&text);
        assert!(
            leak.is_none(),
            "a log line shows {}: {text}",
            leak.unwrap_or_default()
        );
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The secret that a line shows, if any.
fn leak_in(line: &str) -> Option<&'static str> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let follows = |mark: &str, least: usize| {
        line.match_indices(mark).any(|(at, _)| {
            let rest = &line[at + mark.len()..];
            rest.chars().take_while(|c| is_token(*c)).count() >= least
        })
    };
    // A token would be logged before a test reads it in an approval e-mail, so anything that looks
    // like one counts.
    let looks_like_a_token = line.split(|c| !is_token(c)).any(|word| {
        word.len() == TOKEN_CHARACTERS
            && word.contains(|c: char| c.is_ascii_lowercase())
            && word.contains(|c: char| c.is_ascii_uppercase())
            && word.contains(|c: char| c.is_ascii_digit())
    });
    let tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
    if tokens.iter().any(|token| line.contains(token.as_str()))
        || follows("/a/", TOKEN_CHARACTERS)
        || looks_like_a_token
    {
        return Some("a link's token");
    }
    if follows("xoxb-", 1) {
        return Some("a bot token");
    }
    if follows("v0=", 64) {
        return Some("a signature");
    }
    line.contains(SECRET).then_some("a secret key")
}

#[test]
fn a_secret_in_a_line_is_detected() {
    assert_eq!(leak_in(r#"{"message":"reconciled"}"#), None);
    let token = "A".repeat(43);
    assert!(leak_in(&format!("GET /a/{token} 200")).is_some());
    assert!(leak_in("link=q3Zb_0aT-9LmXw4Rk2NvC8YpEs6HdJ1uGfQiOoBtVyA").is_some());
    assert_eq!(
        leak_in(&"0123456789abcdef".repeat(4)),
        None,
        "a hash is not secret"
    );
    must_not_show("QUJD-token-of-this-test");
    assert!(leak_in("url: QUJD-token-of-this-test").is_some());
    assert!(leak_in("Bearer xoxb-1-2").is_some());
    assert!(leak_in(&format!("v0={}", "a".repeat(64))).is_some());
    assert!(leak_in(SECRET).is_some());
}

/// Keeps what is logged on one thread.
#[derive(Clone, Default)]
struct Kept(std::sync::Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// The lines with this message about this endpoint.
    fn lines(&self, message: &str, endpoint_id: &str) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["message"] == message && line["endpoint_id"] == endpoint_id)
            .collect()
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn decisions_and_votes_are_logged_with_the_version_that_history_and_announcements_have() {
    let world = world_of(WORLD).await;
    let kept = Kept::default();
    let to = kept.clone();
    let _logs = tracing::subscriber::set_default(telemetry::subscriber(None, move || to.clone()));
    settings(&world, "approvals_required: 2").await;
    approver(&world, r#"{id: bob@example.com, services: ["*"]}"#).await;
    handle(&world, batch_of(5)).await;
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    vote(&world, &by_link(&world, "bob", 3), &approval()).await;

    let version = |line: &serde_json::Value| line["version"].as_u64().unwrap();
    let id = endpoint(1);
    let lines = kept.lines("decision", id.as_str());
    let rows = history(&world, 1).await;
    assert_eq!(lines.len(), 1, "one for each handling");
    assert_eq!(version(&lines[0]), rows.len() as u64);
    let announced = announced(&world);
    let own = format!("{id}#{:08}", version(&lines[0]));
    assert!(
        announced.keys().any(|(id, _)| *id == own),
        "{own}: {announced:?}"
    );

    let id = endpoint(3);
    let votes: Vec<u64> = kept
        .lines("vote", id.as_str())
        .iter()
        .map(version)
        .collect();
    assert_eq!(votes, [1, 2], "the second decides");
    let decisions: Vec<u64> = kept
        .lines("decision", id.as_str())
        .iter()
        .map(version)
        .collect();
    assert_eq!(decisions, [1, 3], "opened, and carried out");
    assert_eq!(request(&world, 3).await.unwrap().version, 3);
}
