//! Acknowledgements: who knows of a finding and of its evidence, and until when its alarm is silent.
//!
//! One item of the allowlist table, in a partition of its own, is for one finding of one service:
//!
//! | attribute | what stands there |
//! | --- | --- |
//! | `service_id` | [`ACKNOWLEDGEMENTS`] |
//! | `rule` | `<finding>#<service>` |
//! | `evidence` | the pieces of [`Evidence`](crate::evidence::Evidence) that the finding was announced with, all of them |
//! | `acknowledged_by` | who |
//! | `until` | when it ends at the latest |
//! | `reason` | why; may be missing |
//!
//! An item is held against the finding when it is first seen, and counts from then. It ends with the
//! finding, with its evidence, and after [`longest`] at the latest, and does not begin again unless
//! somebody writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ids::ServiceId;
use crate::watch::Finding;
use crate::words;

/// The partition of all acknowledgements.
pub const ACKNOWLEDGEMENTS: &str = "acknowledgements";

/// The attributes besides the key, in the order in which they are shown.
const ATTRIBUTES: [&str; 4] = ["evidence", "acknowledged_by", "until", "reason"];
/// So many characters a name or a reason may have.
const LONGEST_TEXT: usize = 500;
/// So much of what cannot be understood is shown.
const SHOWN: usize = 100;
/// How many days an acknowledgement lasts at the most…
const DAYS: i64 = 90;
/// …and one of a finding that lets anybody in, or ask.
const DAYS_OF_OPEN: i64 = 30;

/// How long a finding can be acknowledged at the most; `None` if it cannot be: policy that cannot be read
/// stops what it concerns, and has to be put right.
#[must_use]
pub fn longest(finding: Finding) -> Option<SignedDuration> {
    let days = match finding {
        Finding::UnexpectedPolicyKeys => return None,
        Finding::AcceptanceNotRequired | Finding::AnyoneMayAsk => DAYS_OF_OPEN,
        Finding::NotificationMissing
        | Finding::NotificationDisabled
        | Finding::NotificationElsewhere
        | Finding::NotificationIncomplete
        | Finding::CloudTrailRuleMissing
        | Finding::TooManyRevocations
        | Finding::AllowlistEmpty
        | Finding::NoLongerManaged
        | Finding::TransitGatewayAttachments
        | Finding::AnnouncementsUnsubscribed
        | Finding::AlarmsUnsubscribed => DAYS,
    };
    Some(SignedDuration::from_hours(24 * days))
}

