//! From one policy to another: the difference, what it does to connections, and the writes that make it.
//!
//! | module | content |
//! | --- | --- |
//! | [`whole`] | a whole policy as one value |
//! | [`difference`] | how two policies differ, item by item |
//! | [`order`] | the order of writes in which no moment is wrong |
//! | [`attributes`] | items as a plan's file has them |

pub mod attributes;
pub mod difference;
pub mod order;
pub mod whole;

pub use whole::WholePolicy;
