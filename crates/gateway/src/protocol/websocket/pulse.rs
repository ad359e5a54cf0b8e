//! Whether the other side is still there: it has to answer pings
//! (RFC 6455 §5.5.2).

use std::sync::atomic::{AtomicBool, Ordering};

/// What reading and writing know of each other.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Whether a ping is not answered yet.
    asked: AtomicBool,
    /// Whether nobody reads what the client sends, since the service is slow.
    deaf: AtomicBool,
}

impl Pulse {
    /// Something came.
    pub(super) fn heard(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    /// Nobody listens until told otherwise: the answer to a ping waits as well.
    pub(super) fn deafen(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
        if !deaf {
            self.heard();
        }
    }

    /// To be called with each ping; whether the last one was answered.
    pub(super) fn ask(&self) -> bool {
        let unanswered = self.asked.swap(true, Ordering::Relaxed);
        !unanswered || self.deaf.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_after_a_ping_has_gone() {
        let pulse = Pulse::default();
        assert!(pulse.ask(), "the first");
        pulse.heard();
        assert!(pulse.ask(), "it was answered");
        assert!(!pulse.ask());
    }

    #[test]
    fn who_is_not_listened_to_may_be_silent() {
        let pulse = Pulse::default();
        pulse.deafen(true);
        assert!(pulse.ask() && pulse.ask());
        pulse.deafen(false);
        assert!(pulse.ask(), "the answer had no chance");
        assert!(!pulse.ask());
    }
}
