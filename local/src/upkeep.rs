//! What at AWS happens by itself: records in the queues and in the tables' streams are handed to their
//! functions, and reconcile runs on its schedule, and what is sent later on its own.

use std::time::Duration;

use crate::world::{Drained, World};

/// How often a world wants [`Upkeep::tick`].
pub const TICK: Duration = Duration::from_millis(100);
/// How many ticks lie between two reconcile runs; at AWS it is minutes.
const TICKS_PER_RECONCILE: u32 = 100;
/// How many ticks lie between two looks at what is to be sent later; at AWS it is a minute.
const TICKS_PER_SWEEP: u32 = 20;

/// Keeps a world going.
#[derive(Debug, Default)]
pub struct Upkeep {
    ticks: u32,
    /// Whether the allowlist's stream has turned out not to be there.
    without_stream: bool,
}

impl Upkeep {
    /// Does what is due.
    pub async fn tick(&mut self, world: &World) {
        while world.pump(&mut Drained::default()).await {}
        if !self.without_stream
            && let Err(error) = world.follow_edits().await
        {
            // A database from before the table had a stream: reconcile sees edits all the same.
            tracing::error!(%error, "edits of the allowlist cannot be followed");
            self.without_stream = true;
        }
        if let Err(error) = world.announce().await {
            tracing::error!(%error, "what is in the outbox cannot be followed");
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_PER_SWEEP) {
            // All else here would wait for one that stays.
            world.sweep_once().await;
        }
        if self.ticks.is_multiple_of(TICKS_PER_RECONCILE) {
            if let Err(error) = world.delete_expired() {
                tracing::error!(%error, "DynamoDB's time to live does nothing");
            }
            world.reconcile().await;
        }
        if let Some(slack) = &world.slack {
            slack.pump().await;
        }
    }
}
