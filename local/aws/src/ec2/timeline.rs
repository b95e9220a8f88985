use std::time::Duration;

use jiff::Timestamp;

use super::state::State;
use crate::clock::after;

/// What a connection does from some moment on.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It stays as it is.
    Steady(State),
    /// `pending`, then `available`.
    Opening { available: Timestamp },
    /// `deleting`, then `deleted`, then not there any more.
    Closing { deleted: Timestamp, gone: Timestamp },
}

impl Phase {
    fn state_at(self, at: Timestamp) -> Option<State> {
        match self {
            Self::Steady(state) => Some(state),
            Self::Opening { available } if at < available => Some(State::Pending),
            Self::Opening { .. } => Some(State::Available),
            Self::Closing { deleted, .. } if at < deleted => Some(State::Deleting),
            Self::Closing { gone, .. } if at < gone => Some(State::Deleted),
            Self::Closing { .. } => None,
        }
    }
}

/// The states of one connection over time, for readers now and for readers that lag.
#[derive(Debug, Clone)]
pub(crate) struct Timeline(Vec<(Timestamp, Phase)>);

impl Timeline {
    /// In this state at all times.
    pub(crate) fn always(state: State) -> Self {
        Self(vec![(Timestamp::MIN, Phase::Steady(state))])
    }

    /// In this state since `at`; unknown before.
    pub(crate) fn since(at: Timestamp, state: State) -> Self {
        Self(vec![(at, Phase::Steady(state))])
    }

    /// Accepted automatically at `at`; not there before.
    pub(crate) fn opening_since(at: Timestamp, delay: Duration) -> Self {
        let available = after(at, delay);
        Self(vec![(at, Phase::Opening { available })])
    }

    pub(crate) fn steady(&mut self, at: Timestamp, state: State) {
        self.0.push((at, Phase::Steady(state)));
    }

    pub(crate) fn open(&mut self, at: Timestamp, delay: Duration) {
        let available = after(at, delay);
        self.0.push((at, Phase::Opening { available }));
    }

    /// Answers when it is gone.
    pub(crate) fn close(
        &mut self,
        at: Timestamp,
        deleting: Duration,
        deleted: Duration,
    ) -> Timestamp {
        let end = after(at, deleting);
        let gone = after(end, deleted);
        self.0.push((at, Phase::Closing { deleted: end, gone }));
        gone
    }

    /// The state at `at`; `None` before the beginning and after the end.
    pub(crate) fn state_at(&self, at: Timestamp) -> Option<State> {
        let (_, phase) = self.0.iter().rev().find(|(since, _)| *since <= at)?;
        phase.state_at(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Timeline};
    use crate::ManualClock;
    use crate::clock::after;
    use std::time::Duration;

    #[test]
    fn states_follow_the_clock() {
        let start = ManualClock::default().now();
        let at = |seconds| after(start, Duration::from_secs(seconds));
        let mut timeline = Timeline::since(at(10), State::PendingAcceptance);
        timeline.open(at(20), Duration::from_secs(5));
        timeline.steady(at(30), State::Rejected);
        let gone = timeline.close(at(40), Duration::from_secs(3), Duration::from_secs(2));
        assert_eq!(gone, at(45));
        for (seconds, expected) in [
            (9, None),
            (10, Some(State::PendingAcceptance)),
            (20, Some(State::Pending)),
            (24, Some(State::Pending)),
            (25, Some(State::Available)),
            (30, Some(State::Rejected)),
            (40, Some(State::Deleting)),
            (43, Some(State::Deleted)),
            (45, None),
        ] {
            assert_eq!(timeline.state_at(at(seconds)), expected, "at {seconds} s");
        }
    }
}
