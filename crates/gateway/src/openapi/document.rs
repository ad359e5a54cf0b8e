//! The document as a whole: what the API is, its tags, its paths, and what they
//! refer to.

use portolan_schema::{Method, Schema, Service};

use super::node::{Map, Node};
use super::paths::Paths;
use super::schemas::Schemas;
use super::words::{description, summary};
use super::{OpenApiOptions, Security, errors};
use crate::ErrorStyle;
use crate::route::named;

/// The version of the specification that the document follows.
const OPENAPI: &str = "3.1.1";

/// The title of the API: as chosen, or the package if there is one only.
pub(crate) fn title(schema: &Schema, options: &OpenApiOptions) -> String {
    if let Some(title) = &options.title {
        return title.clone();
    }
    let mut packages: Vec<&str> = described(schema, options)
        .map(|service| {
            service
                .name()
                .rsplit_once('.')
                .map_or("", |(package, _)| package)
        })
        .collect();
    packages.dedup();
    match packages.as_slice() {
        [package] if !package.is_empty() => (*package).to_owned(),
        _ => "gRPC services".to_owned(),
    }
}

/// The document's members.
pub(super) fn root(schema: &Schema, options: &OpenApiOptions, title: &str) -> Map {
    let mut schemas = Schemas::new(schema, options);
    let Paths {
        items,
        tags,
        styles,
    } = Paths::of(schema, options, &mut schemas);
    let mut root = Map::new()
        .with("openapi", OPENAPI)
        .with("info", info(schema, options, title))
        .with("servers", servers(options))
        .with("tags", tags.into_nodes());
    if !options.security.is_empty() {
        let each = options
            .security
            .iter()
            .map(|security| Map::new().with(security_name(security), Vec::new()).into());
        root.put("security", each.collect::<Vec<Node>>());
    }
    let mut paths = Map::new();
    for item in items {
        paths.put(item.path, item.operations);
    }
    root.put("paths", paths);
    root.put("components", components(schemas, options, &styles));
    root
}

/// The services that the document describes.
pub(super) fn described<'a>(
    schema: &'a Schema,
    options: &'a OpenApiOptions,
) -> impl Iterator<Item = &'a Service> {
    let chosen = |service: &&Service| match options.services.as_slice() {
        // Reflection tells programs what the document tells people.
        [] => !service.name().starts_with("grpc.reflection."),
        names => names.iter().any(|name| name == service.name()),
    };
    schema.services().filter(chosen)
}

pub(super) fn methods<'a>(
    schema: &'a Schema,
    options: &'a OpenApiOptions,
) -> impl Iterator<Item = (&'a Service, &'a Method)> {
    described(schema, options).flat_map(|service| {
        service
            .methods()
            .iter()
            .map(move |method| (service, method))
    })
}

fn info(schema: &Schema, options: &OpenApiOptions, title: &str) -> Map {
    let words = options.description.clone().unwrap_or_else(|| {
        let mut services = described(schema, options);
        match (services.next(), services.next()) {
            (Some(only), None) => description(only.comment()),
            _ => String::new(),
        }
    });
    let mut info = Map::new().with("title", title.to_owned());
    let line = summary(&words);
    if line != words {
        info.put_text("summary", line);
    }
    info.put_text("description", words);
    let version = options.version.clone();
    info.with("version", version.unwrap_or_else(|| "1.0.0".to_owned()))
}

fn servers(options: &OpenApiOptions) -> Vec<Node> {
    let server = |url: String| Map::new().with("url", url).into();
    if options.servers.is_empty() {
        let base = named::base(&options.base_path);
        return vec![server(if base.is_empty() {
            "/".to_owned()
        } else {
            base
        })];
    }
    options.servers.iter().cloned().map(server).collect()
}

fn components(mut schemas: Schemas<'_>, options: &OpenApiOptions, styles: &[ErrorStyle]) -> Map {
    let mut components = Map::new();
    let mut responses = Map::new();
    for style in styles {
        responses.put(errors::name(*style), errors::response(*style, &mut schemas));
    }
    let examples = schemas.take_examples();
    let schemas = schemas.finish();
    for (name, members) in [
        ("schemas", schemas),
        ("responses", responses),
        ("examples", examples),
    ] {
        if !members.is_empty() {
            components.put(name, members);
        }
    }
    if !options.security.is_empty() {
        let mut schemes = Map::new();
        for security in &options.security {
            let name = security_name(security);
            if !schemes.contains(name) {
                schemes.put(name, security_scheme(security));
            }
        }
        components.put("securitySchemes", schemes);
    }
    components
}

fn security_name(security: &Security) -> &'static str {
    match security {
        Security::Bearer { .. } => "bearer",
        Security::Basic => "basic",
        Security::ApiKey { .. } => "apiKey",
        Security::MutualTls => "mutualTls",
        Security::OpenIdConnect { .. } => "openIdConnect",
    }
}

fn security_scheme(security: &Security) -> Map {
    let scheme = |kind: &'static str| Map::new().with("type", kind);
    match security {
        Security::Bearer { format } => {
            let mut bearer = scheme("http").with("scheme", "bearer");
            bearer.put_text("bearerFormat", format.clone().unwrap_or_default());
            bearer
        }
        Security::Basic => scheme("http").with("scheme", "basic"),
        Security::ApiKey { header } => scheme("apiKey")
            .with("in", "header")
            .with("name", header.clone()),
        Security::MutualTls => scheme("mutualTLS"),
        Security::OpenIdConnect { url } => {
            scheme("openIdConnect").with("openIdConnectUrl", url.clone())
        }
    }
}
