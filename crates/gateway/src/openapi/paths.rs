//! Every way to reach an RPC, each at its path, in the order in which a gateway
//! looks for a route: rules, then the RPCs' own paths, then named routes. Of
//! two ways with one path and HTTP method the first is taken, there and here.

use std::collections::{HashMap, HashSet};

use portolan_schema::http::{Body, HttpRule, Origin};
use portolan_schema::{Method, Schema, Service, Streaming};

use super::OpenApiOptions;
use super::document::methods;
use super::node::{Map, Node};
use super::operation::Way;
use super::path::Path;
use super::schemas::Schemas;
use super::words::description;
use crate::ErrorStyle;
use crate::route::{RouteKind, named};

/// The HTTP methods that a path item has a place for (OAS 3.1, "Path Item
/// Object").
const METHODS: [(&str, &str); 8] = [
    ("GET", "get"),
    ("PUT", "put"),
    ("POST", "post"),
    ("DELETE", "delete"),
    ("OPTIONS", "options"),
    ("HEAD", "head"),
    ("PATCH", "patch"),
    ("TRACE", "trace"),
];

/// Where other methods go: what OpenAPI 3.2 calls `additionalOperations`.
const OTHER_METHODS: &str = "x-additionalOperations";

/// The paths of a document and what belongs to them.
pub(super) struct Paths {
    pub(super) items: Vec<Item>,
    pub(super) tags: Tags,
    /// The forms of errors that operations refer to, in their order.
    pub(super) styles: Vec<ErrorStyle>,
}

/// What is at a path.
pub(super) struct Item {
    pub(super) path: String,
    /// Of the parameters in the path.
    names: Vec<String>,
    pub(super) operations: Map,
    others: Map,
}

/// The groups of operations: a service's rules, its RPCs' paths, its names.
#[derive(Default)]
pub(super) struct Tags {
    names: HashSet<String>,
    nodes: Vec<Node>,
}

impl Paths {
    pub(super) fn of(schema: &Schema, options: &OpenApiOptions, schemas: &mut Schemas<'_>) -> Self {
        let mut builder = Builder {
            paths: Self {
                items: Vec::new(),
                tags: Tags::default(),
                styles: Vec::new(),
            },
            by_shape: HashMap::new(),
            ids: Ids::of(schema),
            schemas,
        };
        if options.routes.rules {
            builder.add_rules(schema, options);
        }
        if options.routes.auto {
            for (service, method) in methods(schema, options) {
                if is_allowed(options, "POST") {
                    builder.add(of_rpc(service, method));
                }
            }
        }
        let base = options.named_path.as_deref();
        if let Some(base) = base.filter(|_| options.routes.named) {
            for (service, method) in methods(schema, options) {
                for way in of_name(options, base, service, method) {
                    builder.add(way);
                }
            }
        }
        let mut paths = builder.paths;
        for item in &mut paths.items {
            let others = std::mem::take(&mut item.others);
            if !others.is_empty() {
                item.operations.put(OTHER_METHODS, others);
            }
        }
        paths
    }
}

struct Builder<'b, 'a> {
    paths: Paths,
    by_shape: HashMap<String, usize>,
    ids: Ids,
    schemas: &'b mut Schemas<'a>,
}

impl Builder<'_, '_> {
    /// Of what has one shape and one method, the rule that the gateway prefers.
    fn add_rules(&mut self, schema: &Schema, options: &OpenApiOptions) {
        let mut best: HashMap<(String, String), (Rank, usize)> = HashMap::new();
        let mut ways = Vec::new();
        for (service, method) in methods(schema, options) {
            for rule in method.http_rules() {
                let way = of_rule(schema, options, service, method, rule);
                let place = (way.path.shape.clone(), way.http_method.clone());
                let rank = (rank(rule), ways.len());
                let known = best.entry(place).or_insert(rank);
                *known = (*known).min(rank);
                ways.push(way);
            }
        }
        let chosen: HashSet<usize> = best.into_values().map(|(_, index)| index).collect();
        for (index, way) in ways.into_iter().enumerate() {
            if chosen.contains(&index) {
                self.add(way);
            }
        }
    }

    fn add(&mut self, mut way: Way<'_>) {
        let index = match self.by_shape.get(&way.path.shape) {
            Some(index) => {
                way.path.rename(&self.paths.items[*index].names);
                *index
            }
            None => {
                let index = self.paths.items.len();
                self.by_shape.insert(way.path.shape.clone(), index);
                self.paths.items.push(Item {
                    path: way.path.text.clone(),
                    names: way
                        .path
                        .parameters
                        .iter()
                        .map(|parameter| parameter.name.clone())
                        .collect(),
                    operations: Map::new(),
                    others: Map::new(),
                });
                index
            }
        };
        let item = &self.paths.items[index];
        let known = METHODS.iter().find(|(name, _)| *name == way.http_method);
        let taken = match known {
            Some((_, key)) => item.operations.contains(key),
            None => item.others.contains(&way.http_method),
        };
        if taken {
            return;
        }
        let style = way.error_style(self.schemas.options);
        if !self.paths.styles.contains(&style) {
            self.paths.styles.push(style);
        }
        let id = self.ids.next(way.service, way.method);
        let tag = self.paths.tags.of(way.service, way.kind);
        let operation = way.operation(self.schemas, id, &tag);
        let item = &mut self.paths.items[index];
        match known {
            Some((_, key)) => item.operations.put(*key, operation),
            None => item.others.put(way.http_method, operation),
        }
    }
}

