//! How much of a node a replica gets.

use serde::{Deserialize, Serialize};

/// A size of a replica. Requests and limits are the same for memory, so a replica is never evicted for what others use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "replica_size", rename_all = "snake_case"))]
pub enum Size {
    Tiny,
    #[default]
    Small,
    Medium,
    Large,
    Gpu,
}

impl Size {
    /// Every size, smallest first.
    pub const ALL: [Self; 5] = [Self::Tiny, Self::Small, Self::Medium, Self::Large, Self::Gpu];

    /// As it is written in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Gpu => "gpu",
        }
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Tiny => "Tiny",
            Self::Small => "Small",
            Self::Medium => "Medium",
            Self::Large => "Large",
            Self::Gpu => "GPU",
        }
    }

    /// Thousandths of a CPU.
    #[must_use]
    pub fn cpu_millis(self) -> i64 {
        match self {
            Self::Tiny => 100,
            Self::Small => 500,
            Self::Medium => 2000,
            Self::Large | Self::Gpu => 4000,
        }
    }

    /// MiB.
    #[must_use]
    pub fn memory_mib(self) -> i64 {
        match self {
            Self::Tiny => 128,
            Self::Small => 512,
            Self::Medium => 4096,
            Self::Large | Self::Gpu => 16_384,
        }
    }

    /// NVIDIA GPUs.
    #[must_use]
    pub fn gpus(self) -> i64 {
        i64::from(self == Self::Gpu)
    }

    /// For people: `0.5 CPU · 512 MiB`.
    #[must_use]
    pub fn summary(self) -> String {
        let memory = match self.memory_mib() {
            mib if mib >= 1024 => format!("{} GiB", mib / 1024),
            mib => format!("{mib} MiB"),
        };
        let gpu = if self.gpus() > 0 { " · 1 GPU" } else { "" };
        format!("{} CPU · {memory}{gpu}", self.cpu_millis() as f64 / 1000.0)
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|size| size.as_str() == text).ok_or_else(|| "Choose one of the sizes.".into())
    }
}
