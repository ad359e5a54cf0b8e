//! How often a call is tried (gRPC A6, "gRPC Retry Design"): once, and again
//! where that is safe: when no server has begun to work on it, or when the
//! method's policy says so, nothing of an answer has come, and what was sent is
//! still known.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Response};
use portolan_rpc::{Body, Code, Deadline, GRPC_STATUS, Status};

use crate::balance::Subchannel;
use crate::channel::{Core, Observer};
use crate::reply::{Reply, code_of};
use crate::service_config::{MethodConfig, RetryPolicy};
use crate::transport::{Failure, Head, Incoming, Upload, is_foreign};

/// How often a request is sent that never leaves us.
const MAX_UNPROCESSED: u32 = 5;

const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// One call, however often it is tried.
pub(crate) struct Attempts<'a> {
    core: &'a Arc<Core>,
    head: &'a Parts,
    upload: Upload,
    deadline: Deadline,
    wait_for_ready: bool,
    retry: Option<&'a RetryPolicy>,
    /// How often it was tried, how often in a row after growing pauses, how often
    /// it did not leave us, and whether a server has refused it.
    made: u32,
    pauses: u32,
    unprocessed: u32,
    refused: bool,
    /// Which address has just failed it.
    failed: Option<Arc<Subchannel>>,
}

/// A wait for a server to answer. Given up at the deadline, it counts against
/// the server.
struct Waiting<'a> {
    observer: Option<Observer>,
    subchannel: &'a Arc<Subchannel>,
    deadline: Deadline,
}

impl Waiting<'_> {
    fn over(mut self) {
        self.observer = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.given_up(self.subchannel, self.deadline);
        }
    }
}

/// What a server wants of those who would try again.
enum Pushback {
    Unsaid,
    After(Duration),
    Never,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        core: &'a Arc<Core>,
        head: &'a Parts,
        body: Body,
        deadline: Deadline,
        method: Option<&'a MethodConfig>,
    ) -> Self {
        Self {
            core,
            head,
            upload: Upload::new(body, core.replay_limit),
            deadline,
            wait_for_ready: method
                .and_then(|method| method.wait_for_ready)
                .unwrap_or(core.wait_for_ready),
            retry: method.and_then(|method| method.retry.as_ref()),
            made: 0,
            pauses: 0,
            unprocessed: 0,
            refused: false,
            failed: None,
        }
    }

    pub(crate) async fn run(mut self) -> Result<Response<Body>, Status> {
        let place = match &self.core.gate {
            Some(gate) => Some(gate.enter().await?),
            None => None,
        };
        let path = self.head.uri.path();
        loop {
            let picked = self
                .core
                .balancer
                .pick(self.wait_for_ready, self.failed.as_ref())
                .await;
            let lease = match picked {
                Ok(lease) => lease,
                Err(status) => {
                    self.made += 1;
                    match self.again(status.code(), &Pushback::Unsaid) {
                        None => return Err(status),
                        Some(pause) => tokio::time::sleep(pause).await,
                    }
                    continue;
                }
            };
            let head = Head {
                path,
                headers: &self.head.headers,
                deadline: self.deadline,
                previous_attempts: self.made,
            };
            let waiting = Waiting {
                observer: self.core.observer(),
                subchannel: lease.subchannel(),
                deadline: self.deadline,
            };
            let answered = lease.connection.call(&head, self.upload).await;
            waiting.over();
            let status = match answered {
                Ok((response, upload)) => {
                    let headers = response.headers();
                    let code = code_alone(&response);
                    let mut observer = self.core.observer();
                    if let Some(code) = code
                        && let Some(observer) = observer.take()
                    {
                        observer.ended(lease.subchannel(), code);
                    }
                    if let (Some(code), Some(upload)) = (code, upload) {
                        self.upload = upload;
                        self.made += 1;
                        if let Some(pause) = self.again(code, &pushback(headers)) {
                            self.failed = Some(Arc::clone(lease.subchannel()));
                            drop((response, lease));
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        if response.body().is_end_stream() {
                            return Ok(response.map(|_| Body::empty()));
                        }
                    }
                    let deadline = self.deadline;
                    return Ok(response.map(|incoming| {
                        Body::new(Reply::new(incoming, lease, deadline, observer, place))
                    }));
                }
                Err((Failure::Unprocessed(status), upload)) => {
                    self.upload = upload;
                    self.unprocessed += 1;
                    if self.unprocessed < MAX_UNPROCESSED && self.upload.rewind() {
                        self.failed = Some(Arc::clone(lease.subchannel()));
                        continue;
                    }
                    status
                }
                Err((Failure::Refused(status), upload)) => {
                    self.upload = upload;
                    if !std::mem::replace(&mut self.refused, true) && self.upload.rewind() {
                        self.failed = Some(Arc::clone(lease.subchannel()));
                        continue;
                    }
                    status
                }
                Err((Failure::Broken(status), upload)) => {
                    self.upload = upload;
                    // A server may be the first to notice that the time is over.
                    if status.code() == Code::Cancelled && self.deadline.has_passed() {
                        Deadline::exceeded()
                    } else {
                        status
                    }
                }
                // It is over, and nobody but who made it is to blame.
                Err((Failure::Request(status), _)) => return Err(status),
            };
            self.made += 1;
            self.core.balancer.note(lease.subchannel(), status.code());
            match self.again(status.code(), &Pushback::Unsaid) {
                None => return Err(status),
                Some(pause) => {
                    self.failed = Some(Arc::clone(lease.subchannel()));
                    drop(lease);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Whether a call that failed so is tried again, and after which pause.
    fn again(&mut self, code: Code, pushback: &Pushback) -> Option<Duration> {
        let policy = self.retry.filter(|policy| policy.retries(code))?;
        let throttle = self.core.throttle.as_ref();
        let within_budget = throttle.is_none_or(crate::throttle::Throttle::failed);
        let pause = match pushback {
            Pushback::Never => return None,
            // The pauses begin anew behind one that the server has asked for.
            Pushback::After(pause) => {
                self.pauses = 0;
                *pause
            }
            Pushback::Unsaid => {
                self.pauses += 1;
                policy.pause(self.pauses, fastrand::f64())
            }
        };
        // A pause beyond the deadline would only hide why the call failed.
        let in_time = self.deadline.remaining().is_none_or(|left| pause < left);
        let allowed = self.made < policy.max_attempts && within_budget && in_time;
        (allowed && self.upload.rewind()).then_some(pause)
    }
}

/// The code of an answer that is nothing else: trailers alone, or what somebody
/// in between says by HTTP.
fn code_alone(response: &Response<Incoming>) -> Option<Code> {
    let (status, headers) = (response.status(), response.headers());
    if is_foreign(status, headers) {
        return Some(Code::from_http(status));
    }
    let alone = response.body().is_end_stream() && headers.contains_key(GRPC_STATUS);
    alone.then(|| code_of(headers))
}

/// What the server says of retries (A6, "Pushback").
fn pushback(headers: &HeaderMap) -> Pushback {
    let Some(value) = headers.get(PUSHBACK) else {
        return Pushback::Unsaid;
    };
    match value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u32>().ok())
    {
        Some(millis) => Pushback::After(Duration::from_millis(millis.into())),
        // Negative, or not a number.
        None => Pushback::Never,
    }
}
