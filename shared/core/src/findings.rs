//! What is known to be wrong with one service, what was, and what there is to tell when that changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::{Alarm, Ending, Kind};
use crate::attachment::Tally;
use crate::ids::ServiceId;
use crate::left_alone::News;
use crate::watch::{Finding, Unlisted};

/// What is known to be wrong with a service, and the last that was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// What is wrong, and since when.
    pub standing: BTreeMap<Finding, Timestamp>,
    /// What was wrong, and how that ended last. Kept for whoever shows messages, so that what they show is
    /// what is so, and not what a message says.
    pub ended: BTreeMap<Finding, Ended>,
    /// How many Transit Gateway attachments there were last; none if there were none.
    pub attachments: Option<Tally>,
}

/// How a finding ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Ending,
}

impl Findings {
    /// Brings them up to date with what was just seen: each finding, and whether it is there. What was not
    /// looked at stays as it was. Answers what is news.
    pub fn note(
        &mut self,
        service: &ServiceId,
        seen: &BTreeMap<Finding, bool>,
        now: Timestamp,
    ) -> Vec<Alarm> {
        let news = seen.iter().filter_map(|(finding, is_there)| {
            if *is_there {
                self.begin(service, *finding, now)
            } else {
                self.end(service, *finding, Ending::Over, now)
            }
        });
        news.collect()
    }

    /// Takes note of what became of the service's Transit Gateway attachments. Answers what is news.
    pub fn note_attachments(
        &mut self,
        service: &ServiceId,
        news: News,
        now: Timestamp,
    ) -> Option<Alarm> {
        let finding = Finding::TransitGatewayAttachments;
        match news {
            News::More(tally) => {
                // Since when it is so as it was told last.
                self.standing.insert(finding, now);
                Some(Alarm::attachments(service, tally, now))
            }
            News::Over => self.end(service, finding, Ending::Over, now),
        }
    }

    /// What becomes of them where the service is not among the managed ones. Answers what is news.
    pub fn leave(&mut self, service: &ServiceId, unlisted: Unlisted, now: Timestamp) -> Vec<Alarm> {
        let (begun, ending) = match unlisted {
            Unlisted::Managed => return Vec::new(),
            Unlisted::Unmanaged => (
                self.begin(service, Finding::NoLongerManaged, now),
                Ending::Unmanaged,
            ),
            Unlisted::Deleted => (None, Ending::Deleted),
        };
        let stays = |finding: &Finding| {
            unlisted == Unlisted::Unmanaged && *finding == Finding::NoLongerManaged
        };
        let over: Vec<Finding> = self.standing.keys().copied().collect();
        let over = over.into_iter().filter(|finding| !stays(finding));
        let ended = over.filter_map(|finding| self.end(service, finding, ending, now));
        begun.into_iter().chain(ended).collect()
    }

    /// The message about a finding that begins, or that ends, as far as they know of it: one that says
    /// something else was not sent by Gatekeeper, or is not true any more.
    #[must_use]
    pub fn alarm(&self, service: &ServiceId, finding: Finding, kind: Kind) -> Option<Alarm> {
        match kind {
            Kind::AlarmStarted => {
                let since = self.standing.get(&finding)?;
                Some(match self.attachments {
                    Some(tally) if finding == Finding::TransitGatewayAttachments => {
                        Alarm::attachments(service, tally, *since)
                    }
                    _ => Alarm::new(service, finding, kind, *since),
                })
            }
            Kind::AlarmEnded => {
                let ended = self.ended.get(&finding)?;
                Some(Alarm::ended(service, finding, ended.why, ended.at))
            }
        }
    }

    fn begin(&mut self, service: &ServiceId, finding: Finding, now: Timestamp) -> Option<Alarm> {
        if self.standing.contains_key(&finding) {
            return None;
        }
        self.standing.insert(finding, now);
        Some(Alarm::new(service, finding, Kind::AlarmStarted, now))
    }

