//! Error bodies as responses of a document, in the forms of
//! [`ErrorStyle`](crate::ErrorStyle).

use super::known::Known;
use super::node::Map;
use super::schemas::Schemas;
use crate::ErrorStyle;

/// What `google.rpc.Status` is called, be it in the contract or not.
const STATUS: &str = "google.rpc.Status";

/// The name of the response in the document's components.
pub(super) fn name(style: ErrorStyle) -> &'static str {
    match style {
        ErrorStyle::Status => "Error",
        ErrorStyle::Detail => "ErrorDetail",
        ErrorStyle::Problem => "Problem",
    }
}

/// The response of a style; its schemas go among the others.
pub(super) fn response(style: ErrorStyle, schemas: &mut Schemas<'_>) -> Map {
    match style {
        ErrorStyle::Status => {
            let any = any(schemas);
            let reference = match schemas.schema.message_by_name(STATUS) {
                Some(id) => schemas.message(id),
                None => schemas.provide(STATUS, || status(any)),
            };
            let example = Map::new()
                .with("code", 5)
                .with("message", "there is no such thing")
                .with("details", Vec::new());
            respond(
                "The call failed: a status of gRPC. The HTTP status follows from its code.",
                "application/json",
                reference,
                example,
            )
        }
        ErrorStyle::Detail => {
            let schema = Map::new()
                .with("type", "object")
                .with(
                    "properties",
                    Map::new().with(
                        "detail",
                        Map::new()
                            .with("type", "string")
                            .with("description", "What went wrong."),
                    ),
                )
                .with("required", vec!["detail".into()]);
            respond(
                "The call failed. The HTTP status follows from the code of gRPC.",
                "application/json",
                schema,
                Map::new().with("detail", "there is no such thing"),
            )
        }
        ErrorStyle::Problem => {
            let any = any(schemas);
            let reference = schemas.provide("Problem", || problem(any));
            let example = Map::new()
                .with("type", "about:blank")
                .with("title", "Not Found")
                .with("status", 404)
                .with("detail", "there is no such thing")
                .with("code", "NOT_FOUND");
            respond(
                "The call failed: a problem of RFC 9457.",
                "application/problem+json",
                reference,
                example,
            )
        }
    }
}

/// A reference to `google.protobuf.Any`, which not every contract brings.
fn any(schemas: &mut Schemas<'_>) -> Map {
    const ANY: &str = "google.protobuf.Any";
    match schemas.schema.message_by_name(ANY) {
        Some(id) => schemas.message(id),
        None => schemas.provide(ANY, || Known::Any.schema()),
    }
}

fn respond(words: &'static str, media_type: &'static str, schema: Map, example: Map) -> Map {
    let media = Map::new().with("schema", schema).with("example", example);
    Map::new()
        .with("description", words)
        .with("content", Map::new().with(media_type, media))
}

fn status(any: Map) -> Map {
    let code = Map::new()
        .with("type", "integer")
        .with("format", "int32")
        .with(
            "description",
            "The code of gRPC, such as 3 for INVALID_ARGUMENT or 5 for NOT_FOUND.",
        );
    let message = Map::new()
        .with("type", "string")
        .with("description", "What went wrong.");
    let details = details(any);
    Map::new()
        .with("type", "object")
        .with("description", "How a call ended.")
        .with(
            "properties",
            Map::new()
                .with("code", code)
                .with("message", message)
                .with("details", details),
        )
}

fn problem(any: Map) -> Map {
    let text = |words: &'static str| Map::new().with("type", "string").with("description", words);
    Map::new()
        .with("type", "object")
        .with("description", "How a call failed (RFC 9457).")
        .with(
            "properties",
            Map::new()
                .with(
                    "type",
                    text("The kind of problem.").with("format", "uri-reference"),
                )
                .with("title", text("The HTTP status in words."))
                .with(
                    "status",
                    Map::new()
                        .with("type", "integer")
                        .with("format", "int32")
                        .with("description", "The HTTP status."),
                )
                .with("detail", text("What went wrong."))
                .with("code", text("The code of gRPC, such as `NOT_FOUND`."))
                .with("details", details(any)),
        )
}

fn details(any: Map) -> Map {
    Map::new()
        .with("type", "array")
        .with("description", "What a program can read of what went wrong.")
        .with("items", any)
}
