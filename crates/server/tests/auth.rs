//! Tokens of every kind against real files and a real HTTP server with keys:
//! good ones, bad ones, and keys that change, go away and come back.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use portolan_gateway::Body;
use portolan_server::auth::{
    Access, Authentication, Claims, Denied, Jwks, JwtSecret, KeySource, Principal, Scheme,
    TokenFile, issue,
};
use portolan_server::interceptor::InterceptorLayer;
use portolan_server::{Listener, RequestBody, Server};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use support::Running;
use tower::{Layer, ServiceExt, service_fn};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SOON: Duration = Duration::from_millis(5);
/// Never within a test.
const LATE: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

fn claims(more: &Value) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!("alice"));
    claims.insert("exp".to_owned(), json!(get_current_timestamp() + 600));
    claims.extend(more.as_object().unwrap().clone());
    claims
}

/// A key that signs, and its public half as a JWK.
struct Pair {
    signs: EncodingKey,
    public: Value,
}

impl Pair {
    fn rsa() -> Self {
        let pem = include_str!("keys/rsa.pem");
        let lines = pem.lines().filter(|line| !line.starts_with('-'));
        let der = STANDARD.decode(lines.collect::<String>()).unwrap();
        let pair = RsaKeyPair::from_der(&der).unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
        let [n, e] = [public.n, public.e].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let public = json!({"kty": "RSA", "n": n, "e": e});
        let signs = EncodingKey::from_rsa_der(&der);
        Self { signs, public }
    }

    fn elliptic(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> Self {
        let random = ring::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let public = json!({"kty": "EC", "crv": curve, "x": x, "y": y});
        let signs = EncodingKey::from_ec_der(der.as_ref());
        Self { signs, public }
    }

    fn edwards() -> Self {
        let random = ring::rand::SystemRandom::new();
        let der = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let public = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let signs = EncodingKey::from_ed_der(der.as_ref());
        Self { signs, public }
    }

    fn named(mut self, name: &str) -> Self {
        self.public["kid"] = json!(name);
        self
    }

    fn sign(&self, algorithm: Algorithm, name: Option<&str>, more: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = name.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(more), &self.signs).unwrap()
    }
}

fn set(pairs: &[&Pair]) -> String {
    let keys: Vec<&Value> = pairs.iter().map(|pair| &pair.public).collect();
    json!({"keys": keys}).to_string()
}

async fn subject(scheme: &impl Scheme, token: &str) -> Result<String, Denied> {
    let principal = scheme.verify(token).await?;
    Ok(principal.subject().to_owned())
}

/// Waits for what comes of itself.
async fn until<F: Future<Output = bool>>(what: impl Fn() -> F) {
    let begin = Instant::now();
    while !what().await {
        assert!(begin.elapsed() < PATIENCE, "it does not come");
        tokio::time::sleep(SOON).await;
    }
}

