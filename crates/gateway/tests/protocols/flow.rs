//! What tests of streams feed, and how much of it flows.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use portolan_gateway::Body;
use tokio::sync::mpsc;

/// Far more than sockets and the gateway hold together.
pub(crate) const MUCH: usize = 64 * 1024 * 1024;
pub(crate) const PIECE: usize = 64 * 1024;

/// A body that the test feeds.
pub(crate) fn fed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    (sender, Body::new(StreamBody::new(stream)))
}

/// Waits until something has not changed for a while.
pub(crate) async fn settled(count: &AtomicUsize) -> usize {
    loop {
        let before = count.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
        if before > 0 && count.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}
