//! One way to reach an RPC as an operation: what goes in, what comes out, and
//! what may go wrong.

use std::borrow::Cow;

use portolan_schema::http::Body;
use portolan_schema::{Field, MessageId, Method, Service, Streaming};

use super::OpenApiOptions;
use super::annotations::Annotations;
use super::example::{Examples, Side};
use super::node::{Map, Node};
use super::path::{Parameter, Path, Place};
use super::query;
use super::schemas::Schemas;
use super::words::{description, paragraphs, summary};
use crate::ErrorStyle;
use crate::route::RouteKind;

/// The type whose bytes are a body as they are.
const HTTP_BODY: &str = "google.api.HttpBody";

/// A way to reach an RPC.
pub(super) struct Way<'a> {
    pub(super) service: &'a Service,
    pub(super) method: &'a Method,
    pub(super) kind: RouteKind,
    /// In upper case.
    pub(super) http_method: String,
    pub(super) path: Path,
    pub(super) body: Body,
    pub(super) response_body: Option<&'a str>,
    /// What is to be said of this way beyond what the contract says.
    pub(super) remark: &'static str,
}

/// What a body holds.
enum Content<'a> {
    Message(MessageId),
    /// A message but for the fields that the path fills.
    Rest(MessageId, Vec<&'a str>),
    Field(MessageId, &'a Field),
    /// Bytes of any type.
    Raw,
}

impl Way<'_> {
    /// The operation.
    pub(super) fn operation(&self, schemas: &mut Schemas<'_>, id: String, tag: &str) -> Map {
        let comment = description(self.method.comment());
        let mut title = summary(&comment);
        if title.is_empty() {
            self.method.name().clone_into(&mut title);
        }
        let filled = self.filled();
        let has_body = self.has_body();
        let query = if has_body && self.body == Body::Whole {
            None
        } else {
            Some(query::parameters(schemas, self.method.input(), &filled))
        };
        let more = query.as_ref().is_some_and(|query| query.more);
        let mut parameters: Vec<Node> = self
            .path
            .parameters
            .iter()
            .map(|parameter| self.path_parameter(schemas, parameter))
            .collect();
        parameters.extend(query.map(|query| query.parameters).unwrap_or_default());

        let words = paragraphs([
            // Once is enough.
            Cow::from(if is_all(&comment, &title) {
                ""
            } else {
                &comment
            }),
            self.remark.into(),
            self.flow().into(),
            if more {
                "More fields of the request can be given in the query, by dotted names.".into()
            } else {
                "".into()
            },
        ]);
        let mut operation = Map::new()
            .with("tags", vec![tag.to_owned().into()])
            .with("summary", title);
        operation.put_text("description", words);
        operation.put("operationId", id);
        if !parameters.is_empty() {
            operation.put("parameters", parameters);
        }
        if has_body {
            operation.put("requestBody", self.request_body(schemas));
        }
        operation.put("responses", self.responses(schemas));
        if self.method.is_deprecated() || self.service.is_deprecated() {
            operation.put("deprecated", true);
        }
        if !schemas.options.security.is_empty()
            && schemas
                .options
                .public_services
                .iter()
                .any(|name| name == self.service.name())
        {
            operation.put("security", Vec::new());
        }
        operation.put(
            "x-grpc-method",
            self.method.path().trim_start_matches('/').to_owned(),
        );
        let streaming = match self.method.streaming() {
            Streaming::Unary => "",
            Streaming::Client => "client",
            Streaming::Server => "server",
            Streaming::Bidi => "bidi",
        };
        operation.put_text("x-grpc-streaming", streaming);
        operation
    }

    /// The form of its errors.
    pub(super) fn error_style(&self, options: &OpenApiOptions) -> ErrorStyle {
        options.errors.unwrap_or(match self.kind {
            RouteKind::Rule | RouteKind::Auto => ErrorStyle::Status,
            RouteKind::Named => ErrorStyle::Detail,
        })
    }

    /// Whether a body says anything: GET on a route with a body says all in its
    /// query.
    fn has_body(&self) -> bool {
        self.body != Body::None && !matches!(self.http_method.as_str(), "GET" | "HEAD")
    }

    /// The fields that path and body fill.
    fn filled(&self) -> Vec<Vec<Box<str>>> {
        let mut filled: Vec<Vec<Box<str>>> = self
            .path
            .parameters
            .iter()
            .filter_map(|parameter| match &parameter.place {
                Place::Field(field) | Place::Part { field, .. } | Place::Rest(Some(field)) => {
                    Some(field.clone())
                }
                Place::Rest(None) | Place::Nothing => None,
            })
            .collect();
        if let Body::Field(field) = &self.body
            && self.has_body()
        {
            filled.push(vec![field.clone()]);
        }
        filled
    }

    fn path_parameter(&self, schemas: &mut Schemas<'_>, parameter: &Parameter) -> Node {
        let request = self.method.input();
        let text = || Map::new().with("type", "string");
        let (schema, words) = match &parameter.place {
            Place::Field(path) => match field_at(schemas, request, path) {
                None => (text(), String::new()),
                Some((message, field)) => {
                    let annotations = Annotations::of(field);
                    let message = schemas.schema.message(message);
                    let words = schemas.words(message, field, &annotations);
                    (schemas.plain(field, &annotations), words)
                }
            },
            Place::Part {
                field: path,
                text: whole,
            } => {
                let comment = field_at(schemas, request, path)
                    .map(|(_, field)| description(field.comment()))
                    .unwrap_or_default();
                let part = format!("Part of `{}`: `{whole}`.", path.join("."));
                (text(), paragraphs([part.into(), comment.into()]))
            }
            Place::Rest(path) => {
                let comment = path
                    .as_ref()
                    .and_then(|path| field_at(schemas, request, path))
                    .map(|(_, field)| description(field.comment()))
                    .unwrap_or_default();
                let rest = "All that is left of the path, slashes included; a slash is sent as \
                            it is, not as `%2F`.";
                (text(), paragraphs([comment.into(), rest.into()]))
            }
            Place::Nothing => (text(), String::new()),
        };
        let mut node = Map::new()
            .with("name", parameter.name.clone())
            .with("in", "path");
        node.put_text("description", words);
        node.put("required", true);
        // An empty segment is not a value.
        node.with("schema", schema).into()
    }

    fn request_body(&self, schemas: &mut Schemas<'_>) -> Map {
        let request = self.method.input();
        let schema = schemas.schema;
        let is_raw = |id| schema.message(id).name() == HTTP_BODY;
        // An RPC's own path is Connect's too, where such a body is JSON.
        let raw_allowed = self.kind == RouteKind::Rule;
        let mut content = Content::Message(request);
        match &self.body {
            Body::None => {}
            Body::Whole if raw_allowed && is_raw(request) => content = Content::Raw,
            Body::Whole => {
                let message = schema.message(request);
                let bound: Vec<&str> = self
                    .path
                    .parameters
                    .iter()
                    .filter_map(|parameter| match &parameter.place {
                        Place::Field(path)
                        | Place::Part { field: path, .. }
                        | Place::Rest(Some(path)) => match path.as_slice() {
                            [name] => message.field(name).map(Field::name),
                            _ => None,
                        },
                        _ => None,
                    })
                    .collect();
                if !bound.is_empty() {
                    content = Content::Rest(request, bound);
                }
            }
            Body::Field(name) => {
                if let Some(field) = schema.message(request).field(name) {
                    let raw = field.kind().message().is_some_and(is_raw);
                    content = if raw && raw_allowed && field.cardinality().is_singular() {
                        Content::Raw
                    } else {
                        Content::Field(request, field)
                    };
                }
            }
        }
        let streams = self.method.streaming().from_client();
        let mut body = Map::new();
        if !streams && !matches!(content, Content::Raw) {
            body.put("required", true);
        }
        body.with("content", media(schemas, &content, Side::Request, streams))
    }

    fn responses(&self, schemas: &mut Schemas<'_>) -> Map {
        let reply = self.method.output();
        let schema = schemas.schema;
        let message = schema.message(reply);
        let is_raw = |id| schema.message(id).name() == HTTP_BODY;
        let raw_allowed = self.kind == RouteKind::Rule;
        let field = self.response_body.and_then(|name| message.field(name));
        let content = match field {
            Some(field)
                if raw_allowed
                    && field.cardinality().is_singular()
                    && field.kind().message().is_some_and(is_raw) =>
            {
                Content::Raw
            }
            Some(field) => Content::Field(reply, field),
            None if raw_allowed && is_raw(reply) => Content::Raw,
            None => Content::Message(reply),
        };
        let words = match field {
            Some(field) => summary(&description(field.comment())),
            None => summary(&description(message.comment())),
        };
        let words = if words.is_empty() {
            "OK".to_owned()
        } else {
            words
        };
        let streams = self.method.streaming().from_server();
        let media = media(schemas, &content, Side::Response, streams);
        let style = self.error_style(schemas.options);
        Map::new()
            .with(
                "200",
                Map::new().with("description", words).with("content", media),
            )
            .with(
                "default",
                Map::new().with(
                    "$ref",
                    format!("#/components/responses/{}", super::errors::name(style)),
                ),
            )
    }

    /// How messages flow, when it is more than one each way.
    fn flow(&self) -> &'static str {
        match self.method.streaming() {
            Streaming::Unary => "",
            Streaming::Server => {
                "Answers with a stream: by `Accept`, one JSON array, a line of JSON per message, \
                 or server-sent events. An error after the first message is a last element \
                 `{\"error\": …}`."
            }
            Streaming::Client => "Takes a stream: one JSON array, or a line of JSON per message.",
            Streaming::Bidi => {
                "Takes and answers with streams: a JSON array or a line of JSON per message each \
                 way, or, by `Accept`, server-sent events. Over HTTP/2 and on a WebSocket both \
                 go on at the same time."
            }
        }
    }
}

