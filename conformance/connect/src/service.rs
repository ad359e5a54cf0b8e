//! The suite's service: it answers what each request tells it to, and says what
//! it saw of the call. A tonic service like any other, which knows gRPC only.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use portolan_rpc::Deadline;
use prost::{Message, Name};
use prost_types::Any;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};

use crate::asked::Asked;
use crate::messages::{
    Answer, BidiRequest, Error, GetInfo, Header, Payload, RequestInfo, StreamDefinition,
    StreamRequest, UnaryDefinition, UnaryOutcome, UnaryRequest, pack,
};

mod generated {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "written by the build script"
    )]
    include!(concat!(
        env!("OUT_DIR"),
        "/connectrpc.conformance.v1.ConformanceService.rs"
    ));
}

use generated::conformance_service_server::ConformanceService;
pub(crate) use generated::conformance_service_server::ConformanceServiceServer;

/// The answers of a call.
type Answers = Pin<Box<dyn Stream<Item = Result<Answer, Status>> + Send>>;

/// The suite's service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conformance;

#[async_trait]
impl ConformanceService for Conformance {
    type UnaryStream = Answers;
    type IdempotentUnaryStream = Answers;
    type UnimplementedStream = Answers;
    type ServerStreamStream = Answers;
    type ClientStreamStream = Answers;
    type BidiStreamStream = Answers;

    async fn unary(&self, request: Request<UnaryRequest>) -> Result<Response<Answers>, Status> {
        one(request, "UnaryRequest")
    }

    async fn idempotent_unary(
        &self,
        request: Request<UnaryRequest>,
    ) -> Result<Response<Answers>, Status> {
        one(request, "IdempotentUnaryRequest")
    }

    async fn unimplemented(
        &self,
        _request: Request<UnaryRequest>,
    ) -> Result<Response<Answers>, Status> {
        Err(Status::unimplemented("this method is not implemented"))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<UnaryRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut info = info(&request);
        let mut stream = request.into_inner();
        let mut definition = None;
        while let Some(message) = stream.message().await? {
            info.requests.push(pack("ClientStreamRequest", &message));
            if info.requests.len() == 1 {
                definition = message.response_definition;
            }
        }
        answer(from_unary(definition), info, None)
    }

    async fn server_stream(
        &self,
        request: Request<StreamRequest>,
    ) -> Result<Response<Answers>, Status> {
        let mut info = info(&request);
        let message = request.into_inner();
        info.requests.push(pack("ServerStreamRequest", &message));
        answer(message.response_definition.unwrap_or_default(), info, None)
    }

    async fn bidi_stream(
        &self,
        request: Request<Streaming<BidiRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut info = info(&request);
        let mut stream = request.into_inner();
        let Some(first) = stream.message().await? else {
            return answer(StreamDefinition::default(), info, None);
        };
        info.requests.push(pack("BidiStreamRequest", &first));
        let definition = first.response_definition.unwrap_or_default();
        if first.full_duplex {
            return answer(definition, info, Some(stream));
        }
        while let Some(message) = stream.message().await? {
            info.requests.push(pack("BidiStreamRequest", &message));
        }
        answer(definition, info, None)
    }
}

/// Answers a call of one request and one answer.
fn one(request: Request<UnaryRequest>, name: &str) -> Result<Response<Answers>, Status> {
    let mut info = info(&request);
    let message = request.into_inner();
    info.requests.push(pack(name, &message));
    answer(from_unary(message.response_definition), info, None)
}

/// The same as a stream: one answer, or an error instead.
fn from_unary(definition: Option<UnaryDefinition>) -> StreamDefinition {
    let definition = definition.unwrap_or_default();
    let (response_data, error) = match definition.response {
        Some(UnaryOutcome::Error(error)) => (Vec::new(), Some(error)),
        Some(UnaryOutcome::ResponseData(data)) => (vec![data], None),
        None => (vec![Bytes::new()], None),
    };
    StreamDefinition {
        response_headers: definition.response_headers,
        response_data,
        response_delay_ms: definition.response_delay_ms,
        error,
        response_trailers: definition.response_trailers,
    }
}

