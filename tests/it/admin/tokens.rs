//! Who is let in, and above all who is not.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm as Jwa, EncodingKey, Header, encode};
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::admin::token::{Order, mint};
use liveagent_bridge::admin::{JWKS_FRESH_FOR, JWKS_READ_EVERY, Role, TOKEN_BYTES_MAX};
use liveagent_bridge::config::admin::{AdminKey, Algorithm, KeySource, pem};
use liveagent_bridge::config::{AdminConfig, load_str};
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};

use super::{ADMIN_SECRET, Api, admin_config, claims, problem, quiet, quiet_parts, signed};

const NOW: &str = "2026-01-10T09:00:00Z";
const TENANTS: &str = "/admin/v1/tenants";

fn now() -> Wall {
    Wall::parse(NOW).unwrap()
}

/// A private key to sign with and its public half as PEM.
struct Pair {
    algorithm: Algorithm,
    private: Vec<u8>,
    public: Vec<u8>,
}

impl Pair {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
                    aws_lc_rs::signature::KeyPair::public_key(&pair).as_der().unwrap();
                let (private, public) = (private.as_ref().to_vec(), public.as_ref().to_vec());
                Self { algorithm, private, public }
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let private = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
                let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
                    pair.public_key().as_der().unwrap();
                Self { algorithm, private, public: public.as_ref().to_vec() }
            }
            _ => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let private = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
                let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
                    pair.public_key().as_der().unwrap();
                Self { algorithm, private, public: public.as_ref().to_vec() }
            }
        }
    }

    fn pem(&self) -> String {
        let text = STANDARD.encode(&self.public);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn signing(&self) -> (Jwa, EncodingKey) {
        match self.algorithm {
            // The signer wants the RSA key without its PKCS#8 wrapping.
            Algorithm::Rs256 => (Jwa::RS256, EncodingKey::from_rsa_der(&self.private[26..])),
            Algorithm::Es256 => (Jwa::ES256, EncodingKey::from_ec_der(&self.private)),
            _ => (Jwa::EdDSA, EncodingKey::from_ed_der(&self.private)),
        }
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let (algorithm, key) = self.signing();
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        encode(&header, claims, &key).unwrap()
    }

    fn jwk(&self, kid: &str) -> Value {
        let (algorithm, key) = self.signing();
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }
}

/// A token put together by hand: header, claims and whatever is to be the signature.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims(now(), "operate");
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

async fn api_with(keys: Vec<AdminKey>, transport: Arc<InProcess>) -> Api {
    let parts = quiet_parts(NOW, Arc::new(MemoryStore::new())).await;
    Api::with(parts, &AdminConfig { keys, ..admin_config() }, transport)
}

