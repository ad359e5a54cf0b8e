//! An answer to HEAD is the head of the answer to GET (RFC 9110 §9.3.2). On
//! HTTP/2 nobody below leaves the body out.

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::Body;

/// The response without its body, whose length it still tells when known.
pub(crate) fn without_body<B, E>(response: Response<B>) -> Response<E>
where
    B: Body,
    E: Default,
{
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
    }
    Response::from_parts(head, E::default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    #[test]
    fn the_length_stays() {
        let response: Response<Empty<Bytes>> =
            without_body(Response::new(Full::<Bytes>::from("four")));
        assert_eq!(response.headers()[CONTENT_LENGTH], "4");
        assert!(response.body().is_end_stream());
    }
}
