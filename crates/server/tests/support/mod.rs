//! A running server to talk to, and clients of both kinds of HTTP.
#![allow(dead_code, reason = "every test file uses its own part")]

pub(crate) mod http2;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use portolan_server::{Drained, Listener, RequestBody, Server};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_service::Service;

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
}

impl Running {
    /// Serves on a port that the system chooses.
    pub(crate) fn start<S, B>(server: Server<S>) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::start_on(server, listener)
    }

    /// Serves on this listener, which has a port.
    pub(crate) fn start_on<S, B>(server: Server<S>, listener: Listener) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let address = listener.address().socket().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(server.listen(listener).serve(shutdown));
        Self {
            address,
            stop: Some(stop),
            served,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Begins the end.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the end, which must come in the time.
    pub(crate) async fn drained(mut self, within: Duration) -> Drained {
        self.stop();
        tokio::time::timeout(within, self.served)
            .await
            .expect("the server ends in time")
            .unwrap()
    }
}

pub(crate) fn http1() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) fn http2() -> HttpClient {
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http()
}

pub(crate) fn get(url: &str) -> Request<Full<Bytes>> {
    Request::builder().uri(url).body(Full::default()).unwrap()
}

pub(crate) async fn text<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
