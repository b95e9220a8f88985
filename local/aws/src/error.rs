/// An error as AWS answers it: an HTTP status, a code that programs compare, a text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// HTTP status of the answer.
    pub status: u16,
    /// The code, for example `InvalidVpcEndpointServiceId.NotFound`.
    pub code: String,
    /// The text for people. AWS does not document it; nothing should depend on it.
    pub message: String,
}

impl AwsError {
    /// An error of its three parts.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
        }
    }
}
