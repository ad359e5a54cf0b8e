//! Named routes: `/{path}/{service}/{method}` in lower case, the service with
//! or without the suffix `service`.

use http::Method;
use portolan_schema::Streaming;

use super::Route;

/// The paths of a method below `base`, however that is written.
pub(crate) fn paths(base: &str, service: &str, method: &str) -> Vec<String> {
    let base = self::base(base).to_ascii_lowercase();
    let (service, method) = (service.to_ascii_lowercase(), method.to_ascii_lowercase());
    let bare = service
        .strip_suffix("service")
        .filter(|bare| !bare.is_empty())
        .unwrap_or(&service);
    vec![
        format!("{base}/{bare}/{method}"),
        format!("{base}/{bare}service/{method}"),
    ]
}

/// A path to put in front of others, however it is written: nothing, or with a
/// slash at its begin and none at its end.
pub(crate) fn base(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

/// The HTTP methods of a named route: all that carry a message, and GET only
/// for what changes nothing, so that a link or an image cannot act.
pub(super) fn methods(route: &Route) -> Vec<Method> {
    let mut methods = vec![Method::DELETE, Method::PATCH, Method::POST, Method::PUT];
    if route.no_side_effects && matches!(route.streaming, Streaming::Unary | Streaming::Server) {
        methods.insert(1, Method::GET);
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_answers_with_and_without_its_suffix() {
        assert_eq!(
            paths("/grpc", "Greeter", "SayHello"),
            ["/grpc/greeter/sayhello", "/grpc/greeterservice/sayhello"]
        );
        for base in ["/API/V1", "api/v1", "API/v1/", "/api/v1"] {
            assert_eq!(
                paths(base, "Greeter", "SayHello")[0],
                "/api/v1/greeter/sayhello",
                "{base}"
            );
        }
        assert_eq!(
            paths("/", "MemoryService", "Get"),
            ["/memory/get", "/memoryservice/get"]
        );
        assert_eq!(
            paths("", "Service", "Get"),
            ["/service/get", "/serviceservice/get"]
        );
    }
}
