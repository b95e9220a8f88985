//! What a plan changes, and what follows, for a terminal and as Markdown.

use std::collections::BTreeMap;

use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::policy_change::attributes::key_of;
use gatekeeper_core::policy_change::difference::ItemChange;
use gatekeeper_core::policy_change::effect::{Effect, Summary};
use gatekeeper_core::policy_change::order::Write;
use gatekeeper_core::policy_change::{Turn, WholePolicy};
use gatekeeper_core::visible::in_line;
use gatekeeper_core::words;
use serde_json::Value;

use crate::error::CliError;
use crate::terminal::Terminal;

/// The most connections that are listed one by one.
const LISTED: usize = 50;

/// A plan for people.
pub(super) struct Report {
    items: Vec<ItemLine>,
    turns: Vec<TurnLine>,
    /// The number of connections that were looked at.
    looked_at: usize,
    gains: usize,
    losses: usize,
    warnings: Vec<String>,
    writes: usize,
}

struct ItemLine {
    sign: &'static str,
    key: String,
    /// Name, value before, value after.
    attributes: Vec<(String, String, String)>,
}

struct TurnLine {
    sign: &'static str,
    endpoint: String,
    consumer: String,
    becomes: &'static str,
    when: String,
}

impl Report {
    pub(super) fn of(
        changes: &[ItemChange],
        effects: &[Effect],
        after: &WholePolicy,
        writes: usize,
    ) -> Self {
        // A connection counts once, by what happens to it first.
        let first = |effect: &Effect| effect.turn.or(effect.later.map(|(_, turn)| turn));
        let turned: Vec<Turn> = effects.iter().filter_map(first).collect();
        let gains = turned.iter().filter(|turn| turn.is_gain()).count();
        let too_many = Summary::of(effects, after).too_many;
        let warnings = too_many.iter().map(|one| {
            format!(
                "{} connections of {} would be revoked, and one run may revoke {}: none is revoked, \
                 and an alarm says so",
                one.revocations, one.service_id, one.at_most
            )
        });
        Self {
            items: changes.iter().map(ItemLine::of).collect(),
            turns: effects.iter().flat_map(TurnLine::of).collect(),
            looked_at: effects.len(),
            gains,
            losses: turned.len() - gains,
            warnings: warnings.collect(),
            writes,
        }
    }

    pub(super) fn say(&self, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
        if self.items.is_empty() {
            terminal.say("The file and the policy are the same.")?;
        }
        for item in &self.items {
            terminal.say(format!("{} {}", item.sign, item.key))?;
            for (name, before, after) in &item.attributes {
                terminal.say(format!("    {name}: {before} → {after}"))?;
            }
        }
        terminal.say(format!("\n{}", self.summary()))?;
        for turn in self.turns.iter().take(LISTED) {
            terminal.say(format!(
                "  {} {}  {}: {} {}",
                turn.sign, turn.endpoint, turn.consumer, turn.becomes, turn.when
            ))?;
        }
        if let Some(more) = self.more() {
            terminal.say(format!("  … and {more} more"))?;
        }
        for warning in &self.warnings {
            terminal.say(format!("warning: {warning}"))?;
        }
        if self.writes > 0 {
            terminal.say(format!("\n{}", self.order()))?;
        }
        Ok(())
    }

    /// As a comment of a pull request. Everything that people wrote stands in code spans, so that it is
    /// no link, no mention and no markup.
    pub(super) fn say_markdown(&self, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
        terminal.say("### Policy plan\n")?;
        terminal.say(self.summary())?;
        for warning in &self.warnings {
            terminal.say(format!("\n**Warning:** {warning}"))?;
        }
        if self.items.is_empty() {
            terminal.say("\nThe file and the policy are the same.")?;
        } else {
            terminal.say(format!("\n{}", self.order()))?;
            terminal.say(
                "\n| | item | attribute | before | after |\n| --- | --- | --- | --- | --- |",
            )?;
        }
        for item in &self.items {
            let key = code(&item.key);
            if item.attributes.is_empty() {
                terminal.say(format!("| {} | {key} | | | |", item.sign))?;
            }
            for (name, before, after) in &item.attributes {
                let (name, before, after) = (code(name), code(before), code(after));
                terminal.say(format!(
                    "| {} | {key} | {name} | {before} | {after} |",
                    item.sign
                ))?;
            }
        }
        if !self.turns.is_empty() {
            terminal.say(
                "\n| | endpoint | consumer | becomes | when |\n| --- | --- | --- | --- | --- |",
            )?;
        }
        for turn in self.turns.iter().take(LISTED) {
            terminal.say(format!(
                "| {} | {} | {} | {} | {} |",
                turn.sign,
                code(&turn.endpoint),
                code(&turn.consumer),
                turn.becomes,
                turn.when
            ))?;
        }
        if let Some(more) = self.more() {
            terminal.say(format!("\n… and {more} more"))?;
        }
        Ok(())
    }

