//! REST/JSON: `google.api.http` rules, gRPC paths and named routes.

mod accept;
pub(super) mod error;
mod http_body;
mod query;
pub(super) mod reply;
pub(super) mod request;
mod split;
mod stream;

use std::ops::Range;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};

use super::{
    Accept, Accepted, Core, Eventually, Exchange, Protocol, method_not_allowed, origin,
    without_body,
};
use crate::call::{Call, Reply};
use crate::compression::Encoding;
use crate::route::{Binding, Matched, RouteKind};
use crate::{Body, Code, Deadline, ErrorStyle, Status};

pub(crate) struct Rest;

impl Protocol for Rest {
    fn accept(&self, head: &Parts, media_type: &str, core: &Arc<Core>) -> Option<Accepted> {
        let path = head.uri.path();
        // HEAD asks for the head of what GET would answer (RFC 9110 §9.3.2).
        let method = match head.method {
            http::Method::HEAD => &http::Method::GET,
            ref method => method,
        };
        let accepted = match core.routes.find(&head.method, path) {
            Matched::Binding(binding, segments) => {
                accept(head, media_type, core, binding, segments)
            }
            // The path of an RPC takes GET, but only as Connect has it.
            Matched::WrongMethod(allowed, kind) if allowed.contains(method) => {
                let message = "a GET of this path needs the query parameters `message` and \
                               `encoding`; send a JSON body by POST instead";
                let status = Status::new(Code::InvalidArgument, message);
                Accepted::Answer(error::response(core, style(core, kind), &status))
            }
            Matched::WrongMethod(allowed, kind) => {
                let names: Vec<&str> = allowed.iter().map(http::Method::as_str).collect();
                let takes = if names.is_empty() {
                    "no method of plain HTTP".to_owned()
                } else {
                    names.join(", ")
                };
                let message = format!("{path} does not take {method}; it takes {takes}");
                let status = Status::new(Code::Unimplemented, message);
                let mut response = error::response(core, style(core, kind), &status);
                let refusal = method_not_allowed(&allowed);
                *response.status_mut() = refusal.status();
                response.headers_mut().extend(refusal.headers().clone());
                Accepted::Answer(response)
            }
            Matched::Nothing => {
                let status =
                    Status::new(Code::NotFound, format!("there is no route {method} {path}"));
                Accepted::Answer(error::response(core, style(core, RouteKind::Rule), &status))
            }
        };
        Some(match accepted {
            Accepted::Answer(response) if head.method == http::Method::HEAD => {
                Accepted::Answer(without_body(response))
            }
            accepted => accepted,
        })
    }
}

fn accept(
    head: &Parts,
    media_type: &str,
    core: &Arc<Core>,
    binding: &Arc<Binding>,
    segments: Range<usize>,
) -> Accepted {
    let style = style(core, binding.kind);
    // What would have been taken is said by headers (RFC 9110 §15.5.16).
    let unsupported = |status, name, takes| {
        let mut response = error::response(core, style, &status);
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let takes = HeaderValue::from_static(takes);
        let headers = response.headers_mut();
        headers.insert(name, takes);
        // On an RPC's path a plain `application/json` is a Connect client's
        // error, and who asks in no known type may be one.
        if binding.kind == RouteKind::Auto && headers[header::CONTENT_TYPE] == "application/json" {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, json);
        }
        Accepted::Answer(response)
    };
    if let Some(origin) = uninvited(head, media_type) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let message = format!(
            "a page of {origin} may not call this without asking; send `content-type: \
             application/json`, and let the server allow the origin"
        );
        let status = Status::new(Code::PermissionDenied, message);
        return Accepted::Answer(error::response(core, style, &status));
    }
    if let Err(status) = request::check_content_type(head, media_type, binding) {
        let name = HeaderName::from_static("accept-post");
        return unsupported(status, name, "application/json");
    }
    let content = match request::content_encoding(head, binding) {
        Ok(content) => content,
        Err((status, takes)) => return unsupported(status, header::ACCEPT_ENCODING, takes),
    };
    let form = match binding.raw_reply {
        Some(_) => accept::Form::Raw,
        None => accept::Form::accepted(&head.headers),
    };
    Accepted::Call(Accept {
        path: Arc::clone(&binding.route.path),
        route: Some(Arc::clone(&binding.route)),
        protocol: "rest",
        deadline: Deadline::from_rest(&head.headers),
        exchange: Box::new(RestExchange {
            core: Arc::clone(core),
            binding: Arc::clone(binding),
            segments,
            style,
            form,
            content,
            head_only: head.method == http::Method::HEAD,
            events: accept::last_event(&head.headers),
            encoding: Encoding::accepted(&head.headers, &http::header::ACCEPT_ENCODING),
            version: head.version,
            too_large: request::TooLarge::default(),
        }),
    })
}

/// The origin of a page that calls without its browser asking first whether it
/// may, as it does not for forms and for what looks like one (the Fetch standard,
/// "CORS-safelisted request-header"). That the page cannot see the answer does
/// not undo the call.
fn uninvited<'h>(head: &'h Parts, media_type: &str) -> Option<&'h HeaderValue> {
    let like_a_form = head.method == http::Method::POST
        && matches!(
            media_type,
            "" | "text/plain" | "multipart/form-data" | "application/x-www-form-urlencoded"
        );
    origin::refused(head).filter(|_| like_a_form)
}

/// How errors look: as chosen for all routes, or else as the kind of route has
/// it.
pub(super) fn style(core: &Core, kind: RouteKind) -> ErrorStyle {
    core.options.errors.unwrap_or(match kind {
        RouteKind::Rule | RouteKind::Auto => ErrorStyle::Status,
        RouteKind::Named => ErrorStyle::Detail,
    })
}

struct RestExchange {
    core: Arc<Core>,
    binding: Arc<Binding>,
    /// The part of the path that the binding's variables are in.
    segments: Range<usize>,
    style: ErrorStyle,
    form: accept::Form,
    /// How the request's body is encoded.
    content: Encoding,
    /// Whether the head of the response is all that is asked for.
    head_only: bool,
    /// How many events of this stream the client has already.
    events: u64,
    encoding: Encoding,
    version: Version,
    too_large: request::TooLarge,
}

impl Exchange for RestExchange {
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        Box::pin(request::call(self, head, body))
    }

    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>> {
        Box::pin(async move {
            let head_only = self.head_only;
            let response = match reply {
                Err(status) => self.error(&status),
                Ok(reply) => reply::response(*self, reply).await,
            };
            if head_only {
                without_body(response)
            } else {
                response
            }
        })
    }
}

impl RestExchange {
    fn error(&self, status: &Status) -> Response<Body> {
        let mut response = error::response(&self.core, self.style, status);
        if self.too_large.happened() {
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        }
        response
    }
}
