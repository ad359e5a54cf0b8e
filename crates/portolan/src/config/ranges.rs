//! Which numbers and times can work, told where the file has them.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::Time;

/// A number of things of which there has to be one at least.
pub(super) fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + From<u8>,
{
    let number = Option::<T>::deserialize(deserializer)?;
    let works = number.as_ref().is_none_or(|number| *number >= T::from(1));
    only_if(
        works,
        number,
        "with 0 nothing could be done; write 1 or more",
    )
}

/// The same of what has to be said.
pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    let advice = "with 0 nothing could be done; write 1 or more";
    only_if(number > 0, number, advice)
}

/// The same of what has a default.
pub(super) fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    only_if(
        number > 0,
        number,
        "0 failures are no reason; write 1 or more",
    )
}

/// A part of a hundred.
pub(super) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let number = u8::deserialize(deserializer)?;
    only_if(number <= 100, number, "write 100 or less")
}

/// A part of one.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = Option::<f64>::deserialize(deserializer)?;
    let works = number.is_none_or(|number| (0.0..=1.0).contains(&number));
    only_if(works, number, "write a share from 0 to 1, such as 0.1")
}

/// How far JSON is indented.
pub(super) fn indent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let number = Option::<u8>::deserialize(deserializer)?;
    let works = number.is_none_or(|number| number <= 16);
    only_if(works, number, "write 16 or less")
}

/// A time in which something can happen.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let time = Option::<Time>::deserialize(deserializer)?;
    let works = time.is_none_or(|time| time.0 > Duration::ZERO);
    only_if(
        works,
        time,
        "in no time nothing can be done; write a longer one, or leave it out for the default",
    )
}

fn only_if<T, E: Error>(works: bool, value: T, advice: &str) -> Result<T, E> {
    if works {
        Ok(value)
    } else {
        Err(E::custom(advice))
    }
}
