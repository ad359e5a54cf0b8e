//! What writes do to users, put together in memory: the users that the writes
//! may touch are read before, and how they become is written behind. In between
//! nobody else changes them, and nothing here waits for anybody.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    mem,
};

use crate::{
    error::Error,
    store::{Change, ChangeKind, Sequence},
    user::{Email, Moment, NewUser, SyncUser, Synced, User, UserChange, UserId},
};

/// What has to be read before a write: these users, and whoever has these
/// emails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) ids: Vec<i32>,
    pub(super) emails: Vec<String>,
}

impl Needs {
    pub(super) fn of_id(id: UserId) -> Self {
        Self {
            ids: vec![id.get()],
            emails: Vec::new(),
        }
    }

    pub(super) fn and_email(mut self, email: Option<&Email>) -> Self {
        self.emails.extend(email.map(Email::key));
        self
    }

    pub(super) fn of_emails(users: &[NewUser]) -> Self {
        Self {
            ids: Vec::new(),
            emails: users.iter().map(|user| user.email.key()).collect(),
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.emails.extend(other.emails);
    }
}

/// A transaction that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    users: BTreeMap<UserId, User>,
    emails: HashMap<String, UserId>,
    last_user: i32,
    last_change: Sequence,
    /// Users that are not what they were read as.
    touched: BTreeSet<UserId>,
    changes: Vec<Change>,
}

/// What a draft comes to.
#[derive(Debug)]
pub(super) struct Drafted {
    /// Users whose rows do not hold any more, or did not exist.
    pub(super) touched: Vec<i32>,
    /// Those of them that there are.
    pub(super) users: Vec<User>,
    pub(super) changes: Vec<Change>,
    pub(super) last_user: i32,
    pub(super) last_change: Sequence,
}

