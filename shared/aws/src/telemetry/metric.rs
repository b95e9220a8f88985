//! All that is measured.

/// The unit of a metric's value.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// A number of things.
    Count,
    Milliseconds,
    Seconds,
}

impl Unit {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// Declares the metrics: the name, which is the value's own; what it counts in; the names of its dimensions.
macro_rules! metrics {
    ($($metric:ident: $unit:ident [$($dimension:literal),*],)+) => {
        /// What is measured. docs/messages.md says what each tells.
        #[allow(missing_docs, reason = "docs/messages.md has them")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric {
            $($metric,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$metric),+];

            /// The name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => stringify!($metric),)+
                }
            }

            /// What its values count in.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self {
                    $(Self::$metric => Unit::$unit,)+
                }
            }

            /// The names of the dimensions that a value may have, besides the stack's.
            #[must_use]
            pub fn dimensions(self) -> &'static [&'static str] {
                match self {
                    $(Self::$metric => &[$($dimension),*],)+
                }
            }
        }
    };
}

metrics! {
    AcknowledgedFindings: Count [],
    Answers: Count ["outcome"],
    ApprovalEmailElsewhere: Count [],
    ApprovalEmailHeld: Count [],
    ApproversEnteredTwice: Count [],
    ApproversNotReached: Count [],
    BypassedServices: Count [],
    CloudTrailRuleMissing: Count [],
    DecisionLatency: Milliseconds ["outcome"],
    IgnoredSettings: Count [],
    MalformedPolicyEdits: Count ["stops"],
    MalformedRecords: Count [],
    OldestReviewSeconds: Seconds ["account"],
    OldestUndecidedAttachmentSeconds: Seconds [],
    OldestUndecidedSeconds: Seconds [],
    OpenServices: Count [],
    ReconcileDifferences: Count [],
    RefusedMessages: Count [],
    Requests: Count ["outcome"],
    RevocationsHeld: Count [],
    RevocationsWithheld: Count [],
    ServicesNotReached: Count [],
    SlackFailures: Count ["error_type", "class"],
    SlackStrangers: Count ["reason"],
    StepFailures: Count ["step", "error_type", "stops"],
    UndecidableReviews: Count ["account"],
    UnexpectedPolicyKeys: Count [],
    UnfinishedServices: Count [],
    UnsubscribedTopics: Count [],
    UnmanagedServices: Count [],
    UnnotifiedServices: Count [],
    Votes: Count ["choice"],
}
