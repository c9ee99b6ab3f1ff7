//! What the gateway knows and the emulator does not, kept in one file of the state folder so that a restart goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::client::Keys;
use crate::clusters::ClusterRecord;
use crate::principals::Principal;

/// Who a registry token was given to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegistryToken {
    /// Whose rights it carries.
    pub principal: Principal,
    /// When it stops working.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
}

/// Everything that is kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entries {
    /// Access key id to the principal it belongs to.
    pub principals: BTreeMap<String, Principal>,
    /// SHA-256 of a registry token to whom it was given.
    pub registry_tokens: BTreeMap<String, RegistryToken>,
    /// Manifest digest to the size of the image's layers, in bytes.
    pub image_sizes: BTreeMap<String, u64>,
    /// Cluster name to what is known about it.
    pub clusters: BTreeMap<String, ClusterRecord>,
    /// Keys that the seed made, by what they are for; their secrets are told only once.
    pub seed_keys: BTreeMap<String, Keys>,
}

/// The kept entries and their file.
pub struct Book {
    path: PathBuf,
    entries: Mutex<Entries>,
}

impl Book {
    /// Opens the book in `folder`, empty when there is none yet.
    ///
    /// # Errors
    /// When the file is there but cannot be read or understood.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("gateway.json");
        let mut entries: Entries = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Entries::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let now = OffsetDateTime::now_utc();
        entries.principals.retain(|_, principal| principal.expires.is_none_or(|at| at > now));
        entries.registry_tokens.retain(|_, token| token.expires > now);
        Ok(Self { path, entries: Mutex::new(entries) })
    }

    /// Looks something up.
    pub fn read<T>(&self, look: impl FnOnce(&Entries) -> T) -> T {
        look(&self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something and writes it down before anyone else looks.
    ///
    /// A failed write is logged, not returned: the change itself already happened in the emulator,
    /// and the running sandbox goes on knowing it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut entries);
        if let Err(error) = self.write(&entries) {
            tracing::error!(%error, "the sandbox's book could not be written; a restart will not know the last change");
        }
        result
    }

    fn write(&self, entries: &Entries) -> Result<()> {
        let bytes = serde_json::to_vec(entries)?;
        write_private(&self.path, &bytes)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).with_context(|| format!("write {}", beside.display()))?;
    file.write_all(bytes).with_context(|| format!("write {}", beside.display()))?;
    fs::rename(&beside, path).with_context(|| format!("replace {}", path.display()))
}
