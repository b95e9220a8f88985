//! `gatekeeper approver`.

use std::collections::BTreeSet;

use gatekeeper_aws::tables::{NewItem, StoredItem};
use gatekeeper_core::approver::{
    Approver, ApproverId, PrincipalPattern, SlackUserId, entered_twice,
};
use gatekeeper_core::ids::AccountId;
use gatekeeper_core::policy::{PolicyItem, Scope};
use gatekeeper_core::policy_key::APPROVERS;
use serde::Serialize;

use super::change::done;
use super::entries::policy;
use super::warn_of_unreadable;
use crate::args::{ApproverArgs, ApproverConfirmArgs, ApproverRemoveArgs, ApproverSubscribeArgs};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::named::Services;
use crate::terminal::{Rows, Terminal};

#[derive(Serialize)]
struct ApproverShown<'a> {
    id: &'a str,
    services: Vec<String>,
    own_accounts: Vec<&'a str>,
    slack_user_id: Option<&'a str>,
    iam_principal: Option<&'a str>,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let approvers = approvers(&stored);
    if terminal.is_json() {
        let shown: Vec<ApproverShown<'_>> = approvers
            .iter()
            .map(|one| ApproverShown {
                id: one.id.as_str(),
                services: one.services.iter().map(ToString::to_string).collect(),
                own_accounts: one.own_accounts.iter().map(AccountId::as_str).collect(),
                slack_user_id: one.slack_user_id.as_ref().map(SlackUserId::as_str),
                iam_principal: one.iam_principal.as_ref().map(PrincipalPattern::as_str),
            })
            .collect();
        terminal.json(&shown)?;
    } else if approvers.is_empty() {
        terminal.note(
            "There are no approvers, so nobody can decide a review. Add one with: gatekeeper \
             approver add EMAIL --service '*'",
        )?;
    } else {
        let mut rows = Rows::new(["APPROVER", "DECIDES", "VOTES BY", "OWN ACCOUNTS"]);
        for one in &approvers {
            let mut ways = vec!["e-mail"];
            ways.extend(one.slack_user_id.is_some().then_some("Slack"));
            ways.extend(one.iam_principal.is_some().then_some("IAM"));
            let own: Vec<&str> = one.own_accounts.iter().map(AccountId::as_str).collect();
            rows.push([
                one.id.to_string(),
                scopes(&services, &one.services),
                ways.join(", "),
                own.join(" "),
            ]);
        }
        terminal.table(&rows)?;
    }
    for ids in entered_twice(&approvers) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        terminal.note(format!(
            "warning: {} are the same person, who can vote by e-mail only",
            ids.join(" and ")
        ))?;
    }
    warn_of_unreadable(terminal, &stored)
}

pub(crate) async fn add(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ApproverArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let decides: Result<BTreeSet<Scope>, CliError> = args
        .service
        .iter()
        .map(|text| services.scope(text))
        .collect();
    let new = Approver {
        id: args.id.clone(),
        slack_user_id: args.slack_user.clone(),
        iam_principal: args.iam_principal.clone(),
        services: decides?,
        own_accounts: args.own_account.iter().cloned().collect(),
    };
    let existing = find(&stored, &new.id);
    if let Some(Ok(PolicyItem::Approver(approver))) = existing.map(|item| &item.read)
        && *approver == new
    {
        terminal.note("Nothing to do: the approver is entered like this.")?;
        return Ok(());
    }
    let title = match existing {
        None => "Adds the approver",
        Some(_) => "Changes the approver",
    };
    terminal.note(format!(
        "{title} {}, who decides {}.",
        new.id,
        scopes(&services, &new.services)
    ))?;
    let mut all = approvers(&stored);
    all.retain(|one| one.id != new.id);
    all.push(new.clone());
    for ids in entered_twice(&all)
        .iter()
        .filter(|ids| ids.contains(&new.id))
    {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        terminal.note(format!(
            "warning: {} will be the same person, who can then vote by e-mail only",
            ids.join(" and ")
        ))?;
    }
    terminal.confirm("Write it?", args.confirm.yes)?;
    deployment.may_write()?;
    let item = NewItem::Approver(&new);
    let written = deployment.operator.put(&item, existing).await?;
    done(terminal, written, "written")?;
    if existing.is_none() && !args.no_email {
        subscribe(deployment, terminal, &new.id).await?;
    }
    Ok(())
}

/// Subscribes the address of an approver who is entered already.
pub(crate) async fn subscribe_again(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ApproverSubscribeArgs,
) -> Result<(), CliError> {
    let (stored, _) = policy(deployment).await?;
    if find(&stored, &args.id).is_none() {
        return Err(CliError::new(format!("{} is not an approver", args.id))
            .next("Add them with: gatekeeper approver add EMAIL --service SERVICE"));
    }
    subscribe(deployment, terminal, &args.id).await
}

