//! Certificates for servers that a test starts with encryption, and clients that trust, or do not trust, who signed them.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test cannot do without, it says so and ends")]

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

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

/// A web server on `localhost` that presents this certificate and answers every request with 200 and this body, until the test ends: its
/// address, and the first line of each request that it has answered.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn serve(certificate: &ServerCertificate, body: &'static str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let config = Arc::new(certificate.server());
    let (told, answered) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Who does not trust the certificate leaves in the middle.
            if let Ok(line) = answer(connection, &config, body) {
                let _nobody_listens = told.send(line);
            }
        }
    });
    (address, answered)
}

fn answer(connection: TcpStream, config: &Arc<rustls::ServerConfig>, body: &str) -> std::io::Result<String> {
    let session = rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(session, connection);
    let line = read_request(&mut stream)?;
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(line)
}

/// Reads a request to its end; its first line.
fn read_request(stream: &mut impl Read) -> std::io::Result<String> {
    let mut read = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&part[..count]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        if read.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(head.lines().next().unwrap_or_default().to_owned());
        }
    }
}

/// A client that trusts nobody: it can talk to servers that do not encrypt, and to no other.
#[must_use]
pub fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}
