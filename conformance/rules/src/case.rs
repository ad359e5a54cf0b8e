//! A request from a rule's template, and the message that it means, both made
//! from the specification's words and by another implementation of protobuf.

use anyhow::{Context, Result};
use http::Request;
use portolan_gateway::Body;
use portolan_schema::http::{Body as RuleBody, HttpRule, Segment};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};

use crate::sample::{self, escape};

/// What a rule is tried with.
pub(crate) struct Case {
    pub(crate) method: String,
    /// The path, without the query.
    pub(crate) path: String,
    uri: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    pub(crate) expected: DynamicMessage,
}

impl Case {
    pub(crate) fn of(rule: &HttpRule, input: &MessageDescriptor) -> Result<Self> {
        let mut expected = DynamicMessage::new(input.clone());
        // The numbers of the fields of the request that path and body fill.
        let mut taken = Vec::new();
        let mut content_type = None;
        let mut body = Vec::new();
        match rule.body() {
            RuleBody::None => {}
            RuleBody::Whole if is_http_body(input) => {
                content_type = Some("text/x; a=b");
                body = b"raw \xff".to_vec();
                http_body(&mut expected);
            }
            RuleBody::Whole => {
                content_type = Some("application/json");
                let bound = bound(rule, input);
                sample::fill(&mut expected, &bound, 0);
                body = serde_json::to_vec(&expected)?;
            }
            RuleBody::Field(name) => {
                let field = named(input, name)?;
                taken.push(field.number());
                match field.kind() {
                    Kind::Message(kind) if is_http_body(&kind) && !field.is_list() => {
                        content_type = Some("text/x; a=b");
                        body = b"raw \xff".to_vec();
                        let mut inner = DynamicMessage::new(kind);
                        http_body(&mut inner);
                        expected.set_field(&field, Value::Message(inner));
                    }
                    _ => {
                        content_type = Some("application/json");
                        body = fill_field(&mut expected, &field)?;
                    }
                }
            }
        }
        if *rule.body() != RuleBody::Whole {
            taken.extend(bound(rule, input));
        }
        let parameters = match rule.body() {
            RuleBody::Whole => Vec::new(),
            _ => sample::fill(&mut expected, &taken, 0),
        };
        let path = path(rule, &mut expected)?;
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        let method = match rule.http_method() {
            "*" => "PURGE",
            method => method,
        };
        Ok(Self {
            method: method.to_owned(),
            uri: if query.is_empty() {
                path.clone()
            } else {
                format!("{path}?{}", query.join("&"))
            },
            path,
            content_type,
            body,
            expected,
        })
    }

    pub(crate) fn request(&self) -> Result<Request<Body>> {
        let mut request = Request::builder().method(&*self.method).uri(&self.uri);
        if let Some(content_type) = self.content_type {
            request = request.header("content-type", content_type);
        }
        Ok(request.body(Body::from(self.body.clone()))?)
    }

    /// For a report.
    pub(crate) fn shown(&self) -> String {
        format!(
            "{} {} {}",
            self.method,
            self.uri,
            String::from_utf8_lossy(&self.body)
        )
    }
}

fn is_http_body(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}

fn http_body(message: &mut DynamicMessage) {
    message.set_field_by_number(1, Value::String("text/x; a=b".to_owned()));
    message.set_field_by_number(2, Value::Bytes(b"raw \xff".to_vec().into()));
}

