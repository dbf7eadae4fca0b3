//! The contract of the document store, on a real S3 server.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};

fn variable(name: &str) -> String {
    let full = format!("BILLING_TEST_S3_{name}");
    std::env::var(&full).unwrap_or_else(|_| panic!("{full} is not set: run the tests by `cargo xtask test`"))
}

#[tokio::test]
async fn documents() {
    let make = async || {
        let config = S3Config {
            endpoint: variable("ENDPOINT"),
            region: variable("REGION"),
            bucket: variable("BUCKET"),
            addressing: Addressing::Path,
            ca_pem: Vec::new(),
        };
        let credentials = S3Credentials { access_key: variable("ACCESS_KEY"), secret_key: variable("SECRET_KEY") };
        S3Documents::new(&config, &credentials).expect("a client")
    };
    billing_testing::contracts::documents(make).await;
}
