//! The function `reconcile`: on a schedule, all connections against all requests.

pub mod handler;
