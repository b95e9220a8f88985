//! Puts announcements on an EventBridge bus, if there is one: ten events in a call.
//!
//! It comes after topics and e-mail, and begins no call that could outlast the invocation. A bus
//! that does not answer neither keeps people from being notified nor makes them be notified twice.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::DateTime;
use gatekeeper_core::event::{BusArn, Event, Home, SOURCE};

use super::AnnouncementsConfig;
use super::publish::Published;
use crate::clients::Clients;
use crate::error::codes::{Meaning, meaning_of};
use crate::error::{Call, Error, Retryable, Step, chain};

/// EventBridge takes this many events in one `PutEvents`.
const ENTRIES_PER_CALL: usize = 10;
/// EventBridge takes 1 MB in one call, all entries together; it took 256 KB before. This is below both.
const BYTES_PER_CALL: usize = 240 * 1024;

/// The bus.
#[derive(Debug)]
pub(super) struct Bus {
    client: aws_sdk_eventbridge::Client,
    arn: BusArn,
    home: Home,
}

/// What EventBridge made of a call.
enum PutResult {
    /// It says of each event what became of it.
    Taken,
    /// It refuses the call because of an event in it, for this reason.
    Refused(String),
    /// It does not answer, or refuses us.
    None,
}

impl Bus {
    /// `None` if there is no bus.
    pub(super) fn new(clients: &Clients, config: &AnnouncementsConfig) -> Option<Self> {
        let bus = config.event_bus.clone()?;
        Some(Self {
            client: clients.eventbridge.clone(),
            arn: bus.arn,
            home: bus.home,
        })
    }

    /// The account and Region of the deployment, which the events name.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Puts as many events as it can while there is time. Events that fail stay in the outbox, and
    /// so do the events after a call without an answer.
    pub(super) async fn put(&self, events: &[Event], in_time: impl Fn() -> bool) -> Published {
        let mut published = Published::default();
        for batch in batches(events) {
            if !in_time() {
                let before = format!("{} events were put on the bus", batch.len());
                let error = Error::out_of_time(Step::Announce, before);
                published.failures.push(error.into());
                break;
            }
            if !self.put_all(batch, &mut published).await {
                break;
            }
        }
        published
    }

    /// Puts one batch; false if EventBridge does not answer, or refuses us. If it refuses the call
    /// because of one event, each event is tried alone.
    async fn put_all(&self, batch: &[Event], published: &mut Published) -> bool {
        match self.put_batch(batch, published).await {
            PutResult::Taken => return true,
            PutResult::None => return false,
            PutResult::Refused(_) => {}
        }
        for event in batch {
            match self.put_batch(std::slice::from_ref(event), published).await {
                PutResult::Taken => {}
                PutResult::None => return false,
                PutResult::Refused(why) => _ = published.refused.insert(event.id.clone(), why),
            }
        }
        true
    }

    async fn put_batch(&self, batch: &[Event], published: &mut Published) -> PutResult {
        let entries = batch.iter().map(|event| self.entry(event)).collect();
        let put = self.client.put_events().set_entries(Some(entries));
        let output = match put.send().await {
            Ok(output) => output,
            Err(error) => {
                let events = match batch {
                    [one] => one.id.clone(),
                    many => format!("{} events", many.len()),
                };
                let error = self.putting(&events).failed(error);
                if error.is_refused_call() && is_of_event(error.code().unwrap_or_default()) {
                    return PutResult::Refused(chain(&*error));
                }
                published.failures.push(error);
                return PutResult::None;
            }
        };
        // One answer for each entry, in order. Only an entry with an id is on the bus.
        let mut answers = output.entries().iter();
        for event in batch {
            let answer = answers.next();
            let code = answer.and_then(|answer| answer.error_code());
            let why = answer.and_then(|answer| answer.error_message());
            match code {
                None if answer.is_some_and(|answer| answer.event_id().is_some()) => {
                    published.sent.insert(event.id.clone());
                }
                None => {
                    let said = "EventBridge did not say what became of it";
                    let error = self.putting(&event.id).passes(said);
                    published.failures.push(error.into());
                }
                Some(code) => {
                    let said = format!("{code}: {}", why.unwrap_or_default());
                    match failure_of(&self.putting(&event.id), code, &said) {
                        Some(error) => published.failures.push(error.into()),
                        None => _ = published.refused.insert(event.id.clone(), said),
                    }
                }
            }
        }
        PutResult::Taken
    }

