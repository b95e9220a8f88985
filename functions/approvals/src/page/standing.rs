//! How a request stands, in a headline and a sentence each.

use gatekeeper_aws::gatekeeper::Dossier;
use gatekeeper_core::approver::Bar;
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::Choice;

use crate::words;

/// Why there is nothing to fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They looked, and have voted; more people must.
    HaveVoted,
    /// They looked; it is decided.
    IsDecided,
    /// Their vote counts, and more people must vote.
    Waiting,
    /// Their vote decided, and EC2 has done it.
    Done,
    /// Their vote decided; EC2 has not answered yet.
    Recorded,
    /// They voted again, which changes nothing.
    Already,
    /// They voted after it had been decided.
    TooLate,
    /// They may not decide this one.
    Barred(Bar),
}

/// How it stands at a glance: by word and by shape, not by colour alone.
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl Mark {
    pub(super) fn of(standing: &Standing, dossier: &Dossier) -> Self {
        let (class, sign, word) = match (standing, dossier.request.status) {
            (Standing::Barred(_), Status::InReview) => ("wait", "–", "Not yours to decide"),
            (_, Status::InReview) => ("wait", "…", "In review"),
            (_, Status::Accepting) => ("yes", "…", "Being accepted"),
            (_, Status::Accepted) => ("yes", "✓", "Accepted"),
            (_, Status::Rejecting) => ("no", "…", "Being rejected"),
            (_, Status::Rejected) => ("no", "✕", "Rejected"),
            (_, Status::Revoking) => ("no", "!", "Accepted, to be cut"),
            (_, Status::Gone) => ("wait", "–", "Gone"),
        };
        Self { class, sign, word }
    }
}

impl Standing {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::HaveVoted | Self::IsDecided | Self::Waiting | Self::Done | Self::Already => 200,
            Self::Recorded => 202,
            Self::Barred(_) => 403,
            Self::TooLate => 409,
        }
    }

    /// The page's title and headline.
    pub(super) fn title(self, dossier: &Dossier) -> String {
        let request = &dossier.request;
        let is_open = request.status == Status::InReview;
        let stands = words::standing(request.status);
        match self {
            Self::Waiting => format!("Your vote counts: {}", words::still_needed(dossier)),
            Self::HaveVoted => format!("You have voted: {}", words::still_needed(dossier)),
            Self::Already if is_open => {
                format!("You had voted before: {}", words::still_needed(dossier))
            }
            Self::Already => format!("You had voted before, and the connection is {stands}"),
            Self::IsDecided => format!("Decided already: the connection is {stands}"),
            Self::TooLate => format!("Too late: the connection is {stands}"),
            Self::Recorded => format!("Recorded: the connection is {stands}"),
            Self::Done => format!("Done: the connection is {stands}"),
            Self::Barred(Bar::OwnAccount) => "You may not decide about your own account".to_owned(),
            Self::Barred(Bar::OtherService) => "You may not decide about this service".to_owned(),
        }
    }

    /// What it means.
    pub(super) fn lead(self, dossier: &Dossier) -> String {
        let request = &dossier.request;
        let (consumer, service) = (words::consumer(request), words::service(request));
        match self {
            Self::Waiting | Self::HaveVoted => format!(
                "{} Nothing is connected until enough people have approved.",
                voted(dossier)
            ),
            Self::Already if request.status == Status::InReview => format!(
                "{} Voting again changes nothing. Nothing is connected until enough people have approved.",
                voted(dossier)
            ),
            Self::Already => format!("{} Voting again changes nothing.", voted(dossier)),
            Self::IsDecided => "There is nothing left for you to do.".to_owned(),
            Self::TooLate => {
                "It was decided before your vote came in, so your vote does not count. How, and by \
                 whom, stands below."
                    .to_owned()
            }
            Self::Recorded => format!(
                "{} EC2 has not confirmed it yet: it is asked again every few minutes until it has.",
                voted(dossier)
            ),
            Self::Done => match request.status {
                Status::Accepted => {
                    format!("EC2 accepted it: {consumer} is connected to {service}.")
                }
                Status::Rejected => {
                    format!("EC2 rejected it: {consumer} is not connected to {service}.")
                }
                _ => voted(dossier),
            },
            Self::Barred(bar) => words::barred(bar, request),
        }
    }

    /// What there is to do, if anything.
    pub(super) fn next(self, dossier: &Dossier) -> Option<String> {
        let is_open = dossier.request.status == Status::InReview;
        match self {
            Self::Barred(_) if is_open => Some(
                "The others who may decide were asked, each with a link of their own.".to_owned(),
            ),
            Self::Waiting | Self::Recorded | Self::Done => Some(
                "You can close this page. Your link is used up and does not work again.".to_owned(),
            ),
            _ => None,
        }
    }
}

fn voted(dossier: &Dossier) -> String {
    match dossier.own_vote().map(|vote| vote.choice) {
        Some(Choice::Approve) => "You approved.".to_owned(),
        Some(Choice::Reject) => "You rejected.".to_owned(),
        // Under another of their names.
        None => "You have voted.".to_owned(),
    }
}
