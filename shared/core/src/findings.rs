//! The findings of one service, current and past, and the announcements when they change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::acknowledgement::{Acknowledged, EndReason, Past};
use crate::alarm::{Alarm, AlarmKind, Ending};
use crate::attachment::Tally;
use crate::evidence::Evidence;
use crate::ids::ServiceId;
use crate::left_alone::{Found, News};
use crate::watch::{Finding, Seen, Unlisted};

/// The evidence that a service is no longer managed.
pub const NOT_LISTED: &str = "neither tagged nor listed";

/// The current findings of a service, and the last past ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// The current findings, and since when each is as it was last announced.
    pub standing: BTreeMap<Finding, Timestamp>,
    /// The evidence for them.
    pub evidence: BTreeMap<Finding, Evidence>,
    /// The items that acknowledge them, as they were first seen.
    pub acknowledged: BTreeMap<Finding, Acknowledged>,
    /// The last acknowledgement of each finding that ended. Kept for messages that are shown later.
    pub acknowledged_before: BTreeMap<Finding, Past>,
    /// The past findings, and how each last ended. Kept for messages that are shown later, so that
    /// they show the current state and not the one of the message.
    pub ended: BTreeMap<Finding, Ended>,
    /// How many Transit Gateway attachments there were last; `None` if there were none.
    pub attachments: Option<Tally>,
}

/// How a finding ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub at: Timestamp,
    pub why: Ending,
}

impl Findings {
    /// Updates the findings from a look. Findings that were not looked for stay as they were.
    /// Answers the announcements; new evidence is announced, too.
    pub fn note(&mut self, service: &ServiceId, seen: &Seen, now: Timestamp) -> Vec<Alarm> {
        let news = seen
            .iter()
            .filter_map(|(finding, evidence)| match evidence {
                Some(evidence) => self.begin(service, *finding, evidence, now),
                None => self.end(service, *finding, Ending::Over, now),
            });
        news.collect()
    }

    /// Notes the service's Transit Gateway attachments, and the finding that follows. Answers the
    /// announcements.
    pub fn note_attachments(
        &mut self,
        service: &ServiceId,
        news: Option<News>,
        found: &Found,
        now: Timestamp,
    ) -> Option<Alarm> {
        let finding = Finding::TransitGatewayAttachments;
        match news {
            Some(News::More(tally)) => {
                self.standing.insert(finding, now);
                self.evidence.insert(finding, found.evidence.clone());
                Some(Alarm::attachments(service, tally, &found.evidence, now))
            }
            Some(News::Over) => self.end(service, finding, Ending::Over, now),
            None => {
                if found.is_all && self.standing.contains_key(&finding) {
                    self.evidence.insert(finding, found.evidence.clone());
                }
                None
            }
        }
    }

    /// The findings that count as an alarm: those that nobody acknowledged.
    pub fn unacknowledged(&self) -> impl Iterator<Item = Finding> {
        let all = self.standing.keys().copied();
        all.filter(|finding| !self.is_acknowledged(*finding))
    }

    #[must_use]
    pub fn is_acknowledged(&self, finding: Finding) -> bool {
        let acknowledged = self.acknowledged.get(&finding);
        acknowledged.is_some_and(Acknowledged::holds)
    }

    pub(crate) fn end_acknowledgement(
        &mut self,
        service: &ServiceId,
        known: &Acknowledged,
        why: EndReason,
        now: Timestamp,
    ) -> Alarm {
        let finding = known.item.finding;
        let acknowledged = Acknowledged {
            ended: Some(why),
            ..known.clone()
        };
        self.acknowledged.insert(finding, acknowledged.clone());
        let past = Past {
            acknowledged,
            at: now,
        };
        let alarm = Alarm::acknowledgement_ended(service, &past, self.evidence.get(&finding));
        self.acknowledged_before.insert(finding, past);
        alarm
    }

