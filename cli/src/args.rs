//! The commands and their options.

#![expect(
    clippy::doc_markdown,
    reason = "clap prints these comments, and backticks would be noise there"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gatekeeper_core::approver::{ApproverId, PrincipalPattern, SlackUserId};
use gatekeeper_core::ids::{AccountId, EndpointId, Region};
use gatekeeper_core::policy::{Principal, Scope};
use gatekeeper_core::request::Status;
use gatekeeper_core::watch::Finding;
use gatekeeper_local::{demo, replay};

/// PrivateLink Gatekeeper: policy, requests and people from a terminal
#[derive(Debug, Parser)]
#[command(
    name = "gatekeeper",
    version,
    max_term_width = 100,
    subcommand_required = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, help_heading = "Output")]
    pub output: Format,
    /// Work with the world that `gatekeeper local` serves on this port (GATEKEEPER_LOCAL)
    #[arg(long, global = true, value_name = "PORT", num_args = 0..=1, default_missing_value = "8700",
          require_equals = true, help_heading = "Deployment")]
    pub local: Option<u16>,
    /// The AWS Region of the deployment (AWS_REGION)
    #[arg(long, global = true, help_heading = "Deployment")]
    pub region: Option<Region>,
    /// The profile of the AWS CLI whose credentials to use (AWS_PROFILE)
    #[arg(long, global = true, help_heading = "Deployment")]
    pub profile: Option<String>,
    /// Another address for all calls to AWS (AWS_ENDPOINT_URL)
    #[arg(long, global = true, value_name = "URL", help_heading = "Deployment")]
    pub endpoint_url: Option<String>,
    /// The CloudFormation stack of the deployment, whose outputs name the rest (GATEKEEPER_STACK)
    #[arg(long, global = true, value_name = "NAME", help_heading = "Deployment")]
    pub stack: Option<String>,
    /// The allowlist table: the stack's output AllowlistTable (GATEKEEPER_ALLOWLIST_TABLE)
    #[arg(long, global = true, value_name = "TABLE", help_heading = "Deployment")]
    pub allowlist_table: Option<String>,
    /// The requests table: the stack's output RequestsTable (GATEKEEPER_REQUESTS_TABLE)
    #[arg(long, global = true, value_name = "TABLE", help_heading = "Deployment")]
    pub requests_table: Option<String>,
    /// The approvals API: the stack's output ApprovalsUrl (GATEKEEPER_APPROVALS_URL)
    #[arg(long, global = true, value_name = "URL", help_heading = "Deployment")]
    pub approvals_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences, for people
    Table,
    /// JSON, for programs
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run Gatekeeper on this machine, with simulators of AWS and a page
    Local(demo::Args),
    /// Put events through a world of your own and print what was decided
    Replay(replay::Args),
    /// Allow a consumer to connect
    Allow(EntryArgs),
    /// Deny a consumer, whatever allows it
    Deny(EntryArgs),
    /// Remove an entry of the allowlist
    Remove(RemoveArgs),
    /// List the entries of the allowlist
    Entries(EntriesArgs),
    /// Write a whole policy from a file
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// List connection requests
    Requests(RequestsArgs),
    /// Explain the policy's verdict on a consumer or an endpoint
    Explain(ExplainArgs),
    /// Show one request with its votes and its history
    Show(ShowArgs),
    /// Print what happens to requests, as it happens
    Watch(WatchArgs),
    /// Compare EC2's connections with the records and the policy
    Connections(ConnectionsArgs),
    /// List the decisions of a period for an auditor
    Audit(AuditArgs),
    /// Vote for a request that is in review
    Approve(VoteArgs),
    /// Vote against a request that is in review
    Reject(VoteArgs),
    /// Withdraw your approval
    Withdraw(VoteArgs),
    /// List, add and remove the people who decide reviews
    #[command(subcommand)]
    Approver(ApproverCommand),
    /// List endpoint services and change their settings
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Look for what is wrong with the deployment and its services
    Doctor(DoctorArgs),
    /// Take a finding that has to stay for a while out of its alarm
    Acknowledge(AcknowledgeArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
}

