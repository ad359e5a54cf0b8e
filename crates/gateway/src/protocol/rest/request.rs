//! From an HTTP request to the messages of a call.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_core::Stream;
use http::header;
use http::request::Parts;
use portolan_schema::http::Body as RuleBody;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};

use super::http_body::HttpBody;
use super::split::Splitter;
use super::{RestExchange, query};
use crate::call::{Call, Fault, Messages};
use crate::compression::{Encoding, SPOKEN};
use crate::messages::{collect, next_data};
use crate::on_demand::{OnDemand, take_headers};
use crate::protocol::codec::invalid;
use crate::protocol::{Core, media_type};
use crate::route::{Binding, UpdateMask};
use crate::{Body, Code, Status, frame, metadata};

/// The most bytes of a body of any type that go into one message.
const MAX_PIECE: usize = 64 * 1024;
/// The tags and lengths around a piece: two of `HttpBody`, one of its field.
const MOST_TAGS: usize = 2 * (1 + 5) + (5 + 5);

/// Whether the request was refused for its size, which HTTP has a status for.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct TooLarge(Arc<AtomicBool>);

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

/// Whether the HTTP body says anything: GET on a route with a body says all in
/// its query.
fn has_body(head: &Parts, binding: &Binding) -> bool {
    binding.body != RuleBody::None && !matches!(head.method, http::Method::GET | http::Method::HEAD)
}

/// A body must be JSON, unless the contract takes any; without one there is
/// nothing to check.
pub(super) fn check_content_type(
    head: &Parts,
    found: &str,
    binding: &Binding,
) -> Result<(), Status> {
    if !has_body(head, binding) || binding.raw_request.is_some() {
        return Ok(());
    }
    let json = found.is_empty() && !has_content(head)
        || is_lines(found)
        || matches!(found, "application/json" | "text/json")
        || (found.starts_with("application/") && found.ends_with("+json"));
    if json {
        return Ok(());
    }
    Err(not_json(found))
}

/// The status for a body of another media type, or of none.
fn not_json(found: &str) -> Status {
    let found = if found.is_empty() {
        "no content type".to_owned()
    } else {
        format!("`{found}`")
    };
    let message =
        format!("this route takes JSON, not {found}; send `content-type: application/json`");
    Status::new(Code::InvalidArgument, message)
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

/// How the body is encoded, or else the status and the encodings that would do.
pub(super) fn content_encoding(
    head: &Parts,
    binding: &Binding,
) -> Result<Encoding, (Status, &'static str)> {
    if !has_body(head, binding) {
        return Ok(Encoding::Identity);
    }
    let encoding = Encoding::named(&head.headers, &header::CONTENT_ENCODING);
    match encoding.map_err(|status| (status, SPOKEN))? {
        encoding if encoding != Encoding::Identity && binding.route.streaming.from_client() => {
            let message =
                "a stream cannot be compressed as a whole; send it without content-encoding";
            Err((Status::new(Code::Unimplemented, message), "identity"))
        }
        encoding => Ok(encoding),
    }
}

/// The call that a request means.
pub(super) async fn call(
    exchange: &mut RestExchange,
    mut head: Parts,
    body: Body,
) -> Result<Call, Status> {
    let reading = Reading {
        core: Arc::clone(&exchange.core),
        binding: Arc::clone(&exchange.binding),
        segments: exchange.segments.clone(),
        content: exchange.content,
        too_large: exchange.too_large.clone(),
    };
    let fault = Fault::default();
    let (headers, messages) = if exchange.core.options.read_on_demand {
        let headers = take_headers(&mut head);
        let found = fault.clone();
        let read = async move { reading.messages(&head, body, found).await };
        (headers, OnDemand::body(read, fault.clone()))
    } else {
        let messages = reading.messages(&head, body, fault.clone()).await?;
        (head.headers, messages)
    };
    Ok(Call {
        uri: exchange.binding.route.uri.clone(),
        metadata: metadata::from_headers(headers),
        messages,
        fault,
    })
}

/// All that it takes to make messages of a request.
struct Reading {
    core: Arc<Core>,
    binding: Arc<Binding>,
    segments: Range<usize>,
    /// How the body is encoded.
    content: Encoding,
    too_large: TooLarge,
}

impl Reading {
    async fn messages(self, head: &Parts, body: Body, fault: Fault) -> Result<Body, Status> {
        let Self {
            core,
            binding,
            segments,
            content,
            too_large,
        } = self;
        let limit = core.options.max_message_size;
        let body_says = has_body(head, &binding);
        let bound = Bound::new(core, &binding, segments, head, body_says, too_large)?;
        // Without a type it is JSON only if there is nothing.
        let typed = head.headers.contains_key(header::CONTENT_TYPE);
        let untyped = !typed && binding.raw_request.is_none();
        Ok(if !body_says {
            Body::from(bound.message(None)?)
        } else if !binding.route.streaming.from_client() {
            let body = collect(body, limit)
                .await
                .map_err(|status| bound.too_large.note(status))?;
            if untyped && !body.is_empty() {
                // HTTP/2 need not say beforehand that there is a body.
                return Err(not_json(""));
            }
            let body = content.decompress(body, limit);
            let body = body.map_err(|status| bound.too_large.note(status))?;
            Body::from(bound.message(Some(&body))?)
        } else if binding.raw_request.is_some() {
            Messages::body(Box::pin(bound.pieces(body)), fault)
        } else {
            let splitter = Splitter::new(limit, is_lines(&media_type(head)));
            Messages::body(Box::pin(bound.values(body, splitter)), fault)
        })
    }
}

fn content_type(head: &Parts) -> String {
    let value = head.headers.get(header::CONTENT_TYPE);
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}

/// What path and query say, in wire format. The path comes last, so that it
/// wins over the body where both speak of a field.
fn fields(
    core: &Core,
    binding: &Binding,
    segments: Range<usize>,
    head: &Parts,
    body: bool,
) -> Result<Vec<u8>, Status> {
    let mut fields = Vec::new();
    if let Some(query) = head.uri.query() {
        query::write(core, binding, query, body, &mut fields)?;
    }
    let path = head.uri.path();
    let path = path.get(segments).unwrap_or_default();
    for variable in &binding.variables {
        let text = variable.text(path, core.multi_segment)?;
        let (input, read) = (binding.route.input, &core.options.read);
        core.transcoder
            .text_to_field(input, &variable.field, &text, &mut fields, read)
            .map_err(|error| {
                let name = variable.field.join(".");
                let message = format!("path variable `{name}`: {}", error.problem());
                Status::new(Code::InvalidArgument, message)
            })?;
    }
    Ok(fields)
}

/// Whether a message in wire format, which is one of ours, has this field.
fn has_field(message: &[u8], number: u32) -> bool {
    field_numbers(message).any(|found| found == Some(number))
}

/// Whether a message in wire format ends where its last field does.
fn is_whole(message: &[u8]) -> bool {
    field_numbers(message).all(|found| found.is_some())
}

/// The numbers of a message's fields, and `None` at the end of one that is not
/// whole.
fn field_numbers(mut message: &[u8]) -> impl Iterator<Item = Option<u32>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let skipped = decode_key(&mut message).and_then(|(number, wire_type)| {
            skip_field(wire_type, number, &mut message, DecodeContext::default())?;
            Ok(number)
        });
        if skipped.is_err() {
            message = &[];
        }
        Some(skipped.ok())
    })
}

