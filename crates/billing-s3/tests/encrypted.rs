//! Documents on a real S3 server over HTTPS, in the path and before the host: whoever does not show the authority's
//! certificate under the name that was asked for gets no document.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use billing_domain::ports::{DocumentStore, PutOutcome, RenderedDocument};
use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};
use billing_testing::certificates::{Authority, ServerCertificate};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use s3s::auth::SimpleAuth;
use s3s::host::SingleDomain;
use s3s::service::S3ServiceBuilder;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

const BUCKET: &str = "ghasi-invoices";
const KEY: &str = "invoices/test/A.pdf";
const ACCESS_KEY: &str = "key";
const SECRET_KEY: &str = "canary";

/// Serves a folder over HTTPS until the test ends; buckets may stand before `localhost`.
async fn serve(certificate: &ServerCertificate) -> (SocketAddr, PathBuf) {
    let folder = std::env::temp_dir().join(format!("billing-s3-{}", Uuid::new_v4().simple()));
    std::fs::create_dir_all(folder.join(BUCKET)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.set_host(SingleDomain::new(&format!("localhost:{}", address.port())).unwrap());
    let service = builder.build();
    let acceptor = TlsAcceptor::from(Arc::new(certificate.server()));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (service, acceptor) = (service.clone(), acceptor.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate leaves here.
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let answer = service_fn(move |request: hyper::Request<Incoming>| {
                    let service = service.clone();
                    async move { service.call(request.map(s3s::Body::from)).await }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _left = http.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (address, folder)
}

fn store(endpoint: String, addressing: Addressing, ca_pem: &str) -> S3Documents {
    let config = S3Config {
        endpoint,
        region: "us-east-1".into(),
        bucket: BUCKET.into(),
        addressing,
        ca_pem: ca_pem.as_bytes().to_vec(),
    };
    let credentials = S3Credentials { access_key: ACCESS_KEY.into(), secret_key: SECRET_KEY.into() };
    S3Documents::new(&config, &credentials).expect("a client")
}

fn chain(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |cause| (**cause).source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_store_that_is_meant_is_spoken_to() {
    let authority = Authority::new();
    let (address, folder) = serve(&authority.sign(&["localhost", "ghasi-invoices.localhost"])).await;
    let by_name = format!("https://localhost:{}", address.port());
    let by_number = format!("https://{address}");
    let bytes = b"%PDF".to_vec();
    let document = RenderedDocument { sha256: Sha256::digest(&bytes).into(), bytes };
    for (endpoint, ca, refusal) in [
        (&by_name, authority.pem(), None),
        (&by_name, String::new(), Some("UnknownIssuer")),
        (&by_name, Authority::new().pem(), Some("UnknownIssuer")),
        (&by_number, authority.pem(), Some("not valid for name")),
    ] {
        let store = store(endpoint.clone(), Addressing::Path, &ca);
        let put = store.put(KEY, &document).await;
        let Some(refusal) = refusal else {
            assert_eq!(put.unwrap(), PutOutcome::Stored);
            assert_eq!(store.get(KEY).await.unwrap().as_deref(), Some(&b"%PDF"[..]));
            continue;
        };
        let told = chain(&put.unwrap_err());
        assert!(told.contains("invalid peer certificate") && told.contains(refusal), "{told}");
        assert!(!told.contains("canary") && !told.contains("X-Amz"), "{told}");
    }

    // Before the host: no resolver of a test machine knows such a name, but the server does.
    let client = reqwest::Client::builder().tls_backend_preconfigured(authority.client());
    let client = client.resolve(&format!("{BUCKET}.localhost"), address).build().unwrap();
    let now: Timestamp = "2026-11-15T12:00:00Z".parse().unwrap();
    for (addressing, begins) in
        [(Addressing::Path, format!("{by_name}/{BUCKET}/")), (Addressing::Host, format!("https://{BUCKET}.localhost:"))]
    {
        let (url, _) = store(by_name.clone(), addressing, "").presign(KEY, now).await.unwrap();
        assert!(url.starts_with(&begins), "{url}");
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "%PDF"));
        let bent = client.get(url.replace("A.pdf", "B.pdf")).send().await.unwrap();
        assert_eq!(bent.status().as_u16(), 403);
    }
    std::fs::remove_dir_all(folder).unwrap();
}
