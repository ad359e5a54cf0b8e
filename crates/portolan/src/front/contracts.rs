//! The contracts that a gateway serves: those of its upstreams or of files, and
//! those of the services that it has itself.

use std::sync::Arc;

use anyhow::{Context, bail};
use portolan_schema::Schema;
use portolan_schema::http::ServiceConfig;
use portolan_server::{Health, reflection};

use super::source::Part;
use super::union;
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
    /// Puts sets together, each with the name of where it comes from, the first
    /// before the last. A service is taken only from a set that `owns` it, by the
    /// set's name and the service's. What does not go with what is there is left
    /// out, unless it is all there is, and told to `complain`. The rules take the
    /// place of those in the contracts.
    pub(crate) fn merge(
        parts: &[Part],
        owns: impl Fn(&str, &str) -> bool,
        rules: &[ServiceConfig],
        mut complain: impl FnMut(String),
    ) -> anyhow::Result<Self> {
        let own: Vec<Part> = OWN
            .iter()
            .map(|(name, set)| ((*name).to_owned(), Arc::from(*set)))
            .collect();
        let mut members = Vec::new();
        for part in parts {
            match links_after(&members, part) {
                Ok(()) => members.push(part),
                Err(error) if parts.len() == 1 => {
                    return Err(error)
                        .with_context(|| format!("cannot use the contracts of {}", part.0));
                }
                Err(error) => {
                    complain(format!("the contracts of {} are left out: {error}", part.0));
                }
            }
        }
        // An upstream's take the place of those that the gateway has itself.
        members.extend(&own);
        let united = union::unite(&members, owns, &mut complain)?;
        let (sets, schema) = linked(&members, united, complain)?;
        let contracts = Self {
            sets,
            schema: Arc::new(with_rules(schema, rules)),
        };
        if contracts.services().next().is_none() && !parts.is_empty() {
            let origins: Vec<_> = parts.iter().map(|(origin, _)| origin.as_str()).collect();
            bail!(
                "there is no service in the contracts of {}",
                origins.join(" and ")
            );
        }
        Ok(contracts)
    }

    /// Those of a gateway that does not know its upstreams' yet.
    pub(crate) fn none() -> anyhow::Result<Self> {
        Self::merge(&[], |_, _| true, &[], drop)
    }

    /// The services behind the gateway.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.schema
            .services()
            .map(portolan_schema::Service::name)
            .filter(|name| !is_own(name))
    }
}

/// Whether a set is a contract, alone or with what those before it have.
fn links_after(members: &[&Part], part: &Part) -> Result<(), portolan_schema::Error> {
    let alone = link([&part.1]).map(drop);
    if alone.is_err() && !members.is_empty() {
        let sets = members.iter().map(|member| &member.1).chain([&part.1]);
        if link(sets).is_ok() {
            return Ok(());
        }
    }
    alone
}

/// The united sets as one contract. Should they not go together all the same,
/// one after another is tried.
fn linked(
    members: &[&Part],
    united: Vec<Arc<[u8]>>,
    mut complain: impl FnMut(String),
) -> anyhow::Result<(Vec<Arc<[u8]>>, Schema)> {
    if let Ok(schema) = link(&united) {
        return Ok((united, schema));
    }
    let mut sets = Vec::new();
    for ((origin, _), set) in members.iter().zip(united) {
        sets.push(set);
        if let Err(error) = link(&sets) {
            sets.pop();
            complain(format!("the contracts of {origin} are left out: {error}"));
        }
    }
    let schema = link(&sets)?;
    Ok((sets, schema))
}

