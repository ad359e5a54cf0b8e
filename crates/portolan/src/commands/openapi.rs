//! `portolan openapi`: writes what a gateway over contracts answers to plain
//! HTTP as an OpenAPI 3.1 document.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::ValueEnum;
use portolan_gateway::{ErrorStyle, OpenApi, OpenApiOptions, RouteKinds, Security};
use portolan_schema::Schema;

use crate::config::Errors;
use crate::contracts::{Files, rules, with_rules};
use crate::{files, output, services};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan openapi -o openapi.yaml\n  \
    portolan openapi --proto proto --server https://api.example.com --routes rules -o api.json\n  \
    portolan openapi --descriptors image.binpb --service users.v1.UserService --security bearer")]
pub(crate) struct Arguments {
    #[command(flatten)]
    contracts: ContractFlags,

    #[command(flatten)]
    info: InfoFlags,

    #[command(flatten)]
    routes: RouteFlags,

    /// The form of the document [default: by the name of the file, or else json]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// The file to write; standard output without it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Where the contracts come from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Contracts")]
struct ContractFlags {
    /// A .proto file or a folder of them; without any contract those of
    /// `portolan serve`. May be repeated
    #[arg(long, value_name = "PATH")]
    proto: Vec<PathBuf>,

    /// A folder in which imports are looked for. May be repeated
    #[arg(long, short = 'I', value_name = "FOLDER")]
    include: Vec<PathBuf>,

    /// An encoded descriptor set, or an image of buf. May be repeated
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,

    /// A google.api.Service file in YAML with HTTP rules, for contracts that
    /// cannot be changed. May be repeated
    #[arg(long, value_name = "FILE")]
    service_config: Vec<PathBuf>,

    /// A service to describe, by its full name; all without it. May be repeated
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
}

/// What the contracts do not say.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "About the API")]
struct InfoFlags {
    /// The title [default: the package of the contracts]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// The version of the API [default: 1.0.0]
    #[arg(long, value_name = "TEXT")]
    api_version: Option<String>,

    /// What the API is for, in Markdown
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Where it is served. May be repeated
    #[arg(long, value_name = "URL")]
    server: Vec<String>,

    /// How a client says who it is: bearer, basic, mtls, api-key:HEADER or
    /// oidc:URL. May be repeated, and one of them is enough
    #[arg(long, value_name = "HOW")]
    security: Vec<SecurityArgument>,
}

/// What is served, as the flags of a server say it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Routes and JSON")]
struct RouteFlags {
    /// The kinds of routes to describe [default: all]
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    routes: Vec<Kind>,

    /// Where named routes (`/path/service/method`) begin; empty for none
    /// [default: /grpc]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// What stands before every route
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    base_path: String,

    /// The form of errors [default: detail on named routes, status on others]
    #[arg(long, value_name = "FORM", value_enum)]
    errors: Option<Errors>,

    /// Names of fields as the contract has them instead of lowerCamelCase
    #[arg(long)]
    proto_names: bool,

    /// Enums as numbers instead of names
    #[arg(long)]
    enums_as_numbers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Those of google.api.http rules
    Rules,
    /// POST /package.Service/Method
    Auto,
    /// /grpc/service/method
    Named,
}

/// A way to say who one is.
#[derive(Clone, Debug)]
struct SecurityArgument(Security);

impl FromStr for SecurityArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text.split_once(':') {
            None if text == "bearer" => Security::Bearer { format: None },
            None if text == "basic" => Security::Basic,
            None if text == "mtls" => Security::MutualTls,
            Some(("api-key", header)) if !header.is_empty() => Security::ApiKey {
                header: header.to_owned(),
            },
            Some(("oidc", url)) if !url.is_empty() => Security::OpenIdConnect {
                url: url.to_owned(),
            },
            _ => {
                return Err("write bearer, basic, mtls, api-key:HEADER or oidc:URL".to_owned());
            }
        }))
    }
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        contracts,
        info,
        routes,
        format,
        output,
    } = arguments;
    let files = Files {
        proto: contracts.proto,
        include: contracts.include,
        descriptors: contracts.descriptors,
    };
    let mut options = info.options();
    let schema = if files.is_empty() {
        options.title.get_or_insert_with(|| "Portolan".to_owned());
        let version = env!("CARGO_PKG_VERSION");
        options.version.get_or_insert_with(|| version.to_owned());
        Schema::from_descriptor_sets(services::CONTRACTS)?
    } else {
        let sets = files.read()?;
        Schema::from_descriptor_sets(sets.iter().map(Vec::as_slice))
            .with_context(|| format!("cannot use the contracts of {}", files.names()))?
    };
    let schema = with_rules(schema, &rules(&contracts.service_config)?);
    check_services(&schema, &contracts.service, &files)?;
    for fault in schema.rule_faults() {
        output::warning(&fault.to_string());
    }
    options.services = contracts.service;
    routes.put_onto(&mut options);

    let document = OpenApi::of(&schema, &options);
    let by_name = output.as_ref().and_then(|path| path.extension());
    let yaml = by_name.is_some_and(|extension| extension == "yaml" || extension == "yml");
    let text = match format {
        Some(Format::Yaml) => document.to_yaml(),
        None if yaml => document.to_yaml(),
        _ => document.to_json(),
    };
    match output {
        None => output::text(&text).context("cannot write to standard output")?,
        Some(path) => files::write(&path, text.as_bytes()).map_err(|error| {
            let reason = files::reason(&error);
            anyhow::anyhow!("cannot write {}: {reason}", path.display())
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A contract without a service, or a name that is none of its services, gives
/// an empty document: hardly what was meant.
fn check_services(schema: &Schema, chosen: &[String], files: &Files) -> anyhow::Result<()> {
    if schema.services().count() == 0 {
        bail!("there is no service in the contracts of {}", files.names());
    }
    if let Some(unknown) = chosen.iter().find(|name| schema.service(name).is_none()) {
        let names: Vec<&str> = schema
            .services()
            .map(portolan_schema::Service::name)
            .collect();
        // Of a large contract the beginning is enough.
        let more = if names.len() > 10 { ", …" } else { "" };
        let names = names[..names.len().min(10)].join(", ");
        bail!("there is no service {unknown}; there are {names}{more}");
    }
    Ok(())
}

impl InfoFlags {
    fn options(self) -> OpenApiOptions {
        OpenApiOptions {
            title: self.title,
            version: self.api_version,
            description: self.description,
            servers: self.server,
            security: self.security.into_iter().map(|one| one.0).collect(),
            ..OpenApiOptions::default()
        }
    }
}

impl RouteFlags {
    fn put_onto(self, options: &mut OpenApiOptions) {
        if !self.routes.is_empty() {
            options.routes = RouteKinds {
                rules: self.routes.contains(&Kind::Rules),
                auto: self.routes.contains(&Kind::Auto),
                named: self.routes.contains(&Kind::Named),
            };
        }
        if let Some(path) = self.path {
            options.named_path = Some(path).filter(|path| !path.is_empty());
        }
        options.base_path = self.base_path;
        options.errors = self.errors.map(ErrorStyle::from);
        options.proto_names = self.proto_names;
        options.enums_as_numbers = self.enums_as_numbers;
    }
}
