//! One of the suite's own servers, which is to answer behind the gateway.

use std::io::Cursor;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::messages::{self, ServerRequest, ServerResponse};

/// The protocol and the HTTP of the suite's gRPC.
const GRPC: i32 = 2;
const HTTP_2: i32 = 2;

/// A server of the suite that speaks gRPC in the clear. It ends with this.
pub(crate) struct Upstream {
    _process: Child,
    url: String,
}

impl Upstream {
    /// Starts the program as the runner would, with this limit.
    pub(crate) async fn start(program: &Path, message_receive_limit: u32) -> Result<Self> {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let (Some(mut input), Some(mut output)) = (process.stdin.take(), process.stdout.take())
        else {
            bail!("{} has no standard input and output", program.display());
        };
        let mut request = Vec::new();
        let wanted = ServerRequest {
            protocol: GRPC,
            http_version: HTTP_2,
            message_receive_limit,
            ..ServerRequest::default()
        };
        messages::write(&mut request, &wanted)?;
        input.write_all(&request).await?;
        drop(input);
        // The length, and behind it as many bytes.
        let mut response = vec![0; 4];
        output.read_exact(&mut response).await?;
        let length = messages::length(&response)?;
        response.resize(4 + length, 0);
        output.read_exact(&mut response[4..]).await?;
        let response: ServerResponse = messages::read(&mut Cursor::new(response))?;
        Ok(Self {
            _process: process,
            url: format!("http://{}:{}", response.host, response.port),
        })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
