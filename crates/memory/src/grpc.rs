//! The services of the contract over [`Memories`]: messages and metadata in,
//! messages and statuses out. What the operations mean is not decided here.

pub(crate) mod codec;

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Instant};

use futures_core::Stream;
use futures_util::StreamExt;
use portolan_sqlite::Fault;
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap};

use crate::{
    batch::{Batch, BatchOutcome},
    embedding::Vector,
    error::{Error, Invalid},
    memories::{Memories, VectorSearch},
    memory::{Found, Memory, NewMemory},
    names::{BatchId, Namespace},
    proto::{self, memory_service_server::MemoryService, metrics_server::Metrics},
    search::{Filters, Limit, Threshold},
};

/// The request metadata that names the namespace of a call.
pub const NAMESPACE: &str = "x-namespace";

/// The request metadata that names a batch, so that it can be sent again.
pub const BATCH_ID: &str = "x-batch-id";

/// `somafractalmemory.v1.MemoryService`.
#[derive(Clone)]
pub struct MemoryGrpc {
    memories: Memories,
}

impl MemoryGrpc {
    /// Serves these memories.
    #[must_use]
    pub fn new(memories: Memories) -> Self {
        Self { memories }
    }
}

#[tonic::async_trait]
impl MemoryService for MemoryGrpc {
    type StreamMemoriesStream = Pin<Box<dyn Stream<Item = Result<proto::Memory, Status>> + Send>>;

    async fn store_memory(
        &self,
        request: Request<proto::StoreMemoryRequest>,
    ) -> Result<Response<proto::Memory>, Status> {
        let namespace = namespace(request.metadata())?;
        let memory = new_memory(request.into_inner())?;
        let memory = self.memories.store(&namespace, memory).await?;
        Ok(Response::new(memory.into()))
    }

    async fn get_memory(
        &self,
        request: Request<proto::GetMemoryRequest>,
    ) -> Result<Response<proto::Memory>, Status> {
        let namespace = namespace(request.metadata())?;
        let memory = self.memories.get(&namespace, &request.get_ref().id).await?;
        Ok(Response::new(memory.into()))
    }

    async fn delete_memory(
        &self,
        request: Request<proto::DeleteMemoryRequest>,
    ) -> Result<Response<()>, Status> {
        let namespace = namespace(request.metadata())?;
        self.memories
            .delete(&namespace, &request.get_ref().id)
            .await?;
        Ok(Response::new(()))
    }

    async fn search_vector(
        &self,
        request: Request<proto::SearchVectorRequest>,
    ) -> Result<Response<proto::SearchVectorResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let Some(vector) = vector(request.vector)? else {
            return Err(self.memories.no_vector(&namespace).await?.into());
        };
        let search = VectorSearch {
            vector,
            limit: Limit::new(request.limit)?,
            threshold: Threshold::new(request.threshold)?,
            filters: Filters::new(request.filters)?,
            exact: request.exact,
        };
        let found = self.memories.search_vector(&namespace, search).await?;
        Ok(Response::new(vector_response(found)))
    }

    async fn search_text(
        &self,
        request: Request<proto::SearchTextRequest>,
    ) -> Result<Response<proto::SearchTextResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let limit = Limit::new(request.limit)?;
        let filters = Filters::new(request.filters)?;
        let found = self
            .memories
            .search_text(&namespace, &request.query, limit, filters)
            .await?;
        let proto::SearchVectorResponse { memories, scores } = vector_response(found);
        Ok(Response::new(proto::SearchTextResponse {
            memories,
            scores,
        }))
    }

    async fn search_hybrid(
        &self,
        request: Request<proto::SearchHybridRequest>,
    ) -> Result<Response<proto::SearchVectorResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let vector = vector(request.vector)?;
        let limit = Limit::new(request.limit)?;
        let filters = Filters::new(request.filters)?;
        let found = self
            .memories
            .search_hybrid(&namespace, &request.query, vector, limit, filters)
            .await?;
        Ok(Response::new(vector_response(found)))
    }

    async fn stream_memories(
        &self,
        request: Request<proto::StreamMemoriesRequest>,
    ) -> Result<Response<Self::StreamMemoriesStream>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let filters = Filters::new(request.filters)?;
        let memories = self
            .memories
            .stream(&namespace, &request.query, filters)
            .await?;
        let memories = memories.map(|memory| match memory {
            Ok(memory) => Ok(memory.into()),
            Err(error) => Err(error.into()),
        });
        Ok(Response::new(Box::pin(memories)))
    }

    /// Without `x-batch-id`, a batch that breaks off keeps the chunks that
    /// were stored before. With it, the client sends the same items again
    /// under the same id: those that are stored are passed over, and the
    /// answer is about the whole batch.
    async fn batch_store_memories(
        &self,
        request: Request<Streaming<proto::StoreMemoryRequest>>,
    ) -> Result<Response<proto::BatchStoreMemoriesResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let id = batch_id(request.metadata())?;
        let batch = self.memories.batch(&namespace, id).await?;
        let outcome = store_all(batch, request.into_inner()).await?;
        Ok(Response::new(outcome.try_into()?))
    }
}

