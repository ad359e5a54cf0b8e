//! Rooms in which people talk: a message goes to everybody who is in the room
//! when it is said, the one who says it included. Nothing is kept. Where several
//! processes share a store, it goes by way of the store, and all hear the same
//! in the same order.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};

use futures_util::future::BoxFuture;

use crate::{
    document::Author,
    error::{Error, Invalid},
    store::Line,
    user::Moment,
};

/// How many messages may wait for a participant.
pub const WAITING: usize = 1024;

/// From so many on, others wait for a participant before they say more...
const CROWDED: usize = WAITING / 2;

/// ... until it has caught up to so many...
const CAUGHT_UP: usize = WAITING / 4;

/// ... or so long. Then it is let go.
const PATIENCE: Duration = Duration::from_secs(1);

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

impl RoomName {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
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
#[derive(Clone, Default)]
pub struct Rooms {
    house: Arc<Mutex<House>>,
    /// The way to the same rooms elsewhere, if there is an elsewhere.
    line: Option<Arc<dyn Line>>,
}

#[derive(Debug, Default)]
struct House {
    rooms: HashMap<RoomName, Arc<Room>>,
    /// What is said elsewhere is not heard here: nobody may think it is.
    cut: bool,
}

/// A room.
#[derive(Debug, Default)]
struct Room {
    places: Mutex<Places>,
    /// Somebody has caught up, or left.
    heard: Notify,
}

/// Those who are in a room.
#[derive(Debug, Default)]
struct Places {
    next: u64,
    places: Vec<Place>,
    /// Everybody was let go, since the way to the others is cut.
    cut: bool,
}

#[derive(Debug)]
struct Place {
    number: u64,
    messages: mpsc::Sender<Arc<Message>>,
    /// Since when others wait for this one.
    crowded: Option<Instant>,
}

/// Something that was said.
pub enum Saying {
    /// Everybody has it.
    Done,
    /// It goes by way of the store: everybody here has it when this is done.
    Coming(BoxFuture<'static, Result<(), Error>>),
}

/// Somebody in a room; dropping it is leaving.
#[derive(Debug)]
pub struct Participant {
    rooms: Rooms,
    name: RoomName,
    room: Arc<Room>,
    number: u64,
    messages: mpsc::Receiver<Arc<Message>>,
}

impl Rooms {
    /// Enters a room: what is said from now on is heard.
    ///
    /// # Errors
    /// [`Error::TooManyRooms`]; [`Error::Unavailable`] while what is said
    /// elsewhere cannot be heard.
    pub fn enter(&self, name: RoomName) -> Result<Participant, Error> {
        let (sender, messages) = mpsc::channel(WAITING);
        let mut house = self.lock();
        if house.cut {
            return Err(Error::Unavailable);
        }
        if house.rooms.len() >= ROOMS && !house.rooms.contains_key(&name) {
            return Err(Error::TooManyRooms { max: ROOMS });
        }
        let room = Arc::clone(house.rooms.entry(name.clone()).or_default());
        // Before the rooms are let go of: an empty one would be closed.
        let number = room.lock().enter(sender);
        drop(house);
        Ok(Participant {
            rooms: self.clone(),
            name,
            room,
            number,
            messages,
        })
    }

    /// The same rooms, in which everything goes this way.
    pub(crate) fn through(self, line: Arc<dyn Line>) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    /// Gives a message to those who are in a room here.
    pub(crate) fn hear(&self, name: &RoomName, message: Message) {
        let room = self.lock().rooms.get(name).cloned();
        if let Some(room) = room {
            room.lock().say(&Arc::new(message));
        }
    }

    /// Lets everybody go, and nobody in: what others say is missed.
    pub(crate) fn cut(&self) {
        let mut house = self.lock();
        house.cut = true;
        for (_, room) in house.rooms.drain() {
            let mut places = room.lock();
            places.cut = true;
            places.places.clear();
            drop(places);
            room.heard.notify_waiters();
        }
    }

    /// Lets people in again.
    pub(crate) fn mend(&self) {
        self.lock().cut = false;
    }

    fn lock(&self) -> MutexGuard<'_, House> {
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}

impl fmt::Debug for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Coming(_) => "Coming",
        })
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn enter(&mut self, messages: mpsc::Sender<Arc<Message>>) -> u64 {
        self.next += 1;
        self.places.push(Place {
            number: self.next,
            messages,
            crowded: None,
        });
        self.next
    }

    /// Gives a message to everybody, in one order to all. Who has no room for it
    /// is let go.
    fn say(&mut self, message: &Arc<Message>) {
        self.places
            .retain(|place| place.messages.try_send(Arc::clone(message)).is_ok());
    }

    /// Until when somebody has to be waited for; `None` if nobody has. Who was
    /// waited for long enough is let go.
    fn crowded(&mut self, now: Instant) -> Option<Instant> {
        for place in &mut self.places {
            let waiting = WAITING - place.messages.capacity();
            if waiting <= CAUGHT_UP {
                place.crowded = None;
            } else if waiting >= CROWDED {
                place.crowded.get_or_insert(now);
            }
        }
        let patience = |place: &Place| place.crowded.map(|since| since + PATIENCE);
        self.places
            .retain(|place| patience(place).is_none_or(|until| now < until));
        self.places.iter().filter_map(patience).min()
    }
}

