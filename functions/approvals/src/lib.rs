//! The function `approvals`: people decide, by the links that they are sent and in Slack.
//!
//! | module | does |
//! | --- | --- |
//! | [`http`] | requests and answers, whatever brings them here; each answer with all security headers |
//! | [`lambda`] | those of an API Gateway HTTP API |
//! | [`handler`] | finds out what a request is for |
//! | `link` | an approver's link: looking, and deciding |
//! | `form` | what somebody filled in |
//! | `page` | what people see |
//! | [`slack`] | what people press in Slack |
//! | `standing` | what came of looking or voting, in a headline and a sentence |
//! | `words` | how a request stands, in words that pages and Slack share |
//!
//! Looking never decides. What decides is a whole form: an approver's token, a choice, and the end of the
//! endpoint's id, typed by a person (programs that open links in mail submit forms, and do not type).

mod form;
pub mod handler;
mod headers;
pub mod http;
pub mod lambda;
mod link;
mod page;
pub mod slack;
mod standing;
mod words;
