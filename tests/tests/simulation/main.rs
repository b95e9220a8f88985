//! A simulation of everything that can happen, in any order: thousands of schedules, each drawn
//! from its seed, drive the real functions and the real SDK clients against the local world, in
//! process and on a clock that never waits. A model that shares no code with the product checks
//! every write, every call to EC2 and every announcement against the safety rules S1 to S8.
//!
//! `SIMULATION_SCHEDULES=100000` runs more of them, `SIMULATION_SEED=7` runs the one with that
//! seed, and both together run that many, starting at that seed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this crate is tests; a panic with its place is the answer wanted"
)]

#[path = "../shared/recorded.rs"]
mod recorded;

mod ending;
mod item;
mod ledger;
mod policy;
mod policy_edits;
mod rules;
mod runs;
mod schedule;
mod trace;
mod votes;
mod wire;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gatekeeper_aws::bootstrap::environment;
use schedule::Outcome;

/// How many schedules, unless the environment says otherwise.
const SCHEDULES: u64 = 2000;
/// How many failing schedules are shown.
const SHOWN: usize = 3;

fn number(name: &str) -> Option<u64> {
    environment(name)?.parse().ok()
}

fn outcome_of(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(schedule::run(seed))
}

/// The failure of a schedule, and how to reproduce it.
fn report(seed: u64, outcome: &Outcome) -> String {
    format!(
        "schedule {seed}:\n{}\nTo run it again:\n  \
         SIMULATION_SEED={seed} cargo test --workspace --locked --test simulation schedules_\n{}",
        outcome.trace,
        outcome.violations.join("\n"),
    )
}

#[test]
fn schedules_keep_the_safety_rules() {
    let seed = number("SIMULATION_SEED");
    let usual = if seed.is_some() { 1 } else { SCHEDULES };
    let count = number("SIMULATION_SCHEDULES").unwrap_or(usual);
    let first = seed.unwrap_or(0);
    let next = AtomicU64::new(first);
    let calls = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().len() >= SHOWN {
                        return;
                    }
                    let outcome = outcome_of(seed);
                    calls.fetch_add(outcome.calls, Ordering::Relaxed);
                    if !outcome.violations.is_empty() {
                        failed.lock().unwrap().push((seed, report(seed, &outcome)));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    let reports: Vec<String> = failed.into_iter().map(|(_, report)| report).collect();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
    let calls = calls.into_inner();
    assert!(
        calls > 50 * count || count < 100,
        "{calls} calls in {count} schedules: hardly anything happened"
    );
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let (once, again) = (outcome_of(seed), outcome_of(seed));
        assert_eq!(once.trace, again.trace, "seed {seed}");
        hashes.insert(once.hash);
    }
    assert_eq!(hashes.len(), 10, "other seeds, other schedules");
}
