//! The contracts over the [`Directory`](crate::Directory), one module each:
//! messages and metadata in, messages and statuses out. What the operations
//! mean is not decided here.

mod status;
pub mod user;
pub mod user_v1;
pub mod users_v1;

use std::pin::Pin;

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use prost_types::Timestamp;
use tonic::{
    Code, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    directory::Page,
    error::Fields,
    user::{Moment, Role, User},
};

/// The metadata that names the next page, at the begin of an answer and in its
/// trailers.
pub const NEXT_PAGE_TOKEN: &str = "next-page-token";

/// The request metadata that names the room of a chat.
pub const ROOM: &str = "x-room";

/// What the services answer with when they stream.
pub type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A page of users, with the token of the next one before and behind it.
fn page<T: From<User> + Send + 'static>(page: Page) -> Response<Messages<T>> {
    let users = page.users.map(|user| match user {
        Ok(user) => Ok(user.into()),
        Err(error) => Err(error.into()),
    });
    let mut metadata = MetadataMap::new();
    let token = page.next.as_deref().map(MetadataValue::try_from);
    if let Some(Ok(token)) = token {
        metadata.insert(NEXT_PAGE_TOKEN, token);
    }
    // A status is how trailers are sent, and so one that is no error.
    let trailers = Status::with_metadata(Code::Ok, "", metadata.clone());
    let users = users.chain(stream::once(async { Err(trailers) }));
    let mut response: Response<Messages<T>> = Response::new(Box::pin(users));
    *response.metadata_mut() = metadata;
    response
}

/// `google.protobuf.Timestamp`.
fn timestamp(moment: Moment) -> Option<Timestamp> {
    let microseconds = moment.microseconds();
    Some(Timestamp {
        seconds: microseconds.div_euclid(1_000_000),
        nanos: (microseconds.rem_euclid(1_000_000) * 1000) as i32,
    })
}

/// A role that the contract names by a number; 0 is none.
fn role(fields: &mut Fields, number: i32) -> Option<Role> {
    let role = match number {
        0 => Ok(None),
        1 => Ok(Some(Role::Admin)),
        2 => Ok(Some(Role::Member)),
        _ => Err(format!("role {number} is none of UserRole")),
    };
    fields.take("role", role).flatten()
}