#[tokio::test(start_paused = true)]
async fn hostile_tokens_are_refused_and_not_answered_back() {
    let api = quiet(NOW).await;
    let seconds = now().millis() / 1_000;
    let good = signed(&claims(now(), "read"));
    let parts: Vec<&str> = good.split('.').collect();
    let none = json!({ "alg": "none", "kid": "ops" });
    let header = |alg: &str| json!({ "alg": alg, "kid": "ops" });
    let hs512 = {
        let header = Header { kid: Some("ops".to_owned()), ..Header::new(Jwa::HS512) };
        let key = EncodingKey::from_secret(ADMIN_SECRET.as_bytes());
        encode(&header, &claims(now(), "operate"), &key).unwrap()
    };
    let stranger = {
        let header = Header { kid: Some("ops".to_owned()), ..Header::new(Jwa::HS256) };
        let key = EncodingKey::from_secret(b"another secret of forty bytes, not ours!");
        encode(&header, &claims(now(), "operate"), &key).unwrap()
    };
    let unknown = {
        let header = Header { kid: Some("old".to_owned()), ..Header::new(Jwa::HS256) };
        let key = EncodingKey::from_secret(ADMIN_SECRET.as_bytes());
        encode(&header, &claims(now(), "operate"), &key).unwrap()
    };
    let critical = {
        let crit = Some(vec!["b64".to_owned()]);
        let header = Header { kid: Some("ops".to_owned()), crit, ..Header::new(Jwa::HS256) };
        let key = EncodingKey::from_secret(ADMIN_SECRET.as_bytes());
        encode(&header, &claims(now(), "operate"), &key).unwrap()
    };
    let elevated = forged(&header("HS256"), &claims(now(), "operate"), parts[2]);
    let cases = [
        ("alg none", forged(&none, &claims(now(), "operate"), "")),
        ("alg None", forged(&header("None"), &claims(now(), "operate"), "")),
        ("none with the good signature", forged(&none, &claims(now(), "read"), parts[2])),
        ("another HMAC", hs512),
        ("RS256 in the header only", forged(&header("RS256"), &claims(now(), "read"), parts[2])),
        ("claims exchanged", elevated),
        ("signature cut", format!("{}.{}.", parts[0], parts[1])),
        ("signature of another key", stranger),
        ("kid unknown", unknown),
        ("crit", critical),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("no parts", "abc".to_owned()),
        ("empty", String::new()),
        ("expired", signed(&with("exp", json!(seconds - 31)))),
        ("expired long ago", signed(&with("exp", json!(0)))),
        ("exp is a word", signed(&with("exp", json!("never")))),
        ("exp missing", signed(&with("exp", Value::Null))),
        ("not yet valid", signed(&with("nbf", json!(seconds + 31)))),
        ("issued tomorrow", signed(&with("iat", json!(seconds + 86_400)))),
        ("another issuer", signed(&with("iss", json!("https://evil.example.test")))),
        ("no issuer", signed(&with("iss", Value::Null))),
        ("another audience", signed(&with("aud", json!("console")))),
        ("no audience", signed(&with("aud", Value::Null))),
        ("no subject", signed(&with("sub", Value::Null))),
        ("empty subject", signed(&with("sub", json!("")))),
        ("control characters", signed(&with("sub", json!("pat\nroot")))),
        ("too long", signed(&with("more", json!("x".repeat(TOKEN_BYTES_MAX))))),
    ];
    for (what, token) in cases {
        let got = api.ask("GET", TENANTS, Some(&token), "").await;
        assert_eq!(got.status, 401, "{what}: {}", got.text);
        let code = got.json()["code"].clone();
        assert!(code == "token-invalid" || what == "empty", "{what}: {}", got.text);
        assert!(got.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{what}");
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!got.text.contains(part), "{what} is answered back");
        }
    }
    assert_eq!(api.ask("GET", TENANTS, Some(&good), "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn one_authorization_header_with_a_bearer_token_it_must_be() {
    let api = quiet(NOW).await;
    let good = api.token("read");
    let send = async |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", value.parse().unwrap());
        }
        api.send("GET", TENANTS, headers, "").await
    };
    let bearer = format!("Bearer {good}");
    for values in [&[][..], &["Basic cGF0OnBhdA=="], &["Bearer"], &[&bearer, &bearer]] {
        problem(&send(values).await, 401, "token-missing");
    }
    assert_eq!(send(&[&format!("bearer  {good}")]).await.status, 200);
    // Nowhere else.
    let path = format!("{TENANTS}?access_token={good}");
    problem(&api.ask("GET", &path, None, "").await, 401, "token-missing");
}

#[tokio::test(start_paused = true)]
async fn times_are_those_of_the_bridge() {
    let api = quiet(NOW).await;
    let token = api.token("read");
    let ask = async || api.ask("GET", TENANTS, Some(&token), "").await.status.as_u16();
    api.clock.set_wall(now().plus_millis(3_600_000 + 29_999));
    assert_eq!(ask().await, 200, "within the leeway");
    api.clock.set_wall(now().plus_millis(3_600_000 + 30_000));
    assert_eq!(ask().await, 401);
    api.clock.set_wall(now().plus_millis(-29_000));
    assert_eq!(ask().await, 200, "an issuer whose clock is a little ahead");
    api.clock.set_wall(now().plus_millis(-31_000));
    assert_eq!(ask().await, 401);
}

