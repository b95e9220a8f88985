//! Accept and Reject: many endpoints of one service in a call, with failures read per endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::RequestId as _;
use aws_sdk_ec2::types::UnsuccessfulItem;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use gatekeeper_core::batch::BatchSize;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::Enforcement;
use jiff::{SignedDuration, Timestamp};

use super::bucket::{Bucket, NoTime};
use super::filter::named;
use crate::clients::Clients;
use crate::clock::{Clock, Deadline, jittered};
use crate::config::{Config, Limits};
use crate::error::codes::{Meaning, meaning, meaning_of};
use crate::error::{Call, Class, Error, Permanent, Retryable, Step, chain};

/// EC2's answer to one call: HTTP 200, which does not tell yet whether any single endpoint
/// succeeded.
#[derive(Debug, Default)]
pub(crate) struct Enforced {
    /// AWS's id of the call.
    pub(crate) request_id: Option<String>,
    /// The endpoints that failed.
    failures: BTreeMap<String, ItemFailure>,
    /// A failure for which EC2 names no endpoint: it may be any of them.
    nameless: Option<ItemFailure>,
}

impl Enforced {
    /// The call's id and the items that failed.
    pub(super) fn read(request_id: Option<&str>, unsuccessful: &[UnsuccessfulItem]) -> Self {
        let mut enforced = Self {
            request_id: request_id.map(str::to_owned),
            ..Self::default()
        };
        for item in unsuccessful {
            let error = item.error();
            let code = error.and_then(|error| error.code());
            let message = error.and_then(|error| error.message()).unwrap_or_default();
            let failure = ItemFailure::new(code, message);
            match item.resource_id() {
                Some(id) => {
                    enforced.failures.insert(id.to_owned(), failure);
                }
                None => enforced.nameless = Some(failure),
            }
        }
        // The kind of this failure must not count against any one endpoint.
        if let Some(failure) = &mut enforced.nameless {
            failure.kind = FailureKind::InProgress;
        }
        enforced
    }

    /// The same failure for all of these.
    pub(crate) fn none_of(ids: &[EndpointId], failure: &ItemFailure) -> Self {
        let failures = ids.iter().map(|id| (id.to_string(), failure.clone()));
        Self {
            failures: failures.collect(),
            ..Self::default()
        }
    }

    /// Why it failed for an endpoint, or may have failed.
    pub(crate) fn failure_of(&self, id: &EndpointId) -> Option<&ItemFailure> {
        let own = self.failures.get(id.as_str());
        own.or(self.nameless.as_ref())
    }

    /// Whether EC2 says that the endpoint was too many for the call.
    pub(crate) fn is_surplus(&self, id: &EndpointId) -> bool {
        let failure = self.failure_of(id);
        failure.is_some_and(|failure| failure.kind == FailureKind::Size)
    }
}

/// Why a call failed for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemFailure {
    pub(crate) kind: FailureKind,
    /// EC2's code; `None` if EC2 gave none, or said nothing at all.
    code: Option<String>,
    message: String,
}

/// What EC2's code and message mean for one endpoint. AWS publishes no list of them; these are from
/// its error reference and from public reports. None of them is believed without checking EC2's
/// description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A temporary failure that has nothing to do with the endpoint.
    Passing,
    /// AWS denies us access.
    Forbidden,
    /// The endpoint's state does not allow it; perhaps it is already done.
    State,
    /// The endpoint is being changed at this moment.
    InProgress,
    /// EC2 does not find something: the endpoint is gone, or too new, or something else is missing.
    NotFound,
    /// There are too many of something, perhaps of endpoints in the call.
    Size,
    Other,
}

impl ItemFailure {
    pub(crate) fn new(code: Option<&str>, message: &str) -> Self {
        Self {
            kind: kind_of(code.unwrap_or_default(), message),
            code: code.map(str::to_owned),
            message: message.to_owned(),
        }
    }

    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or("Unknown")
    }

    /// EC2's code and message.
    pub(crate) fn text(&self) -> String {
        match self.message.as_str() {
            "" => self.code().to_owned(),
            message => format!("{}: {message}", self.code()),
        }
    }

    /// The endpoints that EC2's message names.
    pub(crate) fn named(&self) -> Vec<EndpointId> {
        EndpointId::find_all_in(&self.message)
    }
}

