//! `gatekeeper doctor`: what could silently break Gatekeeper.
//!
//! Each check answers with evidence and with the command that mends it. What the functions look for
//! themselves is core's `watch` and `reach`; the rest is about the policy.

use std::collections::BTreeSet;

use gatekeeper_aws::tables::{StoredItem, TableState};
use gatekeeper_core::approver::{Approver, deciders, entered_twice};
use gatekeeper_core::connection::Phase;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::judge::Decision;
use gatekeeper_core::policy::{PolicyItem, ServiceSettings};
use gatekeeper_core::reach::ReachFinding;
use gatekeeper_core::watch::Finding;
use gatekeeper_core::words;
use serde::Serialize;

use super::entries::policy;
use crate::args::DoctorArgs;
use crate::deployment::Deployment;
use crate::error::{CliError, Exit};
use crate::forecast;
use crate::named::Services;
use crate::stack::AlarmState;
use crate::terminal::Terminal;

/// How bad it is. The worst decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works, and not as it should; or it could not be looked at.
    Warning,
    /// Connections come past Gatekeeper, are not decided, or people are not notified.
    Failure,
}

#[derive(Debug, Serialize)]
struct Check {
    /// What was looked at: a finding's name, or a check's own.
    check: &'static str,
    /// The service, approver, item or table.
    about: String,
    state: State,
    /// What was found.
    evidence: String,
    /// What mends it. Empty if nothing has to be done.
    remedy: String,
}

/// Looks at everything. Fails if a check fails.
pub(crate) async fn doctor(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &DoctorArgs,
) -> Result<Exit, CliError> {
    let mut checks = Vec::new();
    let (stored, services) = policy(deployment).await?;
    let mut managed = deployment.ec2.managed_services().await?.to_vec();
    if let Some(text) = &args.service {
        let wanted = services.find(text)?;
        managed.retain(|id| *id == wanted);
        if managed.is_empty() {
            checks.push(unmanaged(&services, &wanted));
        }
    } else if managed.is_empty() {
        checks.push(Check {
            check: "managed_services",
            about: deployment.access.region.clone(),
            state: State::Failure,
            evidence: "no service is managed".to_owned(),
            remedy: "gatekeeper service list --all, then gatekeeper service manage SERVICE"
                .to_owned(),
        });
    }
    // The tables of the local world are files of its user.
    if !deployment.is_local() {
        tables(deployment, &mut checks).await;
    }
    alarms(deployment, &mut checks).await;
    items(&stored, &mut checks);
    configuration(deployment, &services, &managed, &mut checks).await;
    people(deployment, &stored, &mut checks).await;
    for service in &managed {
        decisions(
            deployment,
            terminal,
            &services,
            &stored,
            service,
            &mut checks,
        )
        .await;
    }
    print(terminal, &checks)
}

fn print(terminal: &mut Terminal<'_>, checks: &[Check]) -> Result<Exit, CliError> {
    let worst = checks.iter().map(|one| one.state).max();
    if terminal.is_json() {
        terminal.json(&checks)?;
    } else {
        // What is wrong stands last, where the eye is.
        let mut sorted: Vec<&Check> = checks.iter().collect();
        sorted.sort_by_key(|one| one.state);
        for one in sorted {
            let state = match one.state {
                State::Ok => "ok     ",
                State::Warning => "warning",
                State::Failure => "FAILURE",
            };
            terminal.say(format!(
                "{state}  {}  {}: {}",
                one.check, one.about, one.evidence
            ))?;
            if !one.remedy.is_empty() {
                terminal.say(format!("         {}", one.remedy))?;
            }
        }
        let count = |state: State| checks.iter().filter(|one| one.state == state).count();
        terminal.say(format!(
            "\n{} failures, {} warnings, {} ok.",
            count(State::Failure),
            count(State::Warning),
            count(State::Ok)
        ))?;
    }
    Ok(match worst {
        Some(State::Failure) => Exit::Failed,
        Some(State::Ok | State::Warning) | None => Exit::Done,
    })
}

