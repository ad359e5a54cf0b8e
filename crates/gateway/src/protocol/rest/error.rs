//! Error bodies of REST routes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::protocol::Core;
use crate::{Body, ErrorStyle, Status, details};

/// `google.rpc.Status` as JSON.
#[derive(Serialize)]
struct StatusJson<'a> {
    code: i32,
    message: &'a str,
    details: Vec<Value>,
}

/// The form of RFC 9457, with the code's name and the details as extensions.
#[derive(Serialize)]
struct ProblemJson<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

/// The response of a status.
pub(in crate::protocol) fn response(
    core: &Core,
    style: ErrorStyle,
    status: &Status,
) -> Response<Body> {
    let http_status = status.code().http_status();
    let (body, content_type) = match style {
        ErrorStyle::Status => (to_bytes(&StatusJson::of(core, status)), "application/json"),
        ErrorStyle::Detail => (
            to_bytes(&json!({ "detail": status.message() })),
            "application/json",
        ),
        ErrorStyle::Problem => {
            let problem = ProblemJson {
                r#type: "about:blank",
                title: http_status
                    .canonical_reason()
                    .unwrap_or(status.code().name()),
                status: http_status.as_u16(),
                detail: status.message(),
                code: status.code().name(),
                details: details_json(core, status),
            };
            (to_bytes(&problem), "application/problem+json")
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http_status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The last element of a stream that ends with an error.
pub(in crate::protocol) fn element(core: &Core, status: &Status) -> Vec<u8> {
    #[derive(Serialize)]
    struct Element<'a> {
        error: StatusJson<'a>,
    }
    to_bytes(&Element {
        error: StatusJson::of(core, status),
    })
}

impl<'a> StatusJson<'a> {
    fn of(core: &Core, status: &'a Status) -> Self {
        Self {
            code: status.code() as i32,
            message: status.message(),
            details: details_json(core, status),
        }
    }
}

fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and JSON values always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Details in the JSON form of `google.protobuf.Any`; one of a type that the
/// contracts do not have keeps its bytes in base64.
fn details_json(core: &Core, status: &Status) -> Vec<Value> {
    details::of(status)
        .iter()
        .map(|detail| {
            readable(core, detail).unwrap_or_else(
                || json!({ "@type": detail.type_url, "value": STANDARD.encode(&detail.value) }),
            )
        })
        .collect()
}

/// The types whose JSON may be an object, but not one of their fields.
const SPECIAL: [&str; 3] = [
    "google.protobuf.Any",
    "google.protobuf.Struct",
    "google.protobuf.Value",
];

fn readable(core: &Core, detail: &details::Detail) -> Option<Value> {
    let id = core
        .transcoder
        .schema()
        .message_by_name(detail.type_name())?;
    let mut text = Vec::new();
    core.transcoder
        .wire_to_json(id, &detail.value, &mut text, &core.options.write)
        .ok()?;
    let mut value: Value = serde_json::from_slice(&text).ok()?;
    // Types with JSON of their own have it under `value` (ProtoJSON, "Any").
    let special = SPECIAL.contains(&detail.type_name());
    match &mut value {
        Value::Object(members) if !special => {
            members.insert("@type".to_owned(), Value::from(detail.type_url.clone()));
            Some(value)
        }
        _ => Some(json!({ "@type": detail.type_url, "value": value })),
    }
}