fn link<'a>(
    sets: impl IntoIterator<Item = &'a Arc<[u8]>>,
) -> Result<Schema, portolan_schema::Error> {
    Schema::from_descriptor_sets(sets.into_iter().map(|set| &**set))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{FileDescriptorProto, FileDescriptorSet};

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

    /// Merges parts that each own all that they have.
    fn merge(parts: &[Part], complain: impl FnMut(String)) -> anyhow::Result<Contracts> {
        Contracts::merge(parts, |_, _| true, &[], complain)
    }

    /// A package of that name whose service takes a message of `common.proto`.
    fn with_common(package: &str, common: &str) -> Part {
        let folder = tempfile::tempdir().unwrap();
        let service = format!(
            "syntax = \"proto3\"; package {package}; import \"common.proto\"; \
             message Own {{}} service S {{ rpc R(common.Money) returns (Own); }} \
             service T {{ rpc R(Own) returns (Own); }}"
        );
        std::fs::write(folder.path().join("service.proto"), service).unwrap();
        let common = format!("syntax = \"proto3\"; package common; {common}");
        std::fs::write(folder.path().join("common.proto"), common).unwrap();
        let files = crate::contracts::Files {
            proto: vec![folder.path().into()],
            ..Default::default()
        };
        (package.to_owned(), files.read().unwrap().remove(0).into())
    }

    /// As a client sees the contracts that reads them by reflection.
    fn read(contracts: &Contracts) -> prost_reflect::DescriptorPool {
        let mut files = Vec::new();
        for set in &contracts.sets {
            files.extend(FileDescriptorSet::decode(&**set).unwrap().file);
        }
        let mut names: Vec<_> = files.iter().map(FileDescriptorProto::name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "each name once");
        let mut pool = prost_reflect::DescriptorPool::new();
        pool.add_file_descriptor_set(FileDescriptorSet { file: files })
            .unwrap();
        pool
    }

    #[test]
    fn contracts_go_together_and_the_gateways_own_with_them() {
        let contracts = merge(&[part("a.proto", A)], |text| panic!("{text}")).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
        assert!(contracts.schema.service("grpc.health.v1.Health").is_some());
    }

    #[test]
    fn files_of_one_name_with_different_contents_are_both_served() {
        let parts = [
            with_common("a", "message Money { int64 units = 1; }"),
            with_common("b", "message Money { int64 units = 1; } message More {}"),
        ];
        let contracts = merge(&parts, |text| panic!("{text}")).unwrap();
        let services: Vec<_> = contracts.services().collect();
        assert_eq!(services, ["a.S", "a.T", "b.S", "b.T"]);
        let pool = read(&contracts);
        for name in ["common.Money", "common.More", "a.Own", "b.Own"] {
            assert!(pool.get_message_by_name(name).is_some(), "{name}");
        }
        let service = pool.get_service_by_name("b.S").unwrap();
        assert_eq!(service.parent_file().name(), "service.2.proto");
    }

    #[test]
    fn what_several_declare_alike_is_taken_once() {
        let parts = [part("a.proto", A), part("b.proto", A)];
        let contracts = merge(&parts, |text| panic!("{text}")).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
        read(&contracts);
    }

    #[test]
    fn a_service_that_needs_a_type_which_another_has_otherwise_is_left_out() {
        let mut complaints = Vec::new();
        let parts = [
            with_common("a", "message Money { int64 units = 1; }"),
            with_common("b", "message Money { string units = 1; }"),
            with_common("c", "message Money { int64 units = 1; }"),
        ];
        let contracts = merge(&parts, |text| complaints.push(text)).unwrap();
        let services: Vec<_> = contracts.services().collect();
        assert_eq!(services, ["a.S", "a.T", "b.T", "c.S", "c.T"]);
        assert_eq!(
            complaints,
            ["the service b.S of b is left out: common.Money is not the same in a"]
        );
        read(&contracts);
    }

    #[test]
    fn one_that_is_no_contract_is_left_out_and_hinders_nobody() {
        let mut complaints = Vec::new();
        let broken = ("broken".to_owned(), Arc::from(&[0xff, 0xff][..]));
        let parts = [broken, part("a.proto", A)];
        let contracts = merge(&parts, |text| complaints.push(text)).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
        assert!(
            complaints[0].starts_with("the contracts of broken are left out: "),
            "{complaints:?}"
        );
    }

    #[test]
    fn contracts_without_a_service_are_refused() {
        let parts = [part("a.proto", "syntax = \"proto3\"; message M {}")];
        let error = merge(&parts, |text| panic!("{text}"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "there is no service in the contracts of a.proto");
    }

    #[test]
    fn an_upstreams_own_health_contract_takes_the_place_of_ours() {
        let health = "syntax = \"proto3\"; package grpc.health.v1; message Q {} \
                      service Health { rpc Check(Q) returns (Q); }";
        let parts = [part("a.proto", A), part("grpc_health.proto", health)];
        let contracts = merge(&parts, |text| panic!("{text}")).unwrap();
        assert_eq!(contracts.services().collect::<Vec<_>>(), ["a.S"]);
        let own = contracts.schema.service("grpc.health.v1.Health").unwrap();
        assert_eq!(own.methods().len(), 1);
    }
}
