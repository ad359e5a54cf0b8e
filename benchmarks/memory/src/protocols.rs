//! What a call costs the server over REST/JSON and over gRPC: processor time of
//! its process, for the same calls from as many connections.

use std::sync::Arc;

use anyhow::{Result, ensure};
use benchmark_report::{
    Verdict,
    figures::{median, short},
};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use portolan_memory::proto::{GetMemoryRequest, SearchVectorRequest, StoreMemoryRequest};
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    bench::{Bench, Client, connect},
    sample,
    server::Server,
    table::Row,
    writes,
};

/// Connections, each with one call at a time.
const CONNECTIONS: usize = 16;
const WARM_UP: usize = 50;
const ROUNDS: usize = 3;
/// As many as the demo's corpus, so that a search does not hide its protocol.
const MEMORIES: u64 = 2_000;
const GOAL: f64 = 1.5;

/// A row for each kind of call.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.folder("protocols")?;
    let server = bench.start(&folder)?;
    let calls = bench.runtime.block_on(calls(server.address()))?;
    let mut rows = Vec::new();
    for call in calls {
        rows.push(compare(bench, &server, call)?);
    }
    server.stop()?;
    Ok(rows)
}

fn compare(bench: &Bench, server: &Server, call: Call) -> Result<Row> {
    let call = Arc::new(call);
    let (mut rest, mut grpc) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (protocol, costs) in [(Protocol::Grpc, &mut grpc), (Protocol::Rest, &mut rest)] {
            costs.push(cost(bench, server, protocol, &call)?);
        }
    }
    let (rest, grpc) = (median(&rest), median(&grpc));
    let ratio = rest / grpc;
    Ok(Row {
        what: format!(
            "server CPU per 100,000 × {}, REST/JSON on HTTP/1.1, {CONNECTIONS} connections",
            call.name
        ),
        ours: format!("{} s", short(rest)),
        peer: format!("the same over gRPC: {} s", short(grpc)),
        ratio: format!("{ratio:.2}×"),
        goal: format!("≤ {GOAL}×"),
        verdict: Verdict::of(ratio <= GOAL),
    })
}

/// Seconds of the server's processor time for 100,000 of these calls.
fn cost(bench: &Bench, server: &Server, protocol: Protocol, call: &Arc<Call>) -> Result<f64> {
    bench.runtime.block_on(async {
        let mut callers = Vec::new();
        for _ in 0..CONNECTIONS {
            callers.push(Caller::connect(protocol, server.address()).await?);
        }
        let callers = run(callers, call, WARM_UP).await?;
        let each = call.count / CONNECTIONS;
        let before = server.processor_time()?;
        run(callers, call, each).await?;
        let used = server.processor_time()? - before;
        Ok(used * 1e5 / (each * CONNECTIONS) as f64)
    })
}

/// Has every caller make so many calls, one after the other, all at once.
async fn run(callers: Vec<Caller>, call: &Arc<Call>, each: usize) -> Result<Vec<Caller>> {
    let mut calling = JoinSet::new();
    for mut caller in callers {
        let call = Arc::clone(call);
        calling.spawn(async move {
            for _ in 0..each {
                caller.call(&call).await?;
            }
            anyhow::Ok(caller)
        });
    }
    let mut callers = Vec::new();
    while let Some(caller) = calling.join_next().await {
        callers.push(caller??);
    }
    Ok(callers)
}

/// One call, in both protocols.
struct Call {
    name: &'static str,
    /// How many are made in a round.
    count: usize,
    grpc: GrpcCall,
    method: Method,
    path: String,
    body: Bytes,
}

enum GrpcCall {
    Get(GetMemoryRequest),
    Store(StoreMemoryRequest),
    Search(SearchVectorRequest),
}

/// Fills the server, and gives the calls to it that are compared.
async fn calls(address: &str) -> Result<Vec<Call>> {
    writes::send(address, (0..MEMORIES).map(sample::memory).collect()).await?;
    let mut client = connect(address).await?;
    let whole = sample::memory(MEMORIES);
    let plain = StoreMemoryRequest {
        vector: Vec::new(),
        ..whole.clone()
    };
    let whole_id = client.store_memory(whole.clone()).await?.into_inner().id;
    let plain_id = client.store_memory(plain).await?.into_inner().id;
    let get = |name, id: String| Call {
        name,
        count: 24_000,
        method: Method::GET,
        path: format!("/v1/memories/{id}"),
        body: Bytes::new(),
        grpc: GrpcCall::Get(GetMemoryRequest { id }),
    };
    let search = SearchVectorRequest {
        vector: sample::query(0),
        limit: 5,
        ..SearchVectorRequest::default()
    };
    Ok(vec![
        get("`GetMemory` (without a vector)", plain_id),
        get("`GetMemory` (384 components)", whole_id),
        Call {
            name: "`SearchVector` (limit 5 of 2,000, answers with vectors)",
            count: 12_000,
            method: Method::POST,
            path: "/v1/memories:search".into(),
            body: body(&json!({"vector": search.vector, "limit": search.limit})),
            grpc: GrpcCall::Search(search),
        },
        // The last, since it adds what a search would find.
        Call {
            name: "`StoreMemory` (384 components, durable)",
            count: 12_000,
            method: Method::POST,
            path: "/v1/memories".into(),
            body: body(&json!({
                "content": whole.content,
                "metadata": whole.metadata,
                "vector": whole.vector,
            })),
            grpc: GrpcCall::Store(whole),
        },
    ])
}

fn body(value: &serde_json::Value) -> Bytes {
    value.to_string().into()
}

#[derive(Clone, Copy)]
enum Protocol {
    Grpc,
    Rest,
}

/// A client with one connection that is kept.
enum Caller {
    Grpc(Client),
    Rest {
        sender: SendRequest<Full<Bytes>>,
        host: String,
    },
}

impl Caller {
    async fn connect(protocol: Protocol, address: &str) -> Result<Self> {
        Ok(match protocol {
            Protocol::Grpc => Self::Grpc(connect(address).await?),
            Protocol::Rest => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                // Ends when its sender is dropped; an error reaches the caller
                // through the sender.
                tokio::spawn(connection);
                Self::Rest {
                    sender,
                    host: address.to_owned(),
                }
            }
        })
    }

    async fn call(&mut self, call: &Call) -> Result<()> {
        match self {
            Self::Grpc(client) => match &call.grpc {
                GrpcCall::Get(request) => drop(client.get_memory(request.clone()).await?),
                GrpcCall::Store(request) => drop(client.store_memory(request.clone()).await?),
                GrpcCall::Search(request) => drop(client.search_vector(request.clone()).await?),
            },
            Self::Rest { sender, host } => {
                let mut request = Request::builder()
                    .method(call.method.clone())
                    .uri(&call.path)
                    .header(header::HOST, host.as_str());
                if !call.body.is_empty() {
                    request = request.header(header::CONTENT_TYPE, "application/json");
                }
                let request = request.body(Full::new(call.body.clone()))?;
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                ensure!(
                    status.is_success() && body.starts_with(b"{"),
                    "{} {} answered {status}: {}",
                    call.method,
                    call.path,
                    String::from_utf8_lossy(&body)
                );
            }
        }
        Ok(())
    }
}
