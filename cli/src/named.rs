//! Finds a service by its id, its name, or the start of either.

use std::collections::BTreeMap;

use gatekeeper_aws::tables::StoredItem;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{PolicyItem, Scope, ServiceName};

use crate::args::is_every;
use crate::error::CliError;

/// The services that are known, with their names.
#[derive(Debug, Default)]
pub(crate) struct Services {
    names: BTreeMap<ServiceId, Option<ServiceName>>,
}

impl Services {
    /// The services that EC2 lists as managed, and those that the allowlist names.
    pub(crate) fn of(managed: &[ServiceId], stored: &[StoredItem]) -> Self {
        let mut names: BTreeMap<ServiceId, Option<ServiceName>> =
            managed.iter().map(|id| (id.clone(), None)).collect();
        for item in stored {
            match &item.read {
                Ok(PolicyItem::Settings(Scope::Service(id), settings)) => {
                    names.insert(id.clone(), settings.name.clone());
                }
                Ok(PolicyItem::Entry(entry)) => {
                    if let Scope::Service(id) = &entry.rule().service_id {
                        names.entry(id.clone()).or_default();
                    }
                }
                _ => {}
            }
        }
        Self { names }
    }

    pub(crate) fn name(&self, id: &ServiceId) -> Option<&ServiceName> {
        self.names.get(id)?.as_ref()
    }

    /// A scope for people: the name and the id, or "every service".
    pub(crate) fn shown(&self, scope: &Scope) -> String {
        match scope {
            Scope::Every => "every service".to_owned(),
            Scope::Service(id) => gatekeeper_core::words::service_with_id(self.name(id), id),
        }
    }

    /// The service that a text names. A whole id is taken as it is.
    pub(crate) fn find(&self, text: &str) -> Result<ServiceId, CliError> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let wanted = text.trim().to_lowercase();
        let is_named = |id: &ServiceId,
                        name: Option<&ServiceName>,
                        matches: &dyn Fn(&str) -> bool| {
            matches(id.as_str()) || name.is_some_and(|name| matches(&name.as_str().to_lowercase()))
        };
        let found = |matches: &dyn Fn(&str) -> bool| -> Vec<&ServiceId> {
            self.names
                .iter()
                .filter(|(id, name)| is_named(id, name.as_ref(), matches))
                .map(|(id, _)| id)
                .collect()
        };
        let exact = found(&|one| one == wanted);
        let found = match exact.is_empty() {
            true => found(&|one| !wanted.is_empty() && one.starts_with(&wanted)),
            false => exact,
        };
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                Err(CliError::new(format!("no service is called {text:?}"))
                    .next(match self.names.is_empty() {
                    true => {
                        "No service is managed, and the allowlist names none. Write the whole id: \
                         vpce-svc-…"
                            .to_owned()
                    }
                    false => format!("Known services: {}", self.listed(self.names.keys())),
                }))
            }
            several => Err(
                CliError::new(format!("{text:?} may be several services")).next(format!(
                    "Write more of one: {}",
                    self.listed(several.iter().copied())
                )),
            ),
        }
    }

    /// The scope that a text names: `*`, or a service.
    pub(crate) fn scope(&self, text: &str) -> Result<Scope, CliError> {
        match is_every(text) {
            true => Ok(Scope::Every),
            false => self.find(text).map(Scope::Service),
        }
    }

    fn listed<'a>(&self, ids: impl Iterator<Item = &'a ServiceId>) -> String {
        let shown = ids.map(|id| gatekeeper_core::words::service_with_id(self.name(id), id));
        shown.collect::<Vec<_>>().join(", ")
    }
}
