//! Lists and sets of ids.

use std::collections::BTreeSet;

use super::mistake::Misfit;
use super::shape::{Shape, Typed};
use super::value::Value;

impl<T: Typed> Typed for Vec<T> {
    const SHAPE: Shape = match T::SHAPE {
        Shape::Id(expected) => Shape::Ids(expected),
        _ => Shape::Ids("a text"),
    };

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let Value::List(elements) = value else {
            return Err(Misfit::new(value.in_words(), advice::<T>(value, shape)));
        };
        let read = |(index, element)| {
            let misfit = |misfit: Misfit| misfit.in_element(index);
            T::read(element, &T::SHAPE).map_err(misfit)
        };
        elements.iter().enumerate().map(read).collect()
    }

    fn write(&self) -> Value {
        Value::List(self.iter().map(Typed::write).collect())
    }
}

impl<T: Typed + Ord> Typed for BTreeSet<T> {
    const SHAPE: Shape = <Vec<T> as Typed>::SHAPE;

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let elements: Vec<T> = Vec::read(value, shape)?;
        Ok(elements.into_iter().collect())
    }

    fn write(&self) -> Value {
        Value::List(self.iter().map(Typed::write).collect())
    }
}

/// Where the elements stand in one text, they are shown as the list that was meant.
fn advice<T: Typed>(value: &Value, shape: &Shape) -> String {
    let usual = format!("write {}", shape.expected());
    let Some(text) = value.as_text() else {
        return usual;
    };
    let separator = |c: char| c.is_whitespace() || ",;|".contains(c);
    let words = text.split(separator).filter(|word| !word.is_empty());
    let words: Vec<Value> = words.map(|word| Value::Text(word.to_owned())).collect();
    let are_right = words.iter().all(|word| T::read(word, &T::SHAPE).is_ok());
    if words.is_empty() || !are_right {
        return usual;
    }
    let list: Vec<String> = words.iter().map(Value::shown).collect();
    format!("write a list: [{}]", list.join(", "))
}
