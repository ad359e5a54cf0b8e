//! Errors as Connect's JSON (Connect, "Error Codes").

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::Core;
use crate::{Code, Status, details};

/// An error as JSON.
#[derive(Serialize)]
pub(super) struct ErrorJson {
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<DetailJson>,
}

#[derive(Serialize)]
struct DetailJson {
    r#type: String,
    value: String,
    /// The detail in JSON, for people; left out when its type is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Value>,
}

impl ErrorJson {
    pub(super) fn of(core: &Core, status: &Status) -> Self {
        let details = details::of(status)
            .into_iter()
            .map(|detail| DetailJson {
                r#type: detail.type_name().to_owned(),
                value: STANDARD_NO_PAD.encode(&detail.value),
                debug: debug(core, &detail),
            })
            .collect();
        // The names are those of gRPC in lower case, but for a spelling.
        let code = match status.code() {
            Code::Cancelled => "canceled".to_owned(),
            code => code.name().to_ascii_lowercase(),
        };
        Self {
            code,
            message: status.message().to_owned(),
            details,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Strings and lists of strings always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn debug(core: &Core, detail: &details::Detail) -> Option<Value> {
    let id = core
        .transcoder
        .schema()
        .message_by_name(detail.type_name())?;
    let mut json = Vec::new();
    core.transcoder
        .wire_to_json(id, &detail.value, &mut json, &core.options.write)
        .ok()?;
    serde_json::from_slice(&json).ok()
}
