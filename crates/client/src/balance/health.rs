//! Asks an address whether it is in service (gRPC, "Health Checking Protocol";
//! A17, "Client-Side Health Checking").

use std::sync::Weak;
use std::time::Duration;

use http::HeaderMap;
use http_body::Frame;
use portolan_rpc::{Body, Code, Deadline, Status};

use super::Subchannel;
use super::subchannel::Watched;
use crate::health::{self, LIMIT, Request, Response, WATCH};
use crate::transport::{Head, Incoming, Upload};
use crate::typed::{self, Messages};

/// How long to wait after a watch that broke off, while the connection stands.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing yet.
    #[default]
    Unknown,
    Serving,
    NotServing,
}

/// Watches for as long as there are connections to the address.
pub(super) async fn watch(subchannel: Weak<Subchannel>, service: String) {
    loop {
        let Some(watched) = subchannel.upgrade().and_then(|strong| strong.watchable()) else {
            return;
        };
        let mut heard = false;
        let asking = ask(&subchannel, &watched, &service, &mut heard);
        let broke_off = watched.while_open(asking).await;
        let Some(strong) = subchannel.upgrade() else {
            return;
        };
        let status = match broke_off {
            Some(status) if watched.connection.is_open() => status,
            // A connection that ends, as those of some servers do at a certain
            // age, says nothing of the others: the next one is asked at once.
            _ => {
                if !heard {
                    strong.unheard();
                }
                continue;
            }
        };
        if status.code() == Code::Unimplemented {
            // The server has no health checks: it is taken to be well.
            strong.set_health(&watched, Health::Serving);
            return;
        }
        tracing::debug!(reason = status.message(), "the health watch broke off");
        strong.set_health(&watched, Health::NotServing);
        drop((strong, watched));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes what the server says, until it stops, and notes that it was `heard`. Why
/// it stopped.
async fn ask(
    subchannel: &Weak<Subchannel>,
    watched: &Watched,
    service: &str,
    heard: &mut bool,
) -> Status {
    let request = Request {
        service: service.to_owned(),
    };
    let upload = Upload::new(Body::from(typed::encode(&request)), 0);
    let head = Head {
        path: WATCH,
        headers: &HeaderMap::new(),
        deadline: Deadline::NEVER,
        previous_attempts: 0,
    };
    let response = match watched.connection.call(&head, upload).await {
        Ok((response, _)) => response.map(|incoming| Body::new(Answer(incoming))),
        Err((failure, _)) => return failure.into_status(),
    };
    let mut messages = match Messages::<Response>::of(response, LIMIT) {
        Ok(messages) => messages,
        Err(status) => return status,
    };
    loop {
        let health = match messages.next().await {
            Ok(Some(response)) if response.health() == health::Health::Serving => Health::Serving,
            Ok(Some(_)) => Health::NotServing,
            Ok(None) => return Status::new(Code::Unavailable, "the server ended it"),
            Err(status) => return status,
        };
        *heard = true;
        match subchannel.upgrade() {
            Some(strong) => strong.set_health(watched, health),
            None => return Status::new(Code::Cancelled, "nobody is interested"),
        }
    }
}

/// An answer as a body.
struct Answer(Incoming);

impl http_body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<bytes::Bytes>, Status>>> {
        self.0.poll_frame(context)
    }
}