/// What somebody wrote, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Which finding.
    pub finding: Finding,
    /// Of which service.
    pub service_id: ServiceId,
    /// The evidence that they know of.
    pub evidence: BTreeSet<String>,
    /// Who.
    pub acknowledged_by: String,
    /// When it ends at the latest, as it is written.
    pub until: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The value of an attribute, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A set or a list of texts.
    Texts(Vec<String>),
    /// Something else, in a word.
    Other(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Texts(texts) => write!(f, "{} texts", texts.len()),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// What is wrong with an item, attribute by attribute: what stands there, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Malformed(Vec<String>);

impl Acknowledgement {
    /// Reads an item: its sort key, and its other attributes.
    ///
    /// # Errors
    /// [`Malformed`], with all that is wrong.
    pub fn read(rule: &str, attributes: &BTreeMap<String, Value>) -> Result<Self, Malformed> {
        let mut wrong = Vec::new();
        let mut note = |attribute: &str, stands: &str, instead: &str| {
            wrong.push(format!("{attribute} is {stands}; {instead}"));
        };
        let stands = |attribute: &str| {
            let value = attributes.get(attribute);
            value.map_or("missing".to_owned(), Value::to_string)
        };
        let subject = subject_of(rule)
            .map_err(|instead| note("rule", &quoted(rule), &instead))
            .ok();
        let evidence = match attributes.get("evidence") {
            Some(Value::Texts(texts)) if !texts.is_empty() => {
                Some(BTreeSet::from_iter(texts.iter().cloned()))
            }
            _ => {
                let instead = "write all pieces of evidence that the finding was announced with, as \
                               a set of texts (SS)";
                note("evidence", &stands("evidence"), instead);
                None
            }
        };
        let is_text = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT;
        let instead = format!("1 to {LONGEST_TEXT} characters");
        let acknowledged_by = match attributes.get("acknowledged_by") {
            Some(Value::Text(text)) if is_text(text) => Some(in_one_line(text)),
            _ => {
                let instead = format!("write who acknowledges the finding, as a text of {instead}");
                note("acknowledged_by", &stands("acknowledged_by"), &instead);
                None
            }
        };
        let until = match attributes.get("until") {
            Some(Value::Text(text)) => text.parse::<Timestamp>().ok(),
            _ => None,
        };
        if until.is_none() {
            let instead = "write when it ends, as a text such as \"2027-01-31T00:00:00Z\"";
            note("until", &stands("until"), instead);
        }
        let reason = match attributes.get("reason") {
            None => None,
            Some(Value::Text(text)) if is_text(text) => Some(in_one_line(text)),
            Some(_) => {
                let instead = format!("write why, as a text of {instead}, or leave it out");
                note("reason", &stands("reason"), &instead);
                None
            }
        };
        for (attribute, value) in attributes {
            if !ATTRIBUTES.contains(&attribute.as_str()) {
                let instead = format!(
                    "it is none of an acknowledgement: leave it out. There are {}",
                    ATTRIBUTES.join(", ")
                );
                note(&shortened(attribute), &value.to_string(), &instead);
            }
        }
        match (subject, evidence, acknowledged_by, until) {
            (Some((finding, service_id)), Some(evidence), Some(acknowledged_by), Some(until))
                if wrong.is_empty() =>
            {
                Ok(Self {
                    finding,
                    service_id,
                    evidence,
                    acknowledged_by,
                    until,
                    reason,
                })
            }
            _ => Err(Malformed(wrong)),
        }
    }

    /// The sort key of the item that acknowledges a finding.
    #[must_use]
    pub fn rule(finding: Finding, service_id: &ServiceId) -> String {
        format!("{}#{service_id}", finding.as_str())
    }
}

/// What a sort key names; what to write instead if it names nothing that can be acknowledged.
fn subject_of(rule: &str) -> Result<(Finding, ServiceId), String> {
    let form = "write <finding>#<service>, such as anyone_may_ask#vpce-svc-0123456789abcdef0";
    let Some((finding, service)) = rule.split_once('#') else {
        return Err(form.to_owned());
    };
    let Some(finding) = Finding::named(finding) else {
        let known = Finding::ALL.into_iter();
        let known = known.filter(|finding| longest(*finding).is_some());
        let known: Vec<&str> = known.map(Finding::as_str).collect();
        return Err(format!(
            "{form}. What can be acknowledged is {}. Policy that cannot be read and e-mail that is held \
             cannot be: put them right",
            known.join(", ")
        ));
    };
    if longest(finding).is_none() {
        return Err(
            "policy that cannot be read cannot be acknowledged: put right the items that the finding \
             names, and delete this one"
                .to_owned(),
        );
    }
    let service = service
        .parse()
        .map_err(|error| format!("{form}: {error}"))?;
    Ok((finding, service))
}

fn quoted(text: &str) -> String {
    crate::visible::marked(&format!("{:?}", shortened(text)))
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}

fn in_one_line(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ")
}

/// An item as it was first seen, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The item.
    pub item: Acknowledgement,
    /// When it was first seen: from then on it counts.
    pub since: Timestamp,
    /// Why it has no effect, or none any more; none while it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
}

/// Why an acknowledgement has no effect, or none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// What it names was not there when it was first seen.
    NotThere,
    /// It names other evidence than there was when it was first seen.
    OtherEvidence,
    /// Its `until` was past when it was first seen.
    Past,
    /// The finding is over.
    FindingOver,
    /// There is other evidence now.
    EvidenceChanged,
    /// Its time is up.
    TimeUp,
    /// The item was deleted, or cannot be understood any more.
    Withdrawn,
    /// Somebody wrote the item anew.
    Rewritten,
}

