/// An error as AWS answers it: an HTTP status, a code that programs compare, a text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    pub status: u16,
    /// For example `InvalidVpcEndpointServiceId.NotFound`.
    pub code: String,
    /// AWS does not document the texts; nothing should depend on them.
    pub message: String,
    /// The `Reason` that Organizations answers.
    pub reason: Option<&'static str>,
}

impl AwsError {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            reason: None,
        }
    }

    /// An error of the caller: HTTP 400.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }
}
