//! The page as it is now.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::forms::Form;
use super::read::{ReadError, Reader};
use super::view::View;

/// The page as it is now, with a form as it was filled in.
pub(super) async fn page(reader: &Reader, form: &Form, status: StatusCode) -> Response {
    match render(reader, form).await {
        Ok(html) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            let text = gatekeeper_aws::error::chain(&error);
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn render(reader: &Reader, form: &Form) -> Result<String, ReadError> {
    let state = reader.read().await?;
    Ok(View::new(&state, reader, form).html()?)
}
