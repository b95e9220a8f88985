//! A call that is repeated with its `ClientToken` creates nothing again.

use super::errors;
use super::store::{Created, Store, TokenKey};
use super::world::Request;
use crate::error::AwsError;

/// The id that this call created before, if the same account repeats it in the same Region with the same token.
pub(crate) fn created(req: &Request<'_>, store: &Store) -> Result<Option<String>, AwsError> {
    let Some((token, key)) = token_of(req) else {
        return Ok(None);
    };
    match store.client_tokens.get(&key) {
        Some(created) if created.params == *req.params => Ok(Some(created.id.clone())),
        Some(_) => Err(errors::idempotency(token)),
        None => Ok(None),
    }
}

/// Remembers what this call created.
pub(crate) fn creates(req: &Request<'_>, store: &mut Store, id: &str) {
    if let Some((_, key)) = token_of(req) {
        let (id, params) = (id.to_owned(), req.params.clone());
        store.client_tokens.insert(key, Created { id, params });
    }
}

fn token_of<'a>(req: &'a Request<'_>) -> Option<(&'a str, TokenKey)> {
    let token = req.params.filled("ClientToken")?;
    let key = (
        req.caller.account.clone(),
        req.caller.region.clone(),
        req.action.to_owned(),
        token.to_owned(),
    );
    Some((token, key))
}