/// A write that shows first what follows from it.
#[derive(Debug, Clone, Copy, Args)]
pub struct Confirm {
    /// Do not ask before writing
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct EntryArgs {
    /// The service: its id, its name, the start of either, or `*` for every service
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// An account, an endpoint, an organization, an organizational unit's path, or `*`
    #[arg(value_name = "PRINCIPAL")]
    pub principal: Principal,
    /// How many connections it may have at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Allow endpoints of this Region only; repeat it for several
    #[arg(long = "region-of-endpoint", value_name = "REGION")]
    pub regions: Vec<Region>,
    /// When it ends: a time as 2027-03-01T00:00:00Z, a date, or a period as 90d or 12h
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// Take the limit of connections off an existing entry
    #[arg(long, conflicts_with = "max_connections")]
    pub no_limit: bool,
    /// Take the Regions off an existing entry
    #[arg(long, conflicts_with = "regions")]
    pub any_region: bool,
    /// Take the expiry off an existing entry
    #[arg(long, conflicts_with = "expires")]
    pub no_expiry: bool,
    /// The customer's name
    #[arg(long, value_name = "NAME")]
    pub customer: Option<String>,
    /// Whom to ask about the customer
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
    /// The ticket
    #[arg(long, value_name = "TEXT")]
    pub ticket: Option<String>,
    /// The reason
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Wait until the connections that it concerns are decided
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Whether the entry allows or denies
    #[arg(value_enum)]
    pub effect: EffectArg,
    /// The service: its id, its name, the start of either, or `*` for every service
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// The principal of the entry
    #[arg(value_name = "PRINCIPAL")]
    pub principal: Principal,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EffectArg {
    Allow,
    Deny,
}

#[derive(Debug, Args)]
pub struct EntriesArgs {
    /// Only the entries that concern this service
    #[arg(long)]
    pub service: Option<String>,
    /// Only the entries of customers whose name contains this
    #[arg(long, value_name = "NAME")]
    pub customer: Option<String>,
    /// Only the entries that end within this period, as 30d or 12h
    #[arg(long, value_name = "PERIOD")]
    pub expiring: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy as a file
    Export,
    /// Check a policy file, without a deployment
    Validate(PolicyFileArgs),
    /// Show the difference between a policy file and the policy, and what it does to connections
    Plan(PolicyPlanArgs),
    /// Make the writes of a plan, one after the other
    Apply(PolicyApplyArgs),
    /// Try a policy on cases: this connection, at that time, has that verdict
    Test(PolicyTestArgs),
    /// Make a policy file of what exists; the table is not written
    #[command(subcommand)]
    Import(PolicyImportCommand),
}

#[derive(Debug, Args)]
pub struct PolicyTestArgs {
    /// The cases, in YAML
    #[arg(value_name = "CASES")]
    pub cases: PathBuf,
    /// The policy file to try; the deployment's policy, if it is left out
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PolicyImportCommand {
    /// Allow the consumers that a CSV file lists
    Csv(ImportCsvArgs),
    /// Allow the accounts that a service's permissions allow to create endpoints
    Principals(ImportServiceArgs),
    /// Allow the accounts that are connected to a service
    Connections(ImportServiceArgs),
}

#[derive(Debug, Args)]
pub struct ImportCsvArgs {
    /// The file. Its first line names the columns: service_id, principal, and any attribute of an
    /// entry
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The service id of lines that have none
    #[arg(long, value_name = "ID")]
    pub service: Option<Scope>,
}

#[derive(Debug, Args)]
pub struct ImportServiceArgs {
    /// The service: its id, its name or the start of either
    #[arg(value_name = "SERVICE")]
    pub service: String,
}

#[derive(Debug, Args)]
pub struct PolicyFileArgs {
    /// The policy file, in YAML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct PolicyPlanArgs {
    /// The policy file, in YAML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Keep the plan in this file, for `policy apply`
    #[arg(long, value_name = "PLAN")]
    pub out: Option<PathBuf>,
    /// End with status 3 if the file differs from the policy
    #[arg(long)]
    pub exit_code: bool,
    /// Print the plan as Markdown, for a pull request
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub struct PolicyApplyArgs {
    /// The plan, as `policy plan --out` wrote it
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The number of imported entries that the plan adds: they may let strangers in, so it is asked
    /// for beside --yes
    #[arg(long, value_name = "N")]
    pub imported: Option<usize>,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct RequestsArgs {
    /// Only requests of this status; repeat it for several
    #[arg(long, value_parser = status)]
    pub status: Vec<Status>,
    /// Only requests to this service
    #[arg(long)]
    pub service: Option<String>,
    /// Only requests of this account
    #[arg(long)]
    pub account: Option<AccountId>,
    /// Only requests of customers whose name contains this
    #[arg(long, value_name = "NAME")]
    pub customer: Option<String>,
    /// Only requests whose status has changed since then: a time, a date, or a period as 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[arg(value_name = "ENDPOINT")]
    pub endpoint: EndpointId,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An endpoint, or a service: its id, its name or the start of either
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// The account, if the subject is a service
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<AccountId>,
    /// The Region of the account's endpoint; the deployment's, if it is left out
    #[arg(long = "region-of-endpoint", value_name = "REGION")]
    pub region: Option<Region>,
    /// Explain the verdict at another time: a time, a date, or a period as 30d
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Explain the verdict of this policy file instead of the deployment's policy
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only requests to this service
    #[arg(long)]
    pub service: Option<String>,
    /// How often to look, as 10s or 1m. Each look reads the whole requests table
    #[arg(long, value_name = "PERIOD", default_value = "10s")]
    pub every: String,
    /// End after this period, as 30m or 2h
    #[arg(long = "for", value_name = "PERIOD")]
    pub length: Option<String>,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Only this service
    #[arg(long)]
    pub service: Option<String>,
}

#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    /// The service: its id, its name or the start of either
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// The finding, as its announcement and `gatekeeper doctor` name it
    #[arg(value_name = "FINDING", value_parser = finding)]
    pub finding: Finding,
    /// Why it has to stay
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// When the acknowledgement ends: a time, a date, or a period as 30d; as late as it may, if it is
    /// left out
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// Only connections to this service
    #[arg(long)]
    pub service: Option<String>,
    /// Only connections that are not as the policy says
    #[arg(long)]
    pub differs: bool,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The start of the period: a time, a date, or a period as 90d
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// The end of the period; now, if it is left out
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// How to print the decisions
    #[arg(long, value_enum, default_value_t = AuditFormat::Csv)]
    pub format: AuditFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    Csv,
    Json,
}

#[derive(Debug, Args)]
pub struct VoteArgs {
    #[arg(value_name = "ENDPOINT")]
    pub endpoint: EndpointId,
    /// Why; a rejection needs a reason
    #[arg(long, default_value = "")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Subcommand)]
pub enum ApproverCommand {
    /// List the approvers
    List,
    /// Add an approver, or change one
    Add(ApproverArgs),
    /// Subscribe an approver to their e-mail, as `add` does
    Subscribe(ApproverSubscribeArgs),
    /// Confirm an approver's e-mail with the link that they got
    Confirm(ApproverConfirmArgs),
    /// Remove an approver
    Remove(ApproverRemoveArgs),
}

#[derive(Debug, Args)]
pub struct ApproverArgs {
    /// The approver's e-mail address
    #[arg(value_name = "EMAIL")]
    pub id: ApproverId,
    /// A service that they decide, by its id, its name or the start of either; `*` for every
    /// service; repeat it for several
    #[arg(long, required = true)]
    pub service: Vec<String>,
    /// An account of their own, which they may not decide; repeat it for several
    #[arg(long, value_name = "ACCOUNT")]
    pub own_account: Vec<AccountId>,
    /// Their Slack user id
    #[arg(long, value_name = "ID")]
    pub slack_user: Option<SlackUserId>,
    /// Their ARN when they call AWS, with `*` for any characters
    #[arg(long, value_name = "ARN")]
    pub iam_principal: Option<PrincipalPattern>,
    /// Do not subscribe their address to approval e-mail
    #[arg(long)]
    pub no_email: bool,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct ApproverSubscribeArgs {
    #[arg(value_name = "EMAIL")]
    pub id: ApproverId,
}

#[derive(Debug, Args)]
pub struct ApproverConfirmArgs {
    /// The link in the e-mail that SNS sent, or the token in it
    #[arg(value_name = "LINK")]
    pub link: String,
}

#[derive(Debug, Args)]
pub struct ApproverRemoveArgs {
    #[arg(value_name = "EMAIL")]
    pub id: ApproverId,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// List the managed services
    List(ServiceListArgs),
    /// Show a service's settings, and where each comes from
    Show(ServiceShowArgs),
    /// Change settings of a service, or of every service
    Set(ServiceSetArgs),
    /// Hand a service over to Gatekeeper: require acceptance, notify it, tag it
    Manage(ServiceManageArgs),
    /// Take a service from Gatekeeper: its tag and its notification
    Release(ServiceReleaseArgs),
}

#[derive(Debug, Args)]
pub struct ServiceListArgs {
    /// All endpoint services of the account in the Region, also those that are not managed
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct ServiceManageArgs {
    /// The service: its id, its name or the start of either
    #[arg(value_name = "SERVICE")]
    pub service: String,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct ServiceReleaseArgs {
    /// The service: its id, its name or the start of either
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Why. An alarm says that a service is no longer managed; with a reason, it is acknowledged
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct ServiceShowArgs {
    #[arg(value_name = "SERVICE")]
    pub service: String,
}

#[derive(Debug, Args)]
pub struct ServiceSetArgs {
    /// The service, or `*` for every service
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// A setting and its value; without a value, the setting is removed
    #[arg(value_name = "SETTING=VALUE", required = true)]
    pub settings: Vec<String>,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, which must exist
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

impl EffectArg {
    pub(crate) fn effect(self) -> gatekeeper_core::policy::Effect {
        match self {
            Self::Allow => gatekeeper_core::policy::Effect::Allow,
            Self::Deny => gatekeeper_core::policy::Effect::Deny,
        }
    }
}

fn status(text: &str) -> Result<Status, String> {
    let name = text.replace([' ', '-'], "_");
    let known = Status::ALL.iter().find(|status| status.as_str() == name);
    known.copied().ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        format!("write one of {}", names.join(", "))
    })
}

fn finding(text: &str) -> Result<Finding, String> {
    let name = text.replace([' ', '-'], "_");
    Finding::named(&name).ok_or_else(|| {
        let names: Vec<&str> = Finding::ALL
            .iter()
            .map(|finding| finding.as_str())
            .collect();
        format!("write one of {}", names.join(", "))
    })
}

/// Every service, or one: what an entry's key names.
pub(crate) fn is_every(service: &str) -> bool {
    service == Scope::Every.to_string()
}
