//! `UploadUserData`.

use std::fs;

use portolan_users::proto::users::v1::{
    UploadDataChunk, UploadMetadata, UploadUserDataResponse, upload_data_chunk::Data,
};
use tokio_stream::iter;
use tonic::{Code, Status};

use crate::served::{Served, assert_status, feed, serve, violations};

fn metadata(size: i64) -> UploadDataChunk {
    UploadDataChunk {
        data: Some(Data::Metadata(UploadMetadata {
            filename: "a.bin".into(),
            total_size: size,
            content_type: "application/octet-stream".into(),
        })),
    }
}

fn chunk(bytes: &[u8]) -> UploadDataChunk {
    UploadDataChunk {
        data: Some(Data::Chunk(bytes.into())),
    }
}

async fn upload(
    served: &Served,
    parts: Vec<UploadDataChunk>,
) -> Result<UploadUserDataResponse, Status> {
    let response = served.users.clone().upload_user_data(iter(parts)).await?;
    Ok(response.into_inner())
}

/// The files that are kept, and those that are coming.
fn files(served: &Served) -> (usize, usize) {
    let folder = served.folder.path().join("uploads");
    let count = |path| fs::read_dir(path).unwrap().count();
    // One of the entries is the folder of those that are coming.
    (count(folder.clone()) - 1, count(folder.join("coming")))
}

#[tokio::test]
async fn a_file_is_stored_under_what_is_in_it() {
    let served = serve().await;
    let large = vec![7; 300_000];
    let parts = large.chunks(65_536).map(chunk);
    let parts = std::iter::once(metadata(300_000)).chain(parts).collect();
    let stored = upload(&served, parts).await.unwrap();
    assert_eq!(stored.bytes_uploaded, 300_000);
    let name = stored.file_id.strip_prefix("file_").unwrap();
    assert_eq!(name.len(), 64);
    let path = served.folder.path().join("uploads").join(name);
    assert_eq!(fs::read(path).unwrap(), large);
    let again = vec![metadata(300_000), chunk(&large)];
    assert_eq!(upload(&served, again).await.unwrap(), stored);
    upload(&served, vec![metadata(0)]).await.unwrap();
    assert_eq!(files(&served), (2, 0));
}

#[tokio::test]
async fn bad_streams_leave_nothing() {
    let served = serve().await;
    let neither = UploadDataChunk { data: None };
    for (parts, message, field) in [
        (vec![], "the metadata comes first", "metadata"),
        (
            vec![chunk(b"abc"), metadata(3)],
            "the metadata comes first",
            "metadata",
        ),
        (
            vec![metadata(3), metadata(3)],
            "the metadata comes once, and it came before",
            "metadata",
        ),
        (
            vec![metadata(3), neither],
            "a part is metadata or a chunk, and this one is neither",
            "data",
        ),
        (
            vec![metadata(4), chunk(b"abc")],
            "the file was said to have 4 bytes, and 3 came; nothing of it is kept",
            "metadata.total_size",
        ),
        (
            vec![metadata(2), chunk(b"abc"), chunk(b"d")],
            "the file was said to have 2 bytes, and at least 3 came; nothing of it is kept",
            "metadata.total_size",
        ),
        (
            vec![metadata(-1)],
            "total_size must be 0 to 1073741824; got -1",
            "metadata.total_size",
        ),
    ] {
        let result = upload(&served, parts).await;
        let status = assert_status(result, Code::InvalidArgument, message);
        assert_eq!(violations(&status)[0].field, field);
        assert_eq!(files(&served), (0, 0), "{message}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let served = serve().await;
    let (parts, requests) = feed();
    let mut client = served.users.clone();
    let call = tokio::spawn(async move { client.upload_user_data(requests).await });
    parts.send(metadata(6)).await.unwrap();
    parts.send(chunk(b"abc")).await.unwrap();
    while files(&served) != (0, 1) {
        tokio::task::yield_now().await;
    }
    call.abort();
    while files(&served) != (0, 0) {
        tokio::task::yield_now().await;
    }
}