/// Fills the field that is the body, and gives it as JSON.
fn fill_field(message: &mut DynamicMessage, field: &FieldDescriptor) -> Result<Vec<u8>> {
    let value = match field.kind() {
        _ if field.is_map() => return Ok(b"{}".to_vec()),
        Kind::Message(kind) if field.is_list() => {
            let mut inner = DynamicMessage::new(kind);
            sample::fill(&mut inner, &[], 1);
            let json = serde_json::to_vec(&[&inner])?;
            message.set_field(field, Value::List(vec![Value::Message(inner)]));
            return Ok(json);
        }
        Kind::Message(kind) if !kind.full_name().starts_with("google.protobuf.") => {
            let mut inner = DynamicMessage::new(kind);
            sample::fill(&mut inner, &[], 1);
            let json = serde_json::to_vec(&inner)?;
            message.set_field(field, Value::Message(inner));
            return Ok(json);
        }
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Struct" => {
            let json = r#"{"é":[1,null,{"a":"b"}]}"#;
            let mut text = serde_json::Deserializer::from_str(json);
            let inner = DynamicMessage::deserialize(kind, &mut text)?;
            message.set_field(field, Value::Message(inner));
            return Ok(json.as_bytes().to_vec());
        }
        _ => sample::of(field, "body \"é\"").map(|(_, value)| value),
    };
    let value = value.with_context(|| format!("no value for the body {}", field.full_name()))?;
    let value = if field.is_list() {
        Value::List(vec![value])
    } else {
        value
    };
    // As the one member of the message that it is in.
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, value.clone());
    let json = serde_json::to_value(&alone)?;
    message.set_field(field, value);
    Ok(serde_json::to_vec(&json[field.json_name()])?)
}

fn named(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor> {
    message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name))
        .with_context(|| format!("no field {name} in {}", message.full_name()))
}

/// The numbers of the request's fields that variables are in.
fn bound(rule: &HttpRule, input: &MessageDescriptor) -> Vec<u32> {
    let variables = rule.template().variables().iter();
    let fields = variables.filter_map(|variable| named(input, &variable.field[0]).ok());
    fields.map(|field| field.number()).collect()
}

/// A path by the template; what its variables say is set in the message.
fn path(rule: &HttpRule, message: &mut DynamicMessage) -> Result<String> {
    let template = rule.template();
    let mut written: Vec<String> = Vec::new();
    for segment in template.segments() {
        written.push(match segment {
            Segment::Literal(text) => escape(text),
            Segment::Any => "any".to_owned(),
            Segment::Rest => "r1%20:x/r2%2fé".replace('é', "%C3%A9"),
        });
    }
    for (number, variable) in template.variables().iter().enumerate() {
        let covered = &template.segments()[variable.segments.clone()];
        let (text, field) = match covered {
            [Segment::Any] => {
                let words = format!("é a/b:c?d%2F{number}");
                let (inside, field) = descend(message, &variable.field)?;
                let (text, value) = sample::of(&field, &words)
                    .with_context(|| format!("no value for {}", field.full_name()))?;
                inside.set_field(&field, value);
                written[variable.segments.start] = escape(&text);
                continue;
            }
            covered => {
                let mut text = Vec::new();
                for (index, segment) in variable.segments.clone().zip(covered) {
                    match segment {
                        Segment::Literal(literal) => text.push(literal.to_string()),
                        Segment::Any => {
                            // A client leaves no slash in one segment, but one
                            // that is escaped must stay so.
                            written[index] = format!("s%20%3Aé%2Fx{index}").replace('é', "%c3%a9");
                            text.push(format!("s :é%2Fx{index}"));
                        }
                        Segment::Rest => text.push("r1 :x/r2%2fé".to_owned()),
                    }
                }
                let (_, field) = descend(message, &variable.field)?;
                (text.join("/"), field)
            }
        };
        let (inside, _) = descend(message, &variable.field)?;
        inside.set_field(&field, Value::String(text));
    }
    let verb = template.verb().map(|verb| format!(":{}", escape(verb)));
    Ok(format!(
        "/{}{}",
        written.join("/"),
        verb.unwrap_or_default()
    ))
}

/// The message that the last field of a path is in, and that field.
fn descend<'m>(
    mut message: &'m mut DynamicMessage,
    path: &[Box<str>],
) -> Result<(&'m mut DynamicMessage, FieldDescriptor)> {
    let (last, before) = path.split_last().context("a variable without a field")?;
    for name in before {
        let field = named(&message.descriptor(), name)?;
        let inner = message.get_field_mut(&field).as_message_mut();
        message = inner.with_context(|| format!("{name} is no message"))?;
    }
    let field = named(&message.descriptor(), last)?;
    Ok((message, field))
}
