//! Which rule a path finds, by hand and against a matcher that tries them all.

mod naive;
mod trie;

use std::sync::Arc;

use http::Method;
use portolan_schema::http::Template;
use portolan_schema::{MessageId, Schema, Streaming};

use super::trie::{Builder, Trie};
use super::{Binding, Route, RouteKind};

fn message() -> MessageId {
    let set = b"\x0a\x10\x0a\x01a\x22\x03\x0a\x01M\x62\x06proto3";
    let schema = Schema::from_descriptor_sets([&set[..]]).unwrap();
    schema.message_by_name("M").unwrap()
}

/// A rule written as `GET /v1/{id}`, with `*` for any method.
fn parse(rule: &str) -> (Option<Method>, Template) {
    let (method, template) = rule.split_once(' ').unwrap();
    let method = (method != "*").then(|| method.parse().unwrap());
    (method, Template::parse(template).unwrap())
}

/// A trie of rules; a binding is known by its path, which is the rule. Rules
/// that are there already are left out.
fn trie_of<'a>(rules: impl IntoIterator<Item = &'a str>) -> Trie {
    builder_of(rules).build()
}

fn builder_of<'a>(rules: impl IntoIterator<Item = &'a str>) -> Builder {
    let message = message();
    let mut trie = Builder::default();
    for rule in rules {
        let (method, template) = parse(rule);
        let route = Arc::new(Route {
            path: rule.into(),
            uri: http::Uri::default(),
            input: message,
            output: message,
            streaming: Streaming::Unary,
            no_side_effects: false,
        });
        let methods = method.iter().cloned().collect();
        let binding = Binding::whole(&route, RouteKind::Rule, rule.to_owned(), methods);
        let _ = trie.insert(&template, method, &Arc::new(binding));
    }
    trie
}

/// The rule that a request such as `GET /v1/7` finds, and where its segments end.
fn find<'a>(trie: &'a Trie, request: &str) -> Option<(&'a str, usize)> {
    let (method, path) = request.split_once(' ').unwrap();
    let found = trie.find(&method.parse().unwrap(), path)?;
    Some((&*found.binding.path, found.end))
}
