use std::collections::BTreeMap;

use jiff::Timestamp;

/// Without `Debug`, as all that holds it: no value shows by accident.
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) created: Timestamp,
}

pub(crate) struct Secret {
    pub(crate) arn: String,
    pub(crate) name: String,
    /// `AWSCURRENT`.
    pub(crate) current: Version,
    /// `AWSPREVIOUS`.
    pub(crate) previous: Option<Version>,
}

impl Secret {
    /// The versions with their staging labels.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&'static str, &Version)> {
        let previous = self.previous.iter();
        std::iter::once(("AWSCURRENT", &self.current))
            .chain(previous.map(|version| ("AWSPREVIOUS", version)))
    }

    /// By its name, its ARN, or its ARN without the hyphen and the six characters at its end ("Finding a secret from a
    /// partial ARN").
    fn is(&self, wanted: &str) -> bool {
        let behind = self.arn.strip_prefix(wanted);
        wanted == self.name
            || wanted.starts_with("arn:")
                && behind
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('-') && rest.len() == 7)
    }
}

/// All that there is, by name.
#[derive(Default)]
pub(crate) struct Store(BTreeMap<String, Secret>);

impl Store {
    pub(crate) fn get(&self, wanted: &str) -> Option<&Secret> {
        self.0.values().find(|secret| secret.is(wanted))
    }

    pub(crate) fn get_mut(&mut self, wanted: &str) -> Option<&mut Secret> {
        self.0.values_mut().find(|secret| secret.is(wanted))
    }

    pub(crate) fn add(&mut self, secret: Secret) {
        self.0.insert(secret.name.clone(), secret);
    }

    pub(crate) fn remove(&mut self, wanted: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|_, secret| !secret.is(wanted));
        self.0.len() < before
    }
}
