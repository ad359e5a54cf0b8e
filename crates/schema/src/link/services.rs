//! Services with their methods and HTTP rules, once every message has its fields.

use super::element::Element;
use super::{Linker, Scope, child, join};
use crate::descriptor::{HttpRule as RawRule, MethodDescriptor, ServiceDescriptor};
use crate::file::FileDescriptor;
use crate::http::{self, Annotations, HttpRule, Origin, Place, RuleError, RuleFault};
use crate::{Error, MessageId, Method, Streaming, Symbol};

impl Linker {
    pub(super) fn define_services(&mut self, file: &FileDescriptor<'_>) -> Result<(), Error> {
        if file.service.is_empty() {
            return Ok(());
        }
        let scope = Scope::of(file);
        let annotations = Annotations::of(file.name, file.source_code_info.as_ref());
        for (position, service) in (0..).zip(&file.service) {
            self.define_service(&scope, &annotations, file.package, service, &[6, position])?;
        }
        Ok(())
    }

    fn define_service(
        &mut self,
        scope: &Scope<'_>,
        annotations: &Annotations,
        package: &str,
        descriptor: &ServiceDescriptor,
        path: &[i32],
    ) -> Result<(), Error> {
        let full_name = join(package, descriptor.name());
        let methods = (0..)
            .zip(&descriptor.method)
            .map(|(position, method)| {
                let place = || annotations.place(path[1], position);
                self.method(scope, place, &full_name, method, &child(path, 2, position))
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
        &mut self,
        scope: &Scope<'_>,
        place: impl FnOnce() -> Place,
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
            Some(raw) => self.rules(raw, &place(), &element.full_name(), input, output),
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

    /// The bindings of a rule that can be used; what is wrong with the others is
    /// noted.
    fn rules(
        &mut self,
        raw: &RawRule,
        place: &Place,
        method: &str,
        input: MessageId,
        output: MessageId,
    ) -> Vec<HttpRule> {
        let read = |(position, raw): (usize, &RawRule)| {
            if position > 0 && !raw.additional_bindings.is_empty() {
                return Err(RuleError::Nested);
            }
            let rule = HttpRule::read(raw, place.clone(), Origin::Annotation)?;
            http::check(&self.schema, &rule, input, output)?;
            Ok(rule)
        };
        let bindings = std::iter::once(raw).chain(&raw.additional_bindings);
        let read: Vec<_> = bindings.enumerate().map(read).collect();
        let mut rules = Vec::with_capacity(read.len());
        for result in read {
            match result {
                Ok(rule) => rules.push(rule),
                Err(problem) => self.schema.rule_faults.push(RuleFault {
                    place: place.clone(),
                    method: method.to_owned(),
                    problem,
                }),
            }
        }
        rules
    }
}
