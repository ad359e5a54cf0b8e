//! Rules and paths by hand.

use super::{builder_of, find, trie_of};

fn found(rules: &[&str], request: &str) -> String {
    // The order of declaration says nothing.
    let forwards = trie_of(rules.iter().copied());
    let backwards = trie_of(rules.iter().rev().copied());
    let rule = find(&forwards, request);
    assert_eq!(rule, find(&backwards, request), "{request}");
    rule.map_or_else(String::new, |(rule, _)| rule.to_owned())
}

#[test]
fn the_most_specific_rule_wins() {
    let rules = [
        "GET /v1/{a}",
        "GET /v1/x",
        "POST /v1/x",
        "GET /v1/{a=**}",
        "GET /v1/{a=x/**}",
        "GET /v1/{a=*/y}",
        "* /w",
        "PUT /w",
        "GET /",
    ];
    for (request, rule) in [
        ("GET /v1/x", "GET /v1/x"),
        ("GET /v1/y", "GET /v1/{a}"),
        ("GET /v1/y/z", "GET /v1/{a=**}"),
        // The end of a rule comes before a rest of nothing.
        ("GET /v1/x/", "GET /v1/{a=x/**}"),
        // From the left: `x` before `*`, though the other rule is longer.
        ("GET /v1/x/y", "GET /v1/{a=x/**}"),
        ("GET /v1/z/y", "GET /v1/{a=*/y}"),
        ("GET /v1", "GET /v1/{a=**}"),
        ("PUT /w", "PUT /w"),
        ("DELETE /w", "* /w"),
        ("POST /v1/y", ""),
        ("GET /nowhere", ""),
        ("GET /", "GET /"),
        ("GET /v1x", ""),
        ("GET v1", "GET /v1/{a=**}"),
        ("GET *", ""),
    ] {
        assert_eq!(found(&rules, request), rule, "{request}");
    }
}

#[test]
fn a_dead_end_leads_back() {
    let rules = [
        "GET /a/b/c",
        "GET /a/{x}/d",
        "GET /{x}/b/e",
        "POST /a/b/{x=**}",
        "GET /{x=**}:go",
    ];
    for (request, rule) in [
        ("GET /a/b/c", "GET /a/b/c"),
        ("GET /a/b/d", "GET /a/{x}/d"),
        ("GET /a/b/e", "GET /{x}/b/e"),
        ("POST /a/b/e", "POST /a/b/{x=**}"),
        ("GET /a/b/e:go", "GET /{x=**}:go"),
        ("GET /a/b/e:stop", ""),
        ("GET /a/b/f", ""),
    ] {
        assert_eq!(found(&rules, request), rule, "{request}");
    }
}

#[test]
fn a_rest_may_stand_anywhere() {
    let rules = [
        "GET /v1/{a=docs/**}",
        "GET /v1/{a=docs/**}/{b}",
        "GET /v1/{a=docs/**}/c",
        "GET /v1/{a=docs/**}/b/c:go",
        "GET /v1/{a=docs/**/b/c}",
        "GET /v1/{a=docs/x}/{b}",
        "PUT /{a=**}/end",
    ];
    for (request, rule) in [
        ("GET /v1/docs", "GET /v1/{a=docs/**}"),
        ("GET /v1/docs/p", "GET /v1/{a=docs/**}/{b}"),
        ("GET /v1/docs/p/q", "GET /v1/{a=docs/**}/{b}"),
        ("GET /v1/docs/p/q/", "GET /v1/{a=docs/**}"),
        ("GET /v1/docs/c", "GET /v1/{a=docs/**}/c"),
        ("GET /v1/docs/b/c", "GET /v1/{a=docs/**/b/c}"),
        ("GET /v1/docs/x/y/b/c", "GET /v1/{a=docs/**/b/c}"),
        ("GET /v1/docs/x/b/c:go", "GET /v1/{a=docs/**}/b/c:go"),
        // From the left first.
        ("GET /v1/docs/x/c", "GET /v1/{a=docs/x}/{b}"),
        ("PUT /end", "PUT /{a=**}/end"),
        ("PUT /v1/docs/end", "PUT /{a=**}/end"),
        ("PUT /v1/docs/end/", ""),
        ("PUT /", ""),
    ] {
        assert_eq!(found(&rules, request), rule, "{request}");
    }
}

#[test]
fn verbs_are_split_off_only_where_a_rule_has_one() {
    let rules = [
        "GET /v1/{id}",
        "POST /v1/{id}:stop",
        "POST /v1:search",
        "GET /v1/x%3Ay",
        "GET /deep/{a=**}:go%20on",
    ];
    let trie = trie_of(rules);
    for (request, rule, end) in [
        ("POST /v1/7:stop", "POST /v1/{id}:stop", 5),
        ("POST /v1/7:8:stop", "POST /v1/{id}:stop", 7),
        ("GET /v1/7:8", "GET /v1/{id}", 7),
        ("GET /v1/7:stop", "GET /v1/{id}", 10),
        // An escaped colon begins no verb.
        ("GET /v1/7%3Astop", "GET /v1/{id}", 12),
        ("POST /v1:search", "POST /v1:search", 3),
        ("GET /v1/x:y", "GET /v1/x%3Ay", 7),
        ("GET /v1/x%3ay", "GET /v1/x%3Ay", 9),
        ("GET /deep/a/b/c/d:go%20on", "GET /deep/{a=**}:go%20on", 13),
        ("GET /deep:go%20on", "GET /deep/{a=**}:go%20on", 5),
    ] {
        assert_eq!(find(&trie, request), Some((rule, end)), "{request}");
    }
    for nothing in [
        "POST /v1/7%3Astop",
        "POST /v1/a:b/c",
        "POST /v1/7:stop/",
        "GET /v1/",
    ] {
        assert_eq!(find(&trie, nothing), None, "{nothing}");
    }
}