fn kind_of(code: &str, message: &str) -> FailureKind {
    match meaning_of(code) {
        Some(Meaning::Passing) => return FailureKind::Passing,
        Some(Meaning::Forbidden) => return FailureKind::Forbidden,
        Some(Meaning::Refused) | None => {}
    }
    let (code, message) = (code.to_ascii_lowercase(), message.to_ascii_lowercase());
    let says = |text: &str, any: &[&str]| any.iter().any(|words| text.contains(words));
    let is_state = |part: &str| {
        let wrong = [
            "incorrect",
            "invalid",
            "illegal",
            "unexpected",
            "unsupported",
        ];
        wrong.iter().any(|word| part.starts_with(word)) && part.contains("state")
    };
    let in_progress = ["inprogress", "concurrent", "tryagain", "busy"];
    let says_in_progress = [
        "in progress",
        "in-progress",
        "going on",
        "try again",
        "retry",
        "being created",
        "being deleted",
        "being modified",
        "being processed",
        "being updated",
    ];
    let not_found = ["notfound", "nosuch", "notexist"];
    let says_not_found = [
        "not exist",
        "n't exist",
        "no longer exist",
        "not found",
        "not be found",
        "been deleted",
        "already deleted",
    ];
    let says_state = ["incorrect state", "invalid state", "valid state"];
    let of_size = ["toomany", "limitexceeded", "maximum"];
    let says_size = ["too many", "maximum", "at most", "no more than", "exceed"];
    if says(&code, &in_progress) {
        FailureKind::InProgress
    } else if code.split('.').any(is_state) {
        FailureKind::State
    } else if says(&code, &not_found) {
        FailureKind::NotFound
    } else if says(&code, &of_size) || says(&message, &says_size) {
        // No matter what else it advises.
        FailureKind::Size
    } else if says(&message, &says_in_progress) {
        FailureKind::InProgress
    } else if says(&message, &says_state) {
        FailureKind::State
    } else if says(&message, &says_not_found) {
        FailureKind::NotFound
    } else {
        FailureKind::Other
    }
}

/// Why a whole call failed.
pub(crate) enum CallFailure {
    /// Temporary, or it is unknown whether EC2 did it.
    Retryable(ItemFailure),
    /// AWS denies us access, or refused the call because of the service.
    All(Arc<Error>),
    /// EC2 refused the call, perhaps because of one endpoint in it, or of their number.
    Items(ItemFailure),
    /// Time is up; EC2 was not called.
    OutOfTime(Arc<Error>),
}

/// What was found out about the size of calls, and when. It is forgotten after a while: EC2's limit
/// may change, and what looked like a limit may have been temporary.
#[derive(Debug, Default)]
struct KnownSize(Mutex<Option<(BatchSize, Timestamp)>>);

impl KnownSize {
    fn get(&self, now: Timestamp, fresh: SignedDuration) -> Option<BatchSize> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.filter(|(_, since)| now.duration_since(*since) < fresh);
        known.map(|(size, _)| size)
    }

    fn set(&self, size: BatchSize, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *known {
            Some((before, since)) if before.most() == size.most() => since,
            _ => now,
        };
        *known = Some((size, since));
    }
}

/// How often one call is tried. Each try takes a token, which the SDK's own retries would not.
const ATTEMPTS: u32 = 4;

/// Accepts and rejects connections, within the documented rates. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct EnforceCalls {
    client: aws_sdk_ec2::Client,
    clock: Clock,
    limits: Limits,
    accepts: Arc<Rate>,
    rejects: Arc<Rate>,
}

/// The rate at which EC2 takes an operation, and the number of endpoints in one call.
#[derive(Debug)]
struct Rate {
    bucket: Bucket,
    size: KnownSize,
}

impl Rate {
    fn new(clock: Clock) -> Self {
        Self {
            bucket: Bucket::new(10.0, 1.0, clock),
            size: KnownSize::default(),
        }
    }
}

impl EnforceCalls {
    pub(super) fn new(clients: &Clients, config: &Config, clock: Clock) -> Self {
        Self {
            client: clients.ec2.clone(),
            limits: config.limits.clone(),
            accepts: Arc::new(Rate::new(clock.clone())),
            rejects: Arc::new(Rate::new(clock.clone())),
            clock,
        }
    }

    fn rate(&self, enforcement: Enforcement) -> &Rate {
        match enforcement {
            Enforcement::Accept => &self.accepts,
            Enforcement::Reject => &self.rejects,
        }
    }

    /// How many ids may be in one call, as far as that is known.
    pub(crate) fn batch_size(&self, enforcement: Enforcement) -> BatchSize {
        self.rate(enforcement)
            .size
            .get(self.clock.now(), self.limits.batch_fresh)
            .unwrap_or_else(|| BatchSize::up_to(self.limits.enforce_batch))
    }

    /// Remembers how many ids may be in one call.
    pub(crate) fn remember_batch_size(&self, enforcement: Enforcement, size: BatchSize) {
        self.rate(enforcement).size.set(size, self.clock.now());
    }