/// Whether a description has nothing to add to its summary.
fn is_all(comment: &str, title: &str) -> bool {
    comment.split_whitespace().eq(title.split_whitespace())
        || comment
            .strip_suffix('.')
            .is_some_and(|comment| comment.split_whitespace().eq(title.split_whitespace()))
}

/// The field at a path, and the message it is in.
fn field_at<'a>(
    schemas: &Schemas<'a>,
    request: MessageId,
    path: &[Box<str>],
) -> Option<(MessageId, &'a Field)> {
    let (last, way) = path.split_last()?;
    let mut id = request;
    for name in way {
        id = schemas.schema.message(id).field(name)?.kind().message()?;
    }
    Some((id, schemas.schema.message(id).field(last)?))
}

/// The media types of a body.
fn media(schemas: &mut Schemas<'_>, content: &Content<'_>, side: Side, streams: bool) -> Map {
    let examples = Examples {
        schema: schemas.schema,
        options: schemas.options,
    };
    let (schema, example) = match content {
        Content::Raw => {
            let bytes = Map::new().with("type", "string").with("format", "binary");
            return Map::new().with("*/*", Map::new().with("schema", bytes));
        }
        Content::Message(id) => {
            // One that is not part of a stream is referred to.
            let example = streams.then(|| examples.message(*id, side, &[])).flatten();
            (schemas.message(*id), example)
        }
        Content::Rest(id, bound) => {
            let message = schemas.schema.message(*id);
            let schema = schemas.object(message, bound);
            (schema, examples.message(*id, side, bound))
        }
        Content::Field(parent, field) => {
            // A field that is one message is as good as the message.
            if let Some(id) = field.kind().message()
                && field.cardinality().is_singular()
            {
                return media(schemas, &Content::Message(id), side, streams);
            }
            let parent = schemas.schema.message(*parent);
            let schema = schemas.field(parent, field);
            (schema, examples.field(field, side))
        }
    };
    if !streams {
        // The whole of a message is the same everywhere: once is enough.
        let mut json = Map::new().with("schema", schema);
        match (content, example) {
            (Content::Message(id), _) => {
                if let Some(reference) = schemas.example(*id, side) {
                    json.put("examples", Map::new().with("example", reference));
                }
            }
            (_, Some(example)) => json.put("example", example),
            (_, None) => {}
        }
        return Map::new().with("application/json", json);
    }
    stream(&schema, example, side)
}