#[test]
fn empty_segments_are_no_values() {
    let rules = ["GET /a/{id}", "GET /a/{id}/b", "GET /f/{name=**}"];
    assert_eq!(found(&rules, "GET /a/"), "");
    assert_eq!(found(&rules, "GET /a//b"), "");
    assert_eq!(found(&rules, "GET /a/x/"), "");
    // But a rest is whatever is left.
    assert_eq!(found(&rules, "GET /f/a//b/"), "GET /f/{name=**}");
}

#[test]
fn head_goes_where_get_goes() {
    let rules = ["GET /a", "* /a", "GET /b", "HEAD /b", "POST /c"];
    assert_eq!(found(&rules, "HEAD /a"), "GET /a");
    assert_eq!(found(&rules, "HEAD /b"), "HEAD /b");
    assert_eq!(found(&rules, "HEAD /c"), "");
    assert_eq!(found(&rules, "POST /a"), "* /a");
}

#[test]
fn literals_are_compared_decoded() {
    let rules = ["GET /caf%C3%A9/x", "GET /a%2Fb", "GET /a/b"];
    assert_eq!(found(&rules, "GET /caf%c3%a9/%78"), "GET /caf%C3%A9/x");
    assert_eq!(found(&rules, "GET /a%2fb"), "GET /a%2Fb");
    assert_eq!(found(&rules, "GET /a/b"), "GET /a/b");
    // The mark for what is not UTF-8 is no way to say it.
    assert_eq!(found(&["GET /%EF%BF%BD"], "GET /%ff"), "");
}

#[test]
fn the_same_rule_twice_is_refused() {
    let mut trie = builder_of(["GET /v1/{a}", "GET /v1/{b}:go", "* /v1/{c}"]);
    for (rule, taken) in [
        ("GET /v1/{other}", Some("GET /v1/{a}")),
        ("GET /v1/*", Some("GET /v1/{a}")),
        ("GET /v1/{x}:go", Some("GET /v1/{b}:go")),
        ("* /v1/{x}", Some("* /v1/{c}")),
        ("POST /v1/{x}", None),
        ("GET /v1/{x=**}", None),
        ("GET /v1/{x}:stop", None),
        ("GET /v1/{x}/y", None),
    ] {
        let (method, template) = super::parse(rule);
        let other = trie_of([rule]);
        let binding = find_any(&other);
        let result = trie.insert(&template, method, &binding);
        let taken_by = result.err().map(|binding| binding.path.to_string());
        assert_eq!(taken_by.as_deref(), taken, "{rule}");
    }
}

/// The one binding of a trie of one rule.
fn find_any(trie: &super::Trie) -> std::sync::Arc<super::Binding> {
    let paths = ["/v1/1", "/v1/1:go", "/v1/1:stop", "/v1/1/y", "/v1/1/2/3"];
    let methods = [http::Method::GET, http::Method::POST];
    let mut all = paths
        .iter()
        .flat_map(|path| methods.iter().map(move |method| (method, path)));
    let found = all.find_map(|(method, path)| trie.find(method, path));
    std::sync::Arc::clone(found.unwrap().binding)
}

#[test]
fn the_methods_of_a_path_are_known() {
    let trie = trie_of([
        "GET /v1/{a}",
        "POST /v1/x",
        "DELETE /v1/{a=**}",
        "PUT /v1/{a}:go",
    ]);
    let allowed = |path| {
        let allowed = trie.allowed(path).into_iter();
        let names: Vec<String> = allowed.map(|method| method.unwrap().to_string()).collect();
        names.join(" ")
    };
    assert_eq!(allowed("/v1/x"), "DELETE GET POST");
    assert_eq!(allowed("/v1/y"), "DELETE GET");
    assert_eq!(allowed("/v1/y:go"), "DELETE GET PUT");
    assert_eq!(allowed("/v2"), "");
}

#[test]
fn no_path_costs_more_than_the_rules() {
    // Every way to write ten segments as `a` or `*`, and a rest in the middle.
    let rules: Vec<String> = (0..1 << 10)
        .flat_map(|bits| {
            let segment = |bit: i32| if bits >> bit & 1 == 0 { "a" } else { "*" };
            let path: Vec<&str> = (0..10).map(segment).collect();
            let (left, right) = path.split_at(5);
            [
                format!("GET /{}/end", path.join("/")),
                format!("GET /{}/**/{}/end", left.join("/"), right.join("/")),
            ]
        })
        .collect();
    let trie = trie_of(rules.iter().map(String::as_str));
    for path in [
        "/a".repeat(10),
        "/a".repeat(11),
        "/a".repeat(10_000),
        "/a".repeat(11) + ":a",
    ] {
        let (visits, nodes) = trie.visits(&path);
        assert!(visits <= 2 * nodes, "{visits} visits of {nodes} nodes");
    }
    // And one that the rules have no turn for costs next to nothing.
    assert_eq!(trie.visits(&"/b/c".repeat(10_000)).0, 1);
}
