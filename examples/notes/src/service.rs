//! The service, as one writes any with tonic: nothing here knows that there is
//! more than gRPC.

use std::sync::{Mutex, PoisonError};

use tonic::{Request, Response, Status};

#[allow(warnings, reason = "generated from the contract")]
pub(crate) mod proto {
    tonic::include_proto!("notes.v1");
    pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/notes.binpb"));
}
use proto::note_service_server::NoteService;
use proto::{CreateNoteRequest, GetNoteRequest, ListNotesRequest, Note};

/// The notes, oldest first: the first has the id 1.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    /// Does something with the notes, which nobody else can do meanwhile.
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Note>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[tonic::async_trait]
impl NoteService for Notes {
    async fn create_note(
        &self,
        request: Request<CreateNoteRequest>,
    ) -> Result<Response<Note>, Status> {
        let text = request.into_inner().text;
        if text.is_empty() {
            return Err(Status::invalid_argument("text is required"));
        }
        let made = self.with(|notes| {
            let id = u32::try_from(notes.len() + 1).ok()?;
            notes.push(Note { id, text });
            notes.last().cloned()
        });
        made.map(Response::new)
            .ok_or_else(|| Status::resource_exhausted("there are no more ids"))
    }

    async fn get_note(&self, request: Request<GetNoteRequest>) -> Result<Response<Note>, Status> {
        let id = request.into_inner().id;
        let found = self.with(|notes| notes.iter().find(|note| note.id == id).cloned());
        found
            .map(Response::new)
            .ok_or_else(|| Status::not_found(format!("there is no note {id}")))
    }

    type ListNotesStream = tokio_stream::Iter<std::vec::IntoIter<Result<Note, Status>>>;

    async fn list_notes(
        &self,
        _request: Request<ListNotesRequest>,
    ) -> Result<Response<Self::ListNotesStream>, Status> {
        let notes: Vec<_> = self.with(|notes| notes.iter().cloned().map(Ok).collect());
        Ok(Response::new(tokio_stream::iter(notes)))
    }
}
