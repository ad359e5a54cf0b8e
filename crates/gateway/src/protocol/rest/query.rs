//! Query strings as fields: `page_size=5`, `filter.name=x`, `tags=a&tags=b`,
//! `labels[env]=prod`.

use percent_encoding::percent_decode_str;
use portolan_schema::MessageId;

use crate::protocol::Core;
use crate::protocol::codec::invalid;
use crate::{Code, Status};

/// Appends what a query string says of the message, in wire format.
pub(super) fn write(
    core: &Core,
    message: MessageId,
    query: &str,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = path(&decode(key)?);
        let value = decode(value)?;
        match core
            .transcoder
            .text_to_field(message, &path, &value, out, &core.options.read)
        {
            Err(error)
                if core.options.read.ignore_unknown
                    && matches!(
                        error.problem(),
                        portolan_transcode::Problem::UnknownField { .. }
                    ) => {}
            result => result.map_err(|error| invalid(&error))?,
        }
    }
    Ok(())
}

/// The field path of a key: names between dots, keys of maps in brackets.
fn path(key: &str) -> Vec<String> {
    let (names, brackets) = key.split_at(key.find('[').unwrap_or(key.len()));
    let mut path: Vec<String> = names.split('.').map(str::to_owned).collect();
    let mut rest = brackets;
    while let Some((inner, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        path.push(inner.to_owned());
        rest = after;
    }
    path
}

/// A key or value as it was meant (WHATWG URL, "application/x-www-form-urlencoded parsing").
fn decode(text: &str) -> Result<String, Status> {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| {
            let message = format!("`{text}` in the query is not UTF-8 in percent-encoding");
            Status::new(Code::InvalidArgument, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths() {
        assert_eq!(path("a.b.c"), ["a", "b", "c"]);
        assert_eq!(path("labels[a.b]"), ["labels", "a.b"]);
        assert_eq!(path("x.labels[k]"), ["x", "labels", "k"]);
        assert_eq!(path("labels[torn"), ["labels"]);
        assert_eq!(decode("a%20b+c%26").unwrap(), "a b c&");
        assert!(decode("%ff").is_err());
    }
}