/// A binding with what path and query filled in already.
pub(in crate::protocol) struct Bound {
    core: Arc<Core>,
    binding: Arc<Binding>,
    fields: Vec<u8>,
    /// Of the request, as it came, where the contract takes any.
    content_type: String,
    too_large: TooLarge,
}

impl Bound {
    /// What the URL of a request says; `body` tells whether one is to say the
    /// rest.
    pub(in crate::protocol) fn new(
        core: Arc<Core>,
        binding: &Arc<Binding>,
        segments: Range<usize>,
        head: &Parts,
        body: bool,
        too_large: TooLarge,
    ) -> Result<Self, Status> {
        Ok(Self {
            fields: fields(&core, binding, segments, head, body)?,
            core,
            binding: Arc::clone(binding),
            content_type: match binding.raw_request {
                Some(_) => content_type(head),
                None => String::new(),
            },
            too_large,
        })
    }

    /// The most bytes of a message.
    pub(in crate::protocol) fn limit(&self) -> usize {
        self.core.options.max_message_size
    }

    /// A message in JSON and the fields, framed, whatever the rule takes as its
    /// body.
    pub(in crate::protocol) fn whole(&self, json: &[u8]) -> Result<Bytes, Status> {
        let size = json.len() + self.fields.len();
        frame::build_within(self.limit(), size, |out| {
            let Core {
                transcoder,
                options,
                ..
            } = &*self.core;
            transcoder
                .json_to_wire(self.binding.route.input, json, out, &options.read)
                .map_err(|error| invalid(&error))?;
            out.extend_from_slice(&self.fields);
            Ok(())
        })
    }

    /// A message in wire format and the fields, framed.
    pub(in crate::protocol) fn wire(&self, wire: &[u8]) -> Result<Bytes, Status> {
        // Fields behind a message that is not whole would become a part of it.
        if !self.fields.is_empty() && !is_whole(wire) {
            let message = "the message is not whole, so the path's fields cannot follow it";
            return Err(Status::new(Code::InvalidArgument, message));
        }
        let limit = self.core.options.max_message_size;
        frame::build_within(limit, wire.len() + self.fields.len(), |out| {
            out.extend_from_slice(wire);
            out.extend_from_slice(&self.fields);
            Ok(())
        })
    }

