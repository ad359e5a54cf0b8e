//! Rooms in which people talk: a message goes to everybody who is in the room
//! when it is said, the one who says it included. Nothing is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    document::Author,
    error::{Error, Invalid},
    user::Moment,
};

/// How many messages may wait for a participant.
pub const WAITING: usize = 1024;

/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 16 << 10;

/// The most rooms with people in them.
pub const ROOMS: usize = 10_000;

/// The name of a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoomName(String);

impl RoomName {
    /// The most characters.
    pub const MAX_LENGTH: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        let allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > Self::MAX_LENGTH || !name.bytes().all(allowed) {
            return Err(Invalid::field(
                "x-room",
                format!(
                    "a room is 1 to {} characters of a-z, 0-9, '.', '_' and '-'",
                    Self::MAX_LENGTH
                ),
            ));
        }
        Ok(Self(name.into()))
    }
}

impl Default for RoomName {
    /// Where people are who have not said where they want to be.
    fn default() -> Self {
        Self("lobby".into())
    }
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who.
    pub author: Author,
    /// What.
    pub content: String,
    /// When the server heard it.
    pub at: Moment,
}

/// All rooms with people in them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    rooms: Arc<Mutex<HashMap<RoomName, broadcast::Sender<Arc<Message>>>>>,
}

/// Somebody in a room; dropping it is leaving.
#[derive(Debug)]
pub struct Participant {
    rooms: Rooms,
    name: RoomName,
    room: broadcast::Sender<Arc<Message>>,
    /// `None` once the room is left.
    messages: Option<broadcast::Receiver<Arc<Message>>>,
}

impl Rooms {
    /// Enters a room: what is said from now on is heard.
    ///
    /// # Errors
    /// [`Error::TooManyRooms`].
    pub fn enter(&self, name: RoomName) -> Result<Participant, Error> {
        let mut rooms = self.lock();
        if rooms.len() >= ROOMS && !rooms.contains_key(&name) {
            return Err(Error::TooManyRooms { max: ROOMS });
        }
        let room = rooms
            .entry(name.clone())
            .or_insert_with(|| broadcast::channel(WAITING).0)
            .clone();
        let messages = Some(room.subscribe());
        drop(rooms);
        Ok(Participant {
            rooms: self.clone(),
            name,
            room,
            messages,
        })
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<RoomName, broadcast::Sender<Arc<Message>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Participant {
    /// Says something to everybody in the room.
    ///
    /// # Errors
    /// When it is nothing, or too much.
    pub fn say(&self, author: Author, content: String) -> Result<(), Invalid> {
        if content.is_empty() {
            return Err(Invalid::field("content", "content is required"));
        }
        if content.len() > MAX_MESSAGE {
            let reason = format!("a message has at most {MAX_MESSAGE} bytes");
            return Err(Invalid::field("content", reason));
        }
        let message = Message {
            author,
            content,
            at: Moment::now(),
        };
        // There is one who hears it: whoever says it.
        drop(self.room.send(Arc::new(message)));
        Ok(())
    }

    /// How many messages wait to be heard.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.as_ref().map_or(0, broadcast::Receiver::len)
    }

    /// What is said next. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// [`Error::BehindMessages`] when too much was said in between.
    pub async fn hear(&mut self) -> Result<Arc<Message>, Error> {
        let messages = self.messages.as_mut().ok_or(Error::Ending)?;
        messages.recv().await.map_err(|error| match error {
            RecvError::Lagged(_) => Error::BehindMessages { max: WAITING },
            // We hold a sender ourselves.
            RecvError::Closed => Error::Ending,
        })
    }
}

impl Drop for Participant {
    /// The last one to leave closes the room.
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        self.messages = None;
        if self.room.receiver_count() == 0 {
            rooms.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author {
        Author::new(name).unwrap()
    }

    fn lobby(rooms: &Rooms) -> Participant {
        rooms.enter(RoomName::default()).unwrap()
    }

    #[tokio::test]
    async fn everybody_in_the_room_hears_it_and_nobody_else() {
        let rooms = Rooms::default();
        let (mut alice, mut bob) = (lobby(&rooms), lobby(&rooms));
        let mut elsewhere = rooms.enter(RoomName::new("kitchen").unwrap()).unwrap();
        alice.say(author("alice"), "hello".into()).unwrap();
        for one in [&mut alice, &mut bob] {
            let heard = one.hear().await.unwrap();
            assert_eq!(
                (heard.author.as_str(), heard.content.as_str()),
                ("alice", "hello")
            );
        }
        elsewhere.say(author("carol"), "soup".into()).unwrap();
        assert_eq!((alice.waiting(), elsewhere.waiting()), (0, 1));
        assert_eq!(elsewhere.hear().await.unwrap().content, "soup");
        let late = lobby(&rooms);
        assert_eq!(late.waiting(), 0);
    }

    #[tokio::test]
    async fn who_never_listens_is_let_go_and_holds_up_nobody() {
        let rooms = Rooms::default();
        let (mut speaker, mut silent) = (lobby(&rooms), lobby(&rooms));
        for i in 0..WAITING {
            speaker.say(author("a"), i.to_string()).unwrap();
        }
        assert_eq!(silent.waiting(), WAITING);
        for i in 0..WAITING {
            assert_eq!(speaker.hear().await.unwrap().content, i.to_string());
        }
        // At the limit all is still there; with one more it is too late.
        speaker.say(author("a"), "one more".into()).unwrap();
        assert_eq!(speaker.hear().await.unwrap().content, "one more");
        assert_eq!(
            silent.hear().await.unwrap_err().to_string(),
            "more than 1024 messages waited for you; join again and read faster"
        );
    }

    #[test]
    fn rooms_are_named_counted_and_closed() {
        for bad in ["", "A", "a b", "ü", &"x".repeat(65)] {
            assert!(RoomName::new(bad).is_err(), "{bad}");
        }
        let rooms = Rooms::default();
        let name = |i: usize| RoomName::new(&format!("r{i}")).unwrap();
        let mut all: Vec<_> = (0..ROOMS).map(|i| rooms.enter(name(i)).unwrap()).collect();
        let second = rooms.enter(name(7)).unwrap();
        let error = rooms.enter(name(ROOMS)).unwrap_err();
        assert!(matches!(error, Error::TooManyRooms { max: ROOMS }));
        all.clear();
        assert_eq!(rooms.lock().len(), 1);
        drop(second);
        assert_eq!(rooms.lock().len(), 0);
    }

    #[test]
    fn messages_have_their_limits() {
        let rooms = Rooms::default();
        let alice = lobby(&rooms);
        let say = |content: String| alice.say(author("a"), content);
        assert!(say(String::new()).is_err());
        assert!(say("x".repeat(MAX_MESSAGE)).is_ok());
        assert_eq!(
            say("x".repeat(MAX_MESSAGE + 1)).unwrap_err().to_string(),
            "a message has at most 16384 bytes"
        );
    }
}
