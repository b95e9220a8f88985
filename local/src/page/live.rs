//! Server-sent events: the page anew, whenever something on it changed.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use gatekeeper_aws::clock::Clock;

use super::forms::Form;
use super::read::{Glance, ReadError, Reader, Shared};
use super::state;
use super::view::View;

/// How often is looked whether something changed.
const PACE: Duration = Duration::from_millis(100);

/// What a browser has been sent.
#[derive(Default)]
struct Sent {
    glance: Option<Glance>,
    state: Option<state::State>,
}

/// The page, and then the page again and again. Each event's data is a JSON text: it has no line
/// breaks, which would be the event's own.
pub(super) async fn live(State(reader): State<Shared>) -> impl IntoResponse {
    let sent = Sent::default();
    let events = stream::unfold((reader, sent), |(reader, mut sent)| async move {
        let html = next(&reader, &mut sent).await?;
        let data = serde_json::Value::String(html).to_string();
        let event = Event::default().event("page").data(data);
        Some((Ok::<_, Infallible>(event), (reader, sent)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// The page as soon as it differs from what was sent; none when the world has stopped.
async fn next(reader: &Reader, sent: &mut Sent) -> Option<String> {
    // A person who looks at the page lives in real time, whatever clock the world goes by.
    let pace = Clock::system();
    let mut stopped = reader.source.stopped.clone();
    loop {
        match changed(reader, sent).await {
            Ok(Some(html)) => return Some(html),
            Ok(None) => {}
            // The page itself says so when it is loaded; here it is tried again.
            Err(error) => tracing::warn!(%error, "the page cannot be sent"),
        }
        tokio::select! {
            () = pace.sleep(PACE) => {}
            _ = stopped.wait_for(|stop| *stop) => return None,
        }
    }
}

async fn changed(reader: &Reader, sent: &mut Sent) -> Result<Option<String>, ReadError> {
    // Taken before the tables are read: what changes meanwhile is looked at again.
    let glance = reader.glance();
    if sent.glance.as_ref() == Some(&glance) {
        return Ok(None);
    }
    let state = reader.read().await?;
    sent.glance = Some(glance);
    if sent.state.as_ref() == Some(&state) {
        return Ok(None);
    }
    let html = View::new(&state, reader, &Form::default()).html()?;
    sent.state = Some(state);
    Ok(Some(html))
}
