//! Slack's error codes: `{"ok": false, "error": "…"}`, with HTTP status 200. Each method's page in
//! Slack's reference lists its own.

use std::fmt;

use super::method::Method;

/// What Slack said of a call that it did not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    method: Method,
    code: String,
    needed: Option<String>,
    details: String,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The token: it is not one, or no more.
    Token,
    /// What the app may do.
    Scope,
    /// The channel: it is not there, or the app is not in it, or may not write there.
    Channel,
    /// The message: it is not there, or cannot be changed any more.
    Message,
    /// The trigger or the address that came with an interaction: too late, or used.
    Trigger,
    /// What was sent: a mistake of ours.
    Request,
    /// Slack itself; it passes. It says that part of it may have been done.
    Outage,
    /// Slack itself; it passes, and nothing was done.
    Busy,
    /// A code that we do not know.
    Unknown,
}

/// Each code, what it is about, and what to do. Codes of one kind together.
const CODES: &[(&str, Reason, &str)] = &[
    ("invalid_auth", Reason::Token, TOKEN),
    ("not_authed", Reason::Token, TOKEN),
    ("token_revoked", Reason::Token, TOKEN),
    ("token_expired", Reason::Token, TOKEN),
    ("account_inactive", Reason::Token, TOKEN),
    (
        "not_allowed_token_type",
        Reason::Token,
        "the secret must hold the app's bot token, xoxb-…",
    ),
    (
        "team_access_not_granted",
        Reason::Token,
        "install the app in this workspace",
    ),
    (
        "enterprise_is_restricted",
        Reason::Token,
        "install the app in a workspace, not in the organization",
    ),
    ("two_factor_setup_required", Reason::Token, TOKEN),
    (
        "missing_scope",
        Reason::Scope,
        "grant the app this scope and install it again",
    ),
    (
        "no_permission",
        Reason::Channel,
        "invite the app into the channel, and see that it has chat:write",
    ),
    (
        "channel_not_found",
        Reason::Channel,
        "check the channel's id; invite the app if the channel is private",
    ),
    (
        "not_in_channel",
        Reason::Channel,
        "invite the app into the channel",
    ),
    (
        "is_archived",
        Reason::Channel,
        "unarchive the channel, or set another",
    ),
    ("restricted_action", Reason::Channel, POSTING),
    (
        "restricted_action_read_only_channel",
        Reason::Channel,
        POSTING,
    ),
    (
        "restricted_action_thread_only_channel",
        Reason::Channel,
        POSTING,
    ),
    (
        "restricted_action_non_threadable_channel",
        Reason::Channel,
        POSTING,
    ),
    ("restricted_action_thread_locked", Reason::Channel, POSTING),
    ("ekm_access_denied", Reason::Channel, POSTING),
    ("messages_tab_disabled", Reason::Channel, POSTING),
    ("access_denied", Reason::Channel, POSTING),
    (
        "accesslimited",
        Reason::Channel,
        "let the app's address in, in the workspace's settings",
    ),
    (
        "team_not_found",
        Reason::Channel,
        "set the channel by its id",
    ),
    (
        "user_not_in_channel",
        Reason::Channel,
        "the person is not in the channel",
    ),
    ("message_not_found", Reason::Message, MESSAGE),
    ("thread_not_found", Reason::Message, MESSAGE),
    ("cannot_reply_to_message", Reason::Message, MESSAGE),
    ("cant_update_message", Reason::Message, MESSAGE),
    ("edit_window_closed", Reason::Message, MESSAGE),
    ("is_inactive", Reason::Message, MESSAGE),
    ("block_mismatch", Reason::Message, MESSAGE),
    ("expired_trigger_id", Reason::Trigger, TRIGGER),
    ("trigger_expired", Reason::Trigger, TRIGGER),
    ("exchanged_trigger_id", Reason::Trigger, TRIGGER),
    ("trigger_exchanged", Reason::Trigger, TRIGGER),
    ("invalid_trigger_id", Reason::Trigger, TRIGGER),
    ("expired_url", Reason::Trigger, TRIGGER),
    ("used_url", Reason::Trigger, TRIGGER),
    ("invalid_blocks", Reason::Request, REQUEST),
    ("invalid_blocks_format", Reason::Request, REQUEST),
    ("msg_blocks_too_long", Reason::Request, REQUEST),
    ("msg_too_long", Reason::Request, REQUEST),
    ("no_text", Reason::Request, REQUEST),
    ("invalid_arguments", Reason::Request, REQUEST),
    ("invalid_arg_name", Reason::Request, REQUEST),
    ("invalid_array_arg", Reason::Request, REQUEST),
    ("invalid_charset", Reason::Request, REQUEST),
    ("invalid_form_data", Reason::Request, REQUEST),
    ("invalid_post_type", Reason::Request, REQUEST),
    ("missing_post_type", Reason::Request, REQUEST),
    ("invalid_json", Reason::Request, REQUEST),
    ("json_not_object", Reason::Request, REQUEST),
    ("invalid_metadata_format", Reason::Request, REQUEST),
    ("invalid_metadata_schema", Reason::Request, REQUEST),
    ("metadata_too_large", Reason::Request, REQUEST),
    ("invalid_cursor", Reason::Request, REQUEST),
    ("view_too_large", Reason::Request, REQUEST),
    ("deprecated_endpoint", Reason::Request, REQUEST),
    ("method_deprecated", Reason::Request, REQUEST),
    (
        "unknown_method",
        Reason::Request,
        "check the address that is configured for Slack",
    ),
    ("internal_error", Reason::Outage, PASSES),
    ("fatal_error", Reason::Outage, PASSES),
    ("service_unavailable", Reason::Outage, PASSES),
    ("update_failed", Reason::Outage, PASSES),
    ("request_timeout", Reason::Busy, PASSES),
    ("team_added_to_org", Reason::Busy, PASSES),
    ("org_login_required", Reason::Busy, PASSES),
    ("external_channel_migrating", Reason::Busy, PASSES),
    ("message_limit_exceeded", Reason::Busy, PASSES),
];

