//! End-to-end scenarios, all in one binary: the real functions and the real SDK clients against the
//! local world, on a clock that never makes anybody wait.

mod crash;
mod decisions;
mod events;
mod faults;
mod local_world;
mod oddities;
mod race;
mod safety;
mod support;