/// The media types of a stream of values of a schema.
fn stream(schema: &Map, example: Option<Node>, side: Side) -> Map {
    let line = example
        .as_ref()
        .and_then(|example| serde_json::to_string(example).ok());
    let array = Map::new()
        .with("type", "array")
        .with("items", schema.clone());
    let mut json = Map::new().with("schema", array);
    if let Some(example) = example {
        json.put("example", Node::List(vec![example]));
    }
    let lines = |media_type: &'static str, words: &'static str, example: Option<String>| {
        let text = Map::new()
            .with("type", "string")
            .with("description", words)
            .with("contentMediaType", media_type)
            .with("contentSchema", schema.clone());
        let mut media = Map::new().with("schema", text);
        if let Some(example) = example {
            media.put("example", example);
        }
        media
    };
    let ndjson = lines(
        "application/x-ndjson",
        "A line of JSON per message.",
        line.as_ref().map(|line| format!("{line}\n{line}\n")),
    );
    let content = Map::new()
        .with("application/json", json)
        .with("application/x-ndjson", ndjson);
    if side == Side::Request {
        return content;
    }
    let events = lines(
        "text/event-stream",
        "An event per message, with its JSON as data. The last event is `end`, or `error` with \
         what went wrong.",
        line.map(|line| format!("id: 1\ndata: {line}\n\nevent: end\ndata: {{}}\n\n")),
    );
    content.with("text/event-stream", events)
}
