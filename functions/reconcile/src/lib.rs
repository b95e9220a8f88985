//! The function `reconcile` compares, on a schedule, all connections with all requests.

pub mod handler;
