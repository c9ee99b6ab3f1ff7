//! What a container wrote.

use std::io;

use domain::Timestamp;
use futures::{AsyncBufRead, AsyncBufReadExt as _, Stream, stream};
use k8s_openapi::{api::core::v1::Pod, jiff};
use kube::{Api, api::LogParams};

use super::{
    error::{Error, Kind, Result},
    text::clean,
};

/// A line longer than this is cut: nobody reads it, and a model may write without an end of line.
const MAX_LINE: usize = 16 << 10;
/// The most that is read of a container's lines when new ones are not followed, in bytes.
pub const MOST: usize = 4 << 20;

/// Which lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    pub of: Container,
    pub begin: Begin,
    pub then: Then,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At most this many of the last lines that are there.
    Last(i64),
    /// Those of this second and after.
    Since(Timestamp),
}

/// What comes after the lines that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    End,
    /// New lines, as they are written, until the container ends.
    Follow,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    Line(String),
    /// There is more than [`MOST`]; what comes after is left out.
    More,
}

/// Streams a container's lines, each begun by the time it was written (RFC 3339). No more than one line is held at a time.
///
/// # Errors
/// `NotFound` when there is no such pod; `Invalid` when its container has not started, or did not run before.
pub async fn stream(pods: &Api<Pod>, pod: &str, container: &str, lines: Lines) -> Result<impl Stream<Item = Result<Read>> + Send + use<>> {
    let (tail_lines, since_time) = match lines.begin {
        Begin::Last(lines) => (Some(lines), None),
        // Rounding up would leave lines out.
        Begin::Since(moment) => (None, Some(jiff::Timestamp::from_second(moment.0.unix_timestamp()).map_err(Error::fault)?)),
    };
    let most = (lines.then == Then::End).then_some(MOST);
    let params = LogParams {
        container: Some(container.into()),
        previous: lines.of == Container::Before,
        follow: lines.then == Then::Follow,
        tail_lines,
        since_time,
        limit_bytes: most.and_then(|most| i64::try_from(most).ok()),
        timestamps: true,
        ..LogParams::default()
    };
    let reader = pods.log_stream(pod, &params).await.map_err(|error| Error::from(error).of_a_node())?;
    Ok(read(Box::pin(reader), most))
}

fn read<R: AsyncBufRead + Unpin + Send>(reader: R, most: Option<usize>) -> impl Stream<Item = Result<Read>> + Send {
    let splitter = Splitter { reader, line: Vec::new(), skipping: false, read: 0 };
    stream::unfold(Some(splitter), move |splitter| async move {
        let mut splitter = splitter?;
        match splitter.next().await {
            Ok(Some(line)) => Some((Ok(Read::Line(line)), Some(splitter))),
            Ok(None) if most.is_some_and(|most| splitter.read >= most) => Some((Ok(Read::More), None)),
            Ok(None) => None,
            Err(error) => Some((Err(Error::new(Kind::Unreachable, error.to_string())), None)),
        }
    })
}

/// Takes lines out of what is read. Of a line that is too long the rest is passed over, not kept.
struct Splitter<R> {
    reader: R,
    line: Vec<u8>,
    /// Whether what comes is the rest of a line that was cut.
    skipping: bool,
    /// Bytes so far.
    read: usize,
}

impl<R: AsyncBufRead + Unpin> Splitter<R> {
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok((!self.line.is_empty()).then(|| self.take(Whole::Yes)));
            }
            let (piece, ends) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&chunk[..end], true),
                None => (chunk, false),
            };
            let room = MAX_LINE - self.line.len();
            let (used, over) = (piece.len() + usize::from(ends), piece.len() > room);
            if !self.skipping {
                self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            self.reader.consume_unpin(used);
            self.read += used;
            if self.skipping {
                self.skipping = !ends;
            } else if over {
                self.skipping = !ends;
                return Ok(Some(self.take(Whole::No)));
            } else if ends {
                return Ok(Some(self.take(Whole::Yes)));
            }
        }
    }

    fn take(&mut self, whole: Whole) -> String {
        let mut line = std::mem::take(&mut self.line);
        if let (Whole::No, Err(error)) = (whole, std::str::from_utf8(&line))
            && error.error_len().is_none()
        {
            // The cut split a character.
            line.truncate(error.valid_up_to());
        }
        let mut text = String::from_utf8_lossy(&line).into_owned();
        if whole == Whole::No {
            text.push('…');
        }
        text
    }
}

