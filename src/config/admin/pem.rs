//! Public keys from PEM files.
//!
//! Promised: a key that was read can verify signatures of its algorithm; the error says what the
//! file holds instead, never its content.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;

use super::Algorithm;

/// The public key of a PEM text.
///
/// # Errors
/// What the text is instead.
pub fn public_key(algorithm: Algorithm, text: &str) -> Result<DecodingKey, String> {
    let (label, der) = block(text)?;
    match (label, algorithm) {
        ("PUBLIC KEY", _) | ("RSA PUBLIC KEY", Algorithm::Rs256) => {}
        (label, _) if label.ends_with("PRIVATE KEY") => {
            return Err("holds a private key, which belongs to the issuer alone".to_owned());
        }
        ("CERTIFICATE", _) => {
            let how = "openssl x509 -in FILE -noout -pubkey prints its key";
            return Err(format!("holds a certificate; {how}"));
        }
        (label, _) => return Err(format!("holds a `{label}`, not a `PUBLIC KEY`")),
    }
    let unfit = |kind: &str| format!("holds no {kind} key that can be used");
    match algorithm {
        Algorithm::Hs256 => Err("holds a public key, which HS256 does not use".to_owned()),
        Algorithm::Rs256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der)
            .map(|_| DecodingKey::from_rsa_der(&der))
            .map_err(|_| unfit("RSA")),
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &der)
            .map(|_| DecodingKey::from_ec_der(&der))
            .map_err(|_| unfit("P-256")),
        Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, &der)
            .map(|_| DecodingKey::from_ed_der(&der))
            .map_err(|_| unfit("Ed25519")),
    }
}

/// The first block: its label and its bytes.
fn block(text: &str) -> Result<(&str, Vec<u8>), String> {
    let none = || "holds no PEM block".to_owned();
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(none)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(none)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or_else(none)?;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| "holds a PEM block that is damaged".to_owned())?;
    Ok((label, der))
}
