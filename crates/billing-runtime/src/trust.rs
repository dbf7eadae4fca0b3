//! Whom this process trusts when it connects to an encrypting server: the machine's certificate authorities, and those of a
//! file beside them. One answer for every client; which servers encrypt is said by their addresses.

use std::fs;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::Env;

const VARIABLE: &str = "BILLING_TLS_CA_FILE";

/// The authorities, in the forms that clients want them in. Read once: a new file needs a restart.
#[derive(Clone, Debug)]
pub struct Trust {
    pem: Vec<u8>,
    client: ClientConfig,
}

impl Trust {
    /// From `BILLING_TLS_CA_FILE`, if it is set.
    pub fn from_env(env: &mut Env) -> Self {
        let file = env.optional(VARIABLE);
        let mut roots = RootCertStore::empty();
        // A machine without authorities, or with a damaged one, trusts the rest.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut pem = Vec::new();
        if let Some(path) = &file {
            let added = fs::read(path).map_err(|error| format!("this one cannot be read: {error}")).and_then(|bytes| {
                add(&mut roots, &bytes)?;
                Ok(bytes)
            });
            match added {
                Ok(bytes) => pem = bytes,
                Err(why) => env.refuse(VARIABLE, path, &format!("a file of certificates in PEM; {why}")),
            }
        }
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { pem, client }
    }

    /// For a client that takes a configuration.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        self.client.clone()
    }

    /// For a client that adds certificates to the machine's by itself: what the file holds, nothing without a file.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "this one is damaged".to_owned())?;
        roots.add(certificate).map_err(|error| format!("this one holds a certificate that is none: {error}"))?;
    }
    if roots.len() == before { Err("this one holds none".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_is_added_to_the_machines() {
        let folder = std::env::temp_dir().join(format!("billing-runtime-trust-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let good = billing_testing::certificates::Authority::new().pem();
        for (name, text) in [
            ("good", good.as_str()),
            ("two", &format!("# ours\n{good}{good}")),
            ("text", "nothing of the kind"),
            ("half", &good[..good.len() / 2]),
            ("key", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        for (name, expected) in [
            ("good", ""),
            ("two", ""),
            ("text", "this one holds none"),
            ("half", "this one is damaged"),
            ("key", "this one holds a certificate that is none: invalid peer certificate: BadEncoding"),
            ("missing", "this one cannot be read: No such file or directory (os error 2)"),
            (".", "this one cannot be read: Is a directory (os error 21)"),
        ] {
            let path = folder.join(name).display().to_string();
            let mut env = Env::of([(VARIABLE, path.as_str())]);
            let trust = Trust::from_env(&mut env);
            let told = env.check().err().map(|error| error.to_string()).unwrap_or_default();
            let expected = match expected {
                "" => String::new(),
                why => format!("{VARIABLE} is {path:?}, allowed: a file of certificates in PEM; {why}"),
            };
            assert_eq!(told, expected, "{name}");
            assert_eq!(trust.pem().is_empty(), !told.is_empty());
        }
        assert!(Trust::from_env(&mut Env::of([])).pem().is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
