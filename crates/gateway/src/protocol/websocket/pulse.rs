//! Whether the other side is still there: it has to answer pings
//! (RFC 6455 §5.5.2).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many pings may go without an answer: each waits behind all that is on its
/// way to a slow client.
const UNANSWERED: u32 = 3;

/// What reading and writing know of each other.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// How many pings in a row are not answered yet.
    asked: AtomicU32,
    /// Whether nobody reads what the client sends, since the service is slow.
    deaf: AtomicBool,
}

impl Pulse {
    /// Something came.
    pub(super) fn heard(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Nobody listens until told otherwise: the answer to a ping waits as well.
    pub(super) fn deafen(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
        if !deaf {
            self.heard();
        }
    }

    /// To be called with each ping; whether the client may still be there.
    pub(super) fn ask(&self) -> bool {
        if self.deaf.load(Ordering::Relaxed) {
            return true;
        }
        self.asked.fetch_add(1, Ordering::Relaxed) < UNANSWERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pulse: &Pulse) -> usize {
        (0..10).take_while(|_| pulse.ask()).count()
    }

    #[test]
    fn who_leaves_several_pings_unanswered_has_gone() {
        let pulse = Pulse::default();
        assert!(pulse.ask(), "the first");
        pulse.heard();
        assert_eq!(asked(&pulse), UNANSWERED as usize);
    }

    #[test]
    fn who_is_not_listened_to_may_be_silent() {
        let pulse = Pulse::default();
        pulse.deafen(true);
        assert_eq!(asked(&pulse), 10);
        pulse.deafen(false);
        assert_eq!(
            asked(&pulse),
            UNANSWERED as usize,
            "the answer had no chance"
        );
    }
}
