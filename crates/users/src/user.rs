//! What a user is: the parts, each with its form and its limits, and what can
//! be asked to be made or changed. Nothing here knows a store or a protocol.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use crate::error::{Error, Fields, Invalid};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name of the record, made by the store.
    pub id: UserId,
    /// The email address.
    pub email: Email,
    /// The name.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// How the user stands.
    pub status: Status,
    /// The age.
    pub age: Age,
    /// Free labels.
    pub tags: Tags,
    /// Free pairs.
    pub metadata: Metadata,
    /// When the user was made.
    pub created_at: Moment,
    /// When the user was last changed.
    pub updated_at: Moment,
}

/// A user to make; it will be active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The email address.
    pub email: Email,
    /// The name.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// How the user stands.
    pub status: Status,
    /// The age.
    pub age: Age,
    /// Free labels.
    pub tags: Tags,
    /// Free pairs.
    pub metadata: Metadata,
}

/// What to change of a user; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The email address.
    pub email: Option<Email>,
    /// The name.
    pub name: Option<Name>,
    /// What the user may do.
    pub role: Option<Role>,
    /// How the user stands.
    pub status: Option<Status>,
    /// The age.
    pub age: Option<Age>,
    /// Free labels, in place of all there were.
    pub tags: Option<Tags>,
    /// Pairs to add or to change.
    pub metadata: Option<Metadata>,
}

/// A user as somebody else has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncUser {
    /// The id, if there is one that can be.
    pub id: Option<UserId>,
    /// What is known of it.
    pub change: UserChange,
}

/// What was done to bring the directory to what somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The user was made.
    Created,
    /// The user was changed.
    Updated,
    /// Nothing.
    Unchanged,
}

impl NewUser {
    /// A user with nothing but this.
    #[must_use]
    pub fn new(email: Email, name: Name) -> Self {
        Self {
            email,
            name,
            role: Role::default(),
            status: Status::default(),
            age: Age::default(),
            tags: Tags::default(),
            metadata: Metadata::default(),
        }
    }

    /// Reads the two fields that every user has, and asks for both at once when
    /// one is missing. What is wrong is left in `fields`.
    pub fn required(fields: &mut Fields, email: &str, name: &str) -> Option<Self> {
        if email.is_empty() || name.is_empty() {
            fields.say("Email and name are required");
        }
        let email = fields.take("email", Email::new(email));
        let name = fields.take("name", Name::new(name));
        Some(Self::new(email?, name?))
    }

    /// At most how many bytes this takes in an answer of any contract.
    #[must_use]
    pub fn size(&self) -> usize {
        size(&self.email, &self.name, &self.tags, &self.metadata)
    }
}

impl User {
    /// At most how many bytes this takes in an answer of any contract.
    #[must_use]
    pub fn size(&self) -> usize {
        size(&self.email, &self.name, &self.tags, &self.metadata)
    }

    /// The same user after a change; `false` when it changes nothing.
    ///
    /// # Errors
    /// When the metadata becomes too much.
    pub(crate) fn apply(&mut self, change: UserChange) -> Result<bool, Invalid> {
        let before = self.clone();
        let UserChange {
            email,
            name,
            role,
            status,
            age,
            tags,
            metadata,
        } = change;
        put(&mut self.email, email);
        put(&mut self.name, name);
        put(&mut self.role, role);
        put(&mut self.status, status);
        put(&mut self.age, age);
        put(&mut self.tags, tags);
        if let Some(metadata) = metadata {
            self.metadata = self.metadata.with(metadata)?;
        }
        Ok(*self != before)
    }
}

impl SyncUser {
    /// The user to make of this.
    ///
    /// # Errors
    /// When the email or the name is missing.
    pub(crate) fn into_new(self) -> Result<NewUser, Invalid> {
        let UserChange {
            email, name, role, ..
        } = self.change;
        let mut fields = Fields::default();
        fields.say("Email and name are required");
        let email = fields.take("user.email", email.ok_or("email is required".into()));
        let name = fields.take("user.name", name.ok_or("name is required".into()));
        let (email, name) = fields.finish(email.zip(name))?;
        let mut user = NewUser::new(email, name);
        put(&mut user.role, role);
        Ok(user)
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Ids, times, numbers and the keys of fields take less than the 128 bytes that
/// are counted for them.
fn size(email: &Email, name: &Name, tags: &Tags, metadata: &Metadata) -> usize {
    let tags: usize = tags.0.iter().map(|tag| tag.len() + 4).sum();
    let pairs = metadata.0.iter();
    let pairs: usize = pairs.map(|(key, value)| key.len() + value.len() + 16).sum();
    email.0.len() + name.0.len() + tags + pairs + 128
}

/// The id of a user: they rise in the order of making, from 1, and none is
/// given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i32);

impl UserId {
    /// The last one there can be: the smallest of the contracts has 32 bits.
    pub const MAX: i32 = i32::MAX;

    /// The longest text that is looked at.
    pub const MAX_LENGTH: usize = 64;

    /// Reads an id in the form it is written.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what no user can have as an id; [`Invalid`] for
    /// nothing, and for a text of more than [`UserId::MAX_LENGTH`] bytes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Invalid::field("id", "User ID is required").into());
        }
        if text.len() > Self::MAX_LENGTH {
            let reason = format!("a user ID has at most {} characters", Self::MAX_LENGTH);
            return Err(Invalid::field("id", reason).into());
        }
        Self::lenient(text).ok_or_else(|| Error::NotFound(text.into()))
    }

