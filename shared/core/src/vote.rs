//! Votes on a review, and ballots before they are cast. [`quorum`](crate::quorum) has the result of the votes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::ConnectionState;
use crate::ids::{ApproverId, EndpointId};
use crate::visible::{as_typed, without_hidden};

/// The longest reason, in characters.
pub const REASON_LIMIT: usize = 1000;

/// How many of an endpoint id's last characters a person types. Programs that open links in e-mail submit
/// forms, but they do not type.
pub const TYPED: usize = 6;

/// Whether somebody typed the end of an endpoint's id. White space, upper case, full-width letters, invisible
/// characters and the whole id are accepted.
#[must_use]
pub fn is_typed(typed: &str, endpoint_id: &EndpointId) -> bool {
    let typed = as_typed(typed).to_ascii_lowercase();
    typed.len() >= TYPED && endpoint_id.as_str().ends_with(&typed)
}

/// A vote's choice, in the order in which an approver may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Let it connect.
    Approve,
    /// Withdraw the approval.
    Withdraw,
    /// Keep it out.
    Reject,
}

impl Choice {
    /// The name in tables, messages and forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Withdraw => "withdraw",
            Self::Reject => "reject",
        }
    }

    /// The choice as a past action.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Withdraw => "withdrew their approval",
            Self::Reject => "rejected",
        }
    }

    /// The choices of an approver whose last choice in a review is this. `None` if they have not voted.
    #[must_use]
    pub fn after(last: Option<Self>) -> &'static [Self] {
        match last {
            None => &[Self::Approve, Self::Reject],
            Some(Self::Approve) => &[Self::Withdraw, Self::Reject],
            Some(Self::Withdraw) => &[Self::Reject],
            Some(Self::Reject) => &[],
        }
    }
}

/// The channel of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// By the link in an e-mail.
    Email,
    /// By a button in Slack.
    Slack,
    /// Under an IAM identity.
    Iam,
}

impl Channel {
    /// In words that follow "voted".
    #[must_use]
    pub fn by(self) -> &'static str {
        match self {
            Self::Email => "by e-mail link",
            Self::Slack => "in Slack",
            Self::Iam => "under an IAM identity",
        }
    }
}

/// One approver's vote in one review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub approver: ApproverId,
    /// What.
    pub choice: Choice,
    /// Why; may be empty for all but a rejection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How.
    pub channel: Channel,
    /// Whether it did not count at the last look, because its approver may no longer decide the request. This
    /// is for people; the tally checks it anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
    /// Whether it is an approval that its approver has withdrawn. That is final.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

impl Vote {
    /// Whether it is an approval that counts, by the notes on it.
    #[must_use]
    pub fn approves(&self) -> bool {
        self.choice == Choice::Approve && !self.void && !self.taken_back
    }
}

impl fmt::Display for Vote {
    /// As a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            approver,
            choice,
            reason,
            channel,
            ..
        } = self;
        let since = match self.taken_back {
            true => ", and took it back",
            false => "",
        };
        write!(f, "{approver} {} {}{since}.", choice.done(), channel.by())?;
        if reason.is_empty() {
            Ok(())
        } else {
            write!(f, " {reason}")
        }
    }
}

/// A vote before it is cast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballot {
    /// What.
    pub choice: Choice,
    /// Why.
    pub reason: String,
}

/// Why a ballot is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBallot {
    /// A rejection needs a reason.
    #[error("a rejection needs a reason: say why, in a few words")]
    NoReason,
    /// It would not fit into messages.
    #[error("the reason is longer than {REASON_LIMIT} characters: shorten it")]
    LongReason,
}

impl Ballot {
    /// Checks a choice and its reason. White space around the reason is removed, line breaks become spaces, and
    /// invisible characters are removed.
    ///
    /// # Errors
    /// [`InvalidBallot`], in words for the approver.
    pub fn new(choice: Choice, reason: &str) -> Result<Self, InvalidBallot> {
        let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let plain = without_hidden(&reason.replace(is_break, " "));
        let reason = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.chars().count() > REASON_LIMIT {
            return Err(InvalidBallot::LongReason);
        }
        if reason.is_empty() && choice == Choice::Reject {
            return Err(InvalidBallot::NoReason);
        }
        Ok(Self { choice, reason })
    }
}

/// Why a vote was not recorded, although the approver may vote. It can be cast again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unrecorded {
    /// EC2 is asked before a vote counts, and did not answer in time.
    Silent,
    /// EC2 does not list the endpoint. It may be about to.
    NotListed,
    /// EC2's description of the connection cannot be read.
    Unreadable,
    /// EC2 shows a state that this version does not know.
    UnknownState(ConnectionState),
    /// By EC2, the connection belongs to another account or service than the voter was shown.
    Corrected,
    /// By EC2, others decided or ended the connection, and recording that took too long.
    Meanwhile,
    /// The policy now decides by itself, and EC2 has not carried that out yet.
    PolicyDecides,
    /// It approves, and an item of the policy cannot be read (safety rule S2). This says what is wrong.
    Policy(String),
    /// It withdraws an approval, and the voter has not approved.
    NothingToWithdraw,
}

impl fmt::Display for Unrecorded {
    /// Why, and what to do, in sentences for the voter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str(
                "EC2 is asked before a vote counts, and did not answer in time. Vote again in a moment.",
            ),
            Self::NotListed => f.write_str(
                "EC2 does not list this endpoint at the moment, and may do so again shortly. Vote again in \
                 a few minutes.",
            ),
            Self::Unreadable => f.write_str(
                "EC2 lists this connection in a way that Gatekeeper cannot read, so nobody can decide about \
                 it here. Tell the people who operate Gatekeeper, and vote again once that is mended.",
            ),
            Self::UnknownState(state) => write!(
                f,
                "EC2 shows this connection as {state:?}, which Gatekeeper does not know, so nobody can decide \
                 about it here. Tell the people who operate Gatekeeper, and vote again once that has passed.",
                state = state.as_str()
            ),
            Self::Corrected => f.write_str(
                "EC2 says otherwise whose connection this is than what you were shown. What EC2 says is shown \
                 from now on: look at it, and vote again.",
            ),
            Self::Meanwhile => f.write_str(
                "EC2 says that something happened to this connection without Gatekeeper. That is being noted, \
                 and takes longer than you wait. What it was shows here within minutes; if it is still open \
                 then, vote again.",
            ),
            Self::PolicyDecides => f.write_str(
                "The allowlist or the settings were changed, and they decide about this connection by now, so \
                 that no vote is needed. EC2 is being asked, which takes longer than you wait: what came of it \
                 shows here and is announced within minutes. If it is still open then, vote again.",
            ),
            Self::NothingToWithdraw => f.write_str(
                "You have not approved this connection in this review, so there is nothing to take back. You \
                 can vote again.",
            ),
            Self::Policy(wrong) => write!(
                f,
                "Nothing is approved while the policy cannot be read: {wrong:.400}. Somebody has to correct that; \
                 then vote again. A rejection counts all the same."
            ),
        }
    }
}

/// How many of those who may decide have approved or may still do so. An approver who withdrew in a review
/// cannot approve in it again.
#[must_use]
pub fn may_approve(deciders: u32, votes: &[Vote]) -> u32 {
    let withdrew = |vote: &&Vote| vote.choice == Choice::Withdraw && !vote.void;
    let withdrawn = votes.iter().filter(withdrew).count();
    deciders.saturating_sub(u32::try_from(withdrawn).unwrap_or(u32::MAX))
}