async fn store_all(
    mut batch: Batch,
    mut items: Streaming<proto::StoreMemoryRequest>,
) -> Result<BatchOutcome, Status> {
    while let Some(item) = items.message().await? {
        batch.push(new_memory(item)).await?;
    }
    Ok(batch.finish().await?)
}

/// What a server knows of the calls it has answered. Whoever runs the services
/// gives this to [`MetricsGrpc`].
pub trait CallStatistics: Send + Sync {
    /// Figures for each method that was called.
    fn methods(&self) -> Vec<MethodStatistics>;
}

/// Figures of a method since the server started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodStatistics {
    /// The method, as `package.Service/Method`.
    pub method: String,
    /// How often it was called.
    pub calls: i64,
    /// How often each status was answered, by its name, such as `OK`.
    pub codes: BTreeMap<String, i64>,
    /// The median duration in milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile of the duration in milliseconds.
    pub p95_ms: f64,
    /// The 99th percentile of the duration in milliseconds.
    pub p99_ms: f64,
}

/// `somafractalmemory.v1.Metrics`.
#[derive(Clone)]
pub struct MetricsGrpc {
    memories: Memories,
    calls: Arc<dyn CallStatistics>,
    started: Instant,
}

impl MetricsGrpc {
    /// Serves the figures of these memories and calls; the uptime counts from
    /// now.
    #[must_use]
    pub fn new(memories: Memories, calls: Arc<dyn CallStatistics>) -> Self {
        Self {
            memories,
            calls,
            started: Instant::now(),
        }
    }
}

#[tonic::async_trait]
impl Metrics for MetricsGrpc {
    async fn get_metrics(
        &self,
        request: Request<proto::GetMetricsRequest>,
    ) -> Result<Response<proto::GetMetricsResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let figures = self.memories.figures(&namespace).await?;
        Ok(Response::new(proto::GetMetricsResponse {
            memories_total: figures.memories.cast_signed(),
            vectors_total: figures.vectors.cast_signed(),
            dimension: figures
                .dimension
                .map_or(0, |dimension| dimension.components() as i32),
            disk_bytes: figures.disk_bytes.cast_signed(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            methods: self.calls.methods().into_iter().map(Into::into).collect(),
        }))
    }
}

fn namespace(metadata: &MetadataMap) -> Result<Namespace, Error> {
    match metadata.get(NAMESPACE) {
        None => Ok(Namespace::default()),
        Some(name) => {
            let name = name.to_str().map_err(|_| Invalid::Namespace)?;
            Ok(Namespace::new(name)?)
        }
    }
}

fn batch_id(metadata: &MetadataMap) -> Result<Option<BatchId>, Error> {
    match metadata.get(BATCH_ID) {
        None => Ok(None),
        Some(id) => {
            let id = id.to_str().map_err(|_| Invalid::BatchId)?;
            Ok(Some(BatchId::new(id)?))
        }
    }
}