impl Draft {
    /// Begins with the numbers that were given last, and the users that were
    /// read.
    pub(super) fn new(last_user: i32, last_change: Sequence, users: Vec<User>) -> Self {
        let keys = users.iter().map(|user| (user.email.key(), user.id));
        Self {
            emails: keys.collect(),
            users: users.into_iter().map(|user| (user.id, user)).collect(),
            last_user,
            last_change,
            touched: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Drafted {
        let touched = mem::take(&mut self.touched);
        Drafted {
            users: touched
                .iter()
                .filter_map(|id| self.users.remove(id))
                .collect(),
            touched: touched.into_iter().map(UserId::get).collect(),
            changes: self.changes,
            last_user: self.last_user,
            last_change: self.last_change,
        }
    }

    /// Makes a user.
    pub(super) fn create(&mut self, user: NewUser) -> Result<User, Error> {
        self.free(&user.email, None)?;
        let next = self.last_user.checked_add(1).and_then(UserId::new);
        let id = next.ok_or(Error::NoMoreIds)?;
        self.last_user = id.get();
        let now = Moment::now();
        let user = User {
            id,
            email: user.email,
            name: user.name,
            role: user.role,
            status: user.status,
            age: user.age,
            tags: user.tags,
            metadata: user.metadata,
            created_at: now,
            updated_at: now,
        };
        self.put(user.clone(), ChangeKind::Created, now);
        Ok(user)
    }

    /// Makes all users, or none and says which is the first that cannot be.
    pub(super) fn create_all(&mut self, users: &[NewUser]) -> Result<Vec<User>, Error> {
        let mut seen = HashSet::with_capacity(users.len());
        for (index, user) in (0_u64..).zip(users) {
            let of_item = |error: Error| error.of_item(index);
            self.free(&user.email, None).map_err(of_item)?;
            if !seen.insert(user.email.key()) {
                return Err(of_item(Error::EmailTaken(user.email.clone())));
            }
            if i64::from(self.last_user) + index as i64 >= i64::from(UserId::MAX) {
                return Err(of_item(Error::NoMoreIds));
            }
        }
        users.iter().map(|user| self.create(user.clone())).collect()
    }

    /// Changes a user.
    pub(super) fn update(&mut self, id: UserId, change: UserChange) -> Result<User, Error> {
        match self.users.get(&id).cloned() {
            Some(user) => self.change(user, change).map(|(user, _)| user),
            None => Err(Error::NotFound(id.to_string())),
        }
    }

    /// Changes or makes a user.
    pub(super) fn sync(&mut self, user: SyncUser) -> Result<(User, Synced), Error> {
        let email = user.change.email.as_ref();
        let by_id = user.id.and_then(|id| self.users.get(&id));
        let found = by_id.or_else(|| {
            let id = self.emails.get(&email?.key())?;
            self.users.get(id)
        });
        let Some(found) = found.cloned() else {
            return Ok((self.create(user.into_new()?)?, Synced::Created));
        };
        let (user, changed) = self.change(found, user.change)?;
        match changed {
            true => Ok((user, Synced::Updated)),
            false => Ok((user, Synced::Unchanged)),
        }
    }

    /// Removes a user; `false` when there is none.
    pub(super) fn delete(&mut self, id: UserId) -> bool {
        let Some(user) = self.users.remove(&id) else {
            return false;
        };
        self.emails.remove(&user.email.key());
        self.touched.insert(id);
        self.record(ChangeKind::Deleted, user, Moment::now());
        true
    }

    /// Notes how a user becomes, if that is different.
    fn change(&mut self, mut user: User, change: UserChange) -> Result<(User, bool), Error> {
        let before = user.email.key();
        if !user.apply(change)? {
            return Ok((user, false));
        }
        self.free(&user.email, Some(user.id))?;
        user.updated_at = Moment::now().max(user.created_at);
        self.emails.remove(&before);
        self.put(user.clone(), ChangeKind::Updated, user.updated_at);
        Ok((user, true))
    }

    /// Refuses an email that somebody else has.
    fn free(&self, email: &Email, of: Option<UserId>) -> Result<(), Error> {
        match self.emails.get(&email.key()) {
            Some(owner) if of != Some(*owner) => Err(Error::EmailTaken(email.clone())),
            _ => Ok(()),
        }
    }

    fn put(&mut self, user: User, kind: ChangeKind, at: Moment) {
        self.emails.insert(user.email.key(), user.id);
        self.touched.insert(user.id);
        self.users.insert(user.id, user.clone());
        self.record(kind, user, at);
    }

    fn record(&mut self, kind: ChangeKind, user: User, at: Moment) {
        self.last_change += 1;
        self.changes.push(Change {
            sequence: self.last_change,
            kind,
            user,
            at,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{email, user};

    #[test]
    fn a_draft_comes_to_the_last_state_and_to_every_change() {
        let mut draft = Draft::new(0, 7, Vec::new());
        let john = draft.create(user("john")).unwrap();
        let jane = draft.create(user("jane")).unwrap();
        // An email that was let go is free for the next.
        let to = |text: &str| UserChange {
            email: Some(email(text)),
            ..UserChange::default()
        };
        draft.update(john.id, to("j@example.com")).unwrap();
        draft.update(jane.id, to("JOHN@example.com")).unwrap();
        assert!(draft.update(john.id, to("john@example.com")).is_err());
        assert!(draft.delete(john.id));
        assert!(!draft.delete(john.id));
        let drafted = draft.finish();
        assert_eq!(drafted.touched, [1, 2]);
        assert_eq!(drafted.users.len(), 1);
        assert_eq!(drafted.users[0].email, email("JOHN@example.com"));
        let numbers: Vec<_> = drafted.changes.iter().map(|one| one.sequence).collect();
        assert_eq!(numbers, [8, 9, 10, 11, 12]);
        assert_eq!((drafted.last_user, drafted.last_change), (2, 12));
    }

    #[test]
    fn the_last_id_is_the_last() {
        let mut draft = Draft::new(UserId::MAX - 1, 0, Vec::new());
        let error = draft.create_all(&[user("a"), user("b")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "item 1: the ids are used up: the last one, 2147483647, was given"
        );
        assert_eq!(draft.create(user("a")).unwrap().id.get(), UserId::MAX);
        assert!(matches!(draft.create(user("b")), Err(Error::NoMoreIds)));
        assert_eq!(draft.finish().changes.len(), 1);
    }
}