#[tokio::test(start_paused = true)]
async fn roles_and_tenants_bound_what_a_token_does() {
    let api = quiet(NOW).await;
    let freeze = json!({ "expected": 0, "why": "a rest", "action": { "kind": "freeze" } });
    let changes = |tenant: &str| format!("{TENANTS}/{tenant}/changes");
    let got =
        api.ask("POST", &changes("acme"), Some(&api.token("read")), &freeze.to_string()).await;
    problem(&got, 403, "role-too-low");
    for role in [Value::Null, json!("admin"), json!(["root"]), json!([])] {
        let token = signed(&with("role", role.clone()));
        problem(&api.ask("GET", TENANTS, Some(&token), "").await, 403, "role-too-low");
    }
    for (name, role) in [("role", json!(["read", "x"])), ("roles", json!("read"))] {
        let mut claims = with("role", Value::Null);
        claims[name] = role;
        assert_eq!(api.ask("GET", TENANTS, Some(&signed(&claims)), "").await.status, 200);
    }
    let scoped = api.scoped("operate", &["other"]);
    let seen = api.ask("GET", TENANTS, Some(&scoped), "").await.json();
    assert_eq!(seen["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(seen["tenants"][0]["id"], "other");
    // Whether it exists or not.
    for tenant in ["acme", "nobody"] {
        for path in ["", "/plan", "/changes"] {
            let got = api.ask("GET", &format!("{TENANTS}/{tenant}{path}"), Some(&scoped), "").await;
            problem(&got, 403, "tenant-out-of-scope");
        }
        let got = api.ask("POST", &changes(tenant), Some(&scoped), &freeze.to_string()).await;
        problem(&got, 403, "tenant-out-of-scope");
    }
    let got = api.ask("POST", &changes("other"), Some(&scoped), &freeze.to_string()).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let nobodys = signed(&with("tenants", Value::Null));
    let seen = api.ask("GET", TENANTS, Some(&nobodys), "").await.json();
    assert_eq!(seen["tenants"], json!([]), "without tenants none");
    problem(
        &api.ask("POST", "/admin/v1/reload", Some(&scoped), "").await,
        403,
        "tenant-out-of-scope",
    );
    let got = api.ask("GET", &format!("{TENANTS}/nobody"), Some(&api.token("read")), "").await;
    problem(&got, 404, "no-such-tenant");
}

#[tokio::test(start_paused = true)]
async fn each_algorithm_takes_its_own_tokens_only() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let (ours, theirs) = (Pair::new(algorithm), Pair::new(algorithm));
        let source = KeySource::PublicKey(ours.pem());
        let key = AdminKey { id: Some("idp".to_owned()), algorithm, source };
        let api = api_with(vec![key], Arc::new(InProcess::new())).await;
        let ask = async |token: String| api.ask("GET", TENANTS, Some(&token), "").await;
        let claims = claims(now(), "read");
        let got = ask(ours.sign(Some("idp"), &claims)).await;
        assert_eq!(got.status, 200, "{algorithm:?}: {}", got.text);
        assert_eq!(ask(ours.sign(None, &claims)).await.status, 200, "the only key needs no name");
        problem(&ask(theirs.sign(Some("idp"), &claims)).await, 401, "token-invalid");
        problem(&ask(ours.sign(Some("else"), &claims)).await, 401, "token-invalid");
        // The public key is no secret, so it must not be taken for one.
        let der = STANDARD.decode(ours.pem().lines().nth(1).unwrap()).unwrap_or_default();
        for secret in [ours.pem().as_bytes(), ours.public.as_slice(), der.as_slice()] {
            let header = Header { kid: Some("idp".to_owned()), ..Header::new(Jwa::HS256) };
            let token = encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
            problem(&ask(token).await, 401, "token-invalid");
        }
    }
}

#[test]
fn pem_files_are_what_they_should_be() {
    let rsa = Pair::new(Algorithm::Rs256);
    let ec = Pair::new(Algorithm::Es256);
    assert!(pem::public_key(Algorithm::Rs256, &rsa.pem()).is_ok());
    let named = |label: &str| rsa.pem().replace("PUBLIC KEY", label);
    for (algorithm, text, needle) in [
        (Algorithm::Rs256, ec.pem(), "no RSA key"),
        (Algorithm::Es256, rsa.pem(), "no P-256 key"),
        (Algorithm::EdDsa, ec.pem(), "no Ed25519 key"),
        (Algorithm::Hs256, rsa.pem(), "HS256 does not use"),
        (Algorithm::Rs256, named("PRIVATE KEY"), "private key"),
        (Algorithm::Rs256, named("CERTIFICATE"), "certificate"),
        (Algorithm::Rs256, "ssh-rsa AAAA".to_owned(), "no PEM block"),
        (Algorithm::Rs256, rsa.pem().replace('A', "!"), "damaged"),
    ] {
        let Err(message) = pem::public_key(algorithm, &text) else { panic!("{text}") };
        assert!(message.contains(needle), "{message}");
    }
}

/// An issuer's key set behind a counter.
fn issuer(set: &Arc<Mutex<String>>, asked: &Arc<AtomicU32>) -> Router {
    let (set, asked) = (set.clone(), asked.clone());
    let answer = move || {
        asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(set.lock().unwrap().clone())
    };
    Router::new().route("/keys", get(answer))
}

