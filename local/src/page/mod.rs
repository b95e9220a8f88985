//! The page at `/`: services, connections and requests, what people were told, and the allowlist,
//! with forms to ask as a consumer would and to edit the allowlist.
//!
//! There is one view of it, a template. Without JavaScript it is all there is: forms post and come
//! back to the page. With it, the script takes over what changed from each new version of the page
//! that the server sends.
//!
//! | module | what |
//! | --- | --- |
//! | `guard` | keeps other web pages out, and what this one may load |
//! | `read` | reads the world into what is shown |
//! | `state` | what is shown |
//! | `chat` | of it, the channel in Slack, whose texts `mrkdwn` reads |
//! | `names` | the names of forms and sections |
//! | `view`, `show` | shows it |
//! | `live` | sends it anew when something changed |
//! | `forms` | what was entered, and what is wrong with it |
//! | `act` | does what was asked for |

mod act;
mod chat;
mod forms;
mod guard;
mod live;
mod mrkdwn;
mod names;
mod read;
mod show;
mod state;
mod text;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};

pub(crate) use read::Source;

use forms::Form;
use read::{Reader, Shared};
use show::page;

/// No form here is longer.
const BODY_LIMIT: usize = 64 << 10;

/// The page and all that belongs to it.
pub(crate) fn router(source: Source) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/page/live", get(live::live))
        .route(
            "/page/style.css",
            asset("text/css", include_str!("style.css")),
        )
        .route(
            "/page/script.js",
            asset("text/javascript", include_str!("script.js")),
        )
        .route(
            "/page/icon.svg",
            asset("image/svg+xml", include_str!("icon.svg")),
        )
        .route("/page/create-endpoint", action(post(act::create_endpoint)))
        .route("/page/delete-endpoint", action(post(act::delete_endpoint)))
        .route("/page/add-entry", action(post(act::add_entry)))
        .route("/page/add-approver", action(post(act::add_approver)))
        .route("/page/remove", action(post(act::remove_item)))
        .route("/page/settings", action(post(act::put_settings)))
        .route("/page/slack/be", action(post(act::be_in_slack)))
        .route("/page/slack/press", action(post(act::press_in_slack)))
        .route("/page/slack/submit", action(post(act::submit_in_slack)))
        .route("/page/slack/close", action(post(act::close_in_slack)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::map_response(guard::restrict))
        .with_state(Arc::new(Reader::new(source)))
}

/// The same server, out of the reach of other web pages.
pub(crate) fn guarded(router: Router) -> Router {
    router.layer(middleware::from_fn(guard::keep_out))
}

/// A GET of a form's address, as of a browser that is asked to load the page again, is sent
/// to the page.
fn action(route: MethodRouter<Shared>) -> MethodRouter<Shared> {
    route.get(|| async { Redirect::to("/") })
}

fn asset(kind: &'static str, text: &'static str) -> MethodRouter<Shared> {
    get(move || async move { ([(CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text) })
}

/// The page, or for a client that does not ask for HTML a list of addresses. What stands in the address is
/// filled into the forms: `/?principal=222222222222`.
async fn show(State(reader): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let wants_html = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("text/html"));
    if !wants_html {
        return reader.index().into_response();
    }
    let form = Form::prefilled(uri.query().unwrap_or_default());
    page(&reader, &form, StatusCode::OK).await
}