#[tokio::test]
async fn every_algorithm_is_verified_with_its_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let rsa = Pair::rsa().named("r");
    let p256 = Pair::elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256").named("p256");
    let p384 = Pair::elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384").named("p384");
    let ed = Pair::edwards().named("ed");
    std::fs::write(&path, set(&[&rsa, &p256, &p384, &ed])).unwrap();
    let source = KeySource::File(path);
    let jwks = Jwks::open(source, Claims::default().issuer("us").audience("me"));
    let jwks = jwks.await.unwrap();
    let good = json!({"iss": "us", "aud": "me"});
    for (pair, name, algorithm) in [
        (&rsa, "r", Algorithm::RS256),
        (&rsa, "r", Algorithm::RS384),
        (&rsa, "r", Algorithm::RS512),
        (&rsa, "r", Algorithm::PS256),
        (&rsa, "r", Algorithm::PS384),
        (&rsa, "r", Algorithm::PS512),
        (&p256, "p256", Algorithm::ES256),
        (&p384, "p384", Algorithm::ES384),
        (&ed, "ed", Algorithm::EdDSA),
    ] {
        for name in [Some(name), None] {
            let token = pair.sign(algorithm, name, &good);
            assert_eq!(
                subject(&jwks, &token).await.unwrap(),
                "alice",
                "{algorithm:?}"
            );
            // The second time it is remembered.
            assert_eq!(
                subject(&jwks, &token).await.unwrap(),
                "alice",
                "{algorithm:?}"
            );
            let (message, signature) = token.rsplit_once('.').unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            bytes[0] ^= 1;
            let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
            assert_eq!(
                subject(&jwks, &forged).await,
                Err(Denied::Invalid),
                "{algorithm:?}"
            );
        }
        let wrong = [
            (json!({"iss": "us", "aud": "me", "exp": 1}), Denied::Expired),
            (json!({"iss": "us", "aud": "you"}), Denied::Invalid),
            (json!({"iss": "them", "aud": "me"}), Denied::Invalid),
            (json!({"iss": "us"}), Denied::Invalid),
            (
                json!({"iss": "us", "aud": "me", "nbf": get_current_timestamp() + 99}),
                Denied::Invalid,
            ),
        ];
        for (more, denied) in wrong {
            let token = pair.sign(algorithm, Some(name), &more);
            assert_eq!(subject(&jwks, &token).await, Err(denied), "{more}");
        }
    }
    let stranger = Pair::edwards();
    for name in [Some("ed"), Some("r"), Some("nobody"), None] {
        let token = stranger.sign(Algorithm::EdDSA, name, &good);
        assert_eq!(subject(&jwks, &token).await, Err(Denied::Invalid));
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_nothing_is_no_signature() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let rsa = Pair::rsa().named("r");
    let text = set(&[&rsa]);
    std::fs::write(&path, &text).unwrap();
    let jwks = Jwks::open(KeySource::File(path), Claims::default())
        .await
        .unwrap();
    let modulus = rsa.public["n"].as_str().unwrap();
    let secrets = [
        URL_SAFE_NO_PAD.decode(modulus).unwrap(),
        modulus.as_bytes().to_vec(),
        rsa.public.to_string().into_bytes(),
        text.into_bytes(),
    ];
    for secret in secrets {
        let key = EncodingKey::from_secret(&secret);
        for name in [Some("r".to_owned()), None] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = name;
            let token = jsonwebtoken::encode(&header, &claims(&json!({})), &key).unwrap();
            assert_eq!(subject(&jwks, &token).await, Err(Denied::Invalid));
        }
    }
    let good = rsa.sign(Algorithm::RS256, None, &json!({}));
    let body = good.split('.').nth(1).unwrap();
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","kid":"r"}"#,
        r#"{"alg":""}"#,
        "{}",
    ] {
        let header = URL_SAFE_NO_PAD.encode(header);
        for token in [format!("{header}.{body}."), format!("{header}.{body}")] {
            assert_eq!(subject(&jwks, &token).await, Err(Denied::Invalid));
        }
    }
}

/// Keys at a URL, which may change, and how often they were asked for.
#[derive(Clone, Default)]
struct Issuer {
    text: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn publish(&self, text: String) {
        *self.text.lock().unwrap() = text;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn serve(&self, listener: Listener, cache: &'static str) -> Running {
        let this = self.clone();
        let service = service_fn(move |_: Request<RequestBody>| {
            this.asked.fetch_add(1, Ordering::SeqCst);
            let text = this.text.lock().unwrap().clone();
            let response = Response::builder().header("cache-control", cache);
            std::future::ready(Ok::<_, Infallible>(response.body(text).unwrap()))
        });
        Running::start_on(Server::new(service), listener)
    }
}

fn listener() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn source(address: std::net::SocketAddr) -> KeySource {
    format!("http://{address}/jwks.json").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_asked_for_once_in_a_while() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Pair::edwards().named(name));
    let issuer = Issuer::default();
    issuer.publish(set(&[&a]));
    let running = issuer.serve(listener(), "no-cache");
    let from_a = a.sign_for("a");
    let from_b = b.sign_for("b");

