//! The methods of Slack's API that we call.

/// What we call. Slack limits rates by method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `chat.postMessage`.
    PostMessage,
    /// `chat.update`.
    UpdateMessage,
    /// `chat.postEphemeral`.
    PostEphemeral,
    /// `views.open`.
    OpenView,
    /// `conversations.history`.
    History,
    /// `conversations.replies`.
    Replies,
    /// The address that came with an interaction.
    ResponseUrl,
}

impl Method {
    /// As Slack names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostMessage => "chat.postMessage",
            Self::UpdateMessage => "chat.update",
            Self::PostEphemeral => "chat.postEphemeral",
            Self::OpenView => "views.open",
            Self::History => "conversations.history",
            Self::Replies => "conversations.replies",
            Self::ResponseUrl => "response_url",
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
