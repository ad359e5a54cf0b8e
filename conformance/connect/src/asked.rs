//! What a request looked like before the gateway made a call of it, for the
//! suite wants to know of a GET.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use http::{Method, Request, Uri};
use tower::Service;

use crate::messages::Header;

/// The method and the address of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
}

impl Asked {
    /// The parameters of the query, if this was a GET.
    pub(crate) fn query(&self) -> Option<Vec<Header>> {
        if self.method != Method::GET {
            return None;
        }
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let pairs = self.uri.query().unwrap_or_default().split('&');
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            parameters
                .entry(name.to_owned())
                .or_default()
                .push(decoded(value));
        }
        let parameters = parameters
            .into_iter()
            .map(|(name, value)| Header { name, value });
        Some(parameters.collect())
    }
}

/// Puts [`Asked`] into every request.
#[derive(Clone, Debug)]
pub(crate) struct Witness<S>(pub(crate) S);

impl<S, B> Service<Request<B>> for Witness<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let asked = Asked {
            method: request.method().clone(),
            uri: request.uri().clone(),
        };
        request.extensions_mut().insert(asked);
        self.0.call(request)
    }
}

fn decoded(value: &str) -> String {
    let value = value.replace('+', " ");
    percent_encoding::percent_decode_str(&value)
        .decode_utf8_lossy()
        .into_owned()
}