    fn end(
        &mut self,
        service: &ServiceId,
        finding: Finding,
        why: Ending,
        now: Timestamp,
    ) -> Option<Alarm> {
        self.standing.remove(&finding)?;
        self.ended.insert(finding, Ended { at: now, why });
        Some(Alarm::ended(service, finding, why, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const OPEN: Finding = Finding::AnyoneMayAsk;
    const LOST: Finding = Finding::NoLongerManaged;

    fn service() -> ServiceId {
        "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap()
    }

    /// What is news, in a word each.
    fn words(news: &[Alarm]) -> Vec<String> {
        let word = |alarm: &Alarm| {
            let how = match (alarm.kind, alarm.unmanaged, alarm.deleted) {
                (Kind::AlarmStarted, _, _) => "begins",
                (_, true, _) => "is dropped",
                (_, _, true) => "ends, deleted",
                _ => "ends",
            };
            format!("{} {how}", alarm.finding.as_str())
        };
        news.iter().map(word).collect()
    }

    #[test]
    fn a_finding_is_told_when_it_begins_and_when_it_ends_and_not_between() {
        let mut known = Findings::default();
        let mut note = |is_there, seconds| {
            let seen = BTreeMap::from([(OPEN, is_there)]);
            words(&known.note(&service(), &seen, at(seconds)))
        };
        assert_eq!(note(false, 0), [""; 0]);
        assert_eq!(note(true, 1), ["anyone_may_ask begins"]);
        assert_eq!(note(true, 2), [""; 0]);
        assert_eq!(note(false, 3), ["anyone_may_ask ends"]);
        assert_eq!(note(false, 4), [""; 0]);
        assert_eq!(note(true, 5), ["anyone_may_ask begins"]);
    }

    #[test]
    fn a_service_that_is_let_go_is_one_alarm_until_it_is_managed_again_or_deleted() {
        let seen = BTreeMap::from([(OPEN, true)]);
        let again = BTreeMap::from([(LOST, false)]);
        for back_and_forth in 1..3 {
            let mut known = Findings::default();
            known.note(&service(), &seen, at(0));
            for turn in 0..back_and_forth {
                let first = known.leave(&service(), Unlisted::Unmanaged, at(turn * 10 + 1));
                let dropped = (turn == 0).then_some("anyone_may_ask is dropped");
                let expected: Vec<&str> = ["no_longer_managed begins"]
                    .into_iter()
                    .chain(dropped)
                    .collect();
                assert_eq!(words(&first), expected);
                for unlisted in [Unlisted::Unmanaged, Unlisted::Managed] {
                    let more = known.leave(&service(), unlisted, at(turn * 10 + 2));
                    assert_eq!(words(&more), [""; 0], "{unlisted:?}");
                }
                let over = known.note(&service(), &again, at(turn * 10 + 3));
                assert_eq!(words(&over), ["no_longer_managed ends"]);
            }
        }
        let mut known = Findings::default();
        known.leave(&service(), Unlisted::Unmanaged, at(1));
        let over = known.leave(&service(), Unlisted::Deleted, at(2));
        assert_eq!(words(&over), ["no_longer_managed ends, deleted"]);
        assert_eq!(
            words(&known.leave(&service(), Unlisted::Deleted, at(3))),
            [""; 0]
        );
    }

    #[test]
    fn a_service_that_the_list_left_out_by_mistake_keeps_what_is_known_of_it() {
        let mut known = Findings::default();
        known.note(&service(), &BTreeMap::from([(OPEN, true)]), at(0));
        let before = known.clone();
        assert_eq!(known.leave(&service(), Unlisted::Managed, at(1)), []);
        assert_eq!(known, before);
    }

    #[test]
    fn only_what_is_known_can_be_shown() {
        let mut known = Findings::default();
        let alarm = |known: &Findings, kind| known.alarm(&service(), OPEN, kind);
        assert_eq!(alarm(&known, Kind::AlarmStarted), None);
        assert_eq!(alarm(&known, Kind::AlarmEnded), None);
        let begun = known.note(&service(), &BTreeMap::from([(OPEN, true)]), at(1));
        assert_eq!(alarm(&known, Kind::AlarmStarted), begun.first().cloned());
        assert_eq!(alarm(&known, Kind::AlarmEnded), None, "it is not over");
        for (unlisted, seconds) in [(Unlisted::Unmanaged, 2), (Unlisted::Deleted, 4)] {
            let over = known.leave(&service(), unlisted, at(seconds));
            let told = over.iter().find(|alarm| alarm.finding == OPEN).cloned();
            assert_eq!(alarm(&known, Kind::AlarmStarted), None, "it is over");
            assert_eq!(alarm(&known, Kind::AlarmEnded), told, "{unlisted:?}");
            known.note(&service(), &BTreeMap::from([(OPEN, true)]), at(seconds + 1));
        }
    }
}
