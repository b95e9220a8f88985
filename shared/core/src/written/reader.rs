//! Reads the attributes of one item.

use super::mistake::{Misfit, Mistake, Problem};
use super::shape::{Shape, Typed};
use super::spelling::{nearest, unknown};
use super::value::{Attributes, Value};

/// Reads attribute after attribute, and keeps what is wrong: a person corrects all of an item at once.
#[derive(Debug)]
pub struct Reader<'a> {
    attributes: &'a Attributes,
    of: &'static str,
    known: Vec<&'static str>,
    elsewhere: Vec<(&'static str, &'static str)>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// Of an item whose attributes are called so, such as `an attribute of an entry`.
    #[must_use]
    pub fn new(attributes: &'a Attributes, of: &'static str) -> Self {
        Self {
            attributes,
            of,
            known: Vec::new(),
            elsewhere: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Notes that an attribute of this name may be there: somebody else reads it.
    pub fn knows(&mut self, name: &'static str) {
        self.known.push(name);
    }

    /// Notes what to do with an attribute that belongs somewhere else.
    pub fn elsewhere(&mut self, name: &'static str, advice: &'static str) {
        self.elsewhere.push((name, advice));
    }

    /// An attribute that may be absent. Null is as good as absent.
    pub fn optional<T: Typed>(&mut self, name: &'static str) -> Option<T> {
        self.optional_as(name, &T::SHAPE)
    }

    /// An attribute that may be absent, with a shape of its own.
    pub fn optional_as<T: Typed>(&mut self, name: &'static str, shape: &Shape) -> Option<T> {
        match self.attempt(name, shape)? {
            Ok(read) => Some(read),
            Err(misfit) => {
                self.mistakes.push(misfit.of(name));
                None
            }
        }
    }

    /// An attribute that must be there. `None` if it is not, or is wrong: that is noted.
    pub fn required<T: Typed>(&mut self, name: &'static str) -> Option<T> {
        if self.value(name).is_none() {
            let expected = T::SHAPE.expected();
            self.mistakes.push(Mistake::missing(name, &expected));
        }
        self.optional(name)
    }

    /// Notes that an attribute that somebody else reads must be there.
    pub fn needs(&mut self, name: &'static str, expected: &str) {
        self.known.push(name);
        if !self.attributes.contains_key(name) {
            self.mistakes.push(Mistake::missing(name, expected));
        }
    }

    /// An attribute of which a wrong value is the caller's to judge.
    pub(crate) fn attempt<T: Typed>(
        &mut self,
        name: &'static str,
        shape: &Shape,
    ) -> Option<Result<T, Misfit>> {
        self.known.push(name);
        self.value(name).map(|value| T::read(value, shape))
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        let value = self.attributes.get(name);
        value.filter(|value| **value != Value::Null)
    }

    /// Notes another mistake.
    pub fn note(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// What is wrong, once all attributes that there may be were read: others are mistakes, since one may be a
    /// condition misspelt.
    ///
    /// # Errors
    /// All mistakes.
    pub fn finish(mut self) -> Result<(), Vec<Mistake>> {
        for name in self.attributes.keys() {
            if !self.known.contains(&name.as_str()) {
                let mut mistake = unknown(name, self.of, &self.known);
                let advice = self.elsewhere.iter().find(|(known, _)| known == name);
                if let Some((_, advice)) = advice {
                    mistake.advice = (*advice).to_owned();
                } else if let Some(meant) = nearest(name, &self.known) {
                    // It is there, under another name.
                    self.mistakes
                        .retain(|one| one.problem != Problem::Missing || one.attribute != meant);
                }
                self.mistakes.push(mistake);
            }
        }
        if self.mistakes.is_empty() {
            Ok(())
        } else {
            Err(self.mistakes)
        }
    }
}
