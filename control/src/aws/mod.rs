//! AWS: SDK types in, domain types out. Nothing here knows a resource of the portal.

/// Hands out clients for accounts and regions.
pub struct Aws {
    base: aws_config::SdkConfig,
}

impl Aws {
    /// Reads the SDK's default chain.
    pub async fn new() -> Self {
        Self { base: aws_config::load_from_env().await }
    }

    /// The configuration that every account's clients start from.
    #[must_use]
    pub fn base(&self) -> &aws_config::SdkConfig {
        &self.base
    }
}
