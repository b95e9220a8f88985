//! What somebody wrote, in an item of the allowlist table or in a file, and what is wrong with it.
//!
//! The table and files are read by the same code, so that both refuse the same things in the same words. Each
//! form is turned into [`Attributes`] first; nothing here knows DynamoDB or YAML.

mod declare;
mod ids;
mod list;
mod mistake;
mod number;
mod reader;
mod region;
mod shape;
mod spelling;
mod text;
mod time;
mod value;

pub use mistake::{Misfit, Mistake, Problem, all};
pub use reader::Reader;
pub use shape::{Attribute, Shape, Typed};
pub use spelling::unknown;
pub use text::id;
pub use value::{Attributes, Value};

pub(crate) use declare::{attributes, typed_choice, typed_id};
pub(crate) use text::choice;

#[cfg(test)]
mod tests;
