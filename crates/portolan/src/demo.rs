//! What `portolan serve --demo` begins with: a corpus of real texts with real
//! vectors, in the binary itself, and a few people. Where the texts come from is
//! said in `demo/README.md`.

use std::fs;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use futures_util::StreamExt;
use portolan_memory::{BatchId, Memories, Namespace, NewMemory, Vector};
use portolan_users::{Directory, Email, Error, Name, NewUser, PageSize, Role, Status};
use uuid::Uuid;

use crate::files;
use crate::lines::{Lines, MemoryJson};

/// A memory in JSON a line, compressed.
const CORPUS: &[u8] = include_bytes!("../demo/corpus.jsonl.zst");
/// Where it goes: the default namespace is left to its owner, whose vectors
/// may have another dimension.
const NAMESPACE: &str = "demo";
/// A file in the data folder while the corpus is being stored: after a crash in
/// the middle the next start goes on, though something is there by then. It
/// holds the name of the batch that stores it.
const MARK: &str = "demo.loading";

/// The people, in the order of their ids. The first two use their accounts, the
/// others were invited and have not come yet.
const PEOPLE: [(&str, &str, Role, Status); 5] = [
    ("John Doe", "john@example.com", Role::Admin, Status::Active),
    (
        "Jane Smith",
        "jane@example.com",
        Role::Member,
        Status::Active,
    ),
    ("Alice", "alice@example.com", Role::Member, Status::Inactive),
    ("Bob", "bob@example.com", Role::Member, Status::Inactive),
    (
        "Charlie",
        "charlie@example.com",
        Role::Member,
        Status::Inactive,
    ),
];

/// Makes the people if nobody is there yet: all of them, or none after a crash.
pub(crate) async fn people(directory: &Directory) -> anyhow::Result<()> {
    let mut users = directory.list(PageSize::new(1)?, "").await?.users;
    if users.next().await.is_some() {
        tracing::info!("there are users already, the people of the demo are left out");
        return Ok(());
    }
    let mut batch = directory.batch();
    for (name, email, role, status) in PEOPLE {
        let email = Email::new(email).map_err(anyhow::Error::msg)?;
        let name = Name::new(name).map_err(anyhow::Error::msg)?;
        batch.push(Ok(NewUser {
            role,
            status,
            ..NewUser::new(email, name)
        }))?;
    }
    match batch.finish().await {
        // Another server over the same database was quicker.
        Err(Error::Item { source, .. }) if matches!(*source, Error::EmailTaken(_)) => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

/// Stores the corpus in its namespace if nothing is there yet.
pub(crate) async fn load(memories: &Memories, folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let namespace = Namespace::new(NAMESPACE)?;
    let mark = folder.join(MARK);
    let something = memories.figures(&namespace).await?.memories > 0;
    let id = match marked(&mark)? {
        None if something => {
            tracing::info!(
                "the namespace `demo` has memories already, the demo corpus is left out"
            );
            return Ok(());
        }
        Some(Ok(id)) if something => id,
        // An old name would stand for a corpus that was deleted since; and a
        // mark without a name was not written by us, or not to its end.
        _ => {
            let id = format!("portolan-demo-{}", Uuid::now_v7());
            files::write(&mark, id.as_bytes())
                .with_context(|| format!("cannot write {}", mark.display()))?;
            BatchId::new(&id)?
        }
    };
    let mut batch = memories.batch(&namespace, Some(id)).await?;
    let json = MemoryJson::new()?;
    let mut lines = Lines::new(BufReader::new(zstd::Decoder::new(CORPUS)?));
    while let Some((_, line)) = lines.next()? {
        let memory = json.read(line?)?;
        let vector = Vector::new(memory.vector).map(Some);
        let memory = vector.map(|vector| NewMemory {
            content: memory.content,
            metadata: memory.metadata,
            vector,
        });
        batch.push(memory).await?;
    }
    let outcome = batch.finish().await?;
    fs::remove_file(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
    tracing::info!(
        memories = outcome.ids.len(),
        milliseconds = started.elapsed().as_millis(),
        "stored the demo corpus"
    );
    Ok(())
}

/// The name in the mark; `None` when there is no mark.
fn marked(mark: &Path) -> anyhow::Result<Option<anyhow::Result<BatchId>>> {
    match fs::read(mark) {
        Ok(name) => Ok(Some(
            String::from_utf8(name)
                .map_err(Into::into)
                .and_then(|name| Ok(BatchId::new(&name)?)),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", mark.display())),
    }
}
