//! What a route leads to: an RPC, and how HTTP's parts become its messages.

use std::sync::Arc;

use http::{Method, Uri};
use portolan_schema::http::{Body as RuleBody, HttpRule, Place};
use portolan_schema::{Kind, MessageId, Method as SchemaMethod, Schema, Streaming};

use super::variable::Variable;
use super::{RouteKind, UpdateMask};

/// An RPC that can be reached.
#[derive(Debug)]
pub(crate) struct Route {
    /// The gRPC path, such as `/grpc.health.v1.Health/Check`.
    pub(crate) path: Arc<str>,
    /// The same, for requests to the service.
    pub(crate) uri: Uri,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) streaming: Streaming,
    pub(crate) no_side_effects: bool,
}

impl Route {
    pub(super) fn of(method: &SchemaMethod) -> Self {
        Self {
            path: method.path().into(),
            // A contract's names are those of a path.
            uri: Uri::try_from(method.path()).unwrap_or_default(),
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
    pub(crate) kind: RouteKind,
    /// The path or path template, below the base path.
    pub(super) path: Box<str>,
    /// The HTTP methods; `None` for any.
    pub(super) methods: Option<Vec<Method>>,
    /// Where the rule is written, if it is one.
    pub(super) place: Option<Place>,
    pub(crate) body: RuleBody,
    /// The number of the field that the body is, when it is one.
    pub(crate) body_field: Option<u32>,
    pub(crate) response_body: Option<Box<str>>,
    /// Where the HTTP body goes in the request, when it is one of any type.
    pub(crate) raw_request: Option<RawPlace>,
    /// Where the HTTP body is in the reply, when it is one of any type.
    pub(crate) raw_reply: Option<RawPlace>,
    /// The mask to fill when a partial update comes without one.
    pub(crate) update_mask: Option<UpdateMask>,
    /// The fields that parts of the path fill.
    pub(crate) variables: Vec<Variable>,
}

impl Binding {
    /// What a `google.api.http` rule says.
    pub(super) fn of_rule(
        schema: &Schema,
        route: &Arc<Route>,
        base: &str,
        rule: &HttpRule,
    ) -> Self {
        let method = match rule.http_method() {
            "*" => None,
            // The schema let through upper-case tokens only.
            name => Method::from_bytes(name.as_bytes()).ok(),
        };
        let body_field = match rule.body() {
            RuleBody::Field(name) => schema.message(route.input).field(name),
            RuleBody::None | RuleBody::Whole => None,
        };
        Self {
            route: Arc::clone(route),
            kind: RouteKind::Rule,
            path: format!("{base}{}", rule.template()).into(),
            methods: method.map(|method| vec![method]),
            place: Some(rule.place().clone()),
            body: rule.body().clone(),
            body_field: body_field.map(portolan_schema::Field::number),
            response_body: rule.response_body().map(Into::into),
            raw_request: match rule.body() {
                RuleBody::None => None,
                RuleBody::Whole => RawPlace::of(schema, route.input, None),
                RuleBody::Field(field) => RawPlace::of(schema, route.input, Some(field)),
            },
            raw_reply: RawPlace::of(schema, route.output, rule.response_body()),
            update_mask: UpdateMask::of(schema, route.input, rule.http_method(), rule.body()),
            variables: Variable::all_of(rule.template()),
        }
    }

    /// The whole message as body, and the whole reply. These are Connect's paths
    /// too, where bytes of any type are JSON.
    pub(super) fn whole(
        route: &Arc<Route>,
        kind: RouteKind,
        path: String,
        methods: Vec<Method>,
    ) -> Self {
        Self {
            route: Arc::clone(route),
            kind,
            path: path.into(),
            methods: Some(methods),
            place: None,
            body: RuleBody::Whole,
            body_field: None,
            response_body: None,
            raw_request: None,
            raw_reply: None,
            update_mask: None,
            variables: Vec::new(),
        }
    }
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
