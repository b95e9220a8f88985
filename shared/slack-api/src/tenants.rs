//! The workspaces, and Enterprise organizations with all of their workspaces, whose people may decide.
//!
//! A signature only says that our app was pressed, and Slack's ids of people are unique within an organization
//! only. So a person must belong to one of these workspaces or organizations. If Slack does not say where they
//! belong, the reply says what to do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ids::{EnterpriseId, InvalidId, TeamId, TenantId};
use crate::interaction::By;

/// The workspaces and organizations whose people may decide; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenants(BTreeSet<TenantId>);

/// Why a person counts as a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It happened in a workspace that is not listed, or that Slack does not name.
    Elsewhere {
        /// The workspace.
        team: Option<TeamId>,
        /// Its organization, or for which the app is installed.
        organization: Option<EnterpriseId>,
    },
    /// It happened in a listed workspace, and the person is of another: the channel is shared.
    Guest(TenantId),
    /// It happened in a listed workspace, and Slack does not say where the person belongs.
    Nameless,
}

impl Stranger {
    /// The name for the metric.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Elsewhere { .. } => "elsewhere",
            Self::Guest(_) => "guest",
            Self::Nameless => "nameless",
        }
    }
}

impl Tenants {
    /// Whether a person belongs to a listed workspace and acted in one.
    ///
    /// # Errors
    /// [`Stranger`], if not, or if Slack does not say so.
    pub fn admit(&self, by: &By) -> Result<(), Stranger> {
        let is_listed = |tenant: &TenantId| self.0.contains(tenant);
        let organization = by.organization.clone().map(TenantId::Organization);
        let team = by.team.clone().map(TenantId::Workspace);
        let is_of_listed = by.user_tenant.as_ref().is_some_and(is_listed);
        let is_at_ours = match &team {
            Some(team) => is_listed(team) || organization.as_ref().is_some_and(is_listed),
            // An app that is installed for all of an organization: where it was pressed is not said.
            None => is_of_listed || organization.as_ref().is_some_and(is_listed),
        };
        if !is_at_ours {
            return Err(Stranger::Elsewhere {
                team: by.team.clone(),
                organization: by.organization.clone(),
            });
        }
        match &by.user_tenant {
            None => Err(Stranger::Nameless),
            Some(tenant) => {
                let is_ours = is_of_listed
                    || [team, organization]
                        .iter()
                        .flatten()
                        .any(|ours| ours == tenant);
                is_ours
                    .then_some(())
                    .ok_or_else(|| Stranger::Guest(tenant.clone()))
            }
        }
    }
}

impl FromStr for Tenants {
    type Err = InvalidId;

    /// Ids with commas between them.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, tenant) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            tenant.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(team: &str, organization: &str, user: &str) -> By {
        By {
            user: "U0ALICE".parse().unwrap(),
            user_tenant: user.parse().ok(),
            team: team.parse().ok(),
            organization: organization.parse().ok(),
            app: "A0APP".parse().unwrap(),
        }
    }

    #[test]
    fn each_way_that_slack_says_it_is_ours_or_a_strangers() {
        for (tenants, rows) in [
            (
                "T1OURS",
                &[
                    ("T1OURS", "", "T1OURS", "ours"),
                    // Our workspace belongs to an organization, and of people Slack names that.
                    ("T1OURS", "E1ORG", "E1ORG", "ours"),
                    ("T1OURS", "E1ORG", "T1OURS", "ours"),
                    ("T1OURS", "E1ORG", "E2ORG", "guest"),
                    ("T1OURS", "", "E1ORG", "guest"),
                    // A channel that is shared with others.
                    ("T1OURS", "", "T2OTHER", "guest"),
                    ("T1OURS", "E1ORG", "T2OTHER", "guest"),
                    ("T2OTHER", "", "T2OTHER", "elsewhere"),
                    ("T2OTHER", "E1ORG", "T1OURS", "elsewhere"),
                    // The app is installed for all of the organization.
                    ("", "E1ORG", "T1OURS", "ours"),
                    ("", "E1ORG", "E1ORG", "elsewhere"),
                    ("", "E1ORG", "T2OTHER", "elsewhere"),
                    ("", "", "", "elsewhere"),
                    ("T1OURS", "", "", "nameless"),
                ][..],
            ),
            (
                "E1ORG",
                &[
                    ("", "E1ORG", "E1ORG", "ours"),
                    ("T2OTHER", "E1ORG", "E1ORG", "ours"),
                    ("T2OTHER", "E1ORG", "T2OTHER", "ours"),
                    // Perhaps one of the organization's, perhaps a stranger's: it has to be listed.
                    ("", "E1ORG", "T2OTHER", "guest"),
                    ("T1OURS", "E1ORG", "T2OTHER", "guest"),
                    ("T1OURS", "E1ORG", "E2ORG", "guest"),
                    ("T1OURS", "E2ORG", "E1ORG", "elsewhere"),
                    ("T1OURS", "", "T1OURS", "elsewhere"),
                    ("", "E1ORG", "", "nameless"),
                ][..],
            ),
            (
                "E1ORG,T2OTHER",
                &[
                    ("", "E1ORG", "T2OTHER", "ours"),
                    ("T1OURS", "E1ORG", "T2OTHER", "ours"),
                    ("T3", "E2ORG", "T2OTHER", "elsewhere"),
                ][..],
            ),
        ] {
            let tenants: Tenants = tenants.parse().unwrap();
            for (team, organization, user, expected) in rows {
                let admitted = tenants.admit(&by(team, organization, user));
                let word = admitted.map_or_else(|stranger| stranger.as_str(), |()| "ours");
                assert_eq!(word, *expected, "{tenants}: {team} {organization} {user}");
            }
        }
    }

    #[test]
    fn there_is_at_least_one() {
        for bad in ["", ",", "T1OURS,", "T1OURS, T2OTHER", "general"] {
            assert!(bad.parse::<Tenants>().is_err(), "{bad:?}");
        }
        let tenants: Tenants = "T1OURS,E1ORG".parse().unwrap();
        assert_eq!(tenants.to_string(), "T1OURS, E1ORG");
    }
}
