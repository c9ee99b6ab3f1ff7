//! Kubernetes versions a plane can be.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// What the program was built as.
pub(crate) const BUILT: &str = "1.35.4";
/// The minor of [`BUILT`], which newer ones cannot be played by.
const NEWEST: u16 = 35;
/// Kubernetes emulates three minors back.
const OLDEST: u16 = NEWEST - 3;

/// A minor version of Kubernetes 1 that the program can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minor(u16);

impl FromStr for Minor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("1.").map(str::parse) {
            Some(Ok(minor)) if (OLDEST..=NEWEST).contains(&minor) => Ok(Self(minor)),
            _ => bail!("the sandbox runs Kubernetes 1.{OLDEST} to 1.{NEWEST}, not {text}"),
        }
    }
}

impl Minor {
    /// The version kubelets of this minor report.
    pub(crate) fn kubelet(self) -> String {
        if self.0 == NEWEST { format!("v{BUILT}") } else { format!("v1.{}.0", self.0) }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_program_can_play_and_says_so_otherwise() {
        assert_eq!("1.33".parse::<Minor>().unwrap().to_string(), "1.33");
        assert_eq!("1.35".parse::<Minor>().unwrap().kubelet(), "v1.35.4");
        for wrong in ["1.31", "1.36", "2.1", "1", "1.35.4", "", "1.-3"] {
            let said = wrong.parse::<Minor>().unwrap_err().to_string();
            assert!(said.contains("1.32 to 1.35"), "{wrong}: {said}");
        }
    }
}
