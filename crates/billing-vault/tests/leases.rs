//! Leases of a real database engine, and the three ways of presenting oneself: a token, the agent's, a login by the pod's
//! token of Kubernetes.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use billing_vault::{Auth, Lease, Token, Vault, VaultError};
use serde_json::json;
use support::{Bao, Kubernetes, ROLE, ROOT, Terms, until};

const LONG: Terms = Terms { ttl: "1h", max_ttl: "2h" };

fn superuser() -> String {
    std::env::var("BILLING_TEST_DATABASE_URL").expect("run these tests by `cargo xtask test`")
}

fn root(bao: &Bao) -> Vault {
    Vault::new(bao.address(), Auth::Token(Token::Value(ROOT.into())))
}

fn kubernetes(bao: &Bao) -> Vault {
    let (mount, role) = ("kubernetes".to_owned(), ROLE.to_owned());
    Vault::new(bao.address(), Auth::Kubernetes { mount, role, jwt: bao.jwt() })
}

async fn lease(vault: &Vault, role: &str) -> Lease {
    let reading = vault.read(&format!("database/creds/{role}")).await.unwrap().unwrap();
    assert!(reading.fields["username"].contains(role) && !reading.fields["password"].is_empty());
    reading.lease.unwrap()
}

#[tokio::test]
async fn a_lease_is_renewed_until_it_can_be_no_longer() {
    let bao = Bao::start().await;
    bao.connect_database(&superuser(), "postgres").await;
    let role = bao.add_role("pg_read_all_stats", Terms { ttl: "6s", max_ttl: "8s" }).await;
    let vault = root(&bao);
    let first = lease(&vault, &role).await;
    assert_eq!(first.valid_for, Duration::from_secs(6));
    let renewed = vault.renew(&first).await.unwrap().unwrap();
    assert_eq!(renewed.valid_for, Duration::from_secs(6));
    // Its whole time is over before long: what is granted then is less than what is asked for.
    until("the lease is at its end", async || vault.renew(&renewed).await.unwrap().is_none()).await;
    let next = lease(&vault, &role).await;
    bao.revoke(&role).await;
    assert!(vault.renew(&next).await.unwrap().is_none(), "a lease that is gone was renewed");
    bao.store("kept", &json!({"a": "b"})).await;
    assert!(vault.read("secret/data/billing/kept").await.unwrap().unwrap().lease.is_none());
    bao.seal().await;
    assert!(matches!(vault.renew(&next).await, Err(VaultError::Sealed)));
}

#[tokio::test]
async fn a_pod_logs_in_by_its_service_account_and_again_at_the_end_of_its_token() {
    let (bao, cluster) = (Bao::start().await, Kubernetes::start().await);
    bao.connect_database(&superuser(), "postgres").await;
    let role = bao.add_role("pg_read_all_stats", LONG).await;
    bao.trust(&cluster, Terms { ttl: "3s", max_ttl: "5s" }).await;
    let vault = kubernetes(&bao);
    let first = lease(&vault, &role).await;
    // What was leased with a token ends with it.
    assert!(first.valid_for <= Duration::from_secs(3), "{first:?}");
    assert!(vault.renew(&first).await.unwrap().is_some());
    assert_eq!(cluster.reviews(), 1);
    // At two thirds the token is renewed; when it cannot be, another is had, and what hangs on the first is read anew.
    let began = Instant::now();
    until("another login", async || vault.renew(&first).await.unwrap().is_none()).await;
    assert!(began.elapsed() > Duration::from_secs(3), "the first token was never renewed");
    lease(&vault, &role).await;

    std::fs::write(bao.jwt(), "eyJ.someone.else").unwrap();
    let stranger = kubernetes(&bao).read("secret/data/billing/s3").await.map(|_| ());
    let expected = "Vault refuses to let this pod log in as billing-service by auth/kubernetes";
    assert_eq!(stranger.unwrap_err().to_string(), expected);
    bao.revoke(&role).await;
}

#[tokio::test]
async fn through_an_agent_nothing_is_presented() {
    let (bao, cluster) = (Bao::start().await, Kubernetes::start().await);
    bao.trust(&cluster, LONG).await;
    bao.connect_database(&superuser(), "postgres").await;
    let role = bao.add_role("pg_read_all_stats", LONG).await;
    bao.store("s3", &json!({"access_key": "a", "secret_key": "b"})).await;
    let agent = bao.agent(&[]);
    agent.ready().await;
    let vault = Vault::new(agent.address(), Auth::Agent);
    let kept = vault.read("secret/data/billing/s3").await.unwrap().unwrap();
    assert_eq!(kept.fields["secret_key"], "b");
    let leased = lease(&vault, &role).await;
    assert!(vault.renew(&leased).await.unwrap().is_some());
    let other = vault.read("secret/data/elsewhere").await.map(|_| ()).unwrap_err();
    assert_eq!(other.to_string(), "Vault does not let this token read secret/data/elsewhere");
    bao.revoke(&role).await;
}
