//! The function `approvals`: approvers vote, by links in e-mails, in Slack and by signed calls.
//!
//! | module | does |
//! | --- | --- |
//! | [`http`] | HTTP requests and responses; each response has all security headers |
//! | [`lambda`] | API Gateway's form of them |
//! | [`handler`] | routes a request |
//! | `link` | an approver's link: shows the review, and takes the vote |
//! | `form` | reads the form |
//! | `signed_vote` | votes by signed calls, under an IAM identity |
//! | `page` | the pages |
//! | [`slack`] | buttons and modals in Slack |
//! | `review_state` | a headline and an explanation for each state of a review |
//! | `sentences` | sentences about a request that pages and Slack share |
//!
//! Opening a link decides nothing. A vote needs a complete form: an approver's token, a choice, and the
//! end of the endpoint's id, which a person types. Programs that open links in e-mail submit forms, but
//! they do not type.

mod form;
pub mod handler;
mod headers;
pub mod http;
pub mod lambda;
mod link;
mod page;
mod review_state;
mod sentences;
mod signed_vote;
pub mod slack;
