//! The corpus of `portolan serve --demo`: real texts with real vectors, in the
//! binary itself. Where they come from is said in `demo/README.md`.

use std::fs;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use portolan_memory::{BatchId, Memories, Namespace, NewMemory, Vector};
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
