//! Why a replay cannot be run.

use std::path::PathBuf;

use crate::world::WorldError;
use crate::world_file::BadWorld;

/// Input that cannot be used. Nothing has been done.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file could not be read.
    #[error("{}: it could not be read: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The world makes no sense.
    #[error("{}:{problem}", .path.display())]
    World {
        /// Which file.
        path: PathBuf,
        /// What, and where.
        problem: BadWorld,
    },
    /// A file of events is no JSON.
    #[error("{}:{line}: this is not JSON: {problem}", .path.display())]
    Events {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// The world could not be made.
    #[error(transparent)]
    Start(#[from] WorldError),
    /// Something that was recorded could not be read back.
    #[error("what was recorded could not be read back: {0}")]
    ReadBack(String),
}
