//! Files.

use super::*;

fn facts(size: i64) -> FileFacts {
    FileFacts::new("a.bin", size, "").unwrap()
}

#[tokio::test]
async fn files_are_kept_in_parts_and_those_given_up_are_removed() {
    let Some((postgres, url, one, other)) = two().await else {
        return;
    };
    let count = |table: &str| {
        postgres.ask(
            &url,
            &format!("select count(*) from portolan_users.{table}"),
        )
    };
    // The same file through both, cut differently.
    let content: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
    let mut ids = Vec::new();
    for (node, cut) in [(&one, 1000), (&other, 300_000)] {
        let mut upload = node.uploads().begin(facts(700_000)).await.unwrap();
        for chunk in content.chunks(cut) {
            upload.write(chunk).await.unwrap();
        }
        ids.push(upload.finish().await.unwrap().id);
    }
    assert_eq!(ids[0], ids[1]);
    let kept = postgres.ask(
        &url,
        "select 'file_' || encode(sha256, 'hex'), size, (
            select encode(sha256(string_agg(bytes, '' order by number)), 'hex')
            from portolan_users.part where part.upload = file.upload
         ) = encode(sha256, 'hex') from portolan_users.file",
    );
    assert_eq!(kept, format!("{}|700000|t", ids[0]));
    let empty = one.uploads().begin(facts(0)).await.unwrap();
    assert_eq!(empty.finish().await.unwrap().size, 0);
    let mut abandoned = one.uploads().begin(facts(600_000)).await.unwrap();
    abandoned.write(content[..400_000].to_vec()).await.unwrap();
    assert_eq!(count("part"), "4");
    drop(abandoned);
    // The one that was there twice is one, too.
    soon(async {
        while (count("upload"), count("part")) != ("2".into(), "3".into()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut rested = one.uploads().begin(facts(600_000)).await.unwrap();
    rested.write(content[..400_000].to_vec()).await.unwrap();
    postgres.ask(
        &url,
        "delete from portolan_users.upload where id = (select max(id) from portolan_users.upload)",
    );
    let forgotten = rested.write(vec![0; 300_000]);
    assert!(forgotten.await.is_err());
}