/// Whether a line is all that was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// The end of what the container wrote before it was started again; nothing when that is not kept any more.
///
/// # Errors
/// Whatever the cluster says, except that there is nothing.
pub async fn last_words(pods: &Api<Pod>, pod: &str, container: &str, previous: Container, limit: usize) -> Result<Option<String>> {
    let params =
        LogParams { container: Some(container.into()), previous: previous == Container::Before, tail_lines: Some(40), limit_bytes: Some(256 << 10), ..LogParams::default() };
    match pods.logs(pod, &params).await.map_err(|error| Error::from(error).of_a_node()) {
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

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[test]
    fn last_words_begin_at_a_line_and_never_split_a_character() {
        assert_eq!(end("one\ntwo\nthree\n", 9).as_deref(), Some("three"));
        assert_eq!(end("ää", 3).as_deref(), Some("ä"));
        assert_eq!(end("short\n", 100).as_deref(), Some("short"));
        assert_eq!(end("\n\n", 100), None);
        assert_eq!(end("nul\0", 100).as_deref(), Some("nul\u{FFFD}"), "the database takes no NUL");
    }

    async fn all(text: impl AsyncBufRead + Unpin + Send, most: Option<usize>) -> Vec<Read> {
        read(text, most).map(|read| read.unwrap()).collect().await
    }

    fn line(text: impl Into<String>) -> Read {
        Read::Line(text.into())
    }

    #[tokio::test]
    async fn lines_end_where_they_end() {
        assert_eq!(all(&b"one\n\ntwo \xff\r\nthree"[..], None).await, [line("one"), line(""), line("two \u{FFFD}\r"), line("three")]);
        let long = format!("{}\nshort\n", "ä".repeat(MAX_LINE));
        assert_eq!(all(long.as_bytes(), None).await, [line(format!("{}…", "ä".repeat(MAX_LINE / 2))), line("short")]);
        let odd = format!("a{}\n", "ä".repeat(MAX_LINE));
        assert_eq!(all(odd.as_bytes(), None).await, [line(format!("a{}…", "ä".repeat(MAX_LINE / 2 - 1)))], "no character is split");
        let exact = "x".repeat(MAX_LINE);
        assert_eq!(all(format!("{exact}\n").as_bytes(), None).await, [line(exact)]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_shown_at_once_and_never_held() {
        // What writes for ever is read as it comes: whoever waited for the end of the line would not come back.
        let endless = futures::io::BufReader::new(futures::io::repeat(b'x'));
        let mut lines = std::pin::pin!(read(endless, None));
        assert_eq!(lines.next().await.unwrap().unwrap(), line(format!("{}…", "x".repeat(MAX_LINE))));

        let mut splitter =
            Splitter { reader: futures::io::BufReader::new(futures::io::AsyncReadExt::take(futures::io::repeat(b'x'), 64 << 20)), line: Vec::new(), skipping: false, read: 0 };
        assert!(splitter.next().await.unwrap().is_some() && splitter.next().await.unwrap().is_none());
        assert_eq!((splitter.read, splitter.line.capacity()), (64 << 20, 0), "the rest was passed over");
    }

    #[tokio::test]
    async fn what_is_left_out_is_said() {
        assert_eq!(all(&b"one\ntwo"[..], Some(7)).await, [line("one"), line("two"), Read::More]);
        assert_eq!(all(&b"one\ntwo"[..], Some(8)).await, [line("one"), line("two")]);
    }
}
