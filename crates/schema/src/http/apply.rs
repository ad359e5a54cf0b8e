//! A service configuration put into a contract: which methods a selector stands
//! for, and that the last rule for a method is its rule.

use std::collections::HashMap;

use super::config::ConfigRule;
use super::nearest::nearest;
use super::{HttpRule, Origin, RuleError, RuleFault, ServiceConfig, check};
use crate::Schema;

/// Where a method is: the positions of its service and of itself.
type Position = (usize, usize);

/// Gives each method that a selector stands for the rules of the last one.
pub(crate) fn apply(schema: &mut Schema, config: &ServiceConfig) {
    let methods = Methods::of(schema);
    for rule in &config.rules {
        for pattern in rule.selector.split(',').map(str::trim) {
            match methods.selected(pattern) {
                Ok(positions) => {
                    for position in positions {
                        give(schema, position, rule);
                    }
                }
                Err(problem) => schema.rule_faults.push(RuleFault {
                    place: rule.place.clone(),
                    method: pattern.to_owned(),
                    problem,
                }),
            }
        }
    }
    if let Some(fully) = config.fully_decode_reserved_expansion {
        schema.fully_decode_reserved_expansion = Some(fully);
    }
}

/// Replaces the rules of a method.
fn give(schema: &mut Schema, (service, method): Position, rule: &ConfigRule) {
    let found = &schema.services[service].methods[method];
    let full_name = format!("{}.{}", schema.services[service].name, found.name);
    let (input, output) = (found.input, found.output);
    // What was wrong with rules that are gone is nobody's concern.
    schema.rule_faults.retain(|fault| fault.method != full_name);
    let mut rules = Vec::with_capacity(rule.bindings.len());
    for (raw, place) in &rule.bindings {
        let read = raw.clone().and_then(|raw| {
            let rule = HttpRule::read(&raw, place.clone(), Origin::Configuration)?;
            check(schema, &rule, input, output)?;
            Ok(rule)
        });
        match read {
            Ok(rule) => rules.push(rule),
            Err(problem) => schema.rule_faults.push(RuleFault {
                place: place.clone(),
                method: full_name.clone(),
                problem,
            }),
        }
    }
    schema.services[service].methods[method].http_rules = rules;
}

/// All methods by their full names.
struct Methods {
    names: Vec<(String, Position)>,
    by_name: HashMap<String, Position>,
}

impl Methods {
    fn of(schema: &Schema) -> Self {
        let services = schema.services.iter().enumerate();
        let names: Vec<(String, Position)> = services
            .flat_map(|(service, found)| {
                let methods = found.methods.iter().enumerate();
                methods.map(move |(method, inner)| {
                    let full_name = format!("{}.{}", found.name, inner.name);
                    (full_name, (service, method))
                })
            })
            .collect();
        Self {
            by_name: names.iter().cloned().collect(),
            names,
        }
    }

    /// The methods that a pattern stands for, at least one (googleapis,
    /// `google/api/documentation.proto`, `DocumentationRule.selector`).
    fn selected(&self, pattern: &str) -> Result<Vec<Position>, RuleError> {
        if pattern.is_empty() {
            return Err(RuleError::NoSelector);
        }
        let prefix = match pattern.strip_suffix('*') {
            // One or more components; `foo.b*` and `*.bar` are none.
            Some(prefix) if prefix.is_empty() || prefix.ends_with('.') => Some(prefix),
            Some(_) => return Err(RuleError::Selector(pattern.to_owned())),
            None => None,
        };
        if !is_name(prefix.map_or(pattern, |prefix| prefix.trim_end_matches('.'))) {
            return Err(RuleError::Selector(pattern.to_owned()));
        }
        let found: Vec<Position> = match prefix {
            None => self.by_name.get(pattern).copied().into_iter().collect(),
            Some(prefix) => {
                let below = self
                    .names
                    .iter()
                    .filter(|(name, _)| name.starts_with(prefix));
                below.map(|(_, position)| *position).collect()
            }
        };
        if found.is_empty() {
            return Err(RuleError::NoSuchMethod {
                selector: pattern.to_owned(),
                nearest: nearest(pattern, self.names.iter().map(|(name, _)| &**name)),
            });
        }
        Ok(found)
    }
}

/// Whether this is a name with dots, or nothing, as in front of a lone `*`.
fn is_name(text: &str) -> bool {
    let word = |part: &str| {
        let mut bytes = part.bytes();
        bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.is_empty() || text.split('.').all(word)
}