    /// Ends or keeps the findings of a service that is not among the managed ones. Answers the
    /// announcements.
    pub fn leave(&mut self, service: &ServiceId, unlisted: Unlisted, now: Timestamp) -> Vec<Alarm> {
        let (begun, ending) = match unlisted {
            Unlisted::Managed => return Vec::new(),
            Unlisted::Unmanaged => (
                self.begin(
                    service,
                    Finding::NoLongerManaged,
                    &Evidence::only(NOT_LISTED),
                    now,
                ),
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

    /// The announcement of a finding that begins or ends, if these findings agree. Otherwise
    /// Gatekeeper did not send it, or it is no longer true.
    #[must_use]
    pub fn alarm(&self, service: &ServiceId, finding: Finding, kind: AlarmKind) -> Option<Alarm> {
        match kind {
            AlarmKind::AlarmStarted => {
                let since = self.standing.get(&finding)?;
                let evidence = self.evidence.get(&finding)?;
                Some(match self.attachments {
                    Some(tally) if finding == Finding::TransitGatewayAttachments => {
                        Alarm::attachments(service, tally, evidence, *since)
                    }
                    _ => Alarm::started(service, finding, evidence, *since),
                })
            }
            AlarmKind::AlarmAcknowledged => {
                let acknowledged = self.acknowledged.get(&finding);
                let acknowledged = acknowledged.filter(|acknowledged| acknowledged.holds())?;
                Some(Alarm::acknowledged(service, acknowledged))
            }
            AlarmKind::AcknowledgementEnded => {
                let past = self.acknowledged_before.get(&finding)?;
                let evidence = self.evidence.get(&finding);
                Some(Alarm::acknowledgement_ended(service, past, evidence))
            }
            AlarmKind::AlarmEnded => {
                let ended = self.ended.get(&finding)?;
                Some(Alarm::ended(service, finding, ended.why, ended.at))
            }
        }
    }

    fn begin(
        &mut self,
        service: &ServiceId,
        finding: Finding,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Option<Alarm> {
        let is_known = self.standing.contains_key(&finding);
        if is_known && self.evidence.get(&finding) == Some(evidence) {
            return None;
        }
        self.standing.insert(finding, now);
        self.evidence.insert(finding, evidence.clone());
        Some(Alarm::started(service, finding, evidence, now))
    }

    fn end(
        &mut self,
        service: &ServiceId,
        finding: Finding,
        why: Ending,
        now: Timestamp,
    ) -> Option<Alarm> {
        self.standing.remove(&finding)?;
        self.evidence.remove(&finding);
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

    fn there() -> Seen {
        Seen::from([(OPEN, Some(Evidence::only("*")))])
    }

    fn service() -> ServiceId {
        "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap()
    }

    /// The announcements, in a word each.
    fn words(news: &[Alarm]) -> Vec<String> {
        let word = |alarm: &Alarm| {
            let how = match (alarm.kind, alarm.unmanaged, alarm.deleted) {
                (AlarmKind::AlarmStarted, _, _) => "begins",
                (_, true, _) => "is dropped",
                (_, _, true) => "ends, deleted",
                _ => "ends",
            };
            format!("{} {how}", alarm.finding.as_str())
        };
        news.iter().map(word).collect()
    }

    #[test]
    fn a_finding_is_announced_when_it_begins_and_when_it_ends_and_not_between() {
        let mut known = Findings::default();
        let mut note = |is_there: bool, seconds| {
            let seen = Seen::from([(OPEN, is_there.then(|| Evidence::only("*")))]);
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
    fn a_finding_is_announced_again_with_other_evidence() {
        let mut known = Findings::default();
        let mut note = |principals: &[&str], seconds| {
            let evidence = Evidence::of(principals.iter().map(|one| (*one).to_owned()));
            let seen = Seen::from([(OPEN, Some(evidence))]);
            let news = known.note(&service(), &seen, at(seconds));
            news.into_iter()
                .map(|alarm| alarm.evidence.join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(note(&["*"], 1), ["*"]);
        assert_eq!(note(&["*"], 2), [""; 0]);
        assert_eq!(note(&["*", "arn"], 3), ["* arn"], "more");
        assert_eq!(note(&["arn", "*"], 4), [""; 0]);
        assert_eq!(note(&["*"], 5), ["*"], "less");
    }

    #[test]
    fn a_service_that_is_no_longer_managed_is_one_alarm_until_it_is_managed_again_or_deleted() {
        let seen = there();
        let again = Seen::from([(LOST, None)]);
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
    fn a_service_that_the_list_left_out_by_mistake_keeps_its_findings() {
        let mut known = Findings::default();
        known.note(&service(), &there(), at(0));
        let before = known.clone();
        assert_eq!(known.leave(&service(), Unlisted::Managed, at(1)), []);
        assert_eq!(known, before);
    }

    #[test]
    fn only_known_findings_can_be_shown() {
        let mut known = Findings::default();
        let alarm = |known: &Findings, kind| known.alarm(&service(), OPEN, kind);
        assert_eq!(alarm(&known, AlarmKind::AlarmStarted), None);
        assert_eq!(alarm(&known, AlarmKind::AlarmEnded), None);
        let begun = known.note(&service(), &there(), at(1));
        assert_eq!(
            alarm(&known, AlarmKind::AlarmStarted),
            begun.first().cloned()
        );
        assert_eq!(alarm(&known, AlarmKind::AlarmEnded), None, "it is not over");
        for (unlisted, seconds) in [(Unlisted::Unmanaged, 2), (Unlisted::Deleted, 4)] {
            let over = known.leave(&service(), unlisted, at(seconds));
            let announced = over.iter().find(|alarm| alarm.finding == OPEN).cloned();
            assert_eq!(alarm(&known, AlarmKind::AlarmStarted), None, "it is over");
            assert_eq!(
                alarm(&known, AlarmKind::AlarmEnded),
                announced,
                "{unlisted:?}"
            );
            known.note(&service(), &there(), at(seconds + 1));
        }
    }
}
