//! Certificates for servers that a test starts with encryption, and clients that trust, or do not trust, who signed them.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test cannot do without, it says so and ends")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use uuid::Uuid;

/// Signs certificates; made anew by each test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server presents, both in PEM.
pub struct ServerCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// One that nobody trusts yet.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        // Two of one name would be taken for each other until a signature is looked at.
        let name = format!("billing test authority {}", Uuid::new_v4());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate, as `BILLING_TLS_CA_FILE` holds it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of a server that is called by these names or IP addresses.
    ///
    /// # Panics
    /// When a name is none.
    #[must_use]
    pub fn sign(&self, names: &[&str]) -> ServerCertificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        ServerCertificate { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts it and nobody else.
    ///
    /// # Panics
    /// Never: the certificate is its own.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerCertificate {
    /// What a server in the test's own process is made of.
    ///
    /// # Panics
    /// Never: both are well-formed.
    #[must_use]
    pub fn server(&self) -> rustls::ServerConfig {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let builder = rustls::ServerConfig::builder().with_no_client_auth();
        builder.with_single_cert(vec![certificate], key).expect("a certificate and its key")
    }
}

/// A client that trusts nobody: it can talk to servers that do not encrypt, and to no other.
#[must_use]
pub fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}
