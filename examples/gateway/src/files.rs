//! Files, sent in pieces as fast as the client takes them.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::proto::files::file_service_server::FileService;
use crate::proto::files::{FileChunk, FileRequest};

/// How many bytes a piece has.
const CHUNK: usize = 64 * 1024;

/// Has one file, `numbers.bin`, of so many bytes: each is its position, modulo
/// 251.
#[derive(Clone, Copy, Debug)]
pub struct Files {
    /// The size of the file in bytes.
    pub size: usize,
}

#[tonic::async_trait]
impl FileService for Files {
    type DownloadFileStream = Pin<Box<dyn Stream<Item = Result<FileChunk, Status>> + Send>>;

    async fn download_file(
        &self,
        request: Request<FileRequest>,
    ) -> Result<Response<Self::DownloadFileStream>, Status> {
        let FileRequest { name } = request.into_inner();
        if name != "numbers.bin" {
            return Err(Status::not_found(format!("there is no file `{name}`")));
        }
        let size = self.size;
        // A piece is made when it is wanted: one is in memory, not the file.
        let chunks = (0..size).step_by(CHUNK).map(move |begin| {
            let bytes = begin..size.min(begin + CHUNK);
            Ok(FileChunk {
                offset: i64::try_from(begin).map_err(|_| Status::out_of_range("too large"))?,
                data: bytes.map(|position| (position % 251) as u8).collect(),
            })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}
