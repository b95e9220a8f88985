//! Announce: publish what was recorded, and only then take it out of the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gatekeeper_core::invitation::letter;
use gatekeeper_core::message::{Audience, Message};
use gatekeeper_core::token::Token;
use rand::TryRng as _;
use rand::rngs::SysRng;

use super::Gatekeeper;
use super::settle::{Outcome, Settled};
use crate::announcer::Parcel;
use crate::clock::Deadline;
use crate::error::{Error, Retryable};
use crate::tables::{Key, Tables};

/// SNS suspends the subscription of an e-mail address that gets more than ten messages in a second, and
/// several instances send at the same time: so each sends as many to one approver in a round…
const LETTERS_PER_ROUND: usize = 2;
/// …which takes this long.
const ROUND: Duration = Duration::from_secs(1);

impl Gatekeeper {
    /// Publishes. What fails stays in the outbox, for reconcile: a decision that stands is no
    /// reason to have its event come back.
    pub(super) async fn announce(&self, messages: Vec<Message>, deadline: Deadline) {
        let (plain, letters): (Vec<Message>, Vec<Message>) = messages
            .into_iter()
            .partition(|message| message.to == Audience::Everybody);
        let plain = plain.into_iter().map(|message| Parcel {
            text: message.text.to_string(),
            message,
        });
        self.send(plain.collect(), deadline).await;
        let mut rounds = rounds(letters).into_iter().peekable();
        while let Some(round) = rounds.next() {
            match self.with_links(round).await {
                Ok(parcels) => self.send(parcels, deadline).await,
                Err(error) => self.report(&error, None),
            }
            if rounds.peek().is_some() {
                if !deadline.leaves(&self.clock, self.limits.margin + ROUND) {
                    self.report(&Retryable::OutOfTime.into(), None);
                    return;
                }
                self.clock.sleep(ROUND).await;
            }
        }
    }

    async fn send(&self, parcels: Vec<Parcel>, deadline: Deadline) {
        if parcels.is_empty() {
            return;
        }
        let in_time = || deadline.leaves(&self.clock, self.limits.margin);
        let published = self.announcer.publish(parcels, in_time).await;
        for error in &published.failures {
            self.report(error, None);
        }
        if let Err(error) = self.tables.clear_outbox(&published.sent).await {
            // They will be published a second time, under the same id.
            self.report(&error, None);
        }
    }

    /// Makes each letter's link. Its token goes out with the letter and is kept nowhere, so a letter
    /// that is sent again has another; each dies with the vote of whom it was sent to.
    async fn with_links(&self, letters: Vec<Message>) -> Result<Vec<Parcel>, Arc<Error>> {
        let url = self.approvals.as_deref().unwrap_or_default();
        let mut links = Vec::new();
        let mut parcels = Vec::new();
        for message in &letters {
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
            parcels.push(Parcel {
                text: letter(&message.text, invitation, &url),
                message: message.clone(),
            });
        }
        self.tables.put_links(&links).await?;
        Ok(parcels)
    }

    /// Publishes what a crash kept from being published, for the requests that an event led to and
    /// that needed nothing else.
    pub(super) async fn finish_announcements(&self, settled: &Settled, deadline: Deadline) {
        let now = self.clock.now();
        let keys: BTreeSet<Key> = settled
            .values()
            .filter_map(|outcome| match outcome {
                Ok(Outcome::Unchanged(Some(request))) => Some(request),
                _ => None,
            })
            // Younger ones may be on their way from another handler.
            .filter(|request| now.duration_since(request.status_since) >= self.limits.claim)
            .flat_map(|request| Tables::outbox_keys(request))
            .collect();
        if keys.is_empty() {
            return;
        }
        match self.tables.read(keys.clone()).await {
            Ok(items) => {
                let messages = keys
                    .iter()
                    .filter_map(|key| Tables::outbox_message(&items, key));
                self.announce(messages.collect(), deadline).await;
            }
            Err(error) => self.report(&error, None),
        }
    }

    /// Publishes everything that crashes and failures left in the outbox.
    pub(super) async fn sweep_outbox(&self, deadline: Deadline) {
        let Ok(before) = self.clock.now().checked_sub(self.limits.claim) else {
            return;
        };
        match self.tables.left_in_outbox(before).await {
            Ok(messages) => self.announce(messages, deadline).await,
            Err(error) => self.report(&error, None),
        }
    }
}

/// Letters in rounds, in each of which nobody gets too many.
fn rounds(letters: Vec<Message>) -> Vec<Vec<Message>> {
    let mut rounds: Vec<Vec<Message>> = Vec::new();
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for letter in letters {
        let Audience::Approver(invitation) = &letter.to else {
            continue;
        };
        let sent = sent.entry(invitation.approver.to_string()).or_default();
        let round = *sent / LETTERS_PER_ROUND;
        *sent += 1;
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.get_mut(round) {
            round.push(letter);
        }
    }
    rounds
}