    // So late that a question follows another only when it may.
    let jwks = Jwks::open_and_ask(source(running.address), Claims::default(), LATE, LATE);
    let jwks = jwks.await.unwrap();
    assert_eq!(subject(&jwks, &from_a).await.unwrap(), "alice");
    assert_eq!(issuer.asked(), 1);
    issuer.publish(set(&[&b]));
    for _ in 0..50 {
        assert_eq!(subject(&jwks, &from_b).await, Err(Denied::Invalid));
    }
    assert_eq!(issuer.asked(), 1, "it was asked only just");

    let short = Duration::from_millis(1);
    let jwks = Jwks::open_and_ask(source(running.address), Claims::default(), LATE, short);
    let jwks = jwks.await.unwrap();
    assert_eq!(subject(&jwks, &from_b).await.unwrap(), "alice");
    issuer.publish(set(&[&c]));
    let from_c = c.sign_for("c");
    until(|| async { subject(&jwks, &from_c).await.is_ok() }).await;
    assert_eq!(
        subject(&jwks, &from_b).await,
        Err(Denied::Invalid),
        "its key is gone"
    );
}

impl Pair {
    fn sign_for(&self, name: &str) -> String {
        self.sign(Algorithm::EdDSA, Some(name), &json!({}))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_again_when_their_time_is_over() {
    let [a, b] = ["same", "same"].map(|name| Pair::edwards().named(name));
    for (cache, refresh) in [("max-age=0", LATE), ("no-cache", SOON)] {
        let issuer = Issuer::default();
        issuer.publish(set(&[&a]));
        let running = issuer.serve(listener(), cache);
        let jwks = Jwks::open_and_ask(source(running.address), Claims::default(), refresh, SOON);
        let jwks = jwks.await.unwrap();
        let [from_a, from_b] = [&a, &b].map(|pair| pair.sign_for("same"));
        assert_eq!(subject(&jwks, &from_a).await.unwrap(), "alice");
        // A name that is known asks nobody.
        issuer.publish(set(&[&b]));
        until(|| async { subject(&jwks, &from_b).await.is_ok() }).await;
        assert_eq!(
            subject(&jwks, &from_a).await,
            Err(Denied::Invalid),
            "{cache}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_down_keeps_what_it_said() {
    let a = Pair::edwards().named("a");
    let issuer = Issuer::default();
    let place = listener();
    let address = place.address().socket().unwrap();
    drop(place);
    let jwks = Jwks::open_and_ask(source(address), Claims::default(), SOON, SOON);
    let jwks = jwks.await.unwrap();
    let denied = subject(&jwks, &a.sign_for("a")).await.unwrap_err();
    let Denied::Unavailable(reason) = denied else {
        panic!("{denied:?}");
    };
    assert!(reason.starts_with("the keys that tokens are checked with are not known yet"));

    // What is no set is as good as nothing.
    issuer.publish("<html>".to_owned());
    let running = issuer.serve(Listener::bind(address).unwrap(), "no-cache");
    until(|| async { issuer.asked() > 1 }).await;
    let denied = subject(&jwks, &a.sign_for("a")).await.unwrap_err();
    assert!(matches!(denied, Denied::Unavailable(_)), "{denied:?}");
    issuer.publish(set(&[&a]));
    until(|| async { subject(&jwks, &a.sign_for("a")).await.is_ok() }).await;

    for worse in ["", "{\"keys\":[]}"] {
        issuer.publish(worse.to_owned());
        let before = issuer.asked();
        until(|| async { issuer.asked() > before + 1 }).await;
        assert!(subject(&jwks, &a.sign_for("a")).await.is_ok(), "{worse}");
    }
    let _ = running.drained(PATIENCE).await;
    let stranger = Pair::edwards().sign_for("stranger");
    assert_eq!(subject(&jwks, &stranger).await, Err(Denied::Invalid));
    assert!(subject(&jwks, &a.sign_for("a")).await.is_ok());
}

#[tokio::test]
async fn files_are_read_again_and_what_is_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "one alice a\n").unwrap();
    let tokens = TokenFile::open_and_look(&path, SOON).unwrap();
    assert_eq!(subject(&tokens, "one").await.unwrap(), "alice");
    std::fs::write(&path, "two bob\n").unwrap();
    until(|| async { subject(&tokens, "two").await.is_ok() }).await;
    assert_eq!(subject(&tokens, "one").await, Err(Denied::Invalid));
    std::fs::write(&path, "three\n").unwrap();
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(subject(&tokens, "two").await.unwrap(), "bob");
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(subject(&tokens, "two").await.unwrap(), "bob");

    let path = folder.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let secret = JwtSecret::open_and_look(&path, Claims::default(), SOON).unwrap();
    let old = issue(SECRET.as_bytes(), &claims(&json!({}))).unwrap();
    let new = issue(&[b'x'; 32], &claims(&json!({}))).unwrap();
    assert_eq!(subject(&secret, &old).await.unwrap(), "alice");
    assert_eq!(subject(&secret, &new).await, Err(Denied::Invalid));
    std::fs::write(&path, "x".repeat(32)).unwrap();
    until(|| async { subject(&secret, &new).await.is_ok() }).await;
    assert_eq!(
        subject(&secret, &old).await,
        Err(Denied::Invalid),
        "not even remembered"
    );

    let path = folder.path().join("jwks.json");
    let [a, b] = ["a", "b"].map(|name| Pair::edwards().named(name));
    std::fs::write(&path, set(&[&a])).unwrap();
    let source = KeySource::File(path.clone());
    let jwks = Jwks::open_and_ask(source, Claims::default(), SOON, SOON)
        .await
        .unwrap();
    assert!(subject(&jwks, &a.sign_for("a")).await.is_ok());
    std::fs::write(&path, set(&[&b])).unwrap();
    until(|| async { subject(&jwks, &b.sign_for("b")).await.is_ok() }).await;
    assert_eq!(subject(&jwks, &a.sign_for("a")).await, Err(Denied::Invalid));
}

#[tokio::test]
async fn what_cannot_be_used_is_told_at_the_start_and_secrets_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let missing = folder.path().join("missing");
    std::fs::write(&path, "short-secret").unwrap();
    let wrong = [
        TokenFile::open(&missing).unwrap_err(),
        TokenFile::open(&path).unwrap_err(),
        JwtSecret::open(&missing, Claims::default()).unwrap_err(),
        JwtSecret::open(&path, Claims::default()).unwrap_err(),
        Jwks::open(KeySource::File(missing), Claims::default())
            .await
            .unwrap_err(),
        Jwks::open(KeySource::File(path.clone()), Claims::default())
            .await
            .unwrap_err(),
    ];
    for error in wrong {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("short-secret"), "{text}");
    }
    std::fs::write(&path, format!("{SECRET} alice users.read\n")).unwrap();
    let tokens = TokenFile::open(&path).unwrap();
    let secret = JwtSecret::open(&path, Claims::default()).unwrap();
    let token = issue(
        &std::fs::read(&path).unwrap()[..path.metadata().unwrap().len() as usize - 1],
        &claims(&json!({"password": "hidden"})),
    );
    let principal = secret.verify(&token.unwrap()).await.unwrap();
    let shown = format!("{tokens:?} {secret:?} {principal:?}");
    let all = Authentication::new(Access::default())
        .scheme(tokens)
        .scheme(secret);
    let shown = format!("{shown} {all:?}");
    assert!(
        !shown.contains(SECRET) && !shown.contains("hidden"),
        "{shown}"
    );
    assert!(shown.contains("alice"), "{shown}");
}

