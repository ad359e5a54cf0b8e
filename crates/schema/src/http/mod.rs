//! `google.api.http`: how a method is reached over HTTP with JSON
//! (googleapis, `google/api/http.proto`).
//!
//! A rule comes from an annotation or from a [`ServiceConfig`]. One that cannot
//! be used becomes a [`RuleFault`] of the schema and takes nothing down with it.

mod apply;
mod check;
mod config;
mod fault;
mod nearest;
mod place;
mod rule;
mod template;

pub use config::{ConfigError, ServiceConfig};
pub use fault::{RuleError, RuleFault};
pub use place::Place;
pub use rule::{Body, HttpRule, Origin};
pub use template::{MAX_SEGMENTS, Segment, Template, Variable};

pub(crate) use apply::apply;
pub(crate) use check::check;
pub(crate) use place::Annotations;
