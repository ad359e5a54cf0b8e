//! OpenAPI 3.1 from contracts: every way to reach an RPC with plain HTTP as an
//! operation, every message as a schema in its JSON form, with the contract's
//! comments as words.
//!
//! The document describes what a [`Gateway`](crate::Gateway) over the same
//! schema answers. It is made of the contract alone and comes out the same
//! every time.

mod annotations;
mod document;
mod errors;
mod example;
mod known;
mod node;
mod operation;
mod path;
mod paths;
mod query;
mod schemas;
mod words;
mod yaml;

use http::Method;
use portolan_schema::Schema;

use crate::{ErrorStyle, Options};
#[cfg(feature = "docs")]
pub(crate) use document::title;
use node::Map;

/// Which kinds of routes a document describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKinds {
    /// Those of `google.api.http` rules.
    pub rules: bool,
    /// `POST /package.Service/Method`.
    pub auto: bool,
    /// `/grpc/service/method`, in lower case.
    pub named: bool,
}

impl Default for RouteKinds {
    /// All of them.
    fn default() -> Self {
        Self {
            rules: true,
            auto: true,
            named: true,
        }
    }
}

/// How a client says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// `authorization: Bearer …`; the format of the token is a hint for readers,
    /// such as `JWT`.
    Bearer {
        /// What the token looks like.
        format: Option<String>,
    },
    /// `authorization: Basic …`.
    Basic,
    /// A key in a header of this name.
    ApiKey {
        /// The header.
        header: String,
    },
    /// A client certificate.
    MutualTls,
    /// OpenID Connect, discovered at this URL.
    OpenIdConnect {
        /// The URL of the discovery document.
        url: String,
    },
}

/// The choices for a document.
///
/// ```
/// use portolan_gateway::{OpenApiOptions, Options};
///
/// // As a gateway with these options answers.
/// let options = OpenApiOptions::for_gateway(&Options::default());
/// assert_eq!(options.named_path.as_deref(), Some("/grpc"));
/// ```
#[derive(Clone, Debug)]
pub struct OpenApiOptions {
    /// The title; by default the contract's package, or a general one.
    pub title: Option<String>,
    /// The version of the API; `1.0.0` by default.
    pub version: Option<String>,
    /// What the API is for, in CommonMark; by default the comment of the service
    /// when there is only one.
    pub description: Option<String>,
    /// Where it is served, as URLs with the base path in them; by default where
    /// the document itself is.
    pub servers: Vec<String>,
    /// What stands in front of every path, as in [`Options::base_path`]; nothing
    /// by default.
    pub base_path: String,
    /// Which kinds of routes are described; all by default.
    pub routes: RouteKinds,
    /// The services that are described, by full name; by default all but
    /// `grpc.reflection`.
    pub services: Vec<String>,
    /// Where named routes begin; `/grpc` by default, `None` for no named routes.
    pub named_path: Option<String>,
    /// The HTTP methods that automatic and named routes are limited to, as in
    /// [`Options::http_methods`].
    pub http_methods: Option<Vec<Method>>,
    /// The form of errors; by default each kind of route has its own, see
    /// [`Options::errors`].
    pub errors: Option<ErrorStyle>,
    /// Names of fields as the contract spells them, not in `lowerCamelCase`.
    pub proto_names: bool,
    /// Enum values as numbers.
    pub enums_as_numbers: bool,
    /// How a client says who it is, in one of these ways; not at all by default.
    pub security: Vec<Security>,
    /// Services that everybody may call, by full name.
    pub public_services: Vec<String>,
}

impl Default for OpenApiOptions {
    fn default() -> Self {
        Self {
            title: None,
            version: None,
            description: None,
            servers: Vec::new(),
            base_path: String::new(),
            routes: RouteKinds::default(),
            services: Vec::new(),
            named_path: Some("/grpc".to_owned()),
            http_methods: None,
            errors: None,
            proto_names: false,
            enums_as_numbers: false,
            security: Vec::new(),
            public_services: Vec::new(),
        }
    }
}

impl OpenApiOptions {
    /// The choices that describe a gateway with these options.
    #[must_use]
    pub fn for_gateway(options: &Options) -> Self {
        Self {
            base_path: options.base_path.clone(),
            routes: RouteKinds {
                rules: options.rules,
                auto: options.auto,
                named: options.named_path.is_some(),
            },
            named_path: options.named_path.clone(),
            http_methods: options.http_methods.clone(),
            errors: options.errors,
            proto_names: options.write.proto_names,
            enums_as_numbers: options.write.enums_as_numbers,
            ..Self::default()
        }
    }
}

/// An OpenAPI 3.1 document.
///
/// ```
/// use portolan_gateway::{OpenApi, OpenApiOptions};
/// use portolan_schema::Schema;
///
/// let schema = Schema::from_descriptor_sets([&b""[..]])?;
/// let document = OpenApi::of(&schema, &OpenApiOptions::default());
/// assert!(document.to_json().starts_with("{\n  \"openapi\": \"3.1.1\""));
/// assert!(document.to_yaml().starts_with("openapi: \"3.1.1\"\n"));
/// # Ok::<(), portolan_schema::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenApi {
    root: Map,
    title: String,
}

impl OpenApi {
    /// The document of a schema's services.
    #[must_use]
    pub fn of(schema: &Schema, options: &OpenApiOptions) -> Self {
        let title = document::title(schema, options);
        Self {
            root: document::root(schema, options, &title),
            title,
        }
    }

    /// The title of the API.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The document as JSON, with two spaces per level and a line end behind.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.root)
            .expect("texts, finite numbers and maps with text keys are all there is");
        text.push('\n');
        text
    }

    /// The document as YAML 1.2, which reads the same as YAML 1.1.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::write(&self.root)
    }
}
