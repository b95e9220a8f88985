//! End-to-end scenarios, all in one binary: the real functions and the real SDK clients against the
//! local world, on a manual clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "all of this crate is tests; a panic with its place is the answer wanted"
)]

#[path = "../shared/recorded.rs"]
mod recorded;

mod acknowledgements;
mod announcements;
mod answers;
mod approvals_page;
mod approvals_slack;
mod attachments;
mod bus;
mod cli;
mod cli_deployment;
mod cli_operate;
mod cli_policy;
mod costs;
mod crash;
mod decisions;
mod desk;
mod drift;
mod events;
mod facts;
mod failures;
mod faults;
mod forged;
mod grouping;
mod grouping_slack;
mod hidden;
mod limits;
mod listed;
mod local_world;
mod logs;
mod names;
mod oddities;
mod one_person;
mod organizations;
mod paging;
mod policy_changes;
mod purge;
mod race;
mod reach;
mod refusals;
mod regressions;
mod reviews;
mod revocation;
mod safety;
mod scale;
mod scanner;
mod schemas;
mod settings;
mod signed_votes;
mod slack;
mod subscriptions;
mod support;
mod telling;
mod unexpected_keys;
mod unmanaged;
mod unreadable;
mod visible;
mod votes;
mod votes_observed;
mod votes_overtaken;
mod votes_races;
mod votes_regressions;
mod votes_taken_back;
mod watch;
