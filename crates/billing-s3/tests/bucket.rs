//! What the bucket's owner has set and has not, asked of a server that knows these questions, of one that denies them, and of
//! the stack's, which knows none.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use std::collections::BTreeMap;

use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    BucketVersioningStatus, DefaultRetention, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput, HeadBucketInput,
    HeadBucketOutput, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;

/// A server whose bucket's owner has set so much.
#[derive(Clone, Copy)]
enum Bucket {
    Protected,
    /// Object lock is on, but for six years.
    TooShort,
    Bare,
    /// Who asks may do nothing but read and write objects.
    Secret,
    Missing,
}

impl Bucket {
    /// The answer, or the store's word for "not set".
    fn answer<T>(self, set: T, not_set: &'static str) -> S3Result<S3Response<T>> {
        match self {
            Self::Protected | Self::TooShort => Ok(S3Response::new(set)),
            Self::Secret => Err(s3_error!(AccessDenied)),
            Self::Bare | Self::Missing => {
                let mut error = S3Error::new(S3ErrorCode::from_bytes(not_set.as_bytes()).unwrap());
                error.set_status_code(hyper::StatusCode::NOT_FOUND);
                Err(error)
            }
        }
    }
}

#[async_trait::async_trait]
impl S3 for Bucket {
    async fn head_bucket(&self, _: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        match self {
            Self::Missing => Err(s3_error!(NoSuchBucket)),
            Self::Secret => Err(s3_error!(AccessDenied)),
            _ => Ok(S3Response::new(HeadBucketOutput::default())),
        }
    }

    async fn get_bucket_versioning(
        &self,
        _: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        if let Self::Bare = self {
            // As stores answer for a bucket that never had any.
            return Ok(S3Response::new(GetBucketVersioningOutput::default()));
        }
        let status = Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        self.answer(GetBucketVersioningOutput { status, ..Default::default() }, "NoSuchBucket")
    }

    async fn get_bucket_encryption(
        &self,
        _: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            ..Default::default()
        };
        let rules = Some(ServerSideEncryptionConfiguration { rules: vec![rule] });
        let set = GetBucketEncryptionOutput { server_side_encryption_configuration: rules };
        self.answer(set, "ServerSideEncryptionConfigurationNotFoundError")
    }

    async fn get_object_lock_configuration(
        &self,
        _: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let retention = DefaultRetention {
            days: None,
            mode: Some(ObjectLockRetentionMode::from_static(ObjectLockRetentionMode::COMPLIANCE)),
            years: Some(if let Self::TooShort = self { 6 } else { 7 }),
        };
        let lock = ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: Some(ObjectLockRule { default_retention: Some(retention) }),
        };
        let set = GetObjectLockConfigurationOutput { object_lock_configuration: Some(lock) };
        self.answer(set, "ObjectLockConfigurationNotFoundError")
    }

    async fn get_public_access_block(
        &self,
        _: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let block = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            block_public_policy: Some(true),
            ignore_public_acls: Some(true),
            restrict_public_buckets: Some(true),
        };
        let set = GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) };
        self.answer(set, "NoSuchPublicAccessBlockConfiguration")
    }
}

/// Serves until the test ends; every request's signature is verified.
async fn serve(bucket: Bucket) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut builder = S3ServiceBuilder::new(bucket);
    builder.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            let answer = service_fn(move |request: hyper::Request<Incoming>| {
                let service = service.clone();
                async move { service.call(request.map(s3s::Body::from)).await }
            });
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                let _left = http.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    });
    endpoint
}

async fn look(endpoint: String, bucket: String, keys: [String; 2]) -> BTreeMap<&'static str, bool> {
    let config =
        S3Config { endpoint, region: "us-east-1".into(), bucket, addressing: Addressing::Path, ca_pem: Vec::new() };
    let [access_key, secret_key] = keys;
    S3Documents::new(&config, &S3Credentials { access_key, secret_key }).unwrap().look_at_bucket().await
}

#[tokio::test]
async fn what_is_set_what_is_not_and_what_cannot_be_asked() {
    let all = |is_set| ["encryption", "public_access", "retention", "versioning"].map(|what| (what, is_set));
    let bare = all(false).into_iter().chain([("exists", true)]).collect();
    let protected: BTreeMap<_, _> = all(true).into_iter().chain([("exists", true)]).collect();
    let mut too_short = protected.clone();
    too_short.insert("retention", false);
    for (bucket, expected) in [
        (Bucket::Protected, protected),
        (Bucket::TooShort, too_short),
        (Bucket::Bare, bare),
        (Bucket::Secret, BTreeMap::new()),
        (Bucket::Missing, BTreeMap::from([("exists", false)])),
    ] {
        let keys = ["key", "secret"].map(str::to_owned);
        assert_eq!(look(serve(bucket).await, "invoices".into(), keys).await, expected);
    }
    let wrong_secret = ["key", "other"].map(str::to_owned);
    assert_eq!(look(serve(Bucket::Bare).await, "invoices".into(), wrong_secret).await, BTreeMap::new());
    assert_eq!(
        look("http://127.0.0.1:9".into(), "invoices".into(), ["k", "s"].map(str::to_owned)).await,
        BTreeMap::new()
    );
}

#[tokio::test]
async fn a_server_that_knows_none_of_these_questions_says_only_that_it_is_there() {
    let variable = |name: &str| std::env::var(format!("BILLING_TEST_S3_{name}")).expect("run by `cargo xtask test`");
    let keys = || [variable("ACCESS_KEY"), variable("SECRET_KEY")];
    let there = look(variable("ENDPOINT"), variable("BUCKET"), keys()).await;
    assert_eq!(there, BTreeMap::from([("exists", true)]));
    let missing = look(variable("ENDPOINT"), "of-nobody".into(), keys()).await;
    assert_eq!(missing, BTreeMap::from([("exists", false)]));
}