    /// A message of a body and the fields, framed.
    pub(in crate::protocol) fn message(&self, body: Option<&[u8]>) -> Result<Bytes, Status> {
        let limit = self.core.options.max_message_size;
        let size = body.map_or(0, <[u8]>::len) + self.fields.len();
        let framed = frame::build_within(limit, size, |out| {
            match (body, self.binding.raw_request) {
                (None, _) => {}
                (Some(bytes), Some(place)) => {
                    let body = HttpBody {
                        content_type: self.content_type.clone(),
                        data: Bytes::copy_from_slice(bytes),
                    };
                    body.write(place, out);
                }
                // An empty body is an empty message.
                (Some(b""), None) => {}
                (Some(json), None) => self.json(json, out)?,
            }
            out.extend_from_slice(&self.fields);
            Ok(())
        });
        framed.map_err(|status| self.too_large.note(status))
    }

    fn json(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let Core {
            transcoder,
            options,
            ..
        } = &*self.core;
        let input = self.binding.route.input;
        match &self.binding.body {
            RuleBody::Whole => transcoder.json_to_wire(input, json, out, &options.read),
            RuleBody::Field(field) => {
                transcoder.json_to_field(input, field, json, out, &options.read)
            }
            RuleBody::None => Ok(()),
        }
        .and_then(|()| match self.binding.update_mask {
            Some(mask) => self.fill_mask(mask, json, out),
            None => Ok(()),
        })
        .map_err(|error| invalid(&error))
    }

    /// Names what the body of a partial update sets, unless the client did.
    fn fill_mask(
        &self,
        mask: UpdateMask,
        json: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), portolan_transcode::Error> {
        if has_field(&self.fields, mask.field) {
            return Ok(());
        }
        let Core {
            transcoder,
            options,
            ..
        } = &*self.core;
        let mut paths = Vec::new();
        transcoder.json_to_field_mask(mask.resource, json, &mut paths, &options.read)?;
        // Nothing set is nothing said: an empty mask means everything to some.
        if paths.is_empty() {
            return Ok(());
        }
        encode_key(mask.field, WireType::LengthDelimited, out);
        encode_varint(paths.len() as u64, out);
        out.extend_from_slice(&paths);
        Ok(())
    }

    /// The messages of a stream of JSON values, framed one by one as they come.
    fn values(
        self,
        body: Body,
        splitter: Splitter,
    ) -> impl Stream<Item = Result<Bytes, Status>> + Send {
        futures_util::stream::try_unfold(
            (self, body, splitter, false),
            |(bound, mut body, mut splitter, mut ended)| async move {
                loop {
                    let value = if ended {
                        splitter.finish()?
                    } else {
                        splitter
                            .next()
                            .map_err(|status| bound.too_large.note(status))?
                    };
                    if let Some(value) = value {
                        let frame = bound.message(Some(&value))?;
                        return Ok(Some((frame, (bound, body, splitter, ended))));
                    }
                    if ended {
                        return Ok(None);
                    }
                    match next_data(&mut body).await? {
                        Some(data) => splitter.push(&data),
                        None => ended = true,
                    }
                }
            },
        )
    }

    /// The messages of a body of any type: its pieces, at least one, since an
    /// empty file is a file too.
    fn pieces(self, body: Body) -> impl Stream<Item = Result<Bytes, Status>> + Send {
        // Beside its piece a message has its content type, its fields, and
        // tags and lengths of a few bytes.
        let beside = self.content_type.len() + self.fields.len() + MOST_TAGS;
        let limit = self.core.options.max_message_size;
        let largest = MAX_PIECE.min(limit.saturating_sub(beside)).max(1);
        futures_util::stream::try_unfold(
            (self, body, Bytes::new(), 0_u64),
            move |(bound, mut body, mut rest, sent)| async move {
                while rest.is_empty() {
                    match next_data(&mut body).await? {
                        Some(data) => rest = data,
                        None if sent == 0 => break,
                        None => return Ok(None),
                    }
                }
                let piece = rest.split_to(largest.min(rest.len()));
                let frame = bound.message(Some(&piece))?;
                Ok(Some((frame, (bound, body, rest, sent + 1))))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_when_its_last_field_is() {
        // Field 1 a varint, field 2 three bytes.
        let whole = b"\x08\x01\x12\x03abc";
        assert!(is_whole(whole) && is_whole(b""));
        assert!(has_field(whole, 1) && has_field(whole, 2) && !has_field(whole, 3));
        for torn in [
            &whole[..1],
            &whole[..3],
            &whole[..6],
            b"\x08\x01\xfa\x7f\x02",
        ] {
            assert!(!is_whole(torn), "{torn:x?}");
        }
    }
}