/// What can be seen of a call before its messages.
fn info<T>(request: &Request<T>) -> RequestInfo {
    let headers = request.metadata().clone().into_headers();
    let timeout = Deadline::from_grpc(&headers)
        .ok()
        .and_then(Deadline::remaining);
    let names = headers.keys().map(|name| Header {
        name: name.as_str().to_owned(),
        value: headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect(),
    });
    RequestInfo {
        request_headers: names.collect(),
        timeout_ms: timeout.and_then(|timeout| i64::try_from(timeout.as_millis()).ok()),
        requests: Vec::new(),
        connect_get_info: request
            .extensions()
            .get::<Asked>()
            .and_then(Asked::query)
            .map(|query_params| GetInfo { query_params }),
    }
}

/// The response to a call: headers at once, then what is asked for.
fn answer(
    definition: StreamDefinition,
    info: RequestInfo,
    requests: Option<Streaming<BidiRequest>>,
) -> Result<Response<Answers>, Status> {
    let call = Call {
        requests,
        waits: false,
        info: Some(info),
        seen: Vec::new(),
        data: definition.response_data.into(),
        delay: Duration::from_millis(definition.response_delay_ms.into()),
        end: Some((definition.error, metadata(&definition.response_trailers)?)),
    };
    let answers = futures_util::stream::unfold(call, |mut call| async move {
        let next = call.next().await?;
        Some((next, call))
    });
    let mut response = Response::new(answers.boxed());
    *response.metadata_mut() = metadata(&definition.response_headers)?;
    Ok(response)
}

/// A call whose answers flow.
struct Call {
    /// The rest of the requests, one of which each answer waits for.
    requests: Option<Streaming<BidiRequest>>,
    /// Whether the next answer has to wait for one: the first does not.
    waits: bool,
    /// Until it is told.
    info: Option<RequestInfo>,
    /// The requests since the last answer.
    seen: Vec<Any>,
    data: VecDeque<Bytes>,
    delay: Duration,
    /// How the call ends, until it has.
    end: Option<(Option<Error>, MetadataMap)>,
}

impl Call {
    /// The next answer; an error is the end.
    async fn next(&mut self) -> Option<Result<Answer, Status>> {
        if self.waits
            && let Some(requests) = &mut self.requests
        {
            match requests.message().await {
                Ok(Some(message)) => self.seen.push(pack("BidiStreamRequest", &message)),
                Ok(None) => self.requests = None,
                Err(status) => {
                    self.end = None;
                    return Some(Err(status));
                }
            }
        }
        self.waits = true;
        if !self.delay.is_zero() && (!self.data.is_empty() || self.info.is_some()) {
            tokio::time::sleep(self.delay).await;
        }
        let Some(data) = self.data.pop_front() else {
            return self.end();
        };
        let seen = std::mem::take(&mut self.seen);
        let later = self.requests.is_some().then(|| RequestInfo {
            requests: seen,
            ..RequestInfo::default()
        });
        let request_info = self.info.take().or(later);
        Some(Ok(Answer {
            payload: Some(Payload { data, request_info }),
        }))
    }

    /// The status and the trailers, which tonic takes as an error in any case.
    fn end(&mut self) -> Option<Result<Answer, Status>> {
        let (error, trailers) = self.end.take()?;
        let Some(error) = error else {
            return Some(Err(Status::with_metadata(Code::Ok, "", trailers)));
        };
        let mut details = error.details;
        if let Some(info) = self.info.take() {
            details.push(pack(RequestInfo::NAME, &info));
        }
        let message = error.message.unwrap_or_default();
        let status = GoogleStatus {
            code: error.code,
            message: message.clone(),
            details,
        };
        Some(Err(Status::with_details_and_metadata(
            Code::from(error.code),
            message,
            status.encode_to_vec().into(),
            trailers,
        )))
    }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct GoogleStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// Headers of the contract as metadata.
fn metadata(headers: &[Header]) -> Result<MetadataMap, Status> {
    let mut map = http::HeaderMap::new();
    for header in headers {
        let name: http::HeaderName = header
            .name
            .parse()
            .map_err(|_| Status::invalid_argument("a header has no valid name"))?;
        for value in &header.value {
            let value = value
                .parse()
                .map_err(|_| Status::invalid_argument("a header has no valid value"))?;
            map.append(&name, value);
        }
    }
    Ok(MetadataMap::from_headers(map))
}
