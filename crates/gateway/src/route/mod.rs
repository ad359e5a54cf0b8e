//! From a path to an RPC: `google.api.http` rules, gRPC paths, named routes, in
//! this order.
//!
//! Everything that can go wrong with routes is known when they are made, and
//! told as [`Finding`]s; whatever has no fault is served all the same.

mod binding;
mod entry;
mod finding;
mod mask;
pub(crate) mod named;
mod trie;
mod variable;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::Method;
use portolan_schema::http::Origin;
use portolan_schema::{Schema, Service, Streaming};

use crate::Options;
pub(crate) use binding::{Binding, RawPlace, Route};
pub use entry::{RouteEntry, RouteKind};
use finding::Party;
pub use finding::{Finding, Party as RouteParty, RouteErrors, Severity};
pub(crate) use mask::UpdateMask;
use trie::{Builder, Trie};
pub use variable::MultiSegment;

/// What plain HTTP finds at a path.
#[derive(Debug)]
pub(crate) enum Matched<'a> {
    /// A binding, and the part of the path that its segments are in.
    Binding(&'a Arc<Binding>, Range<usize>),
    /// Something is there, for these methods.
    WrongMethod(Vec<Method>, RouteKind),
    /// Nothing is there.
    Nothing,
}

/// All routes of a schema.
#[derive(Debug)]
pub(crate) struct Routes {
    /// In the order of their declaration.
    routes: Vec<Arc<Route>>,
    by_path: HashMap<Arc<str>, Arc<Route>, RandomState>,
    /// Of the rules, in the order of their declaration.
    bindings: Vec<Arc<Binding>>,
    rules: Trie,
    /// `POST /package.Service/Method`, with the whole message as body.
    auto: HashMap<Arc<str>, Arc<Binding>, RandomState>,
    named: HashMap<String, Arc<Binding>, RandomState>,
    findings: Vec<Finding>,
    /// In front of every path of plain HTTP; without a slash at its end.
    base: Box<str>,
    ignore_trailing_slash: bool,
}

impl Routes {
    /// The routes of every service in the schema.
    pub(crate) fn of(schema: &Schema, options: &Options) -> Self {
        let mut routes = Self {
            routes: Vec::new(),
            by_path: HashMap::default(),
            bindings: Vec::new(),
            rules: Trie::default(),
            auto: HashMap::default(),
            named: HashMap::default(),
            findings: Vec::new(),
            base: named::base(&options.base_path).into(),
            ignore_trailing_slash: options.ignore_trailing_slash,
        };
        for service in schema.services() {
            for method in service.methods() {
                let route = Arc::new(Route::of(method));
                routes.routes.push(Arc::clone(&route));
                routes.by_path.insert(Arc::clone(&route.path), route);
            }
        }
        if options.rules {
            let faults = schema.rule_faults().iter().cloned();
            routes.findings.extend(faults.map(Finding::Rule));
            let mut rules = Builder::default();
            // What somebody configured here comes before what came with the
            // contract.
            routes.add_rules(schema, Origin::Configuration, &mut rules);
            routes.add_rules(schema, Origin::Annotation, &mut rules);
            routes.rules = rules.build();
        }
        if options.auto {
            routes.add_auto(options);
        }
        if let Some(path) = &options.named_path {
            routes.add_named(schema, path, options);
        }
        routes
    }

    fn add_rules(&mut self, schema: &Schema, origin: Origin, into: &mut Builder) {
        let methods = schema.services().flat_map(Service::methods);
        for method in methods {
            let Some(route) = self.by_path.get(method.path()) else {
                continue;
            };
            let rules = method.http_rules().iter();
            for rule in rules.filter(|rule| rule.origin() == origin) {
                let binding = Arc::new(Binding::of_rule(schema, route, &self.base, rule));
                let method = binding
                    .methods
                    .as_deref()
                    .and_then(<[Method]>::first)
                    .cloned();
                match into.insert(rule.template(), method, &binding) {
                    Ok(()) => self.bindings.push(binding),
                    Err(winner) => self.findings.push(Finding::Conflict {
                        loser: Party::of(&binding),
                        winner: Party::of(&winner),
                    }),
                }
            }
        }
    }

    fn add_auto(&mut self, options: &Options) {
        for route in &self.routes {
            let methods = options.limited(vec![Method::POST]);
            let path = format!("{}{}", self.base, route.path);
            let binding = Binding::whole(route, RouteKind::Auto, path, methods);
            self.auto.insert(Arc::clone(&route.path), Arc::new(binding));
        }
        let hidden: Vec<Finding> = self
            .routes
            .iter()
            .filter_map(|route| self.hidden(self.auto.get(&route.path)?, &route.path))
            .collect();
        self.findings.extend(hidden);
    }

    fn add_named(&mut self, schema: &Schema, path: &str, options: &Options) {
        for service in schema.services() {
            for method in service.methods() {
                let Some(route) = self.by_path.get(method.path()) else {
                    continue;
                };
                let methods = options.limited(named::methods(route));
                for name in named::paths(path, service.short_name(), method.name()) {
                    let path = format!("{}{name}", self.base);
                    let binding = Binding::whole(route, RouteKind::Named, path, methods.clone());
                    let hidden = self.hidden(&binding, &name);
                    match self.named.entry(name) {
                        Entry::Vacant(place) => {
                            place.insert(Arc::new(binding));
                            self.findings.extend(hidden);
                        }
                        // Of two services of one name the first keeps it.
                        Entry::Occupied(place) => self.findings.push(Finding::NameTaken {
                            loser: Party::of(&binding),
                            winner: Party::of(place.get()),
                        }),
                    }
                }
            }
        }
    }

