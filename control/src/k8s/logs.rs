//! What a container wrote.

use futures::{AsyncBufReadExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

use super::{
    error::{Error, Kind, Result},
    text::clean,
};

/// A line longer than this is cut: nobody reads it, and a model may write without an end of line.
const MAX_LINE: usize = 16 << 10;

/// Which lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// At most this many of the last lines that are there.
    pub tail: i64,
    pub then: Then,
}

/// What comes after the lines that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    End,
    /// New lines, as they are written.
    Follow,
}

/// Streams a container's lines, each begun by the time it was written (RFC 3339).
///
/// # Errors
/// `NotFound` when there is no such pod; `Invalid` when its container has not started.
pub async fn stream(pods: &Api<Pod>, pod: &str, container: &str, lines: Lines) -> Result<impl Stream<Item = Result<String>> + Send + use<>> {
    let params = LogParams { container: Some(container.into()), follow: lines.then == Then::Follow, tail_lines: Some(lines.tail), timestamps: true, ..LogParams::default() };
    let reader = pods.log_stream(pod, &params).await?;
    Ok(reader.lines().map(|line| line.map(cut).map_err(|error| Error::new(Kind::Unreachable, error.to_string()))))
}

/// The end of what the container wrote before it was started again; nothing when that is not kept any more.
///
/// # Errors
/// Whatever the cluster says, except that there is nothing.
pub async fn last_words(pods: &Api<Pod>, pod: &str, container: &str, previous: Container, limit: usize) -> Result<Option<String>> {
    let params =
        LogParams { container: Some(container.into()), previous: previous == Container::Before, tail_lines: Some(40), limit_bytes: Some(256 << 10), ..LogParams::default() };
    match pods.logs(pod, &params).await.map_err(Error::from) {
        Ok(text) => Ok(end(&text, limit)),
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which run of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Now,
    Before,
}

/// At most `limit` bytes from the end, begun at a line.
#[must_use]
pub fn end(text: &str, limit: usize) -> Option<String> {
    let text = clean(text.trim_end(), usize::MAX);
    let start = text.ceil_char_boundary(text.len().saturating_sub(limit));
    let rest = &text[start..];
    let rest = if start == 0 { rest } else { rest.split_once('\n').map_or(rest, |(_, lines)| lines) };
    (!rest.is_empty()).then(|| rest.to_owned())
}

fn cut(mut line: String) -> String {
    if line.len() > MAX_LINE {
        line.truncate(line.floor_char_boundary(MAX_LINE));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_begin_at_a_line_and_never_split_a_character() {
        assert_eq!(end("one\ntwo\nthree\n", 9).as_deref(), Some("three"));
        assert_eq!(end("ää", 3).as_deref(), Some("ä"));
        assert_eq!(end("short\n", 100).as_deref(), Some("short"));
        assert_eq!(end("\n\n", 100), None);
        assert_eq!(end("nul\0", 100).as_deref(), Some("nul\u{FFFD}"), "the database takes no NUL");
    }

    #[test]
    fn endless_lines_are_cut() {
        let line = cut("ä".repeat(MAX_LINE));
        assert!(line.len() <= MAX_LINE + '…'.len_utf8());
        assert!(line.ends_with('…'));
    }
}
