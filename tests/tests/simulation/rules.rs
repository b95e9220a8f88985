//! What the policy and the record permit: S1, S2, S3, S5 and S7, checked at each write and at each
//! call to EC2 when it is made.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::item::{text, time};
use crate::ledger::{Endpoint, Fact, Ledger, Request};
use crate::policy::{Entitlement, Policy, Says, Subject};

/// The longest time between judging and recording: no function runs longer.
const LONGEST_RUN: SignedDuration = SignedDuration::from_mins(5);
/// How long a claim lasts. The time of a claim is computed from this.
const CLAIM: SignedDuration = SignedDuration::from_secs(120);

impl Ledger {
    /// S1, S2, S3 and S7: what the policy allows when the change is written.
    pub(crate) fn may_be(
        &mut self,
        known: &Endpoint,
        item: &Value,
        after: &Request,
        row: Option<&Value>,
        short: &str,
    ) {
        let subject = &known.subject;
        let (status, cause) = (
            after.status.as_str(),
            row.map_or("claimed", |row| text(row, "cause")),
        );
        // S3: people's approval is carried out only if no deny has come since.
        if status == "accepting"
            && row.is_none()
            && item["decided_by"]["kind"] == "approver"
            && self.policy.entitlement(subject, self.clock.now()) == Entitlement::Denied
        {
            self.broken("S3", format!("{short}: denied, and approved by people"));
        }
        let by_policy = item["decided_by"]["kind"] == "policy";
        let decides = matches!(status, "accepting" | "rejecting" | "revoking");
        if !decides || !(by_policy || cause == "deadline" || status == "revoking") {
            return;
        }
        // The time of judging: entries expire by the second, and that second may pass before the
        // write.
        let judged = match row {
            Some(row) => time(row, "at"),
            None => time(item, "claimed_until").and_then(|until| until.checked_sub(CLAIM).ok()),
        };
        let now = self.clock.now();
        let judged = judged.unwrap_or(now);
        if now.duration_since(judged) > LONGEST_RUN {
            self.broken("S1", format!("{short}: judged at {judged}, long ago"));
        }
        if status != "accepting" && self.policy.is_empty() {
            self.broken("S2", format!("{short}: the policy is empty"));
        }
        let others = self.others(subject);
        let counts = [others, self.others_shown(subject)];
        let fits = |policy: &Policy| {
            let mut counts = counts.iter();
            counts.any(|others| self.fits(policy, subject, *others, judged, status, cause))
        };
        let unreadable = self.policy.unreadable(subject);
        if unreadable.is_none() && fits(&self.policy) {
            return;
        }
        // A transaction requires the denies, the allow and the settings of its decision to be
        // unchanged. A narrower allow, a deny for a path and a mistake that come between reading
        // and recording are noticed when it is judged next. Nothing else may slip through.
        let readings = self.readings.get(&self.caller);
        let was = |policy: &Policy| policy.unreadable(subject).is_none() && fits(policy);
        let holds = status != "accepting" || self.policy.admits(subject, others, judged);
        if holds && readings.into_iter().flatten().any(was) {
            self.note(format!("{short}: overtaken by an edit"));
            return;
        }
        let says = self.policy.says(subject, others, judged);
        let rule = match (&unreadable, status) {
            (Some(_), _) => "S2",
            (None, "revoking") => "S7",
            _ => "S1/S3",
        };
        self.broken(
            rule,
            format!("{short}: the policy says {says:?}, unreadable: {unreadable:?} ({subject:?})"),
        );
    }

    /// Whether a policy permits this decision about a connection.
    fn fits(
        &self,
        policy: &Policy,
        subject: &Subject,
        others: usize,
        at: Timestamp,
        status: &str,
        cause: &str,
    ) -> bool {
        let says = policy.says(subject, others, at);
        match (status, cause) {
            ("accepting", _) => says == Says::Accept,
            ("rejecting", "deadline") => {
                let service = &subject.service;
                let hours = policy.number(service, "review_hours").unwrap_or(u64::MAX);
                let since = self
                    .requests
                    .get(&subject.endpoint)
                    .map(|request| request.since);
                let waited = since.map(|since| at.duration_since(since).as_hours());
                says == Says::Review
                    && policy.word(service, "on_deadline") == Some("reject")
                    && waited.is_some_and(|waited| waited.unsigned_abs() >= hours)
            }
            // A connection that EC2 has rejected, and that is not to be tried again, can only stay
            // rejected.
            ("rejecting", _) => {
                let known = self.endpoints.get(&subject.endpoint);
                let rejected = known
                    .is_some_and(|known| matches!(known.facts.last(), Some((_, Fact::Rejected))));
                says == Says::Reject || (rejected && says == Says::Review)
            }
            ("revoking", _) => {
                let request = self.requests.get(&subject.endpoint);
                let past_policy = request.is_some_and(|it| it.past_policy);
                let by_people = request.is_some_and(|it| it.decided_by == "approver");
                policy.revokes(subject, past_policy, by_people, at)
            }
            _ => true,
        }
    }

