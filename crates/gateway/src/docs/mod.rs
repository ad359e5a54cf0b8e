//! The contract to be read where it is served: `/openapi.json`,
//! `/openapi.yaml`, and a page at `/docs` to read and to try it.
//!
//! Everything is made once, when somebody first asks for it, and kept as it is
//! sent. The page needs nothing from anywhere else.

mod asset;
#[cfg(feature = "docs")]
mod page;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use portolan_schema::Schema;
use tokio::sync::OnceCell;
use tower_layer::Layer;
use tower_service::Service;

use crate::openapi::{OpenApi, OpenApiOptions};
use crate::protocol::{Eventually, bare, without_body};
use crate::route::named;
use crate::{Body, BoxError};
use asset::Asset;

/// The choices for what is served beside the API itself.
#[derive(Clone, Debug)]
pub struct DocsOptions {
    /// What the document says.
    pub open_api: OpenApiOptions,
    /// What stands in front of these paths, such as `/api`; nothing by default.
    pub base_path: String,
    /// Whether there is a page at `/docs`; true by default. Without the crate's
    /// feature `docs` there is none.
    pub page: bool,
}

impl Default for DocsOptions {
    fn default() -> Self {
        Self {
            open_api: OpenApiOptions::default(),
            base_path: String::new(),
            page: true,
        }
    }
}

/// Puts [`Docs`] around a service.
///
/// ```
/// # fn example<S: Clone>(service: S, schema: std::sync::Arc<portolan_schema::Schema>) {
/// use portolan_gateway::{DocsLayer, DocsOptions, GatewayLayer};
/// use tower_layer::Layer;
///
/// let everywhere = GatewayLayer::new(schema.clone()).layer(service);
/// let documented = DocsLayer::new(schema, DocsOptions::default()).layer(everywhere);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DocsLayer {
    shelf: Arc<Shelf>,
}

impl DocsLayer {
    /// Documents for the services of a schema; made when they are asked for.
    #[must_use]
    pub fn new(schema: Arc<Schema>, options: DocsOptions) -> Self {
        let DocsOptions {
            open_api,
            base_path,
            page,
        } = options;
        Self {
            shelf: Arc::new(Shelf {
                schema,
                base: named::base(&base_path),
                open_api,
                page,
                json: OnceCell::new(),
                yaml: OnceCell::new(),
                html: OnceCell::new(),
            }),
        }
    }
}

impl<S> Layer<S> for DocsLayer {
    type Service = Docs<S>;

    fn layer(&self, inner: S) -> Docs<S> {
        Docs {
            shelf: Arc::clone(&self.shelf),
            inner,
        }
    }
}

/// Answers GET and HEAD of the documents and the page, and passes everything
/// else on; see [`DocsLayer`].
#[derive(Clone, Debug)]
pub struct Docs<S> {
    shelf: Arc<Shelf>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Docs<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Eventually<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let wanted = match *request.method() {
            Method::GET | Method::HEAD => self.shelf.find(request.uri().path()),
            _ => None,
        };
        let Some(wanted) = wanted else {
            return Either::Left(self.inner.call(request));
        };
        let shelf = Arc::clone(&self.shelf);
        let head_only = request.method() == Method::HEAD;
        let headers = request.headers().clone();
        Either::Right(Box::pin(async move {
            let response = shelf.answer(wanted, &headers).await;
            Ok(if head_only {
                without_body(response)
            } else {
                response
            })
        }))
    }
}

/// What somebody may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Json,
    Yaml,
    #[cfg(feature = "docs")]
    Page,
    /// The page with a slash behind, where its links would lead elsewhere.
    #[cfg(feature = "docs")]
    PageElsewhere,
    #[cfg(feature = "docs")]
    File(&'static page::File),
}

/// What is served, and what it is made of.
#[derive(Debug)]
struct Shelf {
    schema: Arc<Schema>,
    open_api: OpenApiOptions,
    base: String,
    #[cfg_attr(not(feature = "docs"), allow(dead_code, reason = "there is no page"))]
    page: bool,
    json: OnceCell<Asset>,
    yaml: OnceCell<Asset>,
    #[cfg_attr(not(feature = "docs"), allow(dead_code, reason = "there is no page"))]
    html: OnceCell<Asset>,
}

impl Shelf {
    fn find(&self, path: &str) -> Option<Wanted> {
        match path.strip_prefix(&self.base)? {
            "/openapi.json" => Some(Wanted::Json),
            "/openapi.yaml" => Some(Wanted::Yaml),
            #[cfg(feature = "docs")]
            path if self.page => match path.strip_prefix("/docs")? {
                "" => Some(Wanted::Page),
                "/" => Some(Wanted::PageElsewhere),
                rest => page::file(rest.strip_prefix('/')?).map(Wanted::File),
            },
            _ => None,
        }
    }

    async fn answer(self: &Arc<Self>, wanted: Wanted, headers: &HeaderMap) -> Response<Body> {
        let made = match wanted {
            Wanted::Json => {
                let write = |document: &OpenApi| document.to_json();
                self.document(&self.json, "application/json", write).await
            }
            Wanted::Yaml => {
                let write = |document: &OpenApi| document.to_yaml();
                self.document(&self.yaml, "application/yaml", write).await
            }
            #[cfg(feature = "docs")]
            Wanted::Page => {
                let title = crate::openapi::title(&self.schema, &self.open_api);
                let make = || async { page::html(&title, &self.open_api.servers) };
                Ok(self.html.get_or_init(make).await)
            }
            #[cfg(feature = "docs")]
            Wanted::PageElsewhere => return page::elsewhere(),
            #[cfg(feature = "docs")]
            Wanted::File(file) => return file.response(headers),
        };
        match made {
            Ok(asset) => asset.response(headers),
            Err(error) => {
                tracing::error!("the document cannot be made: {error}");
                bare(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// A document, made on a thread of its own: that of a large contract takes
    /// a while.
    async fn document<'a>(
        self: &'a Arc<Self>,
        place: &'a OnceCell<Asset>,
        content_type: &'static str,
        write: fn(&OpenApi) -> String,
    ) -> Result<&'a Asset, BoxError> {
        let make = || async {
            let shelf = Arc::clone(self);
            let made = tokio::task::spawn_blocking(move || {
                let document = OpenApi::of(&shelf.schema, &shelf.open_api);
                Asset::new(content_type, write(&document).as_bytes())
            });
            made.await.map_err(BoxError::from)
        };
        place.get_or_try_init(make).await
    }
}
