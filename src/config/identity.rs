//! `[tenant.miaw.identity]`: the key that signs visitors' identity tokens (miaw.md 3.4).
//!
//! Promised: a loaded key is an RSA key that can sign, of at least 2,048 bits; it is never printed.
//! Not promised: that the org knows it, which `check --live` finds out.

use aws_lc_rs::rsa::KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secrets::Secret;
use super::section::Section;

const BITS_MIN: usize = 2_048;
const EXPECTED_KEY: &str =
    "{ file = \"…\" } or { env = \"…\" } with an RSA private key in PEM form";
const NAMES: [&str; 2] = ["RSA PRIVATE KEY", "PRIVATE KEY"];
/// What stands before the key itself in PKCS#8: lengths, version, the algorithm rsaEncryption, and
/// the head of the key's octets. Its lengths have two bytes each for every RSA key of 2,048 bits
/// and more.
const ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const ALGORITHM_AT: usize = 7;
const KEY_AT: usize = 26;

/// How identity tokens are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The private key as PKCS#1 in base64.
    key: Secret,
    /// `kid`: the name of the key in the org's keyset.
    pub key_id: String,
    /// `iss`, exactly as the keyset has it.
    pub issuer: String,
    /// `aud`, for orgs that ask for one.
    pub audience: Option<String>,
    /// Label of the pre-chat detail that holds the user's id; without it nobody is verified.
    pub subject_detail: Option<String>,
}

impl Identity {
    /// From a private key's PEM text.
    ///
    /// # Errors
    /// Says what is wrong with the text, without quoting it.
    pub fn new(
        pem: &str,
        key_id: String,
        issuer: String,
        audience: Option<String>,
    ) -> Result<Self, &'static str> {
        let key = Secret::new(STANDARD.encode(pkcs1(pem)?));
        Ok(Self { key, key_id, issuer, audience, subject_detail: None })
    }

    /// The private key as PKCS#1 in DER, for the one place that signs.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        STANDARD.decode(self.key.reveal()).unwrap_or_default()
    }
}

/// Reads the section; `None` when it lacks what it cannot be without.
pub(super) fn read(section: Section<'_>) -> Option<Identity> {
    let found = section.cx.found;
    let signing_key = section.secret("signing_key");
    if signing_key.is_none() {
        section.missing_unless_told("signing_key", EXPECTED_KEY);
    }
    let key_id = section.required("key_id", "`kid` of the key in the org's keyset");
    let issuer = section.required("issuer", "the issuer of the keyset, in the same letters");
    let audience = section.text("audience").map(|text| text.value);
    let subject_detail = section.text("subject_detail").map(|text| text.value);
    let at = section.at();
    section.finish();
    let (pem, place) = signing_key?;
    match Identity::new(pem.reveal(), key_id?.value, issuer?.value, audience) {
        Ok(identity) => {
            if subject_detail.is_none() {
                let note = "names no `subject_detail`: the bridge does not verify visitors with it";
                let help = "name the pre-chat detail that holds the user's id; without it only \
                            `check --live` tries the key";
                found.note(at.says(note).help(help));
            }
            Some(Identity { subject_detail, ..identity })
        }
        Err(message) => {
            let problem = place.says(message).expected(EXPECTED_KEY);
            found.problem(problem.help("openssl genpkey -algorithm RSA makes one"));
            None
        }
    }
}

fn pkcs1(pem: &str) -> Result<Vec<u8>, &'static str> {
    if pem.contains("ENCRYPTED") {
        return Err("is encrypted; the bridge has no passphrase for it");
    }
    let inside = |name: &&str| {
        let (head, foot) = (format!("-----BEGIN {name}-----"), format!("-----END {name}-----"));
        let rest = pem.split_once(&head)?.1;
        Some((**name == *"PRIVATE KEY", rest.split_once(&foot)?.0))
    };
    let Some((wrapped, text)) = NAMES.iter().find_map(inside) else {
        return Err(match pem.contains("-----BEGIN CERTIFICATE-----") {
            true => "is a certificate, not a private key",
            false => "is not a private key in PEM form",
        });
    };
    let bare: String = text.split_whitespace().collect();
    let der = STANDARD.decode(bare).map_err(|_| "is damaged: its base64 cannot be read")?;
    let der = match wrapped {
        false => der.as_slice(),
        true if der.get(ALGORITHM_AT..).is_some_and(|rest| rest.starts_with(&ALGORITHM)) => {
            der.get(KEY_AT..).unwrap_or_default()
        }
        true => return Err("is not an RSA key of 2,048 bits or more"),
    };
    let key = KeyPair::from_der(der).map_err(|_| "is not an RSA key that can sign")?;
    if key.public_modulus_len() * 8 < BITS_MIN {
        return Err("is an RSA key of fewer than 2,048 bits");
    }
    Ok(der.to_vec())
}
