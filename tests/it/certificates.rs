//! A certificate authority of the tests' own.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Issues certificates for this machine.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What clients trust.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Another certificate and its key, as `{name}.crt` and `{name}.key`.
    pub(crate) fn issue(&self, folder: &Path, name: &str) {
        self.issue_for(folder, name, &["localhost", "127.0.0.1"]);
    }

    /// The same for hosts of the test's choice.
    pub(crate) fn issue_for(&self, folder: &Path, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let params = CertificateParams::new(hosts).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