    /// Asks EC2 to accept or reject connections of one service, within the documented rate. A try
    /// that could last beyond the deadline is neither begun nor waited for.
    pub(crate) async fn enforce(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        ids: &[EndpointId],
        deadline: Deadline,
    ) -> Result<Enforced, CallFailure> {
        let mut pause = self.limits.retry_pause;
        let mut attempt = 1;
        loop {
            self.rate(enforcement)
                .bucket
                .take(deadline, self.limits.call)
                .await
                .map_err(|NoTime| {
                    let before = format!("EC2 was asked to {enforcement} {}", named(ids));
                    let error = Error::out_of_time(Step::Enforce, before);
                    CallFailure::OutOfTime(error.into())
                })?;
            match self.call(enforcement, service, ids).await {
                Err(CallFailure::Retryable(_))
                    if attempt < ATTEMPTS
                        && deadline.leaves(&self.clock, pause + self.limits.call) =>
                {
                    attempt += 1;
                    self.clock.sleep(jittered(pause)).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }

    async fn call(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        ids: &[EndpointId],
    ) -> Result<Enforced, CallFailure> {
        let call = asking(enforcement, service, &named(ids));
        let ids = Some(ids.iter().map(ToString::to_string).collect());
        let once = aws_sdk_ec2::config::Config::builder().retry_config(RetryConfig::disabled());
        match enforcement {
            Enforcement::Accept => self
                .client
                .accept_vpc_endpoint_connections()
                .service_id(service.as_str())
                .set_vpc_endpoint_ids(ids)
                .customize()
                .config_override(once)
                .send()
                .await
                .map(|output| Enforced::read(output.request_id(), output.unsuccessful()))
                .map_err(|error| call_failure(&call, error)),
            Enforcement::Reject => self
                .client
                .reject_vpc_endpoint_connections()
                .service_id(service.as_str())
                .set_vpc_endpoint_ids(ids)
                .customize()
                .config_override(once)
                .send()
                .await
                .map(|output| Enforced::read(output.request_id(), output.unsuccessful()))
                .map_err(|error| call_failure(&call, error)),
        }
    }
}

/// The call that accepts or rejects endpoints of a service.
fn asking(enforcement: Enforcement, service: &ServiceId, ids: &str) -> Call {
    let what = format!("EC2 did not {enforcement} {ids} of {service}");
    Call::new(
        Step::Enforce,
        operation(enforcement),
        Retryable::Enforce,
        what,
    )
}

fn operation(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Accept => "ec2:AcceptVpcEndpointConnections",
        Enforcement::Reject => "ec2:RejectVpcEndpointConnections",
    }
}

impl ItemFailure {
    /// EC2 failed for one endpoint, and may succeed the next time.
    pub(crate) fn passes(&self, enforcement: Enforcement, id: &EndpointId) -> Arc<Error> {
        self.error(Retryable::Enforce.into(), enforcement, id.to_string())
    }

    /// AWS denies us access.
    pub(crate) fn forbids(&self, enforcement: Enforcement, id: &EndpointId) -> Arc<Error> {
        self.error(Permanent::Forbidden.into(), enforcement, id.to_string())
    }

    /// EC2 refuses, for a reason that we do not know to be temporary.
    pub(crate) fn refuses(
        &self,
        enforcement: Enforcement,
        id: &EndpointId,
        service: &ServiceId,
    ) -> Arc<Error> {
        let connection = format!("{id} of {service}");
        self.error(Permanent::Refused.into(), enforcement, connection)
    }

    fn error(&self, class: Class, enforcement: Enforcement, connection: String) -> Arc<Error> {
        let verb = match class {
            Class::Permanent(Permanent::Refused) => "refused to",
            _ => "did not",
        };
        let what = format!("EC2 {verb} {enforcement} {connection}");
        let error = Error::new(Step::Enforce, operation(enforcement), class, what);
        let error = match &self.code {
            Some(code) => error.with_code(code),
            None => error,
        };
        Arc::new(match self.message.as_str() {
            "" => error,
            message => error.caused_by(message),
        })
    }
}

fn call_failure<E>(call: &Call, error: SdkError<E>) -> CallFailure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let failure = match &error {
        SdkError::ServiceError(_) => {
            ItemFailure::new(error.code(), error.message().unwrap_or_default())
        }
        // EC2 did not answer; say what happened to the call.
        unanswered => ItemFailure::new(None, &chain(unanswered)),
    };
    let code = error.code().unwrap_or_default();
    // A code about the service does not concern any one endpoint.
    let of_service = code.contains("ServiceId") || code.contains("EndpointService");
    let passes = matches!(failure.kind, FailureKind::InProgress | FailureKind::State);
    match meaning(&error) {
        Meaning::Passing => CallFailure::Retryable(failure),
        Meaning::Forbidden => CallFailure::All(call.failed(error)),
        Meaning::Refused if of_service && passes => CallFailure::Retryable(failure),
        Meaning::Refused if of_service => CallFailure::All(call.failed(error)),
        Meaning::Refused => CallFailure::Items(failure),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::UnsuccessfulItemError;

    use super::*;

    #[test]
    fn a_failure_without_an_endpoint_is_checked_for_all() {
        let (one, other) = ("vpce-0a1b2c3d", "vpce-0a1b2c3e");
        let error = |code: &str| UnsuccessfulItemError::builder().code(code).build();
        let item = UnsuccessfulItem::builder();
        let own = item.clone().resource_id(one).error(error("InvalidState"));
        let enforced = Enforced::read(None, &[own.build(), item.error(error("New")).build()]);
        let kind = |id: &str| {
            let failure = enforced.failure_of(&id.parse().unwrap());
            failure.map(|failure| failure.kind)
        };
        assert_eq!(kind(one), Some(FailureKind::State));
        assert_eq!(kind(other), Some(FailureKind::InProgress));
        let enforced = Enforced::read(Some("r-1"), &[]);
        assert_eq!(enforced.failure_of(&other.parse().unwrap()), None);
        assert_eq!(enforced.request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn a_failure_names_the_call_and_ec2s_code_if_any() {
        let id: EndpointId = "vpce-0a1b2c3d".parse().unwrap();
        let service: ServiceId = "vpce-svc-0a1b2c3d".parse().unwrap();
        let accept = "ec2:AcceptVpcEndpointConnections";
        let reject = "ec2:RejectVpcEndpointConnections";
        let failure = ItemFailure::new(Some("InvalidState"), "not pending");
        let silence = ItemFailure::new(None, "no answer in time");
        for (error, operation, code, said) in [
            (
                failure.passes(Enforcement::Accept, &id),
                accept,
                Some("InvalidState"),
                "EC2 did not accept vpce-0a1b2c3d (ec2:AcceptVpcEndpointConnections: InvalidState)",
            ),
            (
                failure.refuses(Enforcement::Reject, &id, &service),
                reject,
                Some("InvalidState"),
                "EC2 refused to reject vpce-0a1b2c3d of vpce-svc-0a1b2c3d \
                 (ec2:RejectVpcEndpointConnections: InvalidState)",
            ),
            (
                silence.passes(Enforcement::Accept, &id),
                accept,
                None,
                "EC2 did not accept vpce-0a1b2c3d (ec2:AcceptVpcEndpointConnections)",
            ),
            (
                silence.forbids(Enforcement::Reject, &id),
                reject,
                None,
                "EC2 did not reject vpce-0a1b2c3d: AWS forbids RejectVpcEndpointConnections; check \
                 the caller's IAM policy, and the service's owner and Region",
            ),
        ] {
            assert_eq!(error.step(), Step::Enforce);
            assert_eq!((error.operation(), error.code()), (operation, code));
            assert_eq!(error.to_string(), said);
            let chain = chain(&*error);
            let words = [failure.message.as_str(), silence.message.as_str()];
            assert!(words.iter().any(|words| chain.ends_with(words)), "{chain}");
        }
    }

    #[test]
    fn every_kind_of_failure_is_recognized() {
        use FailureKind::{Forbidden, InProgress, NotFound, Other, Passing, Size, State};
        for (code, message, expected) in [
            ("RequestLimitExceeded", "", Passing),
            ("TooManyRequestsException", "", Passing),
            ("EC2ThrottledException", "", Passing),
            ("RequestTimeout", "", Passing),
            ("InternalError", "", Passing),
            ("Server.Unavailable", "", Passing),
            ("UnauthorizedOperation", "try again", Forbidden),
            ("OperationInProgress", "", InProgress),
            ("VpcEndpointOperationInProgress", "", InProgress),
            (
                "InvalidParameter",
                "There is an operation going on.",
                InProgress,
            ),
            ("Conflict", "The endpoint is being modified", InProgress),
            ("SomethingNew", "Please try again later", InProgress),
            ("IncorrectState", "", State),
            ("IncorrectStateException", "", State),
            ("InvalidState", "not pending", State),
            ("InvalidStateTransition", "", State),
            ("InvalidVpcEndpointState", "", State),
            ("InvalidVpcEndpoint.IncorrectState", "", State),
            (
                "InvalidParameter",
                "The endpoint is not in a valid state",
                State,
            ),
            ("InvalidVpcEndpointId.NotFound", "", NotFound),
            ("InvalidVpcEndpoint.NotFound", "", NotFound),
            ("InvalidParameter", "The endpoint does not exist", NotFound),
            ("SomethingNew", "vpce-1 no longer exists", NotFound),
            ("SomethingNew", "", Other),
            ("InvalidVpcEndpointId.Malformed", "Invalid Id", Other),
            ("TooManyEndpoints", "Try again with up to 25", Size),
            ("InvalidParameter", "The maximum number was exceeded.", Size),
        ] {
            assert_eq!(kind_of(code, message), expected, "{code}: {message}");
        }
    }
}
