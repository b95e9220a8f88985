//! The decisions, and nothing else: ids, policy, [`judge`](judge::judge), the request status machine, and
//! [`decide`](decide::next), which makes a change out of what was read.
//!
//! No I/O, no async, no AWS crate, no clock: time comes in as an argument. Everything here compiles
//! and tests in seconds, and everything that could connect a stranger or disconnect a customer is here.
//!
//! The modules in reading order: each is read with what stands above it.
//!
//! | module | content |
//! | --- | --- |
//! | [`ids`] | ids and addresses as types that cannot be mixed up |
//! | [`scope`] | the services that an entry, a setting or an approver is for |
//! | [`visible`](mod@visible) | text as a person sees it, and as one types it |
//! | [`message`] | one message, and its audience |
//! | [`connection`] | one endpoint's link to an endpoint service, as EC2 tells it |
//! | [`evidence`] | what shows that a finding is there |
//! | [`attachment`] | Transit Gateway attachments, which are counted and announced |
//! | [`listing`] | reading EC2's list: connections, attachments, what cannot be read |
//! | [`batch`] | how many ids go into one call to EC2, and which id a refusal is about |
//! | [`written`] | what somebody wrote, and what is wrong with it |
//! | [`ignored_setting`] | settings that make no sense and decide nothing |
//! | [`approver`] | who may decide a review |
//! | [`policy`] | allowlist entries and service settings |
//! | [`judge`] | policy × connection × usage × now → verdict |
//! | [`explain`] | why the policy says what it says of one connection |
//! | [`other_names`] | the names that AWS CloudTrail gives for a decision besides the one on record |
//! | [`vote`] | what an approver says of a review |
//! | [`request`] | the durable record of a connection, its statuses and every legal transition |
//! | [`caller`] | the principal that AWS CloudTrail names for a decision, and how it is recorded |
//! | [`hint`] | what an event may tell us: where to look, never what to believe |
//! | [`watch`] | what lets connections in past Gatekeeper |
//! | [`acknowledgement`] | who knows of a finding, and until when its alarm is silent |
//! | [`policy_key`] | what the key of an allowlist item means, however it is written |
//! | [`quorum`] | what the votes on a review come to |
//! | [`rejection`] | what becomes of a rejected connection that the policy allows by now |
//! | [`purge`] | when DynamoDB may delete an entry, and what to say where it did too early |
//! | [`review`] | deadlines and reminders of a review |
//! | [`words`] | how consumers, services, statuses and moments read to people |
//! | [`plan`] | request × what EC2 says → what is to be done now |
//! | [`audit`] | what becomes of a connection that the policy allows no longer |
//! | [`observation`] | what EC2 said of an endpoint, and when |
//! | [`precondition`] | which items a decision rests on |
//! | [`policy_item`] | entries, settings and approvers as they are written, and back |
//! | [`ballot`] | what a vote is cast with, and why it may not count |
//! | [`announcement`] | the announcements about a connection, for people and programs |
//! | [`messages`] | what a change has to announce, as facts |
//! | [`change`] | a change of a request with all that is written with it |
//! | [`invitation`] | the messages to one approver about a review |
//! | [`decide`] | what is known of a connection → what is to be done now |
//! | [`enforcement`] | what EC2 did about a decision → the change that records it |
//! | [`foretell`] | what would happen under a given policy at a given time |
//! | [`policy_change`] | from one policy to another: the difference, what it does, and the order of writes |
//! | [`edit`] | whom an edit of the policy concerns |
//! | [`left_alone`] | what is remembered of connections that are not decided |
//! | [`alarm`] | the alarms about a service, for people and programs |
//! | [`findings`] | what is known to be wrong with a service, and when that is announced |
//! | [`acknowledged_findings`] | which findings are acknowledged, as they begin, change and end |
//! | [`confirmed`] | the part of an announcement that the tables confirm |
//! | [`reach`] | whom approval e-mail reaches, and whether it may be sent |
//! | [`grouping`] | which messages about one account go at once, and which go together |
//! | [`allowance`] | how many e-mails one address takes |
//! | [`outbox`] | what is left to be sent of a change, and how far it is |
//! | [`event`] | announcements and alarms as events on a bus |
//! | [`waiting`] | the reviews that wait longest, by whose they are |
//! | [`token`] | the secret in a link to a review |
//! | [`link`] | which of the requests that a link lists it opens |

pub mod acknowledged_findings;
pub mod acknowledgement;
pub mod alarm;
pub mod allowance;
pub mod announcement;
pub mod approver;
pub mod attachment;
pub mod audit;
pub mod ballot;
pub mod batch;
pub mod caller;
pub mod change;
mod chat;
pub mod confirmed;
pub mod connection;
pub mod decide;
pub mod edit;
pub mod enforcement;
pub mod event;
pub mod evidence;
pub mod explain;
pub mod findings;
#[cfg(test)]
mod fixtures;
pub mod foretell;
pub mod grouping;
pub mod hint;
pub mod ids;
pub mod ignored_setting;
pub mod invitation;
pub mod judge;
pub mod left_alone;
pub mod link;
pub mod listing;
pub mod message;
pub mod messages;
mod names;
pub mod observation;
pub mod other_names;
pub mod outbox;
pub mod plan;
pub mod policy;
pub mod policy_change;
pub mod policy_item;
pub mod policy_key;
pub mod precondition;
pub mod purge;
pub mod quorum;
pub mod reach;
pub mod rejection;
pub mod request;
pub mod review;
pub mod scope;
pub mod token;
pub mod visible;
pub mod vote;
pub mod waiting;
pub mod watch;
pub mod words;
pub mod written;
