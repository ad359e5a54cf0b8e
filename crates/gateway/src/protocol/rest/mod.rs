//! REST/JSON: `google.api.http` rules, gRPC paths and named routes.

mod accept;
mod error;
mod query;
mod reply;
mod request;
mod split;

use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode, Version};

use super::{Accept, Accepted, Core, Eventually, Exchange, Protocol, method_not_allowed};
use crate::call::{Call, Reply};
use crate::compression::Encoding;
use crate::route::{Binding, Matched, RouteKind};
use crate::{Body, Code, Deadline, ErrorStyle, Status};

pub(crate) struct Rest;

impl Protocol for Rest {
    fn accept(&self, head: &Parts, core: &Arc<Core>) -> Option<Accepted> {
        let path = head.uri.path();
        // HEAD asks for the head of what GET would answer (RFC 9110 §9.3.2).
        let method = if head.method == http::Method::HEAD {
            &http::Method::GET
        } else {
            &head.method
        };
        Some(match core.routes.find(method, path) {
            Matched::Binding(binding, variables, kind) => {
                accept(head, core, binding, variables, kind)
            }
            Matched::WrongMethod(allowed, kind) => {
                let names: Vec<&str> = allowed.iter().map(http::Method::as_str).collect();
                let message = format!(
                    "{path} does not take {}; it takes {}",
                    head.method,
                    names.join(", ")
                );
                let status = Status::new(Code::Unimplemented, message);
                let mut response = error::response(core, style(core, kind), &status);
                let refusal = method_not_allowed(&allowed);
                *response.status_mut() = refusal.status();
                response.headers_mut().extend(refusal.headers().clone());
                Accepted::Answer(response)
            }
            Matched::Nothing => {
                let status = Status::new(
                    Code::NotFound,
                    format!("there is no route {} {path}", head.method),
                );
                Accepted::Answer(error::response(core, style(core, RouteKind::Rule), &status))
            }
        })
    }
}

fn accept(
    head: &Parts,
    core: &Arc<Core>,
    binding: Arc<Binding>,
    variables: Vec<(usize, String)>,
    kind: RouteKind,
) -> Accepted {
    let style = style(core, kind);
    if let Err(status) = request::check_content_type(head, &binding) {
        let mut response = error::response(core, style, &status);
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Accepted::Answer(response);
    }
    Accepted::Call(Accept {
        path: Arc::clone(&binding.route.path),
        protocol: "rest",
        deadline: Deadline::from_rest(&head.headers),
        exchange: Box::new(RestExchange {
            core: Arc::clone(core),
            binding,
            variables,
            style,
            form: accept::Form::accepted(&head.headers),
            encoding: Encoding::accepted(&head.headers, &http::header::ACCEPT_ENCODING),
            version: head.version,
            too_large: request::TooLarge::default(),
        }),
    })
}

/// How errors look: as chosen for all routes, or else as the kind of route has
/// it.
fn style(core: &Core, kind: RouteKind) -> ErrorStyle {
    core.options.errors.unwrap_or(match kind {
        RouteKind::Rule | RouteKind::Auto => ErrorStyle::Status,
        RouteKind::Named => ErrorStyle::Detail,
    })
}

struct RestExchange {
    core: Arc<Core>,
    binding: Arc<Binding>,
    /// The text of the path's variables, by their index in the binding.
    variables: Vec<(usize, String)>,
    style: ErrorStyle,
    form: accept::Form,
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
            match reply {
                Err(status) => self.error(&status),
                Ok(reply) => reply::response(*self, reply).await,
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
