use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn id(n: usize) -> EndpointId {
    format!("vpce-{n:017x}").parse().unwrap()
}

fn ids(count: usize) -> Vec<EndpointId> {
    (0..count).map(id).collect()
}

/// A simple EC2: it refuses calls with more than `limit` ids, and those with a bad one.
struct Ec2 {
    limit: usize,
    bad: BTreeSet<EndpointId>,
    /// Whether it says which of them are bad.
    names: bool,
}

impl Ec2 {
    fn that_takes(limit: usize) -> Self {
        Self {
            limit,
            bad: BTreeSet::new(),
            names: false,
        }
    }

    fn with_bad(mut self, bad: impl IntoIterator<Item = usize>) -> Self {
        self.bad = bad.into_iter().map(id).collect();
        self
    }

    /// Tries all of them, and answers what happened.
    fn answer(&self, batches: &mut Batches) -> Run {
        let mut run = Run::default();
        while let Some(ids) = batches.next_call() {
            run.calls += 1;
            let bad: Vec<_> = ids
                .iter()
                .filter(|id| self.bad.contains(id))
                .cloned()
                .collect();
            if ids.len() <= self.limit && bad.is_empty() {
                batches.took(ids.len());
                run.taken.extend(ids);
                continue;
            }
            run.refused_calls += 1;
            let named = if self.names { bad.as_slice() } else { &[] };
            if !batches.refused(&ids, named, true) {
                run.refused.push(ids);
            }
        }
        run
    }
}

#[derive(Default)]
struct Run {
    calls: usize,
    refused_calls: usize,
    taken: Vec<EndpointId>,
    /// The ids that were refused for good, call by call.
    refused: Vec<Vec<EndpointId>>,
}

#[test]
fn any_limit_is_found_in_few_calls_and_kept() {
    for (limit, first, then) in [
        (60, 2, 2),
        (50, 2, 2),
        (49, 4, 3),
        (25, 4, 3),
        (10, 13, 10),
        (5, 24, 20),
        (3, 24, 20),
        (2, 36, 30),
        (1, 66, 60),
    ] {
        let ec2 = Ec2::that_takes(limit);
        let mut batches = Batches::new(ids(60), BatchSize::up_to(50));
        let run = ec2.answer(&mut batches);
        assert_eq!(run.taken.len(), 60, "{limit}");
        assert_eq!(run.refused, Vec::<Vec<_>>::new(), "{limit}");
        assert_eq!(run.calls, first, "{limit}");

        let mut batches = Batches::new(ids(60), batches.size());
        let run = ec2.answer(&mut batches);
        assert_eq!(run.refused_calls, 0, "{limit}: it is remembered");
        assert_eq!(run.calls, then, "{limit}");
    }
}

#[test]
fn a_bad_id_is_no_limit() {
    for bad in [0, 1, 24, 25, 49] {
        let mut batches = Batches::new(ids(50), BatchSize::up_to(50));
        let run = Ec2::that_takes(50).with_bad([bad]).answer(&mut batches);
        assert_eq!(run.refused, [vec![id(bad)]]);
        assert_eq!(run.taken.len(), 49);
        assert_eq!(batches.size().most(), 50);
    }
}

#[test]
fn ids_that_ec2_names_are_tried_apart() {
    let mut ec2 = Ec2::that_takes(50).with_bad([7, 30]);
    ec2.names = true;
    let mut batches = Batches::new(ids(50), BatchSize::up_to(50));
    let run = ec2.answer(&mut batches);
    assert_eq!(run.refused, [vec![id(7)], vec![id(30)]]);
    assert_eq!(run.calls, 5, "all, the others, the two, each of the two");
    assert_eq!(run.taken.len(), 48);
}

#[test]
fn a_temporary_failure_about_endpoints_is_no_limit() {
    let mut batches = Batches::new(ids(2), BatchSize::up_to(50));
    let call = batches.next_call().unwrap();
    assert!(batches.refused(&call, &[], false));
    while let Some(call) = batches.next_call() {
        batches.took(call.len());
    }
    assert_eq!(batches.size().most(), 50);
}

#[test]
fn a_call_as_large_as_one_that_was_taken_was_not_too_large() {
    let mut batches = Batches::new(ids(20), BatchSize::up_to(50));
    let call = batches.next_call().unwrap();
    batches.took(call.len());
    let mut batches = Batches::new(ids(10), batches.size());
    let call = batches.next_call().unwrap();
    assert!(batches.refused(&call, &[], true));
    while let Some(call) = batches.next_call() {
        batches.took(call.len());
    }
    assert_eq!(batches.size().most(), 50);
}

#[test]
fn parts_without_a_result_show_no_limit() {
    let mut batches = Batches::new(ids(50), BatchSize::up_to(50));
    let call = batches.next_call().unwrap();
    assert!(batches.refused(&call, &[], true));
    let call = batches.next_call().unwrap();
    batches.took(call.len());
    assert!(batches.next_call().is_some());
    batches.failed();
    assert_eq!(batches.next_call(), None);
    assert_eq!(batches.size().most(), 50);
}

#[test]
fn a_fault_of_everything_is_not_looked_for_in_every_id() {
    let mut batches = Batches::new(ids(200), BatchSize::up_to(50));
    let run = Ec2::that_takes(0).answer(&mut batches);
    assert!(run.taken.is_empty());
    assert_eq!(run.refused.iter().flatten().count(), 200);
    assert!(run.calls <= 30, "{}", run.calls);
    assert_eq!(batches.size().most(), 50);
}

proptest! {
    #[test]
    fn every_id_is_taken_once_or_refused_alone(
        count in 0..130_usize,
        limit in 1..60_usize,
        bad in proptest::collection::btree_set(0..130_usize, 0..6),
        names: bool,
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|n| *n < count).collect();
        let mut ec2 = Ec2::that_takes(limit).with_bad(bad.iter().copied());
        ec2.names = names;
        let mut batches = Batches::new(ids(count), BatchSize::up_to(50));
        let mut run = ec2.answer(&mut batches);
        run.taken.sort();
        let good: Vec<EndpointId> = (0..count).filter(|n| !bad.contains(n)).map(id).collect();
        prop_assert_eq!(run.taken, good);
        let mut refused: Vec<Vec<EndpointId>> = run.refused;
        refused.sort();
        let alone: Vec<Vec<EndpointId>> = bad.iter().map(|n| vec![id(*n)]).collect();
        prop_assert_eq!(refused, alone);
        let most = batches.size().most();
        prop_assert!(most == 50 || (most <= limit.min(49) && 2 * most >= limit.min(49)), "{}", most);
    }
}
