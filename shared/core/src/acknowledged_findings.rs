//! Which findings are acknowledged, as they begin, change and end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::acknowledgement::{Acknowledged, Acknowledgement, EndReason};
use crate::alarm::Alarm;
use crate::findings::Findings;
use crate::ids::ServiceId;
use crate::watch::{Finding, Seen};

/// Holds the items for one service against what is known to be wrong with it, after that was brought up to
/// date with what was `seen`. `items` are those that can be understood; `None` if they could not be read:
/// then none begins, and those that hold end with their finding and their time all the same. Answers what is
/// news.
pub fn follow(
    findings: &mut Findings,
    service: &ServiceId,
    items: Option<&BTreeMap<Finding, Acknowledgement>>,
    seen: &Seen,
    now: Timestamp,
) -> Vec<Alarm> {
    let mut news = Vec::new();
    let known = findings.acknowledged.keys().copied();
    let written = items.into_iter().flatten().map(|(finding, _)| *finding);
    let all: BTreeSet<Finding> = known.chain(written).collect();
    for finding in all {
        let item = items.map(|items| items.get(&finding));
        if let Some(known) = findings.acknowledged.get(&finding).cloned() {
            let replaced = match item {
                Some(None) => Some(EndReason::Withdrawn),
                Some(Some(item)) if *item != known.item => Some(EndReason::Rewritten),
                _ => None,
            };
            let over = known
                .holds()
                .then(|| over(findings, &known, now).or(replaced));
            if let Some(why) = over.flatten() {
                news.push(findings.end_acknowledgement(service, &known, why, now));
            }
            if replaced.is_none() {
                continue;
            }
            findings.acknowledged.remove(&finding);
        }
        let Some(Some(item)) = item else { continue };
        if !findings.standing.contains_key(&finding) && !seen.contains_key(&finding) {
            // Whether it is there is not known yet.
            continue;
        }
        let mut acknowledged = Acknowledged {
            item: item.clone(),
            since: now,
            ended: None,
        };
        acknowledged.ended = not_begun(findings, &acknowledged, now);
        if acknowledged.holds() {
            news.push(Alarm::acknowledged(service, &acknowledged));
        }
        findings.acknowledged.insert(finding, acknowledged);
    }
    news
}

/// Why an item that is new has no effect.
fn not_begun(findings: &Findings, new: &Acknowledged, now: Timestamp) -> Option<EndReason> {
    if !findings.standing.contains_key(&new.item.finding) {
        Some(EndReason::NotThere)
    } else if !is_same_evidence(findings, &new.item) {
        Some(EndReason::OtherEvidence)
    } else if new.ends_at() <= now {
        Some(EndReason::Past)
    } else {
        None
    }
}

/// Why one that held holds no longer.
fn over(findings: &Findings, known: &Acknowledged, now: Timestamp) -> Option<EndReason> {
    let since = findings.standing.get(&known.item.finding);
    if since.is_none() {
        Some(EndReason::FindingOver)
    } else if !is_same_evidence(findings, &known.item) {
        Some(EndReason::EvidenceChanged)
    } else if since.is_some_and(|since| *since > known.since) {
        // It ended and began again, and nobody looked between.
        Some(EndReason::FindingOver)
    } else if known.ends_at() <= now {
        Some(EndReason::TimeUp)
    } else {
        None
    }
}

fn is_same_evidence(findings: &Findings, item: &Acknowledgement) -> bool {
    let evidence = findings.evidence.get(&item.finding);
    evidence.is_some_and(|evidence| *evidence.pieces() == item.evidence)
}
