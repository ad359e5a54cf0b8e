//! The corpus of `portolan serve --demo`: real texts with real vectors, in the
//! binary itself. Where they come from is said in `demo/README.md`.

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use portolan_memory::{BatchId, Memories, Namespace, NewMemory, Vector};

use crate::lines::{Lines, MemoryJson};

/// A memory in JSON a line, compressed.
const CORPUS: &[u8] = include_bytes!("../demo/corpus.jsonl.zst");
/// Where it goes: the default namespace is left to its owner, whose vectors
/// may have another dimension.
const NAMESPACE: &str = "demo";
/// The name of the batch that stores it.
const BATCH: &str = "portolan-demo-corpus";
/// A file in the data folder while the corpus is being stored: after a crash in
/// the middle the next start goes on, though something is there by then.
const MARK: &str = "demo.loading";

/// Stores the corpus in its namespace if nothing is there yet.
pub(crate) async fn load(memories: &Memories, folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let namespace = Namespace::new(NAMESPACE)?;
    let mark = folder.join(MARK);
    if memories.figures(&namespace).await?.memories > 0 && !mark.exists() {
        tracing::info!("the namespace `demo` has memories already, the demo corpus is left out");
        return Ok(());
    }
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    let mut batch = memories
        .batch(&namespace, Some(BatchId::new(BATCH)?))
        .await?;
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