/// What a service behind authentication makes of a call: the headers of its
/// answer, in which it says who calls.
async fn ask(layer: &InterceptorLayer, path: &str, token: Option<&str>) -> HeaderMap {
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        let principal = request.extensions().get::<Principal>();
        let caller = principal.map_or("nobody", Principal::subject);
        let response = Response::builder()
            .header("grpc-status", "0")
            .header("caller", caller);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    }));
    let mut request = Request::post(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = service
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    response.into_parts().0.headers
}

#[tokio::test]
async fn a_method_is_for_whom_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "one alice read write\ntwo bob read\n").unwrap();
    let access = Access::default()
        .require("a.S", ["read"])
        .and_then(|access| access.require("a.S/Write", ["read", "write"]))
        .and_then(|access| access.public("a.S/Open"))
        .unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let authentication = Authentication::new(access)
        .scheme(TokenFile::open(&path).unwrap())
        .scheme(JwtSecret::open(&secret, Claims::default()).unwrap());
    let layer = InterceptorLayer::new().with(authentication);
    let jwt = |more| issue(SECRET.as_bytes(), &claims(&more)).unwrap();
    let carol = jwt(json!({"sub": "carol", "scope": "read"}));
    let late = jwt(json!({"exp": 1}));
    let (missing, invalid) = ("Missing or invalid authorization header", "Invalid token");
    let needs = "this method needs the scope `write`, which the token lacks";
    for (path, token, status, says) in [
        ("/a.S/Read", Some("one"), "0", "alice"),
        ("/a.S/Read", Some("two"), "0", "bob"),
        ("/a.S/Read", Some(&*carol), "0", "carol"),
        ("/a.S/Read", None, "16", missing),
        ("/a.S/Read", Some("tw"), "16", invalid),
        ("/a.S/Read", Some(""), "16", missing),
        ("/a.S/Read", Some(&*late), "16", "Token has expired"),
        ("/a.S/Write", Some("one"), "0", "alice"),
        ("/a.S/Write", Some("two"), "7", needs),
        ("/a.S/Write", Some(&*carol), "7", needs),
        ("/a.S/Open", None, "0", "nobody"),
        ("/a.S/Open", Some("no-such"), "0", "nobody"),
        ("/a.S/Open", Some(&*late), "0", "nobody"),
        ("/a.S/Open", Some("two"), "0", "bob"),
        ("/b.T/Any", Some("two"), "0", "bob"),
        ("/b.T/Any", None, "16", missing),
        ("/grpc.health.v1.Health/Check", None, "0", "nobody"),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            None,
            "0",
            "nobody",
        ),
    ] {
        let headers = ask(&layer, path, token).await;
        assert_eq!(headers["grpc-status"], status, "{path} {token:?}");
        let found = if status == "0" {
            "caller"
        } else {
            "grpc-message"
        };
        assert_eq!(headers[found], says, "{path} {token:?}");
        let challenge = match status {
            "0" => None,
            "7" => Some("Bearer error=\"insufficient_scope\", scope=\"write\""),
            _ if says == missing => Some("Bearer"),
            _ if says == invalid => {
                Some("Bearer error=\"invalid_token\", error_description=\"Invalid token\"")
            }
            _ => Some("Bearer error=\"invalid_token\", error_description=\"Token has expired\""),
        };
        let found = headers.get("www-authenticate");
        assert_eq!(
            found.map(|found| found.to_str().unwrap()),
            challenge,
            "{path} {token:?}"
        );
    }
}

/// What a token costs that was verified before: `cargo test --test auth -- --ignored
/// --nocapture` tells.
#[tokio::test]
#[ignore = "it measures, and the machine may be busy"]
async fn a_known_token_costs_less_than_two_microseconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let rsa = Pair::rsa().named("r");
    std::fs::write(&path, set(&[&rsa])).unwrap();
    let jwks = Jwks::open(KeySource::File(path), Claims::default())
        .await
        .unwrap();
    let token = rsa.sign(Algorithm::RS256, Some("r"), &json!({"scope": "a b c"}));
    let begin = Instant::now();
    jwks.verify(&token).await.unwrap();
    let first = begin.elapsed();
    const TIMES: u32 = 200_000;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        for _ in 0..TIMES {
            jwks.verify(&token).await.unwrap();
        }
        best = best.min(begin.elapsed() / TIMES);
    }
    println!(
        "first {first:?}, then {best:?} a call, {} bytes",
        token.len()
    );
    assert!(best < Duration::from_micros(2), "{best:?}");
}
