//! The shape of a token: `slipway_`, 43 random letters and digits (256 bits), 6 of a checksum. Secret scanners know one when they see it and can tell a
//! real one from a look-alike without asking us.

use rand::{RngExt as _, distr::Alphanumeric};
use sha2::{Digest as _, Sha256};

/// Every token starts with it.
pub const PREFIX: &str = "slipway_";

const RANDOM: usize = 43;
const CHECKSUM: usize = 6;
/// How much of a token is kept in the clear, to recognize it by.
const SHOWN: usize = PREFIX.len() + 4;

/// A fresh token, with the part of it that is kept in the clear.
pub(super) fn generate() -> (String, String) {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(RANDOM).map(char::from).collect();
    let secret = sealed(&random);
    (secret[..SHOWN].to_owned(), secret)
}

/// The token around these letters and digits.
#[must_use]
pub fn sealed(random: &str) -> String {
    format!("{PREFIX}{random}{}", checksum(random))
}

/// Whether the text is a token by its shape.
pub(super) fn is_sealed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX).filter(|rest| rest.is_ascii() && rest.len() > CHECKSUM) else { return false };
    let (random, sum) = rest.split_at(rest.len() - CHECKSUM);
    checksum(random) == sum
}

/// The first bits of SHA-256 over prefix and letters, in base 62.
fn checksum(random: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::new().chain_update(PREFIX).chain_update(random).finalize();
    let mut number = hash[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut text = String::with_capacity(CHECKSUM);
    for _ in 0..CHECKSUM {
        let digit = usize::try_from(number % 62).expect("less than 62");
        text.push(char::from(DIGITS[digit]));
        number /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_look_alike() {
        let (prefix, secret) = generate();
        assert_eq!(secret.len(), PREFIX.len() + RANDOM + CHECKSUM);
        assert!(secret.starts_with(&prefix) && prefix.len() == 12);
        assert!(is_sealed(&secret));
        assert_ne!(generate().1, secret);
        let mut typo = secret.clone();
        let last = if typo.pop() == Some('a') { 'b' } else { 'a' };
        typo.push(last);
        for other in [typo.as_str(), "slipway_", "slipway_abc", "", "Bearer x", "slipway_ééééééé", &secret[8..]] {
            assert!(!is_sealed(other), "{other}");
        }
    }

    #[test]
    fn the_checksum_never_changes_since_scanners_know_it() {
        assert_eq!(sealed("0123456789"), "slipway_0123456789aU3joT");
    }
}
