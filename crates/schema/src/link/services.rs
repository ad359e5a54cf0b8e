//! Services with their methods and HTTP rules, once every message has its fields.

use super::element::Element;
use super::{Linker, Scope, child, join};
use crate::descriptor::{MethodDescriptor, ServiceDescriptor};
use crate::file::FileDescriptor;
use crate::http::{Body, HttpRule, RuleError};
use crate::{Error, Field, Kind, MessageId, Method, Streaming, Symbol};

impl Linker {
    pub(super) fn define_services(&mut self, file: &FileDescriptor<'_>) -> Result<(), Error> {
        if file.service.is_empty() {
            return Ok(());
        }
        let scope = Scope::of(file);
        for (position, service) in (0..).zip(&file.service) {
            self.define_service(&scope, file.package, service, &[6, position])?;
        }
        Ok(())
    }

    fn define_service(
        &mut self,
        scope: &Scope<'_>,
        package: &str,
        descriptor: &ServiceDescriptor,
        path: &[i32],
    ) -> Result<(), Error> {
        let full_name = join(package, descriptor.name());
        let methods = (0..)
            .zip(&descriptor.method)
            .map(|(position, method)| {
                self.method(scope, &full_name, method, &child(path, 2, position))
            })
            .collect::<Result<Vec<Method>, Error>>()?;
        if let Some(Symbol::Service(position)) = self.schema.symbol(&full_name) {
            let service = &mut self.schema.services[position];
            service.methods = methods;
            service.comment = scope.comments.at(path);
        }
        Ok(())
    }

    fn method(
        &self,
        scope: &Scope<'_>,
        service: &str,
        descriptor: &MethodDescriptor,
        path: &[i32],
    ) -> Result<Method, Error> {
        const NO_SIDE_EFFECTS: i32 = 1;
        const IDEMPOTENT: i32 = 2;
        let name = descriptor.name();
        let element = Element::new(scope.file, service, name);
        let message = |type_name: &Option<String>| {
            let type_name = type_name.as_deref().unwrap_or_default();
            self.schema
                .message_by_name(type_name.trim_start_matches('.'))
                .ok_or_else(|| element.unknown_type(type_name))
        };
        let input = message(&descriptor.input_type)?;
        let output = message(&descriptor.output_type)?;
        let options = descriptor.options.as_ref();
        let level = options
            .and_then(|options| options.idempotency_level)
            .unwrap_or(0);
        let http_rules = match options.and_then(|options| options.http.as_ref()) {
            None => Vec::new(),
            Some(raw) => HttpRule::read(raw)
                .and_then(|rules| {
                    rules
                        .iter()
                        .try_for_each(|rule| self.check_rule(rule, input, output))?;
                    Ok(rules)
                })
                .map_err(|source| Error::HttpRule {
                    file: scope.file.to_owned(),
                    method: element.full_name(),
                    source,
                })?,
        };
        Ok(Method {
            name: name.into(),
            path: format!("/{service}/{name}").into(),
            input,
            output,
            streaming: match (
                descriptor.client_streaming.unwrap_or(false),
                descriptor.server_streaming.unwrap_or(false),
            ) {
                (false, false) => Streaming::Unary,
                (true, false) => Streaming::Client,
                (false, true) => Streaming::Server,
                (true, true) => Streaming::Bidi,
            },
            no_side_effects: level == NO_SIDE_EFFECTS,
            idempotent: level == NO_SIDE_EFFECTS || level == IDEMPOTENT,
            deprecated: options
                .and_then(|options| options.deprecated)
                .unwrap_or(false),
            http_rules,
            comment: scope.comments.at(path),
        })
    }

    /// Every field that a rule names must be there, and a path variable must
    /// be something that text can fill.
    fn check_rule(
        &self,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Result<(), RuleError> {
        for variable in rule.template().variables() {
            let field = self.resolve("path variable", input, &variable.field)?;
            if !field.cardinality.is_singular() || !self.text_can_fill(field.kind) {
                return Err(RuleError::NotScalar {
                    field: variable.field.join("."),
                });
            }
        }
        if let Body::Field(name) = rule.body() {
            self.resolve("body", input, std::slice::from_ref(name))?;
        }
        if let Some(name) = rule.response_body() {
            self.resolve("response_body", output, &[name.into()])?;
        }
        Ok(())
    }

    /// Whether a field of this kind has a form as plain text: scalars, and the
    /// well-known types that JSON writes as a string or a bare scalar.
    fn text_can_fill(&self, kind: Kind) -> bool {
        let Some(id) = kind.message() else {
            return true;
        };
        let Some(name) = self
            .schema
            .message(id)
            .name
            .strip_prefix("google.protobuf.")
        else {
            return false;
        };
        matches!(name, "Timestamp" | "Duration" | "FieldMask")
            || name.ends_with("Value") && name != "Value" && name != "ListValue"
    }

    fn resolve(
        &self,
        role: &'static str,
        message: MessageId,
        path: &[Box<str>],
    ) -> Result<&Field, RuleError> {
        let mut id = message;
        let mut found = None;
        for (position, name) in path.iter().enumerate() {
            let unknown = |end: usize| RuleError::UnknownField {
                role,
                field: path[..end].join("."),
                message: self.schema.message(message).name.to_string(),
            };
            let field = self
                .schema
                .message(id)
                .field(name)
                .ok_or_else(|| unknown(position + 1))?;
            if position + 1 < path.len() {
                // Only a single message has fields that a path can name.
                let inner = field
                    .kind
                    .message()
                    .filter(|_| field.cardinality.is_singular());
                id = inner.ok_or_else(|| unknown(position + 2))?;
            }
            found = Some(field);
        }
        found.ok_or_else(|| RuleError::UnknownField {
            role,
            field: String::new(),
            message: self.schema.message(message).name.to_string(),
        })
    }
}
