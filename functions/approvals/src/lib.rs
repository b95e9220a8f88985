//! The function `approvals`: people decide.
