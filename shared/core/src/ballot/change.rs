//! A vote as a change of its request.

use jiff::Timestamp;

use super::{Cast, RestsOn};
use crate::change::Change;
use crate::precondition::{PolicyRead, Precondition};
use crate::request::Request;

impl Cast {
    /// The change that writes it. None where it needs the policy, and that was not read.
    #[must_use]
    pub fn change(
        self,
        before: &Request,
        read: Option<&PolicyRead>,
        now: Timestamp,
    ) -> Option<Change> {
        let preconditions = self.rests_on.preconditions(read)?;
        let change = match self.transition {
            // What is announced of a transition is what it says.
            Some(transition) => Change::transition(Some(before), self.after, transition)
                .telling(self.announces.into_iter().skip(1), now),
            None => Change::note(before, self.after).telling(self.announces, now),
        };
        Some(change.on(preconditions))
    }
}

impl RestsOn {
    /// What must be as it was read. None where that takes the policy, and it was not read.
    #[must_use]
    pub fn preconditions(&self, read: Option<&PolicyRead>) -> Option<Vec<Precondition>> {
        let mut preconditions = Vec::new();
        if self.nothing_denies {
            preconditions.extend(read?.preconditions_of_accept());
        }
        if self.settings {
            preconditions.extend(read?.preconditions_of_votes());
        }
        preconditions.extend(self.rights.iter().map(Precondition::right_of));
        Some(preconditions)
    }
}
