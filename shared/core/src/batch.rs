//! Decides how many endpoint ids to put into one call of Accept or Reject, and finds out why EC2
//! refuses a whole call.
//!
//! EC2 documents no maximum. A call that it refuses as a whole has too many ids, or an id that it
//! does not take; its answer need not tell which. So the call is made again in parts: if EC2
//! refuses an id alone, it was that id; if EC2 takes all parts, there were too many, and the size
//! that it took is used from then on.

use crate::ids::EndpointId;

/// How many calls may be refused while EC2 has taken none. This is more than it takes to find one
/// id among a thousand, or any limit; after that the fault is no longer looked for in the ids.
const REFUSALS: u32 = 20;

/// How many ids EC2 takes in one call, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// This many are requested at once.
    most: usize,
    /// The size of the largest call that EC2 took.
    taken: usize,
}

impl BatchSize {
    /// The size before the first call.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self {
            most: most.max(1),
            taken: 0,
        }
    }

    /// How many ids are asked for at once.
    #[must_use]
    pub fn most(self) -> usize {
        self.most
    }
}

/// The ids of one service that are still to be asked for, in calls that EC2 takes.
#[derive(Debug)]
pub struct Batches {
    size: BatchSize,
    /// The steps that are left, the last first.
    steps: Vec<Step>,
    /// How many calls EC2 took, refused as a whole, or left without a decision.
    taken: u32,
    refused: u32,
    failed: u32,
}

#[derive(Debug)]
enum Step {
    Ask(Vec<EndpointId>),
    /// All parts of a call that EC2 refused have been tried: find out whether the call was too
    /// large.
    Conclude {
        /// How many ids it had.
        asked: usize,
        /// How many calls had failed before it.
        failed: u32,
    },
}

impl Batches {
    /// The calls for all of these ids.
    #[must_use]
    pub fn new(ids: Vec<EndpointId>, size: BatchSize) -> Self {
        Self {
            size,
            steps: vec![Step::Ask(ids)],
            taken: 0,
            refused: 0,
            failed: 0,
        }
    }

    /// The ids for the next call; `None` if there is none left.
    pub fn next_call(&mut self) -> Option<Vec<EndpointId>> {
        loop {
            match self.steps.pop()? {
                Step::Ask(mut ids) => {
                    let later = ids.split_off(self.size.most.min(ids.len()));
                    if !later.is_empty() {
                        self.steps.push(Step::Ask(later));
                    }
                    if !ids.is_empty() {
                        return Some(ids);
                    }
                }
                Step::Conclude { asked, failed } => {
                    let parts_were_taken = failed == self.failed;
                    if parts_were_taken && asked > self.size.taken {
                        self.size.most = self.size.most.min(self.size.taken.max(1));
                        self.join();
                    }
                }
            }
        }
    }

    /// Joins the remaining parts: the reason for dividing them is known now.
    fn join(&mut self) {
        let mut left = Vec::new();
        while let Some(step) = self.steps.pop() {
            if let Step::Ask(ids) = step {
                left.extend(ids);
            }
        }
        self.steps.push(Step::Ask(left));
    }

    /// EC2 took a call with this many ids, whatever its answer for each of them.
    pub fn took(&mut self, ids: usize) {
        self.taken += 1;
        self.size.taken = self.size.taken.max(ids);
    }

    /// EC2 took a part of a call and says that these were too many: try them again.
    pub fn surplus(&mut self, ids: Vec<EndpointId>) {
        self.steps.push(Step::Ask(ids));
    }

    /// EC2 refused a whole call. Answers whether its parts will be tried; if not, its ids are
    /// refused.
    ///
    /// `named` are the ids that EC2 named in its answer. `may_be_size` is true if the answer does
    /// not say that it is about an endpoint.
    pub fn refused(&mut self, ids: &[EndpointId], named: &[EndpointId], may_be_size: bool) -> bool {
        self.refused += 1;
        if ids.len() <= 1 || (self.taken == 0 && self.refused > REFUSALS) {
            self.failed += 1;
            return false;
        }
        let failed = self.failed;
        if may_be_size {
            let asked = ids.len();
            self.steps.push(Step::Conclude { asked, failed });
        }
        let (first, second) = parts(ids, named);
        self.steps.extend([Step::Ask(second), Step::Ask(first)]);
        true
    }

    /// It could not be found out whether EC2 would have taken a call.
    pub fn failed(&mut self) {
        self.failed += 1;
    }

    /// The size that is known by now.
    #[must_use]
    pub fn size(&self) -> BatchSize {
        self.size
    }
}

/// Divides a call in two: the ids that EC2 named and the others, or else its halves.
fn parts(ids: &[EndpointId], named: &[EndpointId]) -> (Vec<EndpointId>, Vec<EndpointId>) {
    let (suspects, others): (Vec<_>, Vec<_>) =
        ids.iter().cloned().partition(|id| named.contains(id));
    if suspects.is_empty() || others.is_empty() {
        let (left, right) = ids.split_at(ids.len() / 2);
        return (left.to_vec(), right.to_vec());
    }
    (others, suspects)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
