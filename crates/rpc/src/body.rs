//! The body of requests and responses on both sides of the gateway.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

/// Any error, as tower knows it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An HTTP body of any origin.
pub struct Body(Kind);

/// Most bodies are one piece that is there already, and need no box.
enum Kind {
    /// The piece, until it is given.
    Whole(Option<Bytes>),
    Other(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// Wraps a body; one of this type is taken as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let any: &mut dyn Any = &mut body;
        if let Some(same) = any.downcast_mut::<Option<Self>>() {
            return same.take().unwrap_or_default();
        }
        match body {
            Some(body) => Self(Kind::Other(Box::pin(body.map_err(Into::into)))),
            None => Self::empty(),
        }
    }

    /// A body without a byte.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Whole(None))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Body")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Whole(piece) => Poll::Ready(piece.take().map(|piece| Ok(Frame::data(piece)))),
            Kind::Other(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(piece) => piece.is_none(),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(piece) => SizeHint::with_exact(piece.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_body_says_how_long_it_is_and_gives_what_it_has() {
        for (body, length) in [
            (Body::empty(), 0),
            (Body::from(Vec::new()), 0),
            (Body::from(b"abc".to_vec()), 3),
            (Body::new(Body::from(b"abc".to_vec())), 3),
            (Body::new(Full::new(Bytes::from_static(b"abc"))), 3),
        ] {
            assert_eq!(body.size_hint().exact(), Some(length));
            assert_eq!(body.is_end_stream(), length == 0);
            let mut body = body;
            let mut given = 0;
            while let Some(frame) = body.frame().await {
                given += frame.unwrap().into_data().unwrap().len() as u64;
            }
            assert_eq!(given, length);
            assert!(body.is_end_stream());
        }
    }

    #[test]
    fn a_body_is_not_wrapped_twice() {
        let body = Body::new(Body::from(b"abc".to_vec()));
        assert!(matches!(body.0, Kind::Whole(Some(_))));
    }
}
