//! Text that a cluster or a model said, as it may be kept.

/// The text without what the database refuses (a NUL), cut at its end to `most` bytes.
#[must_use]
pub fn clean(text: impl Into<String>, most: usize) -> String {
    let text = text.into();
    let mut text = if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text };
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_shown_as_what_it_is_and_nothing_is_endless() {
        assert_eq!(clean("a\0b", 10), "a\u{FFFD}b");
        assert_eq!(clean("ä".repeat(4), 5), "ää…", "no character is split");
        assert_eq!(clean("short", 5), "short");
    }
}
