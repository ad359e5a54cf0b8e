//! The linked whole: every type and service by name.

use std::collections::HashMap;

use crate::http::{self, RuleFault, ServiceConfig};
use crate::{Enum, EnumId, Error, Message, MessageId, Method, Service, file, link};

/// What a full name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A message type.
    Message(MessageId),
    /// An enum type.
    Enum(EnumId),
    /// A service, as its position in [`Schema::services`].
    Service(usize),
}

/// A set of contracts, linked.
#[derive(Debug, Default)]
pub struct Schema {
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) services: Vec<Service>,
    pub(crate) symbols: HashMap<Box<str>, Symbol>,
    pub(crate) rule_faults: Vec<RuleFault>,
    pub(crate) fully_decode_reserved_expansion: Option<bool>,
}

impl Schema {
    /// Links one or more encoded `google.protobuf.FileDescriptorSet`s. A file
    /// that comes more than once, by its name, counts once: sets that each
    /// bring `google/protobuf/empty.proto` go together.
    ///
    /// # Errors
    /// When the bytes are no descriptor set, or a type is defined twice or not
    /// at all. The error names file and element. An HTTP rule that cannot be
    /// used is no error; see [`rule_faults`](Self::rule_faults).
    pub fn from_descriptor_sets<'a>(
        sets: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Error> {
        let mut files = Vec::new();
        for bytes in sets {
            file::read_set(bytes, &mut files)?;
        }
        link::link(files)
    }

    /// The message with this index.
    #[must_use]
    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.index()]
    }

    /// The enum with this index.
    #[must_use]
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.index()]
    }

    /// All messages, nested ones and map entries too.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// All enums.
    #[must_use]
    pub fn enums(&self) -> &[Enum] {
        &self.enums
    }

    /// All services, in the order of their files.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &Service> {
        self.services.iter()
    }

    /// The HTTP rules that cannot be used, and why. They are left out of
    /// [`Method::http_rules`].
    #[must_use]
    pub fn rule_faults(&self) -> &[RuleFault] {
        &self.rule_faults
    }

    /// Leaves out the services for which `keep` says no, and what is wrong with
    /// their rules. Types stay.
    pub fn retain_services(&mut self, mut keep: impl FnMut(&Service) -> bool) {
        self.services.retain(|service| {
            let kept = keep(service);
            if !kept {
                self.symbols.remove(&service.name);
                self.rule_faults.retain(|fault| {
                    let method = fault.method.strip_prefix(&*service.name);
                    !method.is_some_and(|method| method.starts_with('.'))
                });
            }
            kept
        });
        for (index, service) in self.services.iter().enumerate() {
            if let Some(symbol) = self.symbols.get_mut(&service.name) {
                *symbol = Symbol::Service(index);
            }
        }
    }

    /// The contract with the rules of a service configuration: they take the
    /// place of every rule that a method has, and of several that select a method
    /// the last one is its rule. What is wrong with them, also a selector that
    /// stands for no method, is told by [`rule_faults`](Self::rule_faults).
    #[must_use]
    pub fn with_service_config(mut self, config: &ServiceConfig) -> Self {
        http::apply(&mut self, config);
        self
    }

    /// What a service configuration says of escapes in path variables of several
    /// segments (`google.api.Http.fully_decode_reserved_expansion`).
    #[must_use]
    pub fn fully_decode_reserved_expansion(&self) -> Option<bool> {
        self.fully_decode_reserved_expansion
    }

    /// What a full name stands for, without a leading dot.
    #[must_use]
    pub fn symbol(&self, full_name: &str) -> Option<Symbol> {
        self.symbols.get(full_name).copied()
    }

    /// The message type with this full name.
    #[must_use]
    pub fn message_by_name(&self, full_name: &str) -> Option<MessageId> {
        match self.symbol(full_name) {
            Some(Symbol::Message(id)) => Some(id),
            _ => None,
        }
    }

    /// The service with this full name.
    #[must_use]
    pub fn service(&self, full_name: &str) -> Option<&Service> {
        match self.symbol(full_name) {
            Some(Symbol::Service(index)) => self.services.get(index),
            _ => None,
        }
    }

    /// The method that a gRPC path such as `/grpc.health.v1.Health/Check` names.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Method> {
        let (service, name) = path.strip_prefix('/')?.split_once('/')?;
        let service = self.service(service)?;
        service.methods.iter().find(|method| &*method.name == name)
    }
}