fn unmanaged(services: &Services, service: &ServiceId) -> Check {
    Check {
        check: "managed_services",
        about: shown(services, service),
        state: State::Failure,
        evidence: "the service is not managed: nobody decides its connections".to_owned(),
        remedy: format!("gatekeeper service manage {service}"),
    }
}

/// The stack's alarms: queues, dead letters, schedules, throttled and failing functions.
async fn alarms(deployment: &Deployment, checks: &mut Vec<Check>) {
    let alarms = match deployment.alarms().await {
        Some(Ok(alarms)) => alarms,
        Some(Err(error)) => return checks.push(unknown("alarms", "the stack".to_owned(), &error)),
        None => {
            if !deployment.is_local() {
                checks.push(Check {
                    check: "alarms",
                    about: "the stack".to_owned(),
                    state: State::Warning,
                    evidence: "were not looked at: its name is not known".to_owned(),
                    remedy: "Say --stack NAME.".to_owned(),
                });
            }
            return;
        }
    };
    let mut good_ones = 0;
    for alarm in &alarms {
        let (state, evidence) = match alarm.state {
            AlarmState::Alarm => (State::Failure, alarm.reason.clone()),
            _ if !alarm.is_notified => (
                State::Warning,
                "its actions are disabled, so nobody is notified".to_owned(),
            ),
            AlarmState::Ok | AlarmState::Unknown => {
                good_ones += 1;
                continue;
            }
        };
        checks.push(Check {
            check: "alarm",
            about: alarm.name.clone(),
            state,
            evidence,
            remedy: match state {
                State::Failure => {
                    "docs/operations.md says what it means, and what to do".to_owned()
                }
                _ => "Deploy the stack again, or enable them (aws cloudwatch enable-alarm-actions)"
                    .to_owned(),
            },
        });
    }
    if good_ones > 0 {
        let counted = format!("{good_ones} of {} are quiet", alarms.len());
        checks.push(good("alarms", "the stack", &counted));
    }
}

/// The tables: that they are protected, and can be restored.
async fn tables(deployment: &Deployment, checks: &mut Vec<Check>) {
    for (name, found) in deployment.operator.table_states().await {
        let about = format!("table {name}");
        match found {
            Err(error) => checks.push(unknown("tables", about, &error.into())),
            Ok(TableState {
                is_protected,
                is_recoverable,
            }) => {
                let mut note = |check, is_good: bool, good: &str, bad: &str, remedy: String| {
                    checks.push(Check {
                        check,
                        about: about.clone(),
                        state: match is_good {
                            true => State::Ok,
                            false => State::Warning,
                        },
                        evidence: if is_good { good } else { bad }.to_owned(),
                        remedy: if is_good { String::new() } else { remedy },
                    });
                };
                if let Some(is_protected) = is_protected {
                    note(
                        "deletion_protection",
                        is_protected,
                        "cannot be deleted by mistake",
                        "can be deleted by mistake",
                        format!(
                            "aws dynamodb update-table --table-name {name} --deletion-protection-enabled"
                        ),
                    );
                }
                if let Some(is_recoverable) = is_recoverable {
                    note(
                        "point_in_time_recovery",
                        is_recoverable,
                        "can be restored to any second of the last weeks",
                        "cannot be restored",
                        format!(
                            "aws dynamodb update-continuous-backups --table-name {name} \
                             --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
                        ),
                    );
                }
            }
        }
    }
}

/// The allowlist: that each item can be read.
fn items(stored: &[StoredItem], checks: &mut Vec<Check>) {
    let mut unreadable = 0;
    for item in stored {
        if let Err(what) = &item.read {
            unreadable += 1;
            checks.push(Check {
                check: "unreadable_item",
                about: item.key.to_string(),
                state: State::Failure,
                evidence: what.detail.clone(),
                remedy: "Correct or delete the item; until then nothing is accepted that it may \
                         concern."
                    .to_owned(),
            });
        }
    }
    if unreadable == 0 {
        checks.push(good(
            "unreadable_item",
            "the allowlist",
            &format!("all {} items can be read", stored.len()),
        ));
    }
}