fn new_memory(request: proto::StoreMemoryRequest) -> Result<NewMemory, Invalid> {
    Ok(NewMemory {
        content: request.content,
        metadata: request.metadata,
        vector: vector(request.vector)?,
    })
}

/// The contract has no presence for vectors: an empty one is none.
fn vector(components: Vec<f32>) -> Result<Option<Vector>, Invalid> {
    match components.is_empty() {
        true => Ok(None),
        false => Vector::new(components).map(Some),
    }
}

fn vector_response(found: Vec<Found>) -> proto::SearchVectorResponse {
    let (memories, scores) = found
        .into_iter()
        .map(|found| (found.memory.into(), found.score))
        .unzip();
    proto::SearchVectorResponse { memories, scores }
}

impl From<Memory> for proto::Memory {
    fn from(memory: Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            content: memory.content,
            metadata: memory.metadata,
            vector: memory.vector,
            created_at: memory.created_at.to_string(),
        }
    }
}

impl From<MethodStatistics> for proto::MethodMetrics {
    fn from(method: MethodStatistics) -> Self {
        Self {
            method: method.method,
            calls: method.calls,
            codes: method.codes,
            p50_ms: method.p50_ms,
            p95_ms: method.p95_ms,
            p99_ms: method.p99_ms,
        }
    }
}

impl TryFrom<BatchOutcome> for proto::BatchStoreMemoriesResponse {
    type Error = Status;

    fn try_from(outcome: BatchOutcome) -> Result<Self, Status> {
        let count = |number: u64| {
            i32::try_from(number)
                .map_err(|_| Status::out_of_range("the batch is too long for its answer"))
        };
        Ok(Self {
            stored_count: count(outcome.ids.len() as u64)?,
            ids: outcome.ids.iter().map(ToString::to_string).collect(),
            failures: outcome
                .failures
                .into_iter()
                .map(|failure| {
                    Ok(proto::BatchStoreFailure {
                        index: count(failure.index)?,
                        // An item is refused for being invalid, and for
                        // nothing else.
                        code: Code::InvalidArgument as i32,
                        message: failure.message,
                    })
                })
                .collect::<Result<_, Status>>()?,
        })
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Invalid(_) => Code::InvalidArgument,
            Error::NotFound => Code::NotFound,
            Error::BatchInUse(_) => Code::Aborted,
            Error::BatchTooLong { .. } | Error::BatchAnswerFull { .. } => Code::OutOfRange,
            Error::SearchAnswerFull { .. }
            | Error::TooManyStreams { .. }
            | Error::TooManyNamespaces { .. }
            | Error::Store(Fault::Full { .. }) => Code::ResourceExhausted,
            Error::Closed => Code::Unavailable,
            Error::Store(Fault::Damaged { .. }) => Code::DataLoss,
            Error::OtherDimension { .. } | Error::Store(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_their_status_and_one_line() {
        let folder = std::path::PathBuf::from("/data");
        for (error, code, message) in [
            (
                Error::from(Fault::Full {
                    folder: folder.clone(),
                }),
                Code::ResourceExhausted,
                "disk is full: cannot write to data folder /data; free some space and try again",
            ),
            (
                Error::from(Fault::Engine {
                    folder: folder.clone(),
                    store: "memory",
                    source: Arc::new(std::io::Error::other("disk I/O error")),
                }),
                Code::Internal,
                "the memory store in /data failed: disk I/O error",
            ),
            (
                Error::from(Fault::Damaged {
                    file: folder.join("memory.db"),
                    reason: "malformed".into(),
                }),
                Code::DataLoss,
                "/data/memory.db is damaged (malformed); restore it from a backup or choose \
                 another data folder with --data",
            ),
            (
                Error::TooManyStreams { open: 256 },
                Code::ResourceExhausted,
                "256 streams are open already; try again when one of them has ended",
            ),
            (
                Error::BatchTooLong { max: 7 },
                Code::OutOfRange,
                "a batch has at most 7 items; begin another one",
            ),
        ] {
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (code, message));
        }
    }
}
