//! The contracts that a gateway serves: those of its upstreams or of files, and
//! those of the services that it has itself.

use std::sync::Arc;

use anyhow::{Context, bail};
use portolan_schema::Schema;
use portolan_schema::http::ServiceConfig;
use portolan_server::{Health, reflection};

use super::source::Part;
use crate::contracts::with_rules;

/// What the gateway itself answers, and the contract of it.
const OWN: [(&str, &[u8]); 3] = [
    ("grpc.health.v1.Health", Health::FILE_DESCRIPTOR_SET),
    (
        "grpc.reflection.v1.ServerReflection",
        reflection::FILE_DESCRIPTOR_SET_V1,
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
    ),
];

/// Whether a service is the gateway's own, which every gateway has.
pub(crate) fn is_own(service: &str) -> bool {
    OWN.iter().any(|(own, _)| *own == service)
}

/// Descriptor sets that go together.
#[derive(Clone, Debug)]
pub(crate) struct Contracts {
    pub(crate) sets: Vec<Arc<[u8]>>,
    pub(crate) schema: Arc<Schema>,
}

impl Contracts {
    /// Puts sets together, each with the name of where it comes from. One that
    /// does not go with those before it is left out, unless it is the only one,
    /// and told to `complain`. The rules take the place of those in the contracts.
    pub(crate) fn merge(
        parts: &[Part],
        rules: &[ServiceConfig],
        mut complain: impl FnMut(String),
    ) -> anyhow::Result<Self> {
        let mut sets: Vec<Arc<[u8]>> = Vec::new();
        let mut schema = Schema::default();
        for (origin, set) in parts {
            sets.push(Arc::clone(set));
            match link(&sets) {
                Ok(linked) => schema = linked,
                Err(error) if parts.len() == 1 => {
                    return Err(error)
                        .with_context(|| format!("cannot use the contracts of {origin}"));
                }
                Err(error) => {
                    sets.pop();
                    complain(format!("the contracts of {origin} are left out: {error}"));
                }
            }
        }
        if schema.services().count() == 0 && !parts.is_empty() {
            let origins: Vec<_> = parts.iter().map(|(origin, _)| origin.as_str()).collect();
            bail!(
                "there is no service in the contracts of {}",
                origins.join(" and ")
            );
        }
        for (name, set) in OWN {
            if schema.service(name).is_none() {
                sets.push(set.into());
            }
        }
        let schema = Arc::new(with_rules(link(&sets)?, rules));
        Ok(Self { sets, schema })
    }

    /// Those of a gateway that does not know its upstreams' yet.
    pub(crate) fn none() -> anyhow::Result<Self> {
        Self::merge(&[], &[], drop)
    }

    /// The services behind the gateway.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.schema
            .services()
            .map(portolan_schema::Service::name)
            .filter(|name| !is_own(name))
    }
}

fn link(sets: &[Arc<[u8]>]) -> Result<Schema, portolan_schema::Error> {
    Schema::from_descriptor_sets(sets.iter().map(|set| &**set))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, source: &str) -> Part {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), source).unwrap();
        let files = crate::contracts::Files {
            proto: vec![folder.path().into()],
            ..Default::default()
        };
        (name.to_owned(), files.read().unwrap().remove(0).into())
    }

    const A: &str =
        "syntax = \"proto3\"; package a; message M {} service S { rpc R(M) returns (M); }";

    #[test]
    fn contracts_go_together_and_the_gateways_own_with_them() {
        let contracts = Contracts::merge(&[part("a.proto", A)], &[], drop).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
        assert!(contracts.schema.service("grpc.health.v1.Health").is_some());
    }

    #[test]
    fn one_that_contradicts_another_is_left_out() {
        let mut complaints = Vec::new();
        let parts = [part("a.proto", A), part("b.proto", A)];
        let contracts = Contracts::merge(&parts, &[], |text| complaints.push(text)).unwrap();
        assert_eq!(contracts.services().count(), 1);
        assert!(
            complaints[0].starts_with("the contracts of b.proto are left out: "),
            "{complaints:?}"
        );
    }

    #[test]
    fn contracts_without_a_service_are_refused() {
        let parts = [part("a.proto", "syntax = \"proto3\"; message M {}")];
        let error = Contracts::merge(&parts, &[], drop).unwrap_err().to_string();
        assert_eq!(error, "there is no service in the contracts of a.proto");
    }

    #[test]
    fn an_upstreams_own_health_contract_takes_the_place_of_ours() {
        let health = "syntax = \"proto3\"; package grpc.health.v1; message Q {} \
                      service Health { rpc Check(Q) returns (Q); }";
        let parts = [part("a.proto", A), part("grpc_health.proto", health)];
        let contracts = Contracts::merge(&parts, &[], |text| panic!("{text}")).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
    }
}