/// How services are configured at EC2.
async fn configuration(
    deployment: &Deployment,
    services: &Services,
    managed: &[ServiceId],
    checks: &mut Vec<Check>,
) {
    let topic = deployment.topics().notification.as_deref();
    let found = match deployment.ec2.findings(managed, topic).await {
        Ok(found) => found,
        Err(error) => return checks.push(unknown("services", "EC2".to_owned(), &error.into())),
    };
    for (service, seen) in &found {
        let mut bad = 0;
        for (finding, evidence) in seen {
            let Some(evidence) = evidence else { continue };
            // Without the topic's name, every topic is another one.
            if *finding == Finding::NotificationElsewhere && topic.is_none() {
                continue;
            }
            bad += 1;
            checks.push(Check {
                check: finding.as_str(),
                about: shown(services, service),
                state: match finding {
                    Finding::AcceptanceNotRequired => State::Failure,
                    finding if finding.is_about_notification() => State::Failure,
                    _ => State::Warning,
                },
                evidence: format!("{} ({})", finding.meaning(), pieces(evidence)),
                remedy: remedy(*finding, service),
            });
        }
        bad += remembered(deployment, services, service, checks).await;
        if bad == 0 {
            checks.push(good(
                "configuration",
                &shown(services, service),
                "acceptance, permissions and notification are as they should be",
            ));
        }
    }
}

/// What only the functions can find, as they found it last. Answers how many findings there are.
async fn remembered(
    deployment: &Deployment,
    services: &Services,
    service: &ServiceId,
    checks: &mut Vec<Check>,
) -> usize {
    let found = match deployment.operator.findings(service).await {
        Ok(found) => found,
        Err(error) => {
            checks.push(unknown("findings", shown(services, service), &error.into()));
            return 0;
        }
    };
    let of_runs = found.unacknowledged().filter(|finding| {
        matches!(
            finding,
            Finding::CloudTrailRuleMissing
                | Finding::TooManyRevocations
                | Finding::AllowlistEmpty
                | Finding::TransitGatewayAttachments
                | Finding::UnexpectedPolicyKeys
        )
    });
    let before = checks.len();
    checks.extend(of_runs.map(|finding| Check {
        check: finding.as_str(),
        about: shown(services, service),
        state: State::Warning,
        evidence: match found.evidence.get(&finding) {
            Some(evidence) => format!("{} ({})", finding.meaning(), pieces(evidence)),
            None => finding.meaning().to_owned(),
        },
        remedy: finding.remedy().to_owned(),
    }));
    checks.len() - before
}

fn pieces(evidence: &Evidence) -> String {
    let pieces: Vec<&str> = evidence.pieces().iter().map(String::as_str).collect();
    pieces.join("; ")
}

/// The command of this CLI that mends a finding, or what core says.
fn remedy(finding: Finding, service: &ServiceId) -> String {
    match finding {
        Finding::AcceptanceNotRequired => format!(
            "gatekeeper service manage {service}, then look through what came in meanwhile: \
             gatekeeper connections --service {service} --differs"
        ),
        finding if finding.is_about_notification() => {
            format!("gatekeeper service manage {service}")
        }
        finding => finding.remedy().to_owned(),
    }
}