    /// The call that puts events.
    fn putting(&self, what: &str) -> Call {
        let what = format!("{what} could not be put on the event bus {}", self.arn);
        Call::new(Step::Announce, "events:PutEvents", Retryable::Publish, what)
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(self.arn.as_str())
            .time(DateTime::from_secs(event.at.as_second()))
            .source(SOURCE)
            .detail_type(event.detail_type.as_str())
            .detail(&event.detail)
            .set_resources(Some(event.resources.clone()))
            .build()
    }
}

/// The events, in batches as large as EventBridge takes. An event that is too large gets a batch of
/// its own.
fn batches(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let (mut count, mut bytes) = (1, events.first().map_or(0, Event::size));
    events.chunk_by(move |_, next| {
        let size = next.size();
        let fits = count < ENTRIES_PER_CALL && bytes + size <= BYTES_PER_CALL;
        (count, bytes) = match fits {
            true => (count + 1, bytes + size),
            false => (1, size),
        };
        fits
    })
}

/// The failure for an entry's code; `None` if a retry is useless because EventBridge will never
/// take this event.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>
fn failure_of(call: &Call, code: &str, said: &str) -> Option<Error> {
    // These concern the bus's policy and not the event. The person who corrects the policy wants the
    // events that waited.
    let of_the_bus = [
        "InvalidAccountIdException",
        "NotAuthorizedForDetailTypeException",
        "NotAuthorizedForSourceException",
    ];
    let error = match meaning_of(code) {
        Some(Meaning::Passing) => call.passes(said),
        Some(Meaning::Forbidden) => call.forbidden(said),
        _ if of_the_bus.contains(&code) => call.forbidden(said),
        _ => return None,
    };
    Some(error.with_code(code))
}

/// Whether EventBridge refuses the call because of an event in it.
fn is_of_event(code: &str) -> bool {
    ["InvalidArgument", "MalformedDetail", "ValidationException"].contains(&code)
}

#[cfg(test)]
mod tests {
    use gatekeeper_core::event::DetailType;
    use jiff::Timestamp;

    use super::*;

    fn event(bytes: usize) -> Event {
        let mut event = Event {
            id: bytes.to_string(),
            at: Timestamp::UNIX_EPOCH,
            detail_type: DetailType::ServiceAlarm,
            resources: Vec::new(),
            detail: String::new(),
        };
        event.detail = " ".repeat(bytes - event.size());
        event
    }

    #[test]
    fn a_call_has_no_more_than_eventbridge_takes() {
        let sizes = |sizes: &[usize]| -> Vec<usize> {
            let events: Vec<Event> = sizes.iter().copied().map(event).collect();
            batches(&events).map(<[Event]>::len).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[100; 10]), [10]);
        assert_eq!(sizes(&[100; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[BYTES_PER_CALL / 3; 4]), [3, 1]);
        assert_eq!(sizes(&[BYTES_PER_CALL - 100, 100, 100]), [2, 1]);
        // An event that is too large does not hold up the others.
        assert_eq!(sizes(&[100, 2 * BYTES_PER_CALL, 100]), [1, 1, 1]);
    }

    #[test]
    fn retryable_codes_are_retried_and_others_are_refused() {
        let call = Call::new(Step::Announce, "events:PutEvents", Retryable::Publish, "it");
        let kind = |code| failure_of(&call, code, "said").map(|error| error.error_type());
        for code in [
            "ThrottlingException",
            "InternalFailure",
            "InternalException",
        ] {
            assert_eq!(kind(code), Some("Retryable.Publish"), "{code}");
        }
        for code in [
            "AccessDeniedException",
            "InvalidAccountIdException",
            "NotAuthorizedForDetailTypeException",
            "NotAuthorizedForSourceException",
        ] {
            assert_eq!(kind(code), Some("Permanent.Forbidden"), "{code}");
        }
        for code in [
            "InvalidArgument",
            "MalformedDetail",
            "RedactionFailure",
            "",
            "New",
        ] {
            assert_eq!(kind(code), None, "{code}");
        }
    }
}