    /// Reads an id; `None` for what no user can have as an id.
    #[must_use]
    pub fn lenient(text: &str) -> Option<Self> {
        let id = text.parse().ok().and_then(Self::new)?;
        // `parse` also takes a plus and zeros in front.
        (id.to_string() == text).then_some(id)
    }

    /// The id with this number; `None` for one that is never given.
    #[must_use]
    pub fn new(number: i32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An email address, as it was written. Two that differ only in case are the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The most bytes (RFC 5321, section 4.5.3.1.3, without the brackets).
    pub const MAX_LENGTH: usize = 254;

    /// Checks the form: that of HTML's `<input type=email>`, with letters of
    /// all scripts (RFC 6531).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("email is required".into());
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(format!("an email has at most {} bytes", Self::MAX_LENGTH));
        }
        let wrong = || "an email has the form name@example.com".to_owned();
        let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
        let letter = |c: char| c.is_alphanumeric();
        let in_local = |c: char| letter(c) || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| letter(c) || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let fine = !local.is_empty()
            && local.len() <= 64
            && local.chars().all(in_local)
            && domain.split('.').all(label);
        fine.then(|| Self(text.into())).ok_or_else(wrong)
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is the same for two addresses that differ in case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The most characters.
    pub const MAX_LENGTH: usize = 200;

    /// Checks the form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("name is required".into());
        }
        bounded("a name", text, Self::MAX_LENGTH)?;
        if text.chars().any(char::is_control) {
            return Err("a name has no control characters".into());
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An age in years; 0 when it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age(u8);

impl Age {
    /// The highest.
    pub const MAX: i32 = 150;

    /// Checks it.
    ///
    /// # Errors
    /// When it is negative or too high.
    pub fn new(years: i32) -> Result<Self, String> {
        u8::try_from(years)
            .ok()
            .filter(|age| i32::from(*age) <= Self::MAX)
            .map(Self)
            .ok_or_else(|| format!("age must be 0 to {}; got {years}", Self::MAX))
    }

    /// The years.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0.into()
    }
}

/// Free labels, in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

impl Tags {
    /// The most there can be.
    pub const MAX: usize = 32;

    /// The most characters of one.
    pub const MAX_LENGTH: usize = 64;

    /// Checks them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(tags: Vec<String>) -> Result<Self, String> {
        if tags.len() > Self::MAX {
            let max = Self::MAX;
            return Err(format!("a user has at most {max} tags; got {}", tags.len()));
        }
        for tag in &tags {
            if tag.is_empty() {
                return Err("a tag is not empty".into());
            }
            bounded("a tag", tag, Self::MAX_LENGTH)?;
        }
        Ok(Self(tags))
    }

    /// The labels.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Free pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The most there can be.
    pub const MAX: usize = 32;

    /// The most characters of a key.
    pub const MAX_KEY: usize = 64;

    /// The most characters of a value.
    pub const MAX_VALUE: usize = 1024;

    /// Checks them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, String> {
        if pairs.len() > Self::MAX {
            return Err(format!(
                "a user has at most {} pairs of metadata; got {}",
                Self::MAX,
                pairs.len()
            ));
        }
        for (key, value) in &pairs {
            if key.is_empty() {
                return Err("a key of metadata is not empty".into());
            }
            bounded("a key of metadata", key, Self::MAX_KEY)?;
            bounded("a value of metadata", value, Self::MAX_VALUE)?;
        }
        Ok(Self(pairs))
    }

    /// The pairs.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// These pairs and those over them.
    fn with(&self, others: Self) -> Result<Self, Invalid> {
        let mut pairs = self.0.clone();
        pairs.extend(others.0);
        Self::new(pairs).map_err(|reason| Invalid::field("metadata", reason))
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// What everybody may.
    #[default]
    Member,
}