/// Who is notified.
async fn people(deployment: &Deployment, stored: &[StoredItem], checks: &mut Vec<Check>) {
    let approvers = approvers(stored);
    for ids in entered_twice(&approvers) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        checks.push(Check {
            check: "approver_entered_twice",
            about: ids.join(" and "),
            state: State::Warning,
            evidence: "they have the same Slack user or IAM principal, so they vote by e-mail only"
                .to_owned(),
            remedy: "Remove one of them: gatekeeper approver remove EMAIL".to_owned(),
        });
    }
    let people = deployment.people();
    let topics = deployment.topics();
    let all_readable = !stored.iter().any(|item| {
        item.read.is_err() && item.key.service_id == gatekeeper_core::policy_key::APPROVERS
    });
    match &topics.approvals {
        None => checks.push(unnamed("approval_email", "approval e-mail", "APPROVALS")),
        Some(topic) => {
            let now = deployment.clock.now();
            let found = people
                .findings(topic, &approvers, all_readable, deployment.settles(), now)
                .await;
            match found {
                Ok(found) if found.is_empty() => checks.push(good(
                    "approval_email",
                    "approvers",
                    &format!("e-mail reaches all {} of them", approvers.len()),
                )),
                Ok(found) => checks.extend(found.iter().map(|one| of_reach(one, &approvers))),
                Err(error) => checks.push(unknown("approval_email", topic.clone(), &error.into())),
            }
        }
    }
    for (topic, check, finding, variable) in [
        (
            &topics.announcements,
            "announcements_unsubscribed",
            Finding::AnnouncementsUnsubscribed,
            "ANNOUNCEMENTS",
        ),
        (
            &topics.alarms,
            "alarms_unsubscribed",
            Finding::AlarmsUnsubscribed,
            "ALARMS",
        ),
    ] {
        match topic {
            None if variable == "ALARMS" && deployment.is_local() => {}
            None => checks.push(unnamed(check, &variable.to_lowercase(), variable)),
            Some(topic) => checks.push(match people.is_subscribed(topic, &[]).await {
                Ok(true) => good(check, topic, "somebody is subscribed"),
                Ok(false) => Check {
                    check,
                    about: topic.clone(),
                    state: State::Failure,
                    evidence: finding.meaning().to_owned(),
                    remedy: format!(
                        "aws sns subscribe --topic-arn {topic} --protocol email \
                         --notification-endpoint TEAM@EXAMPLE.COM"
                    ),
                },
                Err(error) => unknown(check, topic.clone(), &error.into()),
            }),
        }
    }
}

fn of_reach(finding: &ReachFinding, approvers: &[Approver]) -> Check {
    let about = finding
        .approver()
        .map_or("approval e-mail".to_owned(), ToString::to_string);
    let by_other_ways =
        |approver: &Approver| approver.slack_user_id.is_some() || approver.iam_principal.is_some();
    let is_reached_otherwise = finding.is_not_reached()
        && approvers
            .iter()
            .any(|one| Some(&one.id) == finding.approver() && by_other_ways(one));
    Check {
        check: finding.as_str(),
        about,
        state: match finding {
            ReachFinding::SubscriptionNew { .. } => State::Warning,
            _ if is_reached_otherwise => State::Warning,
            _ => State::Failure,
        },
        evidence: finding.meaning(),
        remedy: match finding {
            ReachFinding::ApproverNotReached { approver } => {
                format!("gatekeeper approver subscribe {approver}, then do what it says")
            }
            _ => finding.remedy(),
        },
    }
}

