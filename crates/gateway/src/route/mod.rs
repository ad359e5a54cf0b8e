//! From a path to an RPC: gRPC paths, `google.api.http` rules, named routes.

mod mask;
mod named;
mod trie;

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use portolan_schema::http::{Body as RuleBody, HttpRule};
use portolan_schema::{Kind, MessageId, Method as SchemaMethod, Schema, Streaming};

pub(crate) use mask::UpdateMask;
pub(crate) use trie::Found;
use trie::Trie;

/// An RPC that can be reached.
#[derive(Debug)]
pub(crate) struct Route {
    /// The gRPC path, such as `/grpc.health.v1.Health/Check`.
    pub(crate) path: Arc<str>,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) streaming: Streaming,
    pub(crate) no_side_effects: bool,
}

impl Route {
    fn of(method: &SchemaMethod) -> Self {
        Self {
            path: method.path().into(),
            input: method.input(),
            output: method.output(),
            streaming: method.streaming(),
            no_side_effects: method.has_no_side_effects(),
        }
    }
}

/// A way to reach an RPC with plain HTTP and JSON.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) route: Arc<Route>,
    /// The HTTP method; `None` for any.
    pub(crate) http_method: Option<Method>,
    pub(crate) body: RuleBody,
    pub(crate) response_body: Option<Box<str>>,
    /// Where the HTTP body goes in the request, when it is one of any type.
    pub(crate) raw_request: Option<RawPlace>,
    /// Where the HTTP body is in the reply, when it is one of any type.
    pub(crate) raw_reply: Option<RawPlace>,
    /// The mask to fill when a partial update comes without one.
    pub(crate) update_mask: Option<UpdateMask>,
    /// The fields that parts of the path fill, in the order the trie captures them.
    pub(crate) variables: Vec<Vec<Box<str>>>,
}

/// Where a message has a `google.api.HttpBody`: bytes that are a body of any
/// content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawPlace {
    /// The message is one.
    Whole,
    /// The field with this number.
    Field(u32),
}

impl RawPlace {
    /// In a message of this type, or in the field of it that a rule names.
    fn of(schema: &Schema, message: MessageId, field: Option<&str>) -> Option<Self> {
        let is_raw = |id| schema.message(id).name() == "google.api.HttpBody";
        let Some(name) = field else {
            return is_raw(message).then_some(Self::Whole);
        };
        let field = schema.message(message).field(name)?;
        match field.kind() {
            Kind::Message(id) if is_raw(id) && field.cardinality().is_singular() => {
                Some(Self::Field(field.number()))
            }
            _ => None,
        }
    }
}

/// Which kind of route a request took; each reports errors in its own form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// A `google.api.http` rule.
    Rule,
    /// `/package.Service/Method`.
    Auto,
    /// `/grpc/service/method`.
    Named,
}

/// What plain HTTP finds at a path.
pub(crate) enum Matched {
    /// A binding, with the text of its variables.
    Binding(Arc<Binding>, Vec<(usize, String)>, RouteKind),
    /// Something is there, for these methods.
    WrongMethod(Vec<Method>, RouteKind),
    /// Nothing is there.
    Nothing,
}

/// All routes of a schema.
#[derive(Debug)]
pub(crate) struct Routes {
    by_path: HashMap<Arc<str>, Arc<Route>>,
    /// `POST /package.Service/Method`, with the whole message as body.
    auto: HashMap<Arc<str>, Arc<Binding>>,
    named: HashMap<String, Arc<Binding>>,
    rules: Trie,
}