impl Participant {
    /// Waits for those who are behind but read, so that a burst is heard by
    /// everybody; for one who does not read, a second, and once.
    pub fn turn(&self) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(&self.room);
        async move {
            loop {
                let mut heard = pin!(room.heard.notified());
                // Noticed from here on, also before it is waited for.
                heard.as_mut().enable();
                let crowded = room.lock().crowded(Instant::now());
                let Some(until) = crowded else {
                    return;
                };
                drop(timeout_at(until, heard).await);
            }
        }
    }

    /// Says something to everybody in the room. Whoever says more than a little
    /// waits for its [`Participant::turn`] each time, and for what it said
    /// before to be done.
    ///
    /// # Errors
    /// When it is nothing, or too much.
    pub fn say(&self, author: Author, content: String) -> Result<Saying, Invalid> {
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
        if let Some(line) = &self.rooms.line {
            return Ok(Saying::Coming(line.say(self.name.clone(), message)));
        }
        self.room.lock().say(&Arc::new(message));
        Ok(Saying::Done)
    }

    /// How many messages wait to be heard.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.len()
    }

    /// What is said next. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// [`Error::BehindMessages`] for one who was let go, behind what was said
    /// before that; [`Error::Unavailable`] when it was not to blame.
    pub async fn hear(&mut self) -> Result<Arc<Message>, Error> {
        let message = self.messages.recv().await;
        if self.messages.len() == CAUGHT_UP {
            self.room.heard.notify_waiters();
        }
        message.ok_or_else(|| match self.room.lock().cut {
            true => Error::Unavailable,
            false => Error::BehindMessages,
        })
    }
}

impl Drop for Participant {
    /// The last one to leave closes the room.
    fn drop(&mut self) {
        let mut house = self.rooms.lock();
        let mut places = self.room.lock();
        places.places.retain(|place| place.number != self.number);
        let empty = places.places.is_empty();
        drop(places);
        // One who was let go may find another room of this name.
        let same = |room: &Arc<Room>| Arc::ptr_eq(room, &self.room);
        if empty && house.rooms.get(&self.name).is_some_and(same) {
            house.rooms.remove(&self.name);
        }
        drop(house);
        self.room.heard.notify_waiters();
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
    async fn who_never_listens_is_let_go() {
        let rooms = Rooms::default();
        let (mut speaker, mut silent) = (lobby(&rooms), lobby(&rooms));
        for i in 0..WAITING {
            speaker.say(author("a"), i.to_string()).unwrap();
            speaker.hear().await.unwrap();
        }
        assert_eq!(silent.waiting(), WAITING);
        // With one more it is too late, behind what was there before.
        speaker.say(author("a"), "one more".into()).unwrap();
        assert_eq!(speaker.hear().await.unwrap().content, "one more");
        for i in 0..WAITING {
            assert_eq!(silent.hear().await.unwrap().content, i.to_string());
        }
        assert_eq!(
            silent.hear().await.unwrap_err().to_string(),
            "too many messages waited for you; join again and read faster"
        );
        drop(silent);
        assert_eq!(rooms.lock().rooms.len(), 1);
    }

    #[tokio::test]
    async fn one_waits_for_those_who_read_and_once_for_those_who_do_not() {
        let rooms = Rooms::default();
        let (mut speaker, mut slow) = (lobby(&rooms), lobby(&rooms));
        for _ in 0..CROWDED {
            speaker.turn().await;
            speaker.say(author("a"), "x".into()).unwrap();
            speaker.hear().await.unwrap();
        }
        let caught_up = async {
            for _ in CAUGHT_UP..CROWDED {
                slow.hear().await.unwrap();
            }
        };
        tokio::join!(speaker.turn(), caught_up);
        assert_eq!(slow.waiting(), CAUGHT_UP);
        for _ in CAUGHT_UP..CROWDED {
            speaker.say(author("a"), "x".into()).unwrap();
            speaker.hear().await.unwrap();
        }
        let begin = Instant::now();
        speaker.turn().await;
        assert!(begin.elapsed() >= PATIENCE);
        assert_eq!(speaker.room.lock().places.len(), 1);
    }

    #[tokio::test]
    async fn when_the_way_to_others_is_cut_everybody_is_let_go() {
        let rooms = Rooms::default();
        let (mut alice, bob) = (lobby(&rooms), lobby(&rooms));
        alice.say(author("alice"), "hello".into()).unwrap();
        rooms.cut();
        assert_eq!(alice.hear().await.unwrap().content, "hello");
        assert!(matches!(alice.hear().await, Err(Error::Unavailable)));
        let closed = rooms.enter(RoomName::default()).unwrap_err();
        assert!(matches!(closed, Error::Unavailable));
        rooms.mend();
        let carol = lobby(&rooms);
        // Who was let go is in no room any more.
        drop((alice, bob));
        rooms.hear(
            &RoomName::default(),
            Message {
                author: author("elsewhere"),
                content: "ahoy".into(),
                at: Moment::now(),
            },
        );
        assert_eq!(carol.waiting(), 1);
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
        assert_eq!(rooms.lock().rooms.len(), 1);
        drop(second);
        assert_eq!(rooms.lock().rooms.len(), 0);
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
