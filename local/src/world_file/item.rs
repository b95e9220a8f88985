//! Items of a world file, read as core reads those of the table.

use gatekeeper_core::written::{Attributes, Mistake, Reader, Value};

use super::problem::{BadWorld, Place, bad};
use super::yaml::Node;

/// Reads an item. What is wrong is told with its place and with what the item is called.
pub(super) fn read<T>(
    node: &Node,
    called: &str,
    read: impl FnOnce(&Attributes) -> Result<T, Vec<Mistake>>,
) -> Result<T, Vec<BadWorld>> {
    let attributes = node.attributes(called).map_err(|error| vec![error])?;
    read(&attributes).map_err(|mistakes| {
        let problem =
            |mistake: &Mistake| bad(node.place_of(mistake), format!("{called}: {mistake}"));
        mistakes.iter().map(problem).collect()
    })
}

/// Reads the attributes of an item and makes something of them, unless there is a mistake.
pub(super) fn read_with<T>(
    node: &Node,
    called: &str,
    of: &'static str,
    make: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, BadWorld> {
    let read = read(node, called, |attributes| {
        let mut reader = Reader::new(attributes, of);
        let made = make(&mut reader);
        reader.finish()?;
        made.ok_or_else(Vec::new)
    });
    read.map_err(|problems| first(problems, node.place))
}

/// The first of several problems.
pub(super) fn first(problems: Vec<BadWorld>, otherwise: Place) -> BadWorld {
    let first = problems.into_iter().min_by_key(BadWorld::place);
    first.unwrap_or_else(|| bad(otherwise, "this cannot be read"))
}

/// An item with its id, as far as it has one.
pub(super) fn called(node: &Node, what: &str, id: &str) -> String {
    /// A name that is longer is cut, so that a message does not grow with it.
    const SHOWN: usize = 80;
    let value = node.get(id).map(Node::value);
    match value.as_ref().and_then(Value::as_text) {
        Some(text) if !text.is_empty() => {
            let name: String = text.chars().take(SHOWN).collect();
            format!("{what} {name}")
        }
        _ => what.to_owned(),
    }
}
