//! End-to-end scenarios: the real functions and SDK clients against the local world. See `tests/`.
