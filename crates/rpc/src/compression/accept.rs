//! Which encoding an answer gets, by what its client says it takes.
//!
//! HTTP has weights ([`weighed`]); gRPC and Connect list the encodings of their
//! messages in the order of the client's liking ([`listed`]).

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::Encoding;

/// What is written most gladly, among what a client likes as well.
const LIKED: [Encoding; 5] = [
    Encoding::Zstd,
    Encoding::Brotli,
    Encoding::Gzip,
    Encoding::Deflate,
    Encoding::Snappy,
];

/// The encoding for a header such as `accept-encoding` (RFC 9110 §12.5.3): of
/// the heaviest ones the one that is written most gladly. Identity is as good as
/// any for a client that does not ask for more, and what is left when it refuses
/// everything.
#[must_use]
pub fn weighed(headers: &HeaderMap, header: &HeaderName) -> Encoding {
    let mut weights: [Option<u16>; LIKED.len()] = [None; LIKED.len()];
    let (mut identity, mut others) = (None, None);
    for item in items(headers, header) {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let coding = coding.trim();
        let weight = weight(parameters);
        if coding == "*" {
            others = Some(weight);
            continue;
        }
        match Encoding::from_name(coding.as_bytes()) {
            Some(Encoding::Identity) => identity = Some(weight),
            Some(encoding) => {
                for (place, liked) in weights.iter_mut().zip(LIKED) {
                    if liked == encoding {
                        *place = Some(weight);
                    }
                }
            }
            None => {}
        }
    }
    // `*` speaks for what is not named, and snappy is no coding of HTTP's that
    // a client could mean by it.
    let best = weights
        .into_iter()
        .zip(LIKED)
        .map(|(weight, encoding)| {
            let unnamed = others.filter(|_| encoding != Encoding::Snappy);
            (weight.or(unnamed).unwrap_or(0), encoding)
        })
        // Of several, `max_by_key` gives the last.
        .rev()
        .max_by_key(|(weight, _)| *weight);
    match best {
        Some((weight, encoding)) if weight > 0 && identity.is_none_or(|own| own <= weight) => {
            encoding
        }
        _ => Encoding::Identity,
    }
}

/// The encoding for a header such as `grpc-accept-encoding` or
/// `connect-accept-encoding`: the first one in the list that is spoken here.
///
/// Clients of gRPC's C core and of Node list all that they can read behind
/// `identity` in every call, without wishing for it; they get their messages as
/// they are.
#[must_use]
pub fn listed(headers: &HeaderMap, header: &HeaderName) -> Encoding {
    items(headers, header)
        .find_map(|item| {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let encoding = Encoding::from_name(coding.trim().as_bytes());
            encoding.filter(|_| weight(parameters) > 0)
        })
        .unwrap_or(Encoding::Identity)
}

/// The members of a list (RFC 9110 §5.6.1).
fn items<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value: &'a HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// A weight in thousandths (RFC 9110 §12.4.2); one that cannot be read is none
/// at all.
fn weight(parameters: &str) -> u16 {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_weight = name.trim().eq_ignore_ascii_case("q");
        is_weight.then(|| value.trim().parse::<f32>().ok())
    });
    match weight {
        None => 1000,
        Some(Some(weight)) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u16,
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn weights_are_heeded() {
        for (values, encoding) in [
            (&[][..], Encoding::Identity),
            (&[""], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["x-gzip"], Encoding::Gzip),
            (&["br;q=0.1, GZIP;q=0.5"], Encoding::Gzip),
            (&["br;q=1.0, gzip;q=0.5"], Encoding::Brotli),
            (&["gzip;q=0"], Encoding::Identity),
            (&["gzip;q=0.000, identity"], Encoding::Identity),
            (&["gzip, deflate, br, zstd"], Encoding::Zstd),
            (&["gzip, deflate, br"], Encoding::Brotli),
            (&["deflate"], Encoding::Deflate),
            (&["snappy"], Encoding::Snappy),
            (&["lz4"], Encoding::Identity),
            (&["gzip", "zstd"], Encoding::Zstd),
            (&["*"], Encoding::Zstd),
            (&["*;q=0"], Encoding::Identity),
            (&["zstd;q=0, *;q=0.3"], Encoding::Brotli),
            (&["*;q=0.3, gzip"], Encoding::Gzip),
            (&["identity, gzip;q=0.9"], Encoding::Identity),
            (&["identity;q=0.5, gzip;q=0.9"], Encoding::Gzip),
            (&["identity, gzip"], Encoding::Gzip),
            (&["identity;q=0"], Encoding::Identity),
            (&["gzip;q=2"], Encoding::Identity),
            (&["gzip;q=x"], Encoding::Identity),
            (&["gzip ; Q=0.2 "], Encoding::Gzip),
        ] {
            let chosen = weighed(&headers(values), &ACCEPT_ENCODING);
            assert_eq!(chosen, encoding, "{values:?}");
        }
    }

    #[test]
    fn what_comes_first_is_preferred() {
        for (values, encoding) in [
            (&[][..], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["lz4,br,gzip"], Encoding::Brotli),
            (&["identity, deflate, gzip"], Encoding::Identity),
            (&["gzip, identity"], Encoding::Gzip),
            (&["lz4", "snappy"], Encoding::Snappy),
            (&["gzip;q=0, zstd"], Encoding::Zstd),
        ] {
            let chosen = listed(&headers(values), &ACCEPT_ENCODING);
            assert_eq!(chosen, encoding, "{values:?}");
        }
    }
}
