//! The messages of a call that is watched, each way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use portolan_gateway::{Body, BoxError, Code, Status};

use super::Direction;
use super::sizes::Sizes;
use super::watching::{Ending, Fall, Watching};

/// The messages of a client, on their way to the service.
pub(super) struct Asked {
    body: Body,
    watching: Watching,
    sizes: Sizes,
}

impl Asked {
    pub(super) fn watch(body: Body, watching: Watching) -> Body {
        Body::new(Self {
            body,
            watching,
            sizes: Sizes::default(),
        })
    }
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let watching = &this.watching;
                    this.sizes
                        .pass(data, |bytes| watching.message(Direction::Request, bytes));
                }
            }
            Some(Err(error)) => this.watching.blame(broke_off(error)),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The gateway's own status where it found fault with the request.
fn broke_off(error: &BoxError) -> Status {
    match error.downcast_ref::<Status>() {
        Some(status) => status.clone(),
        None => Status::new(Code::Cancelled, format!("the request broke off: {error}")),
    }
}

pin_project_lite::pin_project! {
    /// The body of a reply that interceptors stand around: the service's own,
    /// or none where a call was refused.
    pub struct InterceptedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Plain { #[pin] body: B },
        Watched { #[pin] body: B, sizes: Sizes, ending: Ending, over: bool },
        Nothing,
    }
}

impl<B> InterceptedBody<B> {
    pub(super) fn plain(body: B) -> Self {
        let kind = Kind::Plain { body };
        Self { kind }
    }

    pub(super) fn watched(body: B, ending: Ending) -> Self {
        let kind = Kind::Watched {
            body,
            sizes: Sizes::default(),
            ending,
            over: false,
        };
        Self { kind }
    }

    pub(super) fn nothing() -> Self {
        let kind = Kind::Nothing;
        Self { kind }
    }
}

impl<B> http_body::Body for InterceptedBody<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, sizes, ending, over) = match self.project().kind.project() {
            KindProjection::Plain { body } => {
                let frame = ready!(body.poll_frame(context));
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            KindProjection::Nothing => return Poll::Ready(None),
            KindProjection::Watched {
                body,
                sizes,
                ending,
                over,
            } => (body, sizes, ending, over),
        };
        let frame = {
            let _fall = Fall(ending);
            ready!(body.poll_frame(context))
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error = error.into();
                *over = true;
                ending.end(failed(&error));
                return Poll::Ready(Some(Err(error)));
            }
            None => {
                if !std::mem::replace(over, true) {
                    ending.end(Status::new(
                        Code::Internal,
                        "the service ended without a status",
                    ));
                }
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            sizes.pass(data, |bytes| {
                ending.watching().message(Direction::Reply, bytes);
            });
        }
        let mut trailers = match frame.into_trailers() {
            Ok(trailers) => trailers,
            Err(frame) => return Poll::Ready(Some(Ok(frame))),
        };
        *over = true;
        match Status::take_from(&mut trailers) {
            Some(status) => {
                ending.close(status.clone(), &mut trailers);
                status.write_to(&mut trailers);
            }
            None => ending.end(Status::new(Code::Unknown, "the service gave no status")),
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            // The end is to be seen.
            Kind::Watched { body, over, .. } => *over && body.is_end_stream(),
            Kind::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } | Kind::Watched { body, .. } => body.size_hint(),
            Kind::Nothing => SizeHint::with_exact(0),
        }
    }
}

/// The status of a reply that breaks off.
pub(super) fn failed(error: &BoxError) -> Status {
    if let Some(status) = error.downcast_ref::<Status>() {
        return status.clone();
    }
    match error.downcast_ref::<tonic::Status>() {
        Some(status) => Status::new(Code::from_number(status.code().into()), status.message()),
        None => Status::new(Code::Unavailable, format!("the service broke off: {error}")),
    }
}