/// Whether what waits on a service is decided, and whether what is connected is allowed.
async fn decisions(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    services: &Services,
    stored: &[StoredItem],
    service: &ServiceId,
    checks: &mut Vec<Check>,
) {
    let about = shown(services, service);
    let approvers = approvers(stored);
    let (policy, _) = forecast::whole(stored, None);
    let settings = policy.settings_of(service);
    who_decides(&about, service, &approvers, &settings, checks);
    let seen = match forecast::seen(deployment, terminal, std::slice::from_ref(service), None).await
    {
        Ok(seen) => seen,
        Err(error) => return checks.push(unknown("connections", about, &error)),
    };
    let now = deployment.clock.now();
    // A request is there within seconds, and reconcile finds what was missed within minutes.
    let undecided = seen.iter().filter(|one| {
        let since = one.connection.created_at;
        let waits = one.connection.state.phase() == Phase::Waiting && one.request.is_none();
        waits && since.is_none_or(|since| now.duration_since(since).as_mins() >= 30)
    });
    let undecided: Vec<&str> = undecided
        .map(|one| one.connection.endpoint_id.as_str())
        .collect();
    if !undecided.is_empty() {
        checks.push(Check {
            check: "undecided",
            about: about.clone(),
            state: State::Failure,
            evidence: format!(
                "{} connections have waited for half an hour and have no request: {}",
                undecided.len(),
                undecided.join(" ")
            ),
            remedy:
                "The functions do not run, or fail: look at their alarms and at the log of the \
                     function reconcile (docs/operations.md)."
                    .to_owned(),
        });
    }
    let given = forecast::policy(stored, None);
    let foretold = forecast::foretold(deployment, &seen, &given, now);
    let pairs = seen.iter().zip(&foretold);
    let unallowed = pairs.filter(|(one, _)| one.connection.state.phase() == Phase::Connected);
    let unallowed = unallowed.filter(|(one, _)| {
        let read = given.for_connection(&one.connection, &one.situation.organization);
        let usage = gatekeeper_core::judge::Usage::default();
        let organization = &one.situation.organization;
        let verdict =
            gatekeeper_core::judge::judge(&read.policy, &one.connection, organization, usage, now);
        // Without a rule it is only unlisted, and an entry for an organization may allow it.
        verdict.decision == Decision::Reject && verdict.rule.is_some()
    });
    let denied: Vec<&str> = unallowed
        .map(|(one, _)| one.connection.endpoint_id.as_str())
        .collect();
    if !denied.is_empty() {
        checks.push(Check {
            check: "connected_though_denied",
            about: about.clone(),
            state: State::Warning,
            evidence: format!(
                "{} connected endpoints are denied: {}",
                denied.len(),
                denied.join(" ")
            ),
            remedy: format!(
                "gatekeeper connections --service {service} --differs; to revoke them: gatekeeper \
                 service set {service} revoke=enforce"
            ),
        });
    }
    if undecided.is_empty() && denied.is_empty() {
        let counted = format!("{} connections are as the policy says", seen.len());
        checks.push(good("connections", &about, &counted));
    }
}

fn who_decides(
    about: &str,
    service: &ServiceId,
    approvers: &[Approver],
    settings: &ServiceSettings,
    checks: &mut Vec<Check>,
) {
    let Ok(nobody) = "000000000000".parse() else {
        return;
    };
    let people: BTreeSet<_> = deciders(approvers, service, &nobody)
        .into_iter()
        .map(|one| &one.id)
        .collect();
    let required = usize::try_from(settings.approvals_required.unwrap_or(1).max(1)).unwrap_or(1);
    let (state, evidence) = match people.len() {
        0 => (State::Failure, "nobody may decide its reviews".to_owned()),
        few if few < required => (
            State::Failure,
            format!("{required} must approve its reviews, and only {few} may decide them"),
        ),
        1 => (State::Ok, "1 person may decide its reviews".to_owned()),
        many => (State::Ok, format!("{many} people may decide its reviews")),
    };
    checks.push(Check {
        check: "approvers",
        about: about.to_owned(),
        remedy: match state {
            State::Ok => String::new(),
            _ => format!("gatekeeper approver add EMAIL --service {service}"),
        },
        state,
        evidence,
    });
}

fn approvers(stored: &[StoredItem]) -> Vec<Approver> {
    let approvers = stored.iter().filter_map(|item| match &item.read {
        Ok(PolicyItem::Approver(approver)) => Some(approver.clone()),
        _ => None,
    });
    approvers.collect()
}

fn shown(services: &Services, service: &ServiceId) -> String {
    words::service_with_id(services.name(service), service)
}

fn good(check: &'static str, about: &str, evidence: &str) -> Check {
    Check {
        check,
        about: about.to_owned(),
        state: State::Ok,
        evidence: evidence.to_owned(),
        remedy: String::new(),
    }
}

/// What could not be looked at is no failure of Gatekeeper's.
fn unknown(check: &'static str, about: String, error: &CliError) -> Check {
    Check {
        check,
        about,
        state: State::Warning,
        evidence: format!("could not be looked at: {}", error.what()),
        remedy: error.next_step().unwrap_or_default().to_owned(),
    }
}

fn unnamed(check: &'static str, what: &str, variable: &str) -> Check {
    Check {
        check,
        about: format!("the topic for {what}"),
        state: State::Warning,
        evidence: "was not looked at: its name is not known".to_owned(),
        remedy: format!("Say --stack NAME, or set GATEKEEPER_{variable}_TOPIC."),
    }
}
