//! Settings, read once from the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

/// How this process serves its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where requests are answered.
    pub listen: SocketAddr,
    /// The folder that holds `model.json` and the model's file.
    pub folder: PathBuf,
    /// How long to wait before the model is loaded, as a large one would take.
    pub load_delay: Duration,
    /// Mebibytes of memory to take up before the model is loaded, as a large one would need.
    pub ballast_mib: usize,
}

impl Settings {
    /// Reads the settings from the process' environment.
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the settings through `lookup`, which answers for a variable's name.
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str, default: u64| match lookup(name) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().with_context(|| format!("{name} is {text:?}, not a whole number")),
        };
        let listen = lookup("MODEL_SERVER_LISTEN").unwrap_or_else(|| "0.0.0.0:8080".to_owned());
        Ok(Self {
            listen: listen.parse().with_context(|| format!("MODEL_SERVER_LISTEN is {listen:?}, not an address and a port"))?,
            folder: lookup("MODEL_SERVER_FOLDER").unwrap_or_else(|| "/model".to_owned()).into(),
            load_delay: Duration::from_secs(number("MODEL_SERVER_LOAD_SECONDS", 0)?),
            ballast_mib: usize::try_from(number("MODEL_SERVER_BALLAST_MIB", 0)?).context("MODEL_SERVER_BALLAST_MIB is more than this machine can address")?,
        })
    }
}
