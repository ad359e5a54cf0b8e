//! What a write does in its transaction: rows of users and documents, and with
//! each change of a user a record of it.

use std::cell::Cell;

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::{read, schema};
use crate::{
    document::{Applied, DocumentId, Doing, MAX_LATE, Proposal},
    error::Error,
    store::{ChangeKind, Sequence, kept},
    user::{Email, Moment, NewUser, SyncUser, Synced, User, UserChange, UserId},
};

/// A transaction that is being put together.
pub(super) struct Draft<'a> {
    transaction: &'a Transaction<'a>,
    changed: Cell<bool>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>) -> Self {
        Self {
            transaction,
            changed: Cell::new(false),
        }
    }

    /// The number of the last change, if anything was changed.
    pub(super) fn newest(&self) -> rusqlite::Result<Option<Sequence>> {
        match self.changed.get() {
            true => read::newest(self.transaction).map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Makes a user.
    pub(super) fn create(&self, user: NewUser) -> rusqlite::Result<Result<User, Error>> {
        if let Some(error) = self.taken(&user.email, None)? {
            return Ok(Err(error));
        }
        let now = Moment::now();
        self.transaction
            .prepare_cached(
                "insert into user (email, email_key, name, role, status, age, tags, metadata,
                    created_at, updated_at)
                 values (:email, :key, :name, :role, :status, :age, :tags, :metadata, :now, :now)",
            )?
            .execute(named_params! {
                ":email": user.email.as_str(),
                ":key": user.email.key(),
                ":name": user.name.as_str(),
                ":role": kept::role(user.role),
                ":status": kept::status(user.status),
                ":age": user.age.get(),
                ":tags": kept::tags(&user.tags),
                ":metadata": kept::metadata(&user.metadata),
                ":now": now.microseconds(),
            })?;
        let id = i32::try_from(self.transaction.last_insert_rowid());
        let Some(id) = id.ok().and_then(UserId::new) else {
            return Ok(Err(Error::NoMoreIds));
        };
        self.record(ChangeKind::Created, id, now)?;
        Ok(Ok(User {
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
        }))
    }

    /// Makes all users, or says which is the first that cannot be.
    pub(super) fn create_all(
        &self,
        users: Vec<NewUser>,
    ) -> rusqlite::Result<Result<Vec<User>, Error>> {
        let mut created = Vec::with_capacity(users.len());
        for (index, user) in (0..).zip(users) {
            match self.create(user)? {
                Ok(user) => created.push(user),
                Err(error) => return Ok(Err(error.of_item(index))),
            }
        }
        Ok(Ok(created))
    }

    /// Changes a user.
    pub(super) fn update(
        &self,
        id: UserId,
        change: UserChange,
    ) -> rusqlite::Result<Result<User, Error>> {
        match read::by_id(self.transaction, id)? {
            Some(user) => Ok(self.change(user, change)?.map(|(user, _)| user)),
            None => Ok(Err(Error::NotFound(id.to_string()))),
        }
    }

    /// Changes or makes a user.
    pub(super) fn sync(&self, user: SyncUser) -> rusqlite::Result<Result<(User, Synced), Error>> {
        let by_id = match user.id {
            Some(id) => read::by_id(self.transaction, id)?,
            None => None,
        };
        let found = match (by_id, &user.change.email) {
            (None, Some(email)) => read::by_email(self.transaction, email)?,
            (found, _) => found,
        };
        let Some(found) = found else {
            return Ok(match user.into_new() {
                Ok(new) => self.create(new)?.map(|user| (user, Synced::Created)),
                Err(invalid) => Err(invalid.into()),
            });
        };
        let changed = self.change(found, user.change)?;
        Ok(changed.map(|(user, changed)| match changed {
            true => (user, Synced::Updated),
            false => (user, Synced::Unchanged),
        }))
    }

    /// Removes a user; `false` when there is none.
    pub(super) fn delete(&self, id: UserId) -> rusqlite::Result<bool> {
        if read::by_id(self.transaction, id)?.is_none() {
            return Ok(false);
        }
        self.record(ChangeKind::Deleted, id, Moment::now())?;
        self.transaction
            .prepare_cached("delete from user where id = ?")?
            .execute([id.get()])?;
        Ok(true)
    }

    /// Applies an operation to a document and gives the last revision.
    pub(super) fn edit(
        &self,
        id: &DocumentId,
        proposal: Proposal,
    ) -> rusqlite::Result<Result<i64, Error>> {
        let Proposal {
            author,
            operation,
            made_for,
        } = proposal;
        let mut document = read::document(self.transaction, id)?;
        let before = document.revision;
        let made_for = made_for.unwrap_or(before);
        if made_for > before {
            return Ok(Err(Error::NoSuchRevision {
                asked: made_for,
                newest: before,
            }));
        }
        if before - made_for > MAX_LATE {
            return Ok(Err(Error::TooLate {
                revision: made_for,
                max: MAX_LATE,
            }));
        }
        let since: Vec<_> = read::edits(self.transaction, id, made_for, MAX_LATE as usize)?
            .into_iter()
            .map(|applied| applied.operation)
            .collect();
        let done = match document.apply(operation, &since) {
            Ok(done) => done,
            Err(error) => return Ok(Err(error)),
        };
        self.transaction
            .prepare_cached(
                "insert into document (id, revision, text) values (?, ?, ?)
                 on conflict do update set revision = excluded.revision, text = excluded.text",
            )?
            .execute((id.as_str(), document.revision, &document.text))?;
        let at = Moment::now();
        for (revision, operation) in (before + 1..).zip(done) {
            let author = author.clone();
            self.insert_edit(
                id,
                &Applied {
                    revision,
                    author,
                    operation,
                    at,
                },
            )?;
        }
        self.transaction
            .prepare_cached("delete from edit where document = ? and revision <= ?")?
            .execute((id.as_str(), document.revision - MAX_LATE))?;
        Ok(Ok(document.revision))
    }

    fn insert_edit(&self, id: &DocumentId, applied: &Applied) -> rusqlite::Result<()> {
        let doing: Doing = applied.operation.doing;
        self.transaction
            .prepare_cached(
                "insert into edit (document, revision, author, doing, position, text, at)
                 values (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                id.as_str(),
                applied.revision,
                applied.author.as_str(),
                kept::doing(doing),
                applied.operation.position,
                &applied.operation.text,
                applied.at.microseconds(),
            ))?;
        Ok(())
    }

    /// Writes down how a user becomes, if that is different.
    fn change(
        &self,
        mut user: User,
        change: UserChange,
    ) -> rusqlite::Result<Result<(User, bool), Error>> {
        match user.apply(change) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok((user, false))),
            Err(invalid) => return Ok(Err(invalid.into())),
        }
        if let Some(error) = self.taken(&user.email, Some(user.id))? {
            return Ok(Err(error));
        }
        user.updated_at = Moment::now().max(user.created_at);
        self.transaction
            .prepare_cached(
                "update user set email = :email, email_key = :key, name = :name, role = :role,
                    status = :status, age = :age, tags = :tags, metadata = :metadata,
                    updated_at = :now
                 where id = :id",
            )?
            .execute(named_params! {
                ":id": user.id.get(),
                ":email": user.email.as_str(),
                ":key": user.email.key(),
                ":name": user.name.as_str(),
                ":role": kept::role(user.role),
                ":status": kept::status(user.status),
                ":age": user.age.get(),
                ":tags": kept::tags(&user.tags),
                ":metadata": kept::metadata(&user.metadata),
                ":now": user.updated_at.microseconds(),
            })?;
        self.record(ChangeKind::Updated, user.id, user.updated_at)?;
        Ok(Ok((user, true)))
    }

    /// Why this email cannot be that of this user.
    fn taken(&self, email: &Email, of: Option<UserId>) -> rusqlite::Result<Option<Error>> {
        let owner: Option<i32> = self
            .transaction
            .prepare_cached("select id from user where email_key = ?")?
            .query_row([email.key()], |row| row.get(0))
            .optional()?;
        let other = owner.filter(|owner| of.is_none_or(|id| id.get() != *owner));
        Ok(other.map(|_| Error::EmailTaken(email.clone())))
    }

    /// Records what happened to a user, who is there still or already.
    fn record(&self, kind: ChangeKind, id: UserId, at: Moment) -> rusqlite::Result<()> {
        let columns = schema::COLUMNS;
        self.transaction
            .prepare_cached(&format!(
                "insert into change (kind, at, {columns}) select ?, ?, {columns} from user
                 where id = ?"
            ))?
            .execute((kept::kind(kind), at.microseconds(), id.get()))?;
        self.changed.set(true);
        Ok(())
    }
}
