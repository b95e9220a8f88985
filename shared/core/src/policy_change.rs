//! From one policy to another: the difference, what it does to connections, and the writes that make it.
//!
//! | module | content |
//! | --- | --- |
//! | [`whole`] | a whole policy as one value |
//! | [`difference`] | how two policies differ, item by item |
//! | [`order`] | the order of writes in which no moment is wrong |
//! | [`effect`] | what a new policy does to connections, now and later |
//! | [`attributes`] | items as a plan's file has them |
//! | [`plan`] | the writes as a value that is kept in a file and applied exactly |
//! | [`case`] | cases that a policy is tested with |

pub mod attributes;
pub mod case;
pub mod difference;
pub mod effect;
pub mod order;
pub mod plan;
pub mod whole;

pub use effect::Turn;
pub use whole::WholePolicy;
