//! One stream of questions and answers. Several questions are under way at a
//! time, since each takes the way there and back; answers come in their order.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use portolan_rpc::{Body, BoxError, Code, Status};
use tokio::sync::mpsc;
use tower_service::Service;

use super::wire::{Answer, Fault, Question, Request, Response};
use super::{Error, Limits};
use crate::typed::{self, Messages, Written};

/// The most questions under way.
const AHEAD: usize = 32;

/// A stream of questions.
pub(super) struct Conversation {
    questions: mpsc::Sender<Bytes>,
    asked: VecDeque<Question>,
    waiting: VecDeque<Question>,
    answers: Messages<Response>,
}

impl Conversation {
    /// Begins to talk and asks for the services.
    pub(super) async fn begin<S>(
        service: &mut S,
        path: &str,
        metadata: &HeaderMap,
        limits: &Limits,
    ) -> Result<(Self, Answer), Error>
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>>,
        S::Error: Into<BoxError>,
    {
        let (questions, body) = mpsc::channel(AHEAD);
        let request = typed::request(path, metadata, Body::new(Written(body)));
        let first = Question::ListServices("*".to_owned());
        // The first question goes along with the request: there are servers that
        // answer nothing, not even headers, before they have read something.
        let asked = VecDeque::from([first.clone()]);
        let _ = questions.try_send(encode(first));
        let response = service.call(request).await;
        let response = response.map_err(|error| typed::status_of(error.into()))?;
        let answers = Messages::of(response, limits.bytes)?;
        let mut conversation = Self {
            questions,
            asked,
            waiting: VecDeque::new(),
            answers,
        };
        match conversation.next(|_| true).await? {
            Some((_, answer)) => Ok((conversation, answer)),
            None => Err(Error::Lie("ends without an answer".to_owned())),
        }
    }

    /// Asks as soon as there is room.
    pub(super) fn ask(&mut self, question: Question) {
        self.waiting.push_back(question);
    }

    /// The next answer, with its question; nothing when all are answered. What
    /// is no longer needed when its turn comes is not asked.
    pub(super) async fn next(
        &mut self,
        needed: impl Fn(&Question) -> bool,
    ) -> Result<Option<(Question, Answer)>, Error> {
        while self.asked.len() < AHEAD
            && let Some(question) = self.waiting.pop_front()
        {
            if !needed(&question) {
                continue;
            }
            self.asked.push_back(question.clone());
            // The queue has room for all that are under way.
            let _ = self.questions.try_send(encode(question));
        }
        let Some(question) = self.asked.front().cloned() else {
            return Ok(None);
        };
        let Some(response) = self.answers.next().await? else {
            return Err(Error::Lie("ends before it has answered".to_owned()));
        };
        self.asked.pop_front();
        match response.answer {
            Some(answer) => Ok(Some((question, answer))),
            None => Err(Error::Lie("gives an answer without content".to_owned())),
        }
    }
}

fn encode(question: Question) -> Bytes {
    typed::encode(&Request {
        host: String::new(),
        question: Some(question),
    })
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        Self::new(Code::from_number(fault.code), fault.message)
    }
}
