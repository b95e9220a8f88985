//! Approvers' e-mails: each with a link of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::invitation::letter;
use gatekeeper_core::message::{Audience, Message};
use gatekeeper_core::token::Token;
use rand::TryRng as _;
use rand::rngs::SysRng;

use super::AnnouncementsConfig;
use super::publish::OutgoingMessage;
use crate::error::{Error, Retryable};
use crate::tables::Tables;

/// SNS suspends the subscription of an e-mail address that gets more than ten messages in a second, and
/// several instances send at the same time: so each sends as many to one approver in a round…
const EMAILS_PER_ROUND: usize = 2;
/// …which takes this long.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// Makes links.
#[derive(Debug)]
pub(super) struct Emails {
    tables: Arc<Tables>,
    /// Where the function `approvals` is reached; none if approvers are sent no links.
    url: Option<String>,
}

/// An e-mail that is due.
pub(super) struct Email {
    /// The place of its item among those that are being sent.
    pub(super) index: usize,
    pub(super) approver: ApproverId,
    pub(super) message: Message,
}

impl Emails {
    pub(super) fn new(tables: Arc<Tables>, config: &AnnouncementsConfig) -> Self {
        let approvals = config.approvals.as_ref();
        Self {
            tables,
            url: approvals.map(|approvals| approvals.url.clone()),
        }
    }

    pub(super) fn can_be_sent(&self) -> bool {
        self.url.is_some()
    }

    /// Makes each e-mail's link. Its token goes out with the e-mail and is kept nowhere, so an e-mail
    /// that is sent again has another.
    pub(super) async fn with_links(
        &self,
        emails: &[Email],
    ) -> Result<Vec<OutgoingMessage>, Arc<Error>> {
        let url = self.url.as_deref().unwrap_or_default();
        let mut links = Vec::new();
        let mut outgoing = Vec::new();
        for Email { message, .. } in emails {
            let Audience::Approver(invitation) = &message.to else {
                continue;
            };
            let mut random = [0; 32];
            SysRng
                .try_fill_bytes(&mut random)
                .map_err(|error| Retryable::MakeToken(Box::new(error)))?;
            let token = Token::new(random);
            links.push((token.hash(), invitation));
            let url = format!("{url}/a/{}", token.reveal());
            outgoing.push(OutgoingMessage {
                text: letter(&message.text, invitation, &url),
                message: message.clone(),
            });
        }
        self.tables.put_links(&links).await?;
        Ok(outgoing)
    }
}

/// E-mails in rounds, in each of which nobody gets too many.
pub(super) fn rounds(emails: Vec<Email>) -> Vec<Vec<Email>> {
    let mut rounds: Vec<Vec<Email>> = Vec::new();
    let mut sent: BTreeMap<ApproverId, usize> = BTreeMap::new();
    for email in emails {
        let sent = sent.entry(email.approver.clone()).or_default();
        let round = *sent / EMAILS_PER_ROUND;
        *sent += 1;
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.get_mut(round) {
            round.push(email);
        }
    }
    rounds
}