impl Routes {
    /// The routes of every service in the schema; named routes below
    /// `named_path` when there is one.
    pub(crate) fn of(schema: &Schema, named_path: Option<&str>) -> Self {
        let mut routes = Self {
            by_path: HashMap::new(),
            auto: HashMap::new(),
            named: HashMap::new(),
            rules: Trie::default(),
        };
        for service in schema.services() {
            for method in service.methods() {
                let route = Arc::new(Route::of(method));
                let auto = Arc::new(Binding {
                    route: Arc::clone(&route),
                    http_method: None,
                    body: RuleBody::Whole,
                    response_body: None,
                    // These are Connect's paths too, where it is JSON.
                    raw_request: None,
                    raw_reply: None,
                    update_mask: None,
                    variables: Vec::new(),
                });
                if let Some(path) = named_path {
                    for name in named::paths(path, service.short_name(), method.name()) {
                        // Of two services of one name the first keeps it.
                        routes
                            .named
                            .entry(name)
                            .or_insert_with(|| Arc::clone(&auto));
                    }
                }
                for rule in method.http_rules() {
                    routes
                        .rules
                        .insert(rule.template(), Arc::new(bind(schema, &route, rule)));
                }
                routes.auto.insert(Arc::clone(&route.path), auto);
                routes.by_path.insert(Arc::clone(&route.path), route);
            }
        }
        routes
    }

    /// The RPC with this gRPC path.
    pub(crate) fn by_path(&self, path: &str) -> Option<&Arc<Route>> {
        self.by_path.get(path)
    }

    /// What plain HTTP reaches: rules first, then gRPC paths, then named routes.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Matched {
        let mut allowed = match self.rules.find(method, path) {
            Found::Binding(binding, variables) => {
                return Matched::Binding(binding, variables, RouteKind::Rule);
            }
            Found::Other(allowed) => allowed,
        };
        if !allowed.is_empty() {
            // A path may be a rule's for some methods and a gRPC path for POST.
            if let Some(binding) = self.auto.get(path).filter(|_| method == Method::POST) {
                return Matched::Binding(Arc::clone(binding), Vec::new(), RouteKind::Auto);
            }
            // Or a named route's for others: `GET /{path=**}` is every path.
            if let Some(binding) = self.named(path)
                && named::methods(&binding.route).contains(method)
            {
                return Matched::Binding(Arc::clone(binding), Vec::new(), RouteKind::Named);
            }
            allowed.sort_by(|left, right| left.as_str().cmp(right.as_str()));
            allowed.dedup();
            return Matched::WrongMethod(allowed, RouteKind::Rule);
        }
        if let Some(binding) = self.auto.get(path) {
            return match *method {
                Method::POST => Matched::Binding(Arc::clone(binding), Vec::new(), RouteKind::Auto),
                _ => Matched::WrongMethod(connect_methods(&binding.route), RouteKind::Auto),
            };
        }
        match self.named(path) {
            Some(binding) => {
                let allowed = named::methods(&binding.route);
                if allowed.contains(method) {
                    Matched::Binding(Arc::clone(binding), Vec::new(), RouteKind::Named)
                } else {
                    Matched::WrongMethod(allowed, RouteKind::Named)
                }
            }
            None => Matched::Nothing,
        }
    }

    fn named(&self, path: &str) -> Option<&Arc<Binding>> {
        self.named.get(&path.to_ascii_lowercase())
    }
}

/// The HTTP methods of a gRPC path: Connect reads by GET what has no side effects.
pub(crate) fn connect_methods(route: &Route) -> Vec<Method> {
    if route.no_side_effects && route.streaming == Streaming::Unary {
        vec![Method::GET, Method::POST]
    } else {
        vec![Method::POST]
    }
}

fn bind(schema: &Schema, route: &Arc<Route>, rule: &HttpRule) -> Binding {
    Binding {
        route: Arc::clone(route),
        http_method: match rule.http_method() {
            "*" => None,
            // The schema let through upper-case tokens only.
            name => Method::from_bytes(name.as_bytes()).ok(),
        },
        body: rule.body().clone(),
        response_body: rule.response_body().map(Into::into),
        raw_request: match rule.body() {
            RuleBody::None => None,
            RuleBody::Whole => RawPlace::of(schema, route.input, None),
            RuleBody::Field(field) => RawPlace::of(schema, route.input, Some(field)),
        },
        raw_reply: RawPlace::of(schema, route.output, rule.response_body()),
        update_mask: UpdateMask::of(schema, route.input, rule.http_method(), rule.body()),
        variables: rule
            .template()
            .variables()
            .iter()
            .map(|variable| variable.field.clone())
            .collect(),
    }
}
