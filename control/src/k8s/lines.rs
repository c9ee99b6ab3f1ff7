//! A body that is read line by line, by somebody who keeps a line until it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tower::BoxError;

/// A line did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("a line of more than {0} bytes")]
pub struct TooLong(usize);

/// Passes a body on, and ends with [`TooLong`] where more than so many bytes come without an end of line.
#[derive(Debug)]
pub struct Lines<B> {
    body: B,
    most: usize,
    /// Bytes since the last end of line.
    so_far: usize,
}

impl<B> Lines<B> {
    pub fn new(body: B, most: usize) -> Self {
        Self { body, most, so_far: 0 }
    }
}

impl<B> Body for Lines<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        if let Some(data) = frame.data_ref() {
            let ends = |byte: &u8| *byte == b'\n';
            let line = self.so_far.saturating_add(data.iter().position(ends).unwrap_or(data.len()));
            // What begins and ends within one piece is here already, and cannot grow.
            self.so_far = data.iter().rposition(ends).map_or(line, |end| data.len() - end - 1);
            if line.max(self.so_far) > self.most {
                return Poll::Ready(Some(Err(TooLong(self.most).into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    async fn read(pieces: Vec<&'static str>) -> Result<Bytes, BoxError> {
        let pieces = stream::iter(pieces).map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        Ok(Lines::new(StreamBody::new(pieces), 8).collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn lines_may_be_many_and_none_without_an_end() {
        assert_eq!(read(vec!["one\ntwo\n", "three", "\nfour\n12345678"]).await.unwrap(), "one\ntwo\nthree\nfour\n12345678");
        for endless in [vec!["one\n1234", "5678", "9"], vec!["1234", "56789\ntwo\n"]] {
            let error = read(endless).await.unwrap_err();
            assert!(error.is::<TooLong>(), "{error}");
        }
    }
}
