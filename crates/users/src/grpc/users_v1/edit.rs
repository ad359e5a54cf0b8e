//! One participant's side of a document: its operations go in, and everybody's
//! come out as they were applied. It reads on when the client does.

use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::{
    document::{Applied, Author, DocumentId, Doing, Operation, Proposal},
    documents::{Documents, Editor},
    error::{Error, Fields, Invalid},
    grpc::timestamp,
    proto::users::v1::{EditOperation, edit_operation::OperationType},
};

/// See the module.
pub(super) struct Session {
    asking: Streaming<EditOperation>,
    documents: Documents,
    /// `None` until the first operation says which document it is.
    editor: Option<Editor>,
    ending: CancellationToken,
    /// The last revision that the client made itself.
    own: i64,
    /// Whether the client has sent its last.
    ended: bool,
}

impl Session {
    pub(super) fn new(
        asking: Streaming<EditOperation>,
        documents: Documents,
        ending: CancellationToken,
    ) -> Self {
        Self {
            asking,
            documents,
            editor: None,
            ending,
            own: 0,
            ended: false,
        }
    }

    pub(super) async fn next(mut self) -> Result<Option<(EditOperation, Self)>, Status> {
        loop {
            let ending = self.ending.clone();
            let Some(editor) = &mut self.editor else {
                let first = tokio::select! {
                    first = self.asking.message() => first?,
                    () = ending.cancelled() => return Err(Error::Ending.into()),
                };
                let Some(first) = first else {
                    return Ok(None);
                };
                let document = DocumentId::new(&first.document_id)?;
                self.editor = Some(self.documents.join(document).await?);
                self.submit(&first).await?;
                continue;
            };
            // What the client made itself it hears of, whatever else.
            if self.ended && editor.seen() >= self.own {
                return Ok(None);
            }
            // What is there comes before what the client wants next; otherwise
            // one who writes quickly would never be told.
            if editor.has_news() {
                let applied = editor.next().await?;
                let operation = told(editor.document(), applied);
                return Ok(Some((operation, self)));
            }
            let asked = tokio::select! {
                applied = editor.next() => {
                    let applied = applied?;
                    let operation = told(editor.document(), applied);
                    return Ok(Some((operation, self)));
                }
                asked = self.asking.message(), if !self.ended => asked?,
                () = ending.cancelled() => return Err(Error::Ending.into()),
            };
            match asked {
                Some(asked) => self.submit(&asked).await?,
                None => self.ended = true,
            }
        }
    }

    async fn submit(&mut self, asked: &EditOperation) -> Result<(), Error> {
        let Some(editor) = &self.editor else {
            return Ok(());
        };
        if asked.document_id != editor.document().as_str() {
            let reason = "all operations of a call are for the document of the first";
            return Err(Invalid::field("document_id", reason).into());
        }
        if let Some(proposal) = proposal(asked)? {
            self.own = editor.submit(proposal).await?;
        }
        Ok(())
    }
}

/// What is asked for; `None` for nothing but to join.
fn proposal(asked: &EditOperation) -> Result<Option<Proposal>, Invalid> {
    let mut fields = Fields::default();
    let position = usize::try_from(asked.position)
        .map_err(|_| format!("position must be 0 or more; got {}", asked.position));
    let position = fields.take("position", position);
    let made_for = match asked.revision {
        0 => Ok(None),
        revision if revision > 0 => Ok(Some(revision)),
        revision => Err(format!("revision must be 0 or more; got {revision}")),
    };
    let made_for = fields.take("revision", made_for).flatten();
    let doing = match OperationType::try_from(asked.r#type) {
        Ok(OperationType::Insert) => Ok(Some(Doing::Insert)),
        Ok(OperationType::Delete) => Ok(Some(Doing::Delete)),
        Ok(OperationType::Replace) => Ok(Some(Doing::Replace)),
        Ok(OperationType::Unspecified) if asked.text.is_empty() => Ok(None),
        _ => Err("type must be INSERT, DELETE or REPLACE".to_owned()),
    };
    let doing = fields.take("type", doing).flatten();
    let position = fields.finish(position)?;
    let author = Author::new(&asked.user_id)?;
    Ok(doing.map(|doing| Proposal {
        author,
        operation: Operation {
            doing,
            position,
            text: asked.text.clone(),
        },
        made_for,
    }))
}

fn told(document: &DocumentId, applied: Applied) -> EditOperation {
    let kind = match applied.operation.doing {
        Doing::Insert => OperationType::Insert,
        Doing::Delete => OperationType::Delete,
        Doing::Replace => OperationType::Replace,
    };
    EditOperation {
        document_id: document.as_str().into(),
        user_id: applied.author.as_str().into(),
        // A text has no more characters than its limit, which fits.
        position: applied.operation.position as i32,
        text: applied.operation.text,
        r#type: kind.into(),
        timestamp: timestamp(applied.at),
        revision: applied.revision,
    }
}
