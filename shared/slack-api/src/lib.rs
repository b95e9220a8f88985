//! Slack: request signatures, the Web API's calls that we make, and Block Kit.