/// Subscribes an approver to their e-mail, with a filter policy that keeps other people's links from them.
async fn subscribe(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    approver: &ApproverId,
) -> Result<(), CliError> {
    if deployment.topics().approvals.is_none() {
        terminal.note(
            "For votes by e-mail, subscribe the address: say --stack NAME, or docs/approvals.md has the \
             commands.",
        )?;
        return Ok(());
    }
    let subscriptions = deployment.subscriptions()?;
    subscriptions.subscribe(approver).await.map_err(|error| {
        CliError::from(error).next(
            "The approver is entered and gets no e-mail yet. Try again with: gatekeeper approver subscribe \
             EMAIL",
        )
    })?;
    let from = deployment.clock.now() + deployment.settles();
    terminal.note(format!(
        "AWS has sent {approver} an e-mail with a link. They do not click it: they send it to you. Wait \
         until {}, when the filter policy holds at the latest, then confirm it for them: gatekeeper \
         approver confirm 'LINK'",
        gatekeeper_core::words::moment(from)
    ))?;
    Ok(())
}

/// Confirms a subscription so that only its owner can end it.
pub(crate) async fn confirm(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ApproverConfirmArgs,
) -> Result<(), CliError> {
    let token = token(&args.link).ok_or_else(|| {
        CliError::usage("this is no link of a confirmation, and no token")
            .next("Write the whole link between single quotes, or the text after Token= in it.")
    })?;
    let subscriptions = deployment.subscriptions()?;
    let arn = subscriptions.confirm(&token).await?;
    if subscriptions.is_protected(&arn).await? {
        terminal.note(format!(
            "Done: {arn} is confirmed, and only its owner can end it."
        ))?;
        return Ok(());
    }
    Err(CliError::new(format!(
        "{arn} was confirmed before by the link in the e-mail"
    ))
    .next(format!(
        "Anybody who gets the e-mail forwarded can end it. End it yourself (aws sns unsubscribe \
             --subscription-arn {arn}), then: gatekeeper approver subscribe EMAIL"
    )))
}

/// The token of a link, or the text itself if it is one.
fn token(link: &str) -> Option<String> {
    let link = link.trim();
    let token = match link.split_once("Token=") {
        Some((_, rest)) => rest.split(['&', '#']).next()?,
        None => link,
    };
    let is_token = !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric());
    is_token.then(|| token.to_owned())
}

pub(crate) async fn remove(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ApproverRemoveArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let Some(existing) = find(&stored, &args.id) else {
        terminal.note(format!("Nothing to do: {} is not an approver.", args.id))?;
        return Ok(());
    };
    terminal.note(format!(
        "Removes the approver {}. Their votes in open reviews no longer count, and their links no \
         longer work.",
        args.id
    ))?;
    let mut left = approvers(&stored);
    left.retain(|one| one.id != args.id);
    for scope in undecided(&stored, &left) {
        terminal.note(format!(
            "warning: nobody is left who decides {}",
            services.shown(&scope)
        ))?;
    }
    terminal.confirm("Remove them?", args.confirm.yes)?;
    let written = deployment.operator.delete(existing).await?;
    done(terminal, written, "removed")?;
    terminal.note("Unsubscribe their address from the approvers' topic, too.")?;
    Ok(())
}

fn approvers(stored: &[StoredItem]) -> Vec<Approver> {
    let approvers = stored.iter().filter_map(|item| match &item.read {
        Ok(PolicyItem::Approver(approver)) => Some(approver.clone()),
        _ => None,
    });
    approvers.collect()
}

/// The scopes that somebody decides now, and nobody of those who are left.
fn undecided(stored: &[StoredItem], left: &[Approver]) -> BTreeSet<Scope> {
    let is_decided = |scope: &Scope| {
        left.iter()
            .any(|one| one.services.contains(scope) || one.services.contains(&Scope::Every))
    };
    let scopes = approvers(stored).into_iter().flat_map(|one| one.services);
    scopes.filter(|scope| !is_decided(scope)).collect()
}

fn find<'a>(stored: &'a [StoredItem], id: &ApproverId) -> Option<&'a StoredItem> {
    let rule = format!("approver#{id}");
    let is_it = |item: &&StoredItem| item.key.service_id == APPROVERS && item.key.rule == rule;
    stored.iter().find(is_it)
}

fn scopes(services: &Services, scopes: &BTreeSet<Scope>) -> String {
    let shown: Vec<String> = scopes.iter().map(|scope| services.shown(scope)).collect();
    match shown.is_empty() {
        true => "no service".to_owned(),
        false => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_a_link_of_sns() {
        let link = "https://sns.eu-central-1.amazonaws.com/confirmation.html?TopicArn=arn:aws:sns:a&Token=2336412f37fb&Endpoint=a@example.com";
        for (text, expected) in [
            (link, Some("2336412f37fb")),
            ("2336412f37fb", Some("2336412f37fb")),
            (" 2336412f37fb\n", Some("2336412f37fb")),
            ("https://example.com/", None),
            ("https://example.com/?Token=", None),
            ("", None),
        ] {
            assert_eq!(token(text).as_deref(), expected, "{text}");
        }
    }
}