/// What comes first where several rules match: one of the service configuration,
/// one for the very HTTP method, one without `**`.
type Rank = (bool, bool, bool);

fn rank(rule: &HttpRule) -> Rank {
    (
        rule.origin() != Origin::Configuration,
        rule.http_method() == "*",
        rule.template().to_string().contains("**"),
    )
}

fn of_rule<'a>(
    schema: &Schema,
    options: &OpenApiOptions,
    service: &'a Service,
    method: &'a Method,
    rule: &'a HttpRule,
) -> Way<'a> {
    // Names in paths are spelled as JSON spells them.
    let name = |path: &[Box<str>]| {
        let mut message = Some(method.input());
        let mut names = Vec::new();
        for name in path {
            let field = message.and_then(|id| schema.message(id).field(name));
            message = field.and_then(|field| field.kind().message());
            let spelled = match field {
                Some(field) if !options.proto_names => field.json_name(),
                _ => name,
            };
            names.push(spelled.to_owned());
        }
        names.join(".")
    };
    let any = rule.http_method() == "*";
    let http_method = match rule.body() {
        _ if !any => rule.http_method(),
        Body::None => "GET",
        _ => "POST",
    };
    Way {
        service,
        method,
        kind: RouteKind::Rule,
        http_method: http_method.to_owned(),
        path: Path::of(rule.template(), name),
        body: rule.body().clone(),
        response_body: rule.response_body(),
        remark: if any { "Takes any HTTP method." } else { "" },
    }
}

fn of_rpc<'a>(service: &'a Service, method: &'a Method) -> Way<'a> {
    Way {
        service,
        method,
        kind: RouteKind::Auto,
        http_method: "POST".to_owned(),
        path: Path::fixed(method.path()),
        body: Body::Whole,
        response_body: None,
        remark: "",
    }
}

/// By name: with a body, and from the query alone what changes nothing.
fn of_name<'a>(
    options: &OpenApiOptions,
    base: &str,
    service: &'a Service,
    method: &'a Method,
) -> impl Iterator<Item = Way<'a>> {
    // The other paths are the same with the suffix `service`.
    let path = named::paths(base, service.short_name(), method.name())
        .into_iter()
        .next()
        .unwrap_or_default();
    let reads = method.has_no_side_effects()
        && matches!(method.streaming(), Streaming::Unary | Streaming::Server);
    // All that take a body take the same; one of them is enough to know it.
    let write = ["POST", "PUT", "PATCH", "DELETE"]
        .into_iter()
        .find(|http_method| is_allowed(options, http_method));
    let read = Some("GET").filter(|read| reads && is_allowed(options, read));
    [write, read]
        .into_iter()
        .flatten()
        .map(move |http_method| Way {
            service,
            method,
            kind: RouteKind::Named,
            http_method: http_method.to_owned(),
            path: Path::fixed(&path),
            body: Body::Whole,
            response_body: None,
            remark: "",
        })
}

/// Whether routes without a rule may take this HTTP method.
fn is_allowed(options: &OpenApiOptions, http_method: &str) -> bool {
    let limit = options.http_methods.as_ref();
    limit.is_none_or(|limit| limit.iter().any(|method| method.as_str() == http_method))
}

impl Tags {
    /// The tag of a service's ways of this kind.
    fn of(&mut self, service: &Service, kind: RouteKind) -> String {
        let (name, words) = match kind {
            RouteKind::Rule => (service.name().to_owned(), description(service.comment())),
            RouteKind::Auto => (
                format!("{} (by RPC)", service.name()),
                "The same RPCs at their own paths, as gRPC and Connect name them: POST with the \
                 whole request as JSON."
                    .to_owned(),
            ),
            RouteKind::Named => (
                format!("{} (by name)", service.name()),
                "The same RPCs at paths in lower case; any HTTP method with a body does."
                    .to_owned(),
            ),
        };
        if self.names.insert(name.clone()) {
            let mut node = Map::new().with("name", name.clone());
            node.put_text("description", words);
            self.nodes.push(node.into());
        }
        name
    }

    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

/// Names for operations: `Service_Method`, the further ways to one RPC with a
/// number behind. Services of one short name go by their full ones.
struct Ids {
    ambiguous: HashSet<String>,
    counts: HashMap<String, usize>,
    taken: HashSet<String>,
}

impl Ids {
    fn of(schema: &Schema) -> Self {
        let mut seen = HashSet::new();
        let mut ambiguous = HashSet::new();
        for service in schema.services() {
            if !seen.insert(service.short_name()) {
                ambiguous.insert(service.short_name().to_owned());
            }
        }
        Self {
            ambiguous,
            counts: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    fn next(&mut self, service: &Service, method: &Method) -> String {
        let name = if self.ambiguous.contains(service.short_name()) {
            service.name()
        } else {
            service.short_name()
        };
        let allowed = |letter: char| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        };
        let base: String = format!("{name}_{}", method.name())
            .chars()
            .map(allowed)
            .collect();
        let count = self.counts.entry(base.clone()).or_default();
        loop {
            *count += 1;
            let id = match *count {
                1 => base.clone(),
                count => format!("{base}_{count}"),
            };
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}
