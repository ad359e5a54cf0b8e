//! The form that a client wants a stream in, by its `accept` header.

use http::{HeaderMap, header};

/// How a stream of messages is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON array.
    Array,
    /// A line of JSON per message.
    Ndjson,
    /// Server-sent events (HTML, "Server-sent events").
    Sse,
    /// The bytes of `google.api.HttpBody`, as they are. No client chooses this:
    /// the contract does.
    Raw,
}

impl Form {
    /// The form that the client likes best; an array unless it says otherwise.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let mut best = (Self::Array, 0.0);
        let values = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
                .as_str()
            {
                "text/event-stream" => Self::Sse,
                "application/x-ndjson"
                | "application/ndjson"
                | "application/jsonl"
                | "application/x-jsonlines" => Self::Ndjson,
                "application/json" | "application/*" | "*/*" => Self::Array,
                _ => continue,
            };
            let weight = parts
                .find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok())
                .unwrap_or(1.0);
            if weight > best.1 {
                best = (form, weight);
            }
        }
        best.0
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
            Self::Raw => "application/octet-stream",
        }
    }
}

/// The number of the last event that a client has of a stream that was broken
/// off; 0 without one (HTML, "The `Last-Event-ID` header").
pub(super) fn last_event(headers: &HeaderMap) -> u64 {
    headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_best_liked_form_is_taken() {
        for (accept, form) in [
            ("*/*", Form::Array),
            ("text/html", Form::Array),
            ("text/event-stream", Form::Sse),
            ("application/json;q=0.5, application/x-ndjson", Form::Ndjson),
            ("application/json, text/event-stream;q=0.9", Form::Array),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::accepted(&headers), form, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Array);
    }
}
