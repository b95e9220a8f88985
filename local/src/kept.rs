//! What `--data` keeps of the simulated EC2: the connections, beside the tables.
//!
//! A change is on disk before the call that made it is answered. A file is replaced as a whole, so that
//! a process that is killed leaves the old connections or the new ones.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use local_aws::{Connection, NewConnection, State};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// A folder that this process alone uses.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// Whether there was nothing in the folder.
    is_new: bool,
    /// Locked until it is closed, at the latest when the process ends.
    _lock: File,
    failure: Arc<Mutex<Option<String>>>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Another process uses it.
    #[error("{}: another process uses this folder; stop it, or take another folder", .0.display())]
    InUse(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {detail}", path.display())]
    File { path: PathBuf, detail: String },
}

#[derive(Serialize, Deserialize)]
struct KeptConnection {
    service_id: String,
    endpoint_id: String,
    owner: String,
    region: String,
    state: String,
    created_at: jiff::Timestamp,
}

impl Kept {
    /// Takes a folder, which is created if it is not there.
    ///
    /// # Errors
    /// Another process uses the folder, or it cannot be written.
    pub fn open(folder: &Path) -> Result<Self, KeptError> {
        let lock = folder.join("lock");
        let failed = |error: io::Error| KeptError::File {
            path: lock.clone(),
            detail: error.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = File::create(&lock).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(KeptError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let path = folder.join("connections.json");
        Ok(Self {
            is_new: !path.exists(),
            path,
            _lock: file,
            failure: Arc::default(),
        })
    }

    /// Whether no earlier run has left connections.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Brings the connections of the last run back, and keeps each change from now on.
    ///
    /// # Errors
    /// The file cannot be read, or has a mistake.
    pub fn follow(&self, world: &World) -> Result<(), KeptError> {
        for connection in self.read()? {
            let state = State::parse(&connection.state).ok_or_else(|| {
                self.wrong(format!("{:?} is not a state of EC2", connection.state))
            })?;
            let new = NewConnection::new(connection.service_id, connection.owner)
                .endpoint_id(connection.endpoint_id)
                .region(connection.region)
                .state(state)
                .created_at(connection.created_at);
            let put = world.ec2.put_connection(new);
            put.map_err(|error| self.wrong(error.to_string()))?;
        }
        let (path, failure) = (self.path.clone(), Arc::clone(&self.failure));
        world.ec2.set_on_change(Some(Arc::new(move |connections| {
            if let Err(error) = replace(&path, connections) {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert_with(|| error.to_string());
            }
        })));
        Ok(())
    }

    /// Fails if a change could not be kept.
    ///
    /// # Errors
    /// The first failure.
    pub fn check(&self) -> Result<(), KeptError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(detail) => Err(self.wrong(detail.clone())),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Vec<KeptConnection>, KeptError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| self.wrong(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    fn wrong(&self, detail: String) -> KeptError {
        KeptError::File {
            path: self.path.clone(),
            detail,
        }
    }
}

/// Writes a file of its own, and puts it in the place of the old one once it is on disk.
fn replace(path: &Path, connections: &[Connection]) -> io::Result<()> {
    let kept: Vec<KeptConnection> = connections.iter().map(KeptConnection::of).collect();
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

impl KeptConnection {
    fn of(connection: &Connection) -> Self {
        Self {
            service_id: connection.service_id.clone(),
            endpoint_id: connection.endpoint_id.clone(),
            owner: connection.owner.clone(),
            region: connection.region.clone(),
            state: connection.state.as_str().to_owned(),
            created_at: connection.created_at,
        }
    }
}
