use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::caller::Caller;
use crate::fault::{Fault, FaultKind, Faults};
use crate::query::Params;

const LOG_LENGTH: usize = 50_000;

/// Where a call stands when the hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPhase {
    /// It has come; nothing has been done.
    Before,
    /// The work is done; the answer has not been sent.
    After,
}

/// Run before and after each call over HTTP, with the name of the action. No lock is held meanwhile, so it may
/// use the simulator.
pub type OnCall = Arc<dyn Fn(&str, CallPhase) + Send + Sync>;

/// Answers a call over HTTP in the simulator's stead: given the action and the document that would be answered, or none
/// where the call is refused, the document to answer; none to leave it as it is. For answers that the simulator does
/// not give.
pub type OnAnswer = Arc<dyn Fn(&str, Option<&str>) -> Option<String> + Send + Sync>;

/// One call over HTTP, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    pub action: String,
    /// At Slack, the account is the workspace, and the access key is the app.
    pub caller: Caller,
    /// All parameters. Those of a form are in their order on the wire, those of a JSON body by name, nested ones by
    /// path (`Tags.1.Key`).
    pub params: Vec<(String, String)>,
    /// The code of the error that was answered; `Hang`, `AnswerLost` and `AnswerHangs` where no answer was sent.
    pub error: Option<String>,
}

impl CallRecord {
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Counts, logs, watches and disturbs the calls to a simulator.
/// All simulators dereference to it. Calls in process are not counted and not disturbed.
pub struct Control {
    counts: Mutex<BTreeMap<String, u64>>,
    log: Mutex<VecDeque<CallRecord>>,
    faults: Mutex<Faults>,
    on_call: Mutex<Option<OnCall>>,
    on_answer: Mutex<Option<OnAnswer>>,
    identities: Mutex<HashMap<String, String>>,
    released: watch::Sender<u64>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            counts: Mutex::default(),
            log: Mutex::default(),
            faults: Mutex::default(),
            on_call: Mutex::default(),
            on_answer: Mutex::default(),
            identities: Mutex::default(),
            released: watch::Sender::new(0),
        }
    }

    /// How often each action was called, refused and failed calls included.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.counts).clone()
    }

    pub fn calls_of(&self, action: &str) -> u64 {
        lock(&self.counts).get(action).copied().unwrap_or(0)
    }

    /// The calls, oldest first; of very many, the latest 50,000.
    pub fn log(&self) -> Vec<CallRecord> {
        lock(&self.log).iter().cloned().collect()
    }

    pub fn reset_calls(&self) {
        lock(&self.counts).clear();
        lock(&self.log).clear();
    }

    /// Adds a fault behind those that wait.
    pub fn inject(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// The faults that wait for their calls.
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.faults).list()
    }

    /// Drops the faults that wait.
    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    /// Breaks the connections of all calls that hang now.
    pub fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    pub fn set_on_call(&self, hook: Option<OnCall>) {
        *lock(&self.on_call) = hook;
    }

    /// Sets or removes what answers in the simulator's stead.
    pub fn set_on_answer(&self, hook: Option<OnAnswer>) {
        *lock(&self.on_answer) = hook;
    }

    /// Says which IAM principal an access key id (for a consumer: the account) belongs to. The default is
    /// `arn:aws:iam::<account>:user/local`.
    pub fn set_identity(&self, access_key: impl Into<String>, arn: impl Into<String>) {
        lock(&self.identities).insert(access_key.into(), arn.into());
    }

    pub(crate) fn identify(&self, caller: Caller) -> Caller {
        match lock(&self.identities).get(&caller.access_key) {
            Some(arn) => caller.with_arn(arn),
            None => caller,
        }
    }

    pub(crate) fn count(&self, action: &str) {
        let mut counts = lock(&self.counts);
        match counts.get_mut(action) {
            Some(count) => *count += 1,
            None => drop(counts.insert(action.to_owned(), 1)),
        }
    }

    pub(crate) fn hook(&self, action: &str, phase: CallPhase) {
        // Taken out of the lock first: the hook may set another hook.
        let hook = lock(&self.on_call).clone();
        if let Some(hook) = hook {
            hook(action, phase);
        }
    }

    /// The document that the hook answers in place of the simulator's.
    pub(crate) fn answer_instead(&self, action: &str, document: Option<&str>) -> Option<String> {
        let hook = lock(&self.on_answer).clone();
        hook.and_then(|hook| hook(action, document))
    }

    pub(crate) fn take_fault(&self, action: &str, params: &Params) -> Option<FaultKind> {
        lock(&self.faults).take(action, params)
    }

    pub(crate) fn record(&self, record: CallRecord) {
        tracing::debug!(
            action = record.action,
            account = record.caller.account,
            region = record.caller.region,
            error = record.error,
            "call"
        );
        let mut log = lock(&self.log);
        if log.len() >= LOG_LENGTH {
            log.pop_front();
        }
        log.push_back(record);
    }

    /// Changes with each later [`Control::release`].
    pub(crate) fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("calls", &self.calls())
            .field("faults", &self.faults())
            .finish_non_exhaustive()
    }
}

/// Locks even if another thread panicked while it held the lock: a simulator can go on with that data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
