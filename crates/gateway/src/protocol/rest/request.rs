//! From an HTTP request to the messages of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header;
use http::request::Parts;
use portolan_schema::http::Body as RuleBody;

use super::RestExchange;
use super::query;
use super::split::Splitter;
use crate::call::{Call, Fault, Messages};
use crate::compression::{Encoding, gunzip};
use crate::messages::{collect, next_data};
use crate::protocol::codec::invalid;
use crate::protocol::{Core, media_type};
use crate::route::Binding;
use crate::{Body, Code, Status, frame, metadata};

/// Whether the request was refused for its size, which HTTP has a status for.
#[derive(Clone, Debug, Default)]
pub(super) struct TooLarge(Arc<AtomicBool>);

impl TooLarge {
    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, status: Status) -> Status {
        if status.code() == Code::ResourceExhausted {
            self.0.store(true, Ordering::Relaxed);
        }
        status
    }
}

/// A body must be JSON; without one there is nothing to check.
pub(super) fn check_content_type(head: &Parts, binding: &Binding) -> Result<(), Status> {
    let has_body = binding.body != RuleBody::None
        && !matches!(head.method, http::Method::GET | http::Method::HEAD);
    if !has_body {
        return Ok(());
    }
    let found = media_type(head);
    let json = found.is_empty() && !has_content(head)
        || is_lines(&found)
        || matches!(found.as_str(), "application/json" | "text/json")
        || (found.starts_with("application/") && found.ends_with("+json"));
    if json {
        return Ok(());
    }
    let found = if found.is_empty() {
        "no content type".to_owned()
    } else {
        format!("`{found}`")
    };
    let message =
        format!("this route takes JSON, not {found}; send `content-type: application/json`");
    Err(Status::new(Code::InvalidArgument, message))
}

fn has_content(head: &Parts) -> bool {
    head.headers.contains_key(header::TRANSFER_ENCODING)
        || head
            .headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0")
}

fn is_lines(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
    )
}

/// The call that a request means.
pub(super) async fn call(
    exchange: &mut RestExchange,
    head: Parts,
    body: Body,
) -> Result<Call, Status> {
    let core = Arc::clone(&exchange.core);
    let binding = Arc::clone(&exchange.binding);
    let bound = Bound {
        core: Arc::clone(&core),
        fields: fields(exchange, &head)?,
        binding: Arc::clone(&binding),
        too_large: exchange.too_large.clone(),
    };
    let fault = Fault::default();
    // GET on a route with a body says all in its query.
    let without_body = binding.body == RuleBody::None
        || matches!(head.method, http::Method::GET | http::Method::HEAD);
    let messages = if without_body {
        Body::from(bound.message(None)?)
    } else if binding.route.streaming.from_client() {
        let lines = is_lines(&media_type(&head));
        let splitter = Splitter::new(core.options.max_message_size, lines);
        let encoding = Encoding::named(&head.headers, &header::CONTENT_ENCODING)?;
        if encoding != Encoding::Identity {
            let message =
                "a stream cannot be compressed as a whole; send it without content-encoding";
            return Err(Status::new(Code::Unimplemented, message));
        }
        bound.stream(body, splitter, fault.clone())
    } else {
        let limit = core.options.max_message_size;
        let encoding = Encoding::named(&head.headers, &header::CONTENT_ENCODING)?;
        let body = collect(body, limit)
            .await
            .map_err(|status| bound.too_large.note(status))?;
        let body = match encoding {
            Encoding::Identity => body,
            Encoding::Gzip => gunzip(&body, limit)
                .map_err(|status| bound.too_large.note(status))?
                .into(),
        };
        Body::from(bound.message(Some(&body))?)
    };
    Ok(Call {
        path: Arc::clone(&binding.route.path),
        metadata: metadata::from_headers(&head.headers),
        messages,
        fault,
    })
}

/// What path and query say, in wire format. The path comes last, so that it
/// wins where both speak of a field.
fn fields(exchange: &RestExchange, head: &Parts) -> Result<Vec<u8>, Status> {
    let core = &exchange.core;
    let input = exchange.binding.route.input;
    let mut fields = Vec::new();
    if let Some(query) = head.uri.query() {
        query::write(core, input, query, &mut fields)?;
    }
    for (index, text) in &exchange.variables {
        let Some(path) = exchange.binding.variables.get(*index) else {
            continue;
        };
        core.transcoder
            .text_to_field(input, path, text, &mut fields, &core.options.read)
            .map_err(|error| invalid(&error))?;
    }
    Ok(fields)
}

/// A binding with what path and query filled in already.
struct Bound {
    core: Arc<Core>,
    binding: Arc<Binding>,
    fields: Vec<u8>,
    too_large: TooLarge,
}

impl Bound {
    /// A message of a JSON body and the fields, framed.
    fn message(&self, body: Option<&[u8]>) -> Result<Bytes, Status> {
        let Core {
            transcoder,
            options,
            ..
        } = &*self.core;
        let input = self.binding.route.input;
        frame::build(0, |out| {
            // An empty body is an empty message.
            if let Some(json) = body.filter(|body| !body.is_empty()) {
                match &self.binding.body {
                    RuleBody::Whole => transcoder.json_to_wire(input, json, out, &options.read),
                    RuleBody::Field(field) => {
                        transcoder.json_to_field(input, field, json, out, &options.read)
                    }
                    RuleBody::None => Ok(()),
                }
                .map_err(|error| invalid(&error))?;
            }
            out.extend_from_slice(&self.fields);
            Ok(())
        })
    }

    /// The messages of a stream, framed one by one as they come.
    fn stream(self, body: Body, splitter: Splitter, fault: Fault) -> Body {
        let frames = futures_util::stream::try_unfold(
            (self, body, splitter, false),
            |(bound, mut body, mut splitter, mut ended)| async move {
                loop {
                    if let Some(value) = splitter
                        .next()
                        .map_err(|status| bound.too_large.note(status))?
                    {
                        let frame = bound.message(Some(&value))?;
                        return Ok(Some((frame, (bound, body, splitter, ended))));
                    }
                    if ended {
                        return Ok(None);
                    }
                    match next_data(&mut body).await? {
                        Some(data) => splitter.push(&data),
                        None => {
                            ended = true;
                            if let Some(value) = splitter.finish()? {
                                let frame = bound.message(Some(&value))?;
                                return Ok(Some((frame, (bound, body, splitter, ended))));
                            }
                        }
                    }
                }
            },
        );
        Messages::body(Box::pin(frames), fault)
    }
}