impl EndReason {
    /// In a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotThere => "The finding was not there when the item was first seen.",
            Self::OtherEvidence => {
                "The item does not name the evidence that there was when it was first seen. It has to \
                 name all of it and nothing else."
            }
            Self::Past => "The item's until was past when it was first seen.",
            Self::FindingOver => "The finding is over.",
            Self::EvidenceChanged => "The evidence is not the same any more.",
            Self::TimeUp => "Its time is up.",
            Self::Withdrawn => "The item was deleted, or cannot be understood any more.",
            Self::Rewritten => "The item was written anew.",
        }
    }
}

impl Acknowledged {
    /// When it ends at the latest.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        let longest = longest(self.item.finding).unwrap_or_default();
        // A moment that the clock cannot tell is far beyond any `until`.
        let bound = self.since.checked_add(longest).unwrap_or(self.item.until);
        bound.min(self.item.until)
    }

    /// Whether it holds: the finding that it names does not count as an alarm then.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ended.is_none()
    }
}

/// The end of an acknowledgement that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// What ended.
    pub acknowledged: Acknowledged,
    /// When.
    pub at: Timestamp,
}

/// An acknowledgement as programs get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Who acknowledged it.
    pub acknowledged_by: String,
    /// Why. Left out of the document if they did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From when on it counts.
    pub since: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// What the item says instead, where that is longer than an acknowledgement of this finding lasts.
    /// Left out of the document if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_until: Option<Timestamp>,
    /// Why it is over. Left out of the document while it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
}

impl Details {
    /// Of an acknowledgement.
    #[must_use]
    pub fn of(acknowledged: &Acknowledged) -> Self {
        let Acknowledged { item, since, ended } = acknowledged;
        let until = acknowledged.ends_at();
        Self {
            acknowledged_by: item.acknowledged_by.clone(),
            reason: item.reason.clone(),
            since: *since,
            until,
            written_until: (item.until > until).then_some(item.until),
            ended: *ended,
        }
    }

    /// Who acknowledged a finding, until when that counts and why, as people read it.
    #[must_use]
    pub fn words(&self, finding: Finding) -> String {
        let mut text = match self.ended {
            None => format!(
                "{} acknowledged it. Its alarm is silent until {}, or until it ends or its evidence \
                 changes.",
                self.acknowledged_by,
                words::moment(self.until)
            ),
            Some(why) => format!(
                "{} acknowledged it at {}, and that is over. {}",
                self.acknowledged_by,
                words::moment(self.since),
                why.words()
            ),
        };
        if let (Some(written), Some(longest)) = (self.written_until, longest(finding)) {
            let days = longest.as_hours() / 24;
            text.push_str(&format!(
                " The item says until {written:.0}; {} is acknowledged for {days} days at the most.",
                finding.as_str()
            ));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(" Reason: {reason}"));
        }
        text
    }
}

/// The item that acknowledges a finding with this evidence, as `aws dynamodb put-item --item` takes it
/// between single quotes. Who, until when and why are to be filled in.
#[must_use]
pub fn item_to_write(
    finding: Finding,
    service_id: &ServiceId,
    evidence: &[String],
) -> Option<String> {
    longest(finding)?;
    let text = |text: &str| json!({ "S": text });
    let item = json!({
        "service_id": text(ACKNOWLEDGEMENTS),
        "rule": text(&Acknowledgement::rule(finding, service_id)),
        "evidence": { "SS": evidence },
        "acknowledged_by": text("WHO"),
        "until": text("WHEN, such as 2027-01-31T00:00:00Z"),
        "reason": text("WHY"),
    });
    Some(item.to_string().replace('\'', "\\u0027"))
}

#[cfg(test)]
#[path = "acknowledgement_tests.rs"]
mod tests;