    /// That a rule answers where this binding would.
    fn hidden(&self, binding: &Binding, path: &str) -> Option<Finding> {
        let methods = binding.methods.as_deref().unwrap_or_default().iter();
        let mut rules = methods.filter_map(|method| self.rules.find(method, path));
        // A rule for the same RPC does it no harm.
        let other = rules.find(|rule| !Arc::ptr_eq(&rule.binding.route, &binding.route))?;
        Some(Finding::Hidden {
            loser: Party::of(binding),
            winner: Party::of(other.binding),
        })
    }

    /// The RPC with this gRPC path.
    pub(crate) fn by_path(&self, path: &str) -> Option<&Arc<Route>> {
        self.by_path.get(path)
    }

    /// What is wrong with the routes.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Every way to reach an RPC by plain HTTP: rules, then automatic routes,
    /// then named ones, each in the order of declaration.
    pub(crate) fn entries(&self) -> impl Iterator<Item = RouteEntry<'_>> {
        let mut named: Vec<&Arc<Binding>> = self.named.values().collect();
        let position: HashMap<*const Route, usize> =
            self.routes.iter().map(Arc::as_ptr).zip(0..).collect();
        named.sort_by_key(|binding| (position.get(&Arc::as_ptr(&binding.route)), &binding.path));
        let auto = self
            .routes
            .iter()
            .filter_map(|route| self.auto.get(&route.path));
        let bindings = self.bindings.iter().chain(auto).chain(named);
        bindings.map(|binding| RouteEntry(binding))
    }

    /// The route that plain HTTP would take.
    pub(crate) fn resolve(&self, method: &Method, path: &str) -> Option<RouteEntry<'_>> {
        match self.find(method, path) {
            Matched::Binding(binding, _) => Some(RouteEntry(binding)),
            Matched::WrongMethod(..) | Matched::Nothing => None,
        }
    }

    /// What plain HTTP reaches: rules first, then gRPC paths, then named routes.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Matched<'_> {
        let found = self.find_exactly(method, path);
        if let (Matched::Nothing, true) = (&found, self.ignore_trailing_slash)
            && let Some(shorter) = path.strip_suffix('/')
        {
            return self.find_exactly(method, shorter);
        }
        found
    }

    fn find_exactly(&self, method: &Method, path: &str) -> Matched<'_> {
        let below = path
            .strip_prefix(&*self.base)
            .filter(|below| below.is_empty() || below.starts_with('/'));
        let Some(inner) = below else {
            // The path of a gRPC call is Connect's too, and stays where it is.
            return match self.auto.get(path) {
                Some(binding) => one_of(method, path.len(), binding),
                None => Matched::Nothing,
            };
        };
        let base = self.base.len();
        if let Some(found) = self.rules.find(method, inner) {
            return Matched::Binding(found.binding, base..base + found.end);
        }
        let fixed = || {
            let auto = self.auto.get(inner).or_else(|| self.auto.get(path));
            auto.or_else(|| self.named.get(&inner.to_ascii_lowercase()))
        };
        let allowed = self.rules.allowed(inner);
        if allowed.is_empty() {
            return match fixed() {
                Some(binding) => one_of(method, path.len(), binding),
                None => Matched::Nothing,
            };
        }
        // A path may be a rule's for some methods and a gRPC path for POST, or a
        // named route's for others: `GET /{path=**}` is every path.
        if let Some(binding) = fixed()
            && takes(method, binding)
        {
            return Matched::Binding(binding, 0..path.len());
        }
        // A rule for any method would have been found.
        let mut allowed: Vec<Method> = allowed.into_iter().flatten().collect();
        let others = fixed()
            .map(|binding| methods_of(binding))
            .unwrap_or_default();
        allowed.extend(others);
        allowed.sort_by(|left, right| left.as_str().cmp(right.as_str()));
        allowed.dedup();
        Matched::WrongMethod(allowed, RouteKind::Rule)
    }
}

/// A route whose path has no variables, if it takes this method.
fn one_of<'a>(method: &Method, end: usize, binding: &'a Arc<Binding>) -> Matched<'a> {
    if takes(method, binding) {
        return Matched::Binding(binding, 0..end);
    }
    Matched::WrongMethod(methods_of(binding), binding.kind)
}

/// The HTTP methods of a route whose path has no variables.
fn methods_of(binding: &Binding) -> Vec<Method> {
    let takes = binding.methods.as_deref().unwrap_or_default();
    // Where Connect has a POST it may have a GET, too.
    if binding.kind == RouteKind::Auto && takes.contains(&Method::POST) {
        connect_methods(&binding.route)
    } else {
        takes.to_vec()
    }
}

fn takes(method: &Method, binding: &Binding) -> bool {
    let Some(methods) = &binding.methods else {
        return true;
    };
    methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

/// The HTTP methods of a gRPC path: Connect reads by GET what has no side effects.
pub(crate) fn connect_methods(route: &Route) -> Vec<Method> {
    if route.no_side_effects && route.streaming == Streaming::Unary {
        vec![Method::GET, Method::POST]
    } else {
        vec![Method::POST]
    }
}
