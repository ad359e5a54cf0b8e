//! The users on a disk that fills up: nothing that was answered is lost, nothing
//! of a file that does not fit is kept, and all goes on when there is room.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;

use portolan::users::proto::user::v1::user_service_client::UserServiceClient;
use portolan::users::proto::user::v1::{CreateUserRequest, ListUsersRequest, User};
use portolan::users::proto::users::v1::user_service_client::UserServiceClient as Streaming;
use portolan::users::proto::users::v1::{UploadDataChunk, UploadMetadata, upload_data_chunk::Data};
use support::disk::SmallDisk;
use support::{Folder, Server};
use tonic::transport::Channel;
use tonic::{Code, Status};

type Client = UserServiceClient<Channel>;

async fn create(client: &mut Client, number: usize) -> Result<User, Status> {
    let request = CreateUserRequest {
        name: format!("{number} {}", "of oranges ".repeat(16)),
        email: format!("u{number}@example.com"),
        ..CreateUserRequest::default()
    };
    Ok(client
        .create_user(request)
        .await?
        .into_inner()
        .user
        .unwrap())
}

/// Makes users until the first refusal.
async fn fill(client: &mut Client, made: &mut BTreeMap<String, User>) -> Status {
    for number in made.len()..200_000 {
        match create(client, number).await {
            Ok(user) => drop(made.insert(user.id.clone(), user)),
            Err(status) => return status,
        }
    }
    panic!("there was room for everybody");
}

async fn everybody(client: &mut Client) -> BTreeMap<String, User> {
    let (mut all, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = ListUsersRequest {
            page_size: 1000,
            page_token,
        };
        let mut page = client.list_users(request).await.unwrap().into_inner();
        while let Some(user) = page.message().await.unwrap() {
            all.insert(user.id.clone(), user);
        }
        let trailers = page.trailers().await.unwrap().unwrap_or_default();
        match trailers.get("next-page-token") {
            Some(token) => page_token = token.to_str().unwrap().to_owned(),
            None => return all,
        }
    }
}

async fn upload(server: &Server, size: usize) -> Result<String, Status> {
    const PIECE: usize = 64 * 1024;
    let metadata = UploadMetadata {
        filename: "oranges.bin".to_owned(),
        total_size: size as i64,
        content_type: "application/octet-stream".to_owned(),
    };
    let pieces = (0..size / PIECE).map(|_| Data::Chunk(vec![7; PIECE]));
    let chunks = std::iter::once(Data::Metadata(metadata)).chain(pieces);
    let chunks = chunks.map(|data| UploadDataChunk { data: Some(data) });
    let chunks = tokio_stream::iter(chunks.collect::<Vec<_>>());
    let mut client = Streaming::new(server.channel().await);
    Ok(client.upload_user_data(chunks).await?.into_inner().file_id)
}

fn is_full(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let sentence = "disk is full: cannot write to data folder ";
    assert!(status.message().starts_with(sentence), "{status}");
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nobody_and_serves_again_when_there_is_room() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder, 24) else {
        println!("left out: this system does not let us mount a small disk");
        return;
    };
    let ballast = format!("{}/ballast", folder.join("disk"));
    assert!(disk.run(&format!("head -c 12582912 /dev/zero > '{ballast}'")));
    let server = disk.start(&folder);
    let mut client = Client::new(server.channel().await);

    // A file that does not fit, while all else does.
    is_full(&upload(&server, 16 << 20).await.unwrap_err());
    let uploads = format!("{}/uploads", disk.data);
    assert!(disk.run(&format!("test -z \"$(find '{uploads}' -type f -size +0)\"")));

    let mut made = BTreeMap::new();
    is_full(&fill(&mut client, &mut made).await);
    assert!(made.len() > 100, "{}", made.len());
    assert!(everybody(&mut client).await == made);

    assert!(disk.run(&format!("rm '{ballast}'")));
    let user = create(&mut client, made.len()).await.unwrap();
    made.insert(user.id.clone(), user);
    let file = upload(&server, 1 << 20).await.unwrap();
    assert!(everybody(&mut client).await == made);

    // Full again, and killed.
    is_full(&fill(&mut client, &mut made).await);
    assert!(!server.log().contains("panic"), "{}", server.log());
    server.kill();
    let server = disk.start(&folder);
    let mut client = Client::new(server.channel().await);
    assert!(everybody(&mut client).await == made);
    let name = file.strip_prefix("file_").unwrap();
    assert!(disk.run(&format!("test $(stat -c %s '{uploads}/{name}') = 1048576")));
    server.unharmed();
}