    /// How many connections a run may revoke, by the current policy or by the one that the run has
    /// read.
    fn at_most(&self, service: &str) -> u64 {
        let readings = self.readings.get(&self.caller).into_iter().flatten();
        let all = readings.chain([&self.policy]);
        all.map(|policy| policy.number(service, "revoke_at_most").unwrap_or(5))
            .max()
            .unwrap_or(5)
    }

    /// S7: the revocation of a connection begins; no run begins more of a service than it may.
    pub(crate) fn starts(&mut self, subject: &Subject, short: &str) {
        let most = self.at_most(&subject.service);
        let run = (self.caller.clone(), subject.service.clone());
        let begun = self.starts.entry(run).or_default();
        *begun += 1;
        if *begun > most {
            self.broken("S7", format!("{short}: of {most} at most in a run"));
        }
    }

    /// S7: EC2 is asked to revoke a connection: its time is up, an earlier run has announced it,
    /// and no run revokes more of a service than it may.
    fn revocations(&mut self, id: &str, request: &Request) {
        let most = self.at_most(&request.service);
        let run = (self.caller.clone(), request.service.clone());
        let revoked = self.revocations.entry(run).or_default();
        *revoked += 1;
        let (revoked, now) = (*revoked, self.clock.now());
        if revoked > most {
            self.broken(
                "S7",
                format!("{id} is revoked: {revoked} of {most} at most in a run"),
            );
        }
        if request.due.is_none_or(|due| now < due) {
            self.broken(
                "S7",
                format!("{id} is revoked before it is due: {request:?}"),
            );
        }
        let began = self.began.get(&self.caller).copied();
        if began.is_none_or(|began| request.since >= began) {
            self.broken("S7", format!("{id} is revoked by the run that found it"));
        }
    }

    /// A function calls EC2 for endpoints, which are in these states.
    pub(crate) fn asked(&mut self, accept: bool, ids: &[(String, Option<local_aws::State>)]) {
        for (id, state) in ids {
            let request = self.requests.get(id).cloned();
            let status = request
                .as_ref()
                .map_or("-", |request| &request.status)
                .to_owned();
            let verb = if accept { "accept" } else { "reject" };
            let recorded = if accept {
                status == "accepting"
            } else {
                matches!(status.as_str(), "rejecting" | "revoking")
            };
            if !recorded {
                let rule = if accept { "S1" } else { "S5" };
                let caller = self.caller.clone();
                self.broken(
                    rule,
                    format!("{caller} asks EC2 to {verb} {id}, which is {status}"),
                );
            }
            let connected = matches!(
                state,
                Some(local_aws::State::Pending | local_aws::State::Available)
            );
            if !accept && connected && status == "rejecting" {
                self.is_rejected_by_mistake(id, request.as_ref());
            }
            if let Some(request) = &request
                && status == "revoking"
            {
                self.revocations(id, request);
            }
        }
    }

    /// If a connection is rejected while it is connected, somebody accepted it a moment ago, unless
    /// it is being revoked.
    fn is_rejected_by_mistake(&mut self, id: &str, request: Option<&Request>) {
        let accepted = self
            .endpoints
            .get(id)
            .and_then(|known| known.last(Fact::Accepted));
        let decided = request.map(|request| request.since);
        if let (Some(accepted), Some(decided)) = (accepted, decided)
            && decided.duration_since(accepted) > LONGEST_RUN
        {
            self.broken(
                "S7",
                format!("{id} is rejected, connected since {accepted}, without being revoked"),
            );
        }
    }
}

/// ARCHITECTURE.md, "A request's status", and what judging again may lead to.
pub(crate) fn is_legal(cause: &str, from: Option<&str>, to: &str) -> bool {
    let legal = match cause {
        "judged" => {
            matches!(to, "in_review" | "accepting" | "rejecting")
        }
        "voted" => from == Some("in_review") && matches!(to, "accepting" | "rejecting"),
        "deadline" => from == Some("in_review") && to == "rejecting",
        "enforced" => matches!(
            (from, to),
            (Some("accepting"), "accepted") | (Some("rejecting" | "revoking"), "rejected")
        ),
        "out_of_band" => matches!(to, "accepted" | "rejected"),
        "revoked" => from == Some("accepted") && to == "revoking",
        "restored" => from == Some("revoking") && to == "accepted",
        "refused" => from == Some("accepting") && to == "rejected",
        "ended" => from.is_some() && to == "gone",
        _ => false,
    };
    legal && from != Some(to)
}