const TOKEN: &str = "put the app's current bot token into the secret";
const POSTING: &str = "let the app write there, in the channel's or the workspace's settings";
const MESSAGE: &str = "the message cannot be changed or replied to any more";
const TRIGGER: &str = "it was answered too late or twice; the person has to press again";
const REQUEST: &str = "this is a mistake of ours; please report it";
const PASSES: &str = "it passes";
const UNKNOWN: &str = "Slack's reference of the method says what it means";

/// Codes that say the same as HTTP status 429.
pub(super) fn is_rate_limit(code: &str) -> bool {
    matches!(code, "ratelimited" | "rate_limited")
}

impl Refusal {
    /// Takes no more of Slack's words than fits into a line.
    pub(super) fn new(
        method: Method,
        code: &str,
        needed: Option<&str>,
        details: &[String],
    ) -> Self {
        let word = |text: &str| {
            let safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | ',');
            text.chars().filter(safe).take(80).collect::<String>()
        };
        let line = details.join("; ").chars().take(300).collect::<String>();
        Self {
            method,
            code: word(code),
            needed: needed.map(word).filter(|needed| !needed.is_empty()),
            details: line.replace(char::is_control, " "),
        }
    }

    /// What was called.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Slack's code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The scopes that Slack misses, with commas between them.
    #[must_use]
    pub fn needed(&self) -> Option<&str> {
        self.needed.as_deref()
    }

    /// What it is about.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.meaning().0
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.meaning().1
    }

    /// Whether Slack may have done it all the same.
    pub(super) fn may_have_happened(&self) -> bool {
        self.reason() == Reason::Outage
    }

    fn meaning(&self) -> (Reason, &'static str) {
        CODES
            .iter()
            .find(|(code, ..)| *code == self.code)
            .map_or((Reason::Unknown, UNKNOWN), |(_, reason, advice)| {
                (*reason, *advice)
            })
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slack refused {}: {}", self.method, self.code)?;
        if let Some(needed) = &self.needed {
            write!(f, " ({needed})")?;
        }
        write!(f, "; {}", self.advice())?;
        if !self.details.is_empty() {
            write!(f, " ({})", self.details)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::client::error::Error;

    #[test]
    fn a_code_stands_once_and_is_shaped_as_slacks_are() {
        let mut seen = BTreeSet::new();
        for (code, ..) in CODES {
            assert!(seen.insert(code), "{code}");
            assert!(
                code.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()),
                "{code}"
            );
            assert!(!is_rate_limit(code));
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_is_not() {
        for (code, retryable, may_have_happened) in [
            ("internal_error", true, true),
            ("fatal_error", true, true),
            ("service_unavailable", true, true),
            ("request_timeout", true, false),
            ("message_limit_exceeded", true, false),
            ("invalid_auth", false, false),
            ("channel_not_found", false, false),
            ("invalid_blocks", false, false),
            ("a_code_of_next_year", false, false),
            ("", false, false),
        ] {
            let error = Error::from(Refusal::new(Method::PostMessage, code, None, &[]));
            assert_eq!(error.is_retryable(), retryable, "{code}");
            assert_eq!(error.may_have_happened(), may_have_happened, "{code}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |code, needed| {
            let details = ["[ERROR] must be shorter [json-pointer:/blocks/0]\n".to_owned()];
            Refusal::new(Method::PostMessage, code, needed, &details).to_string()
        };
        assert_eq!(
            said("missing_scope", Some("chat:write,channels:history")),
            "Slack refused chat.postMessage: missing_scope (chat:write,channels:history); grant the \
             app this scope and install it again ([ERROR] must be shorter [json-pointer:/blocks/0] )"
        );
        assert!(said("not_in_channel", None).contains("invite the app into the channel"));
        let long = "x\n<".repeat(1000);
        assert!(said(&long, Some(&long)).len() < 400);
    }
}