    fn summary(&self) -> String {
        match self.gains + self.losses {
            0 => format!(
                "Nothing changes for the {}.",
                counted(self.looked_at, "connection", "connections")
            ),
            _ => format!(
                "{} access, {} it:",
                counted(self.gains, "connection gains", "connections gain"),
                counted(self.losses, "loses", "lose")
            ),
        }
    }

    fn order(&self) -> String {
        format!(
            "{} in the order in which no moment is wrong.",
            counted(self.writes, "write", "writes")
        )
    }

    fn more(&self) -> Option<usize> {
        let more = self.turns.len().checked_sub(LISTED);
        more.filter(|more| *more > 0)
    }
}

impl ItemLine {
    fn of(change: &ItemChange) -> Self {
        let shown = |value: &Option<Value>| value.as_ref().map_or("–".to_owned(), Value::to_string);
        let attributes = change.attributes().into_iter().map(|attribute| {
            let (before, after) = (shown(&attribute.before), shown(&attribute.after));
            (attribute.name.to_string(), before, after)
        });
        Self {
            sign: match (&change.before, &change.after) {
                (None, _) => "+",
                (_, None) => "-",
                (Some(_), Some(_)) => "~",
            },
            key: key_of(&change.id).to_string(),
            attributes: attributes.collect(),
        }
    }
}

impl TurnLine {
    /// What happens to a connection now, and what happens later.
    fn of(effect: &Effect) -> impl Iterator<Item = Self> {
        let now = effect.turn.map(|turn| ("now".to_owned(), turn));
        let later = effect.later.map(|(at, turn)| (words::moment(at), turn));
        now.into_iter().chain(later).map(|(when, turn)| Self {
            sign: if turn.is_gain() { "+" } else { "-" },
            endpoint: effect.endpoint_id.to_string(),
            consumer: effect
                .consumer
                .as_ref()
                .map(|(_, account)| words::consumer(effect.customer.as_deref(), account))
                .unwrap_or_default(),
            becomes: becomes(turn),
            when,
        })
    }
}

/// Says which connections have come to lose since a plan was made.
pub(super) fn say_worse(
    terminal: &mut Terminal<'_>,
    worse: &BTreeMap<EndpointId, Turn>,
) -> Result<(), CliError> {
    terminal.note("Since the plan was made, these have come to lose as well:")?;
    for (endpoint, turn) in worse {
        terminal.note(format!("  - {endpoint}: {}", becomes(*turn)))?;
    }
    Ok(())
}

pub(super) fn in_words(write: &Write) -> String {
    let key = key_of(&write.id);
    match (&write.before, &write.after) {
        (None, _) => format!("{key} is added"),
        (_, None) => format!("{key} is removed"),
        (Some(_), Some(_)) => format!("{key} is changed"),
    }
}

pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        n => format!("{n} {several}"),
    }
}

fn becomes(turn: Turn) -> &'static str {
    match turn {
        Turn::Accepted => "accepted",
        Turn::AskedInsteadOfRejected => "left to people instead of rejected",
        Turn::AskedInsteadOfAccepted => "left to people instead of accepted",
        Turn::Rejected => "rejected",
        Turn::Revoked => "to be revoked",
    }
}

/// A code span in a cell of a table. A backtick would end the span, and a bar the cell.
fn code(text: &str) -> String {
    let text = in_line(text).replace('`', "'").replace('|', "\\|");
    match text.is_empty() {
        true => String::new(),
        false => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_does_not_leave_its_cell_in_markdown() {
        for (text, shown) in [
            ("", ""),
            ("a", "`a`"),
            ("a`b", "`a'b`"),
            ("a|b", "`a\\|b`"),
            ("@team <b>", "`@team <b>`"),
            ("a\nb", "`a b`"),
        ] {
            assert_eq!(code(text), shown);
        }
    }
}
