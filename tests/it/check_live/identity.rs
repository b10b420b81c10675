//! Verified users: an identity token that is believed, refused, or silently taken for a guest's.

use std::path::Path;

use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use liveagent_bridge::adapter::miaw::identity::is_verified;
use liveagent_bridge::config::{Identity, Tenant, load_str};
use liveagent_bridge::emulator::{Emulators, IdentityKey, Verification};
use liveagent_bridge::preflight::Checked;

use super::{AT, checked_at, one};

/// Made for these tests; nothing else knows it.
const KEY: &str = include_str!("../fixtures/tls/key.pem");

fn identity(key_id: &str, issuer: &str) -> Identity {
    Identity::new(KEY, key_id.to_owned(), issuer.to_owned(), None).expect("a key")
}

/// The public half, as the org's keyset would have it.
fn known() -> IdentityKey {
    let pair = KeyPair::from_der(&identity("", "").key()).expect("a key");
    let public = pair.public_key();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    IdentityKey {
        kid: "key-1".to_owned(),
        iss: "https://id.acme.example".to_owned(),
        n: part(public.modulus().big_endian_without_leading_zero()),
        e: part(public.exponent().big_endian_without_leading_zero()),
    }
}

async fn verified(identity: Option<Identity>, mode: Verification, ours: &str) -> Checked {
    let change = |tenant: &mut Tenant, all: &Emulators| {
        tenant.miaw.identity = identity;
        all.set_miaw(|knobs| {
            knobs.verification = mode;
            knobs.identity_keys = vec![known()];
        });
    };
    checked_at(ours, change, Some).await
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_believed_is_told() {
    let ours = identity("key-1", "https://id.acme.example");
    let checked = verified(Some(ours), Verification::On, AT).await;
    assert!(checked.problems.is_empty(), "{checked}");
    let text = checked.to_string();
    assert!(
        text.contains("identity token: believed") && text.contains("auth mode: Auth"),
        "{text}"
    );
    assert!(text.contains("first event after"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_guest_is_told() {
    for (key_id, issuer) in
        [("key-1", "https://ID.acme.example"), ("key-2", "https://id.acme.example")]
    {
        let checked = verified(Some(identity(key_id, issuer)), Verification::Silent, AT).await;
        let text = one(&checked);
        assert!(text.contains("[TK602]") && text.contains("anonymous"), "{text}");
        assert!(text.contains("acme.miaw.identity"), "{text}");
        assert!(checked.to_string().contains("identity token: not believed"), "{checked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_identity_is_told() {
    let wrong = identity("key-1", "somebody else");
    let text = one(&verified(Some(wrong), Verification::On, AT).await);
    assert!(text.contains("[TK602]") && text.contains("identity token was refused"), "{text}");
    let ours = identity("key-1", "https://id.acme.example");
    let text = one(&verified(Some(ours.clone()), Verification::Off, AT).await);
    assert!(text.contains("user verification is on"), "{text}");
    // Signed by a clock that is ten minutes behind, it has run out before it arrives.
    let late = verified(Some(ours), Verification::On, "2026-03-01T08:50:00Z").await;
    assert!(one(&late).contains("this machine's clock"), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_verifies_takes_no_guests() {
    let text = one(&verified(None, Verification::On, AT).await);
    assert!(text.contains("takes verified users only"), "{text}");
}

#[test]
fn subjects_are_read_strictly() {
    assert!(is_verified("v2/iamessage/AUTH/Keys/uid:me", "me"));
    for guest in ["v2/iamessage/UNAUTH/NA/uid:me", "v2/iamessage/ANON/me", "/AUTH/K/uid:you", ""] {
        assert!(!is_verified(guest, "me"), "{guest}");
    }
}

fn read(section: &str) -> Result<Option<Identity>, String> {
    let text = format!(
        r#"
        [[tenant]]
        id = "acme"
        [tenant.miaw]
        base_url = "https://acme.my.salesforce-scrt.com"
        organization_id = "00D000000000062"
        embedded_service_developer_name = "Web_Support"
        [tenant.miaw.identity]
        {section}
        "#
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/tls");
    match load_str(&text, &folder, &|_| None) {
        Ok(loaded) => {
            let notes: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
            assert!(
                notes.iter().any(|note| note.contains("does not verify visitors")),
                "{notes:?}"
            );
            Ok(loaded.config.tenants[0].miaw.identity.clone())
        }
        Err(problems) => Err(problems.to_string()),
    }
}

#[test]
fn the_section_is_read_and_its_key_is_not_printed() {
    let rest = "key_id = \"key-1\"\nissuer = \"me\"";
    let identity = read(&format!("signing_key = {{ file = \"key.pem\" }}\n{rest}"));
    let identity = identity.expect("sound").expect("there");
    let body: String = KEY.lines().nth(3).expect("a line").to_owned();
    assert!(!format!("{identity:?}").contains(&body));
    for (key, why) in [
        ("{ file = \"certificate.pem\" }", "is a certificate"),
        ("{ file = \"no-such.pem\" }", "cannot be read"),
        ("\"canary\"", "is not a private key in PEM form"),
        ("\"-----BEGIN ENCRYPTED PRIVATE KEY-----\"", "is encrypted"),
        ("\"-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----\"", "not an RSA key of"),
        ("\"-----BEGIN RSA PRIVATE KEY-----AAAA-----END RSA PRIVATE KEY-----\"", "that can sign"),
    ] {
        let text = read(&format!("signing_key = {key}\n{rest}")).expect_err("refused");
        assert!(text.contains(why) && !text.contains("canary"), "{text}");
    }
    let text = read("key_id = \"key-1\"").expect_err("two are missing");
    assert!(text.contains("identity.signing_key: is missing"), "{text}");
    assert!(text.contains("identity.issuer: is missing"), "{text}");
}
