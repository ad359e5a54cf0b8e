//! A client that is a measuring instrument: it makes one call again and again
//! over a connection of its own, and takes as little as it can of the processor
//! that it shares with the server. The message is encoded once, no type of a
//! generated client is between it and HTTP/2, and connection and calls are one
//! task. What comes back is read to its end, and its status is looked at.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Connection, SendRequest};
use http::{HeaderValue, Request, StatusCode, header};
use prost::Message;
use tokio::net::TcpStream;

/// A call that is made many times.
#[derive(Clone)]
pub(crate) struct Call {
    head: Request<()>,
    body: Bytes,
}

impl Call {
    /// A call of this method, such as `package.Service/Method`, of the server at
    /// this address.
    pub(crate) fn new(address: &str, method: &str, message: &impl Message) -> Result<Self> {
        let head = Request::post(format!("http://{address}/{method}"))
            .header(header::TE, HeaderValue::from_static("trailers"))
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/grpc"),
            )
            .body(())?;
        let length = message.encoded_len();
        let mut body = BytesMut::with_capacity(5 + length);
        body.put_u8(0);
        body.put_u32(u32::try_from(length)?);
        message.encode(&mut body)?;
        Ok(Self {
            head,
            body: body.freeze(),
        })
    }
}

/// A connection with one call at a time.
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    connection: Connection<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        Ok(Self { sender, connection })
    }

    /// Makes the call as long as `goes_on` says so, one after the other, and says
    /// how often that was.
    pub(crate) async fn repeat(
        &mut self,
        call: &Call,
        mut goes_on: impl FnMut(u64) -> bool,
    ) -> Result<u64> {
        let Self { sender, connection } = self;
        let mut calls = pin!(async {
            let mut made = 0;
            while goes_on(made) {
                answer(sender, call).await?;
                made += 1;
            }
            anyhow::Ok(made)
        });
        // One task for both: no waking from one thread to another.
        poll_fn(|context| {
            if let Poll::Ready(made) = calls.as_mut().poll(context) {
                return Poll::Ready(made);
            }
            match Pin::new(&mut *connection).poll(context) {
                Poll::Ready(Ok(())) => Poll::Ready(Err(anyhow::anyhow!("the server went away"))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Makes one call, and fails unless its status is OK and it has one message.
async fn answer(sender: &mut SendRequest<Bytes>, call: &Call) -> Result<()> {
    poll_fn(|context| sender.poll_ready(context)).await?;
    let (response, mut request) = sender.send_request(call.head.clone(), false)?;
    request.send_data(call.body.clone(), true)?;
    let (head, mut body) = response.await?.into_parts();
    ensure!(head.status == StatusCode::OK, "answered {}", head.status);
    let mut received = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        received += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?;
    let end = trailers.as_ref().unwrap_or(&head.headers);
    let status = end.get("grpc-status").context("there is no status")?;
    if status != "0" || received == 0 {
        bail!("status {status:?} after {received} bytes: {end:?}");
    }
    Ok(())
}
