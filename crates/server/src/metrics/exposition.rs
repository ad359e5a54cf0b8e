//! `GET /metrics`: which text form the scraper wants, and the older one of them.

use bytes::{Buf, Bytes};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;

use crate::Metrics;

const PATH: &str = "/metrics";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to a scrape; `None` when the request is none.
pub(crate) fn answer<B, D>(metrics: &Metrics, request: &Request<B>) -> Option<Response<Full<D>>>
where
    D: Buf + From<Bytes>,
{
    if request.uri().path() != PATH || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let (content_type, text) = if wants_open_metrics(request.headers()) {
        (OPEN_METRICS, metrics.open_metrics())
    } else {
        (PROMETHEUS_TEXT, metrics.prometheus_text())
    };
    let mut response = Response::new(Full::from(Bytes::from(text)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// Prometheus names OpenMetrics when it can read it; browsers and curl do not.
fn wants_open_metrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| range.trim().starts_with("application/openmetrics-text"))
}

/// Turns OpenMetrics into the older form: there the type of a counter names
/// the sample itself (`x_total`), an info is a gauge (`x_info`), and neither
/// `# UNIT` nor `# EOF` exists.
pub(super) fn prometheus_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(family) = line.strip_prefix("# HELP ") {
            // Held back: its name depends on the type, which comes next.
            help = family.split_once(' ');
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|family| family.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, sentence)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {sentence}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(method: Method, path: &str, accept: &str) -> Option<Response<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .body(())
            .unwrap();
        answer(&Metrics::default(), &request)
    }

    #[test]
    fn only_reading_metrics_is_a_scrape() {
        assert!(scrape(Method::GET, "/metrics", "*/*").is_some());
        assert!(scrape(Method::HEAD, "/metrics?x=1", "*/*").is_some());
        assert!(scrape(Method::POST, "/metrics", "*/*").is_none());
        assert!(scrape(Method::GET, "/metrics/", "*/*").is_none());
    }

    #[test]
    fn the_scraper_chooses_the_form() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, OPEN_METRICS),
            ("*/*", PROMETHEUS_TEXT),
            ("", PROMETHEUS_TEXT),
        ] {
            let response = scrape(Method::GET, "/metrics", accept).unwrap();
            assert_eq!(response.headers()[CONTENT_TYPE], expected, "{accept}");
        }
    }

    #[test]
    fn the_older_form_names_samples() {
        let open_metrics = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                            a_seconds_total{x=\"1\"} 2.0\n# HELP b Build.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                            # HELP c Now.\n# TYPE c gauge\nc 3\n# EOF\n";
        let expected = "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\n\
                        a_seconds_total{x=\"1\"} 2.0\n# HELP b_info Build.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                        # HELP c Now.\n# TYPE c gauge\nc 3\n";
        assert_eq!(prometheus_text(open_metrics), expected);
    }
}
