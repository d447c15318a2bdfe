//! Bodies that are not passed on as they came.

use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};

use crate::answer::{Body, BoxError, Closed};

/// Reads this much and no more than the last piece of it.
pub(super) async fn read_some(body: &mut Body, wanted: usize) {
    let mut read = 0;
    while read < wanted {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// The body's first bytes, then an error, upon which the connection is closed.
pub(super) fn cut_after(body: Body, bytes: usize) -> Body {
    let frames = stream::unfold((body, bytes), |(mut body, left)| async move {
        if left == 0 {
            // An error at once would also drop what is not flushed yet.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Some((Err(BoxError::from(Closed)), (body, 0)));
        }
        let (piece, left) = first_of(body.frame().await?, left);
        Some((piece, (body, left)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The body's first bytes, and a regular end.
pub(super) fn end_after(body: Body, bytes: usize) -> Body {
    let frames = stream::unfold((body, bytes), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        let (piece, left) = first_of(body.frame().await?, left);
        Some((piece, (body, left)))
    });
    StreamBody::new(frames).boxed_unsync()
}

type Piece = Result<Frame<Bytes>, BoxError>;

/// As much of a piece as is left to pass on, and what is left then.
fn first_of(piece: Piece, left: usize) -> (Piece, usize) {
    let data = piece.map(|frame| {
        let mut data = frame.into_data().unwrap_or_default();
        data.truncate(left);
        data
    });
    let length = data.as_ref().map_or(0, Bytes::len);
    (data.map(Frame::data), left - length)
}

/// The body with another last byte.
pub(super) fn with_another_end(body: Body) -> Body {
    // One piece is kept back, as only the end shows that it was the last.
    let frames = stream::unfold((body, None::<Bytes>), |(mut body, mut kept)| async move {
        loop {
            match body.frame().await {
                None => {
                    let mut last = kept.filter(|kept| !kept.is_empty())?.to_vec();
                    if let Some(byte) = last.last_mut() {
                        *byte ^= 1;
                    }
                    return Some((Ok(Frame::data(last.into())), (body, None)));
                }
                Some(Err(error)) => return Some((Err(error), (body, None))),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(before) = kept.replace(data) {
                        return Some((Ok(Frame::data(before)), (body, kept)));
                    }
                }
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The body of which nobody knows how long it will be.
pub(super) fn of_unknown_length(body: Body) -> Body {
    let frames = stream::unfold(body, |mut body| async move { Some((body.frame().await?, body)) });
    StreamBody::new(frames).boxed_unsync()
}

/// The body with a wait before each of its pieces.
pub(super) fn slowed(body: Body, wait: Duration) -> Body {
    let frames = stream::unfold(body, move |mut body| async move {
        tokio::time::sleep(wait).await;
        Some((body.frame().await?, body))
    });
    StreamBody::new(frames).boxed_unsync()
}
