//! Passwords: argon2id, off the async threads, a few at a time, so that sign-ins cannot starve the rest.

use anyhow::Context as _;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use domain::Rejected;
use tokio::sync::Semaphore;

/// Hashes and verifies.
pub struct Passwords {
    permits: Semaphore,
}

/// The shortest password taken (NIST SP 800-63B asks for at least eight; length is what counts).
pub const MIN_LENGTH: usize = 12;
/// The longest, in bytes.
pub const MAX_LENGTH: usize = 512;

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    #[must_use]
    pub fn new() -> Self {
        Self { permits: Semaphore::new(2) }
    }

    /// # Errors
    /// A rejection of `field` that says what to change.
    pub fn check(field: &str, password: &str, email: &str) -> Result<(), Rejected> {
        let length = password.chars().count();
        let local = email.split('@').next().unwrap_or_default();
        if length < MIN_LENGTH {
            return Err(Rejected::field(field, format!("Use at least {MIN_LENGTH} characters; this has {length}. A few random words do well.")));
        }
        if password.len() > MAX_LENGTH {
            return Err(Rejected::field(field, format!("Use at most {MAX_LENGTH} characters.")));
        }
        let first = password.chars().next();
        if password.chars().all(|c| Some(c) == first) || (!local.is_empty() && password.to_lowercase().trim_matches(|c: char| !c.is_alphanumeric()) == local.to_lowercase()) {
            return Err(Rejected::field(field, "This password is too easy to guess. A few random words do well."));
        }
        Ok(())
    }

    /// Hashes a password, in PHC form.
    ///
    /// # Errors
    /// When the process shuts down meanwhile.
    pub async fn hash(&self, password: String) -> anyhow::Result<String> {
        let _permit = self.permits.acquire().await?;
        tokio::task::spawn_blocking(move || {
            let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
            Ok(hash.to_string())
        })
        .await
        .context("hashing a password stopped")?
    }

    /// Whether the password belongs to the hash. Without a hash the same work is done, so that the time taken does not tell which e-mail addresses are known.
    ///
    /// # Errors
    /// When the process shuts down meanwhile or the stored hash is broken.
    pub async fn verify(&self, password: String, hash: Option<String>) -> anyhow::Result<bool> {
        let _permit = self.permits.acquire().await?;
        tokio::task::spawn_blocking(move || match hash {
            Some(hash) => {
                let hash = PasswordHash::new(&hash).map_err(|error| anyhow::anyhow!("a stored password hash is broken: {error}"))?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            }
            None => {
                Argon2::default().hash_password(password.as_bytes()).map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
                Ok(false)
            }
        })
        .await
        .context("verifying a password stopped")?
    }
}

#[cfg(test)]
mod tests {
    use super::Passwords;

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse batterz".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
    }

    /// Nothing finer than "the same work": the shortest of a few runs, on a machine that does other things too.
    #[tokio::test]
    async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        let mut shortest = [std::time::Duration::MAX; 2];
        for _ in 0..5 {
            for (shortest, hash) in shortest.iter_mut().zip([Some(hash.clone()), None]) {
                let started = std::time::Instant::now();
                assert!(!passwords.verify("not the right one".into(), hash).await.unwrap());
                *shortest = started.elapsed().min(*shortest);
            }
        }
        let [wrong, unknown] = shortest;
        assert!(unknown > wrong / 3 && wrong > unknown / 3, "wrong password: {wrong:?}, unknown address: {unknown:?}");
    }

    #[test]
    fn weak_passwords_are_named() {
        for weak in ["short", "aaaaaaaaaaaaaaaa", "ada.lovelace.long!"] {
            assert!(Passwords::check("password", weak, "ada.lovelace.long@example.com").is_err(), "{weak}");
        }
        assert!(Passwords::check("password", "seven random words", "ada@example.com").is_ok());
    }
}