/// How a user stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Like any other.
    #[default]
    Active,
    /// Does not use the account, or not yet.
    Inactive,
    /// May not use the account.
    Suspended,
}

/// A moment, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The one that many microseconds after 1970 began.
    #[must_use]
    pub fn from_microseconds(microseconds: i64) -> Self {
        Self(microseconds)
    }

    /// Microseconds since 1970 began.
    #[must_use]
    pub fn microseconds(self) -> i64 {
        self.0
    }
}

/// Refuses a text of too many characters.
pub(crate) fn bounded(what: &str, text: &str, max: usize) -> Result<(), String> {
    // Characters have at most four bytes, so most texts need not be counted.
    match text.len() > max && text.chars().count() > max {
        true => Err(format!("{what} has at most {max} characters")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_the_form_they_are_written() {
        assert_eq!(UserId::parse("7").unwrap().get(), 7);
        assert_eq!(UserId::parse("2147483647").unwrap().get(), UserId::MAX);
        for unknown in ["0", "-1", "+7", "07", " 7", "2147483648", "john", "٧"] {
            let error = UserId::parse(unknown).unwrap_err();
            assert_eq!(error.to_string(), format!("User {unknown} not found"));
        }
        for (text, sentence) in [
            (String::new(), "User ID is required"),
            ("7".repeat(65), "a user ID has at most 64 characters"),
        ] {
            assert_eq!(UserId::parse(&text).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn emails_are_checked_for_form() {
        let label = "x".repeat(63);
        for good in [
            "john@example.com",
            "a@b",
            "john.o'neill+tag@mail.example.co.uk",
            "jürgen@müller.example",
            &format!("{}@{label}.com", "y".repeat(64)),
        ] {
            assert!(Email::new(good).is_ok(), "{good}");
        }
        for bad in [
            "john",
            "@example.com",
            "john@",
            "john@@example.com",
            "john@example..com",
            "john@-example.com",
            "john@exa mple.com",
            "jo hn@example.com",
            "john@example.com\n",
            "<john@example.com>",
            &format!("{}@example.com", "y".repeat(65)),
            &format!("john@{label}x.com"),
        ] {
            assert_eq!(
                Email::new(bad).unwrap_err(),
                "an email has the form name@example.com",
                "{bad}"
            );
        }
        let long = format!("j@{}", [label.as_str(); 4].join("."));
        assert_eq!(
            Email::new(&long).unwrap_err(),
            "an email has at most 254 bytes"
        );
        let keys = ["John@Example.COM", "john@example.com"].map(|e| Email::new(e).unwrap().key());
        assert_eq!(keys[0], keys[1]);
    }

    #[test]
    fn every_field_has_its_limit() {
        assert!(Name::new(&"ü".repeat(200)).is_ok());
        assert_eq!(
            Name::new(&"ü".repeat(201)).unwrap_err(),
            "a name has at most 200 characters"
        );
        assert_eq!(Name::new(" \t").unwrap_err(), "name is required");
        assert!(Name::new("a\u{7}b").is_err());
        assert!(Age::new(0).is_ok() && Age::new(150).is_ok());
        for bad in [-1, 151, i32::MAX, i32::MIN] {
            assert_eq!(
                Age::new(bad).unwrap_err(),
                format!("age must be 0 to 150; got {bad}")
            );
        }
        assert!(Tags::new(vec!["ü".repeat(64); 32]).is_ok());
        for (bad, reason) in [
            (vec!["x".into(); 33], "a user has at most 32 tags; got 33"),
            (vec!["x".repeat(65)], "a tag has at most 64 characters"),
            (vec![String::new()], "a tag is not empty"),
        ] {
            assert_eq!(Tags::new(bad).unwrap_err(), reason);
        }
        let pairs = |count: usize, key: usize, value: usize| {
            let key = |i: usize| format!("{i:02}{}", "k".repeat(key - 2));
            Metadata::new((0..count).map(|i| (key(i), "ü".repeat(value))).collect())
        };
        assert!(pairs(32, 64, 1024).is_ok());
        for (bad, reason) in [
            (
                pairs(33, 2, 0),
                "a user has at most 32 pairs of metadata; got 33",
            ),
            (
                pairs(1, 65, 0),
                "a key of metadata has at most 64 characters",
            ),
            (
                pairs(1, 2, 1025),
                "a value of metadata has at most 1024 characters",
            ),
        ] {
            assert_eq!(bad.unwrap_err(), reason);
        }
        assert!(Metadata::new([(String::new(), String::new())].into()).is_err());
    }
}