#[tokio::test(start_paused = true)]
async fn key_sets_are_read_when_needed_and_the_last_good_one_stays() {
    let (first, second) = (Pair::new(Algorithm::Es256), Pair::new(Algorithm::Es256));
    let oct = json!({ "kty": "oct", "kid": "a", "k": URL_SAFE_NO_PAD.encode(ADMIN_SECRET) });
    let jwks = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let set = Arc::new(Mutex::new(jwks(&[oct, first.jwk("one")])));
    let asked = Arc::new(AtomicU32::new(0));
    let transport = Arc::new(InProcess::new());
    transport.put("id.example.test", issuer(&set, &asked));
    let source = KeySource::JwksUrl("https://id.example.test/keys".to_owned());
    let key = AdminKey { id: None, algorithm: Algorithm::Es256, source };
    let api = api_with(vec![key], transport.clone()).await;
    let mut claims = claims(now(), "read");
    claims["exp"] = json!(now().millis() / 1_000 + 86_400);
    let ask = async |pair: &Pair, kid: &str| {
        api.ask("GET", TENANTS, Some(&pair.sign(Some(kid), &claims)), "").await.status.as_u16()
    };
    let pass = async |span: Duration| api.clock.until(api.clock.now().mono.plus(span)).await;
    let count = || asked.load(Ordering::Relaxed);
    assert_eq!(count(), 0, "nothing is fetched before it is needed");
    assert_eq!(ask(&first, "one").await, 200);
    assert_eq!(ask(&first, "one").await, 200);
    assert_eq!(count(), 1);
    // A key that is not there is looked for, but not at every request.
    for _ in 0..5 {
        assert_eq!(ask(&second, "two").await, 401);
    }
    assert_eq!(count(), 1);
    *set.lock().unwrap() = jwks(&[first.jwk("one"), second.jwk("two")]);
    pass(JWKS_READ_EVERY).await;
    assert_eq!(ask(&second, "two").await, 200);
    assert_eq!(count(), 2);
    // Rubbish and silence change nothing.
    *set.lock().unwrap() = "<html>maintenance</html>".to_owned();
    pass(JWKS_FRESH_FOR).await;
    assert_eq!(ask(&second, "two").await, 200);
    assert_eq!(count(), 3);
    transport.remove("id.example.test");
    pass(JWKS_READ_EVERY).await;
    assert_eq!(ask(&first, "one").await, 200);
    // A key that was withdrawn is no good any more.
    transport.put("id.example.test", issuer(&set, &asked));
    *set.lock().unwrap() = jwks(&[second.jwk("two")]);
    pass(JWKS_READ_EVERY).await;
    assert_eq!(ask(&first, "one").await, 401);
    assert_eq!(ask(&second, "two").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_set_may_be_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let pair = Pair::new(Algorithm::EdDsa);
    std::fs::write(&path, json!({ "keys": [pair.jwk("one")] }).to_string()).unwrap();
    let source = KeySource::JwksFile(path);
    let key = AdminKey { id: None, algorithm: Algorithm::EdDsa, source };
    let api = api_with(vec![key], Arc::new(InProcess::new())).await;
    // The file is read on a thread of its own: the clock of the test goes on meanwhile.
    let token = pair.sign(Some("one"), &claims(now(), "read"));
    assert_eq!(api.ask("GET", TENANTS, Some(&token), "").await.status, 200);
    problem(&api.ask("GET", TENANTS, Some(&api.token("read")), "").await, 401, "token-invalid");
}

#[tokio::test(start_paused = true)]
async fn tokens_of_our_own_are_taken() {
    let api = quiet(NOW).await;
    let order = Order {
        subject: "pat".to_owned(),
        role: Role::Read,
        tenants: vec!["acme".to_owned()],
        ttl: Duration::from_secs(3_600),
        key: None,
    };
    let token = mint(&admin_config(), &order, now()).unwrap();
    let seen = api.ask("GET", TENANTS, Some(&token), "").await.json();
    assert_eq!(seen["tenants"].as_array().unwrap().len(), 1);
    let fails = |change: &dyn Fn(&mut Order, &mut AdminConfig), needle: &str| {
        let (mut order, mut config) = (order.clone(), admin_config());
        change(&mut order, &mut config);
        let message = mint(&config, &order, now()).unwrap_err();
        assert!(message.contains(needle), "{message}");
        assert!(!message.contains(ADMIN_SECRET), "{message}");
    };
    fails(&|order, _| order.subject.clear(), "1 to 200 characters");
    fails(&|order, _| order.ttl = Duration::from_secs(91 * 86_400), "90 days");
    fails(&|order, _| order.key = Some("x".to_owned()), "no HS256 key with the id `x`");
    fails(&|_, config| config.keys.clear(), "no HS256 key");
    let another = |_: &mut Order, config: &mut AdminConfig| config.keys.extend(admin_config().keys);
    fails(&another, "--key ID");
}

const TENANT: &str = r#"
[[tenant]]
id = "acme"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000062"
embedded_service_developer_name = "Web_Support"
"#;

#[test]
fn the_section_is_checked_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{ADMIN_SECRET}\n")).unwrap();
    std::fs::write(folder.path().join("es.pem"), Pair::new(Algorithm::Es256).pem()).unwrap();
    let read = |admin: &str, base: &Path| {
        load_str(&format!("{admin}\n{TENANT}"), base, &|_| None).map_err(|p| p.to_string())
    };
    let key = |rest: &str| format!("[admin]\nlisten = 8081\n[[admin.key]]\n{rest}");
    let good = "[admin]\nlisten = \"127.0.0.1:9999\"\nissuer = \"me\"\nleeway = \"10s\"\n\
        probes = \"token\"\nconsole = false\nreports = \"kept\"\n\
        [[admin.key]]\nid = \"a\"\nalgorithm = \"HS256\"\nsecret = { file = \"secret\" }\n\
        [[admin.key]]\nid = \"b\"\nalgorithm = \"ES256\"\npublic_key = \"es.pem\"\n\
        [[admin.key]]\nalgorithm = \"RS256\"\njwks_url = \"https://id.example.test/keys\"\n";
    let admin = read(good, folder.path()).unwrap().config.admin.expect("a section");
    assert_eq!(admin.listen.to_string(), "127.0.0.1:9999");
    assert_eq!((admin.keys.len(), admin.open_probes), (3, false));
    assert_eq!((admin.console, admin.reports), (false, Some(folder.path().join("kept"))));
    assert!(!format!("{:?}", admin.keys).contains(ADMIN_SECRET));
    assert_eq!(read("", folder.path()).unwrap().config.admin, None);
    let bare = read("[admin]\nlisten = 8081\n", folder.path()).unwrap();
    let usual = bare.config.admin.as_ref().expect("a section");
    assert_eq!((usual.console, &usual.reports), (true, &None));
    assert!(bare.notes.iter().any(|note| note.to_string().contains("only health and metrics")));
    for (text, needle) in [
        ("[admin]\nissuer = \"me\"\n".to_owned(), "admin.listen: is missing"),
        ("[admin]\nlisten = 8081\nprobes = \"shut\"\n".to_owned(), "`shut` is not known"),
        ("[admin]\nlisten = 8081\nconsole = \"no\"\n".to_owned(), "admin.console"),
        (key("algorithm = \"none\"\nsecret = \"x\"\n"), "`none` is not an algorithm"),
        (key("algorithm = \"HS256\"\nsecret = \"short\"\n"), "has 5 bytes"),
        (key("algorithm = \"HS256\"\n"), "names no key"),
        (key("algorithm = \"RS256\"\nsecret = { file = \"secret\" }\n"), "does not go with"),
        (key("algorithm = \"HS256\"\npublic_key = \"es.pem\"\n"), "does not go with"),
        (key("algorithm = \"RS256\"\npublic_key = \"es.pem\"\n"), "no RSA key"),
        (key("algorithm = \"RS256\"\npublic_key = \"none.pem\"\n"), "cannot be read"),
        (key("algorithm = \"RS256\"\njwks_url = \"http://id.example.test/\"\n"), "https://"),
        (
            key("algorithm = \"ES256\"\npublic_key = \"es.pem\"\njwks_file = \"x\"\n"),
            "names several keys",
        ),
        (
            key("algorithm = \"ES256\"\npublic_key = \"es.pem\"\n[[admin.key]]\nid = \"b\"\n\
                 algorithm = \"ES256\"\npublic_key = \"es.pem\"\n"),
            "has no `id`",
        ),
    ] {
        let message = read(&text, folder.path()).unwrap_err();
        assert!(message.contains(needle), "{text}: {message}");
        assert!(!message.contains(ADMIN_SECRET) && !message.contains("short"), "{message}");
    }
}
