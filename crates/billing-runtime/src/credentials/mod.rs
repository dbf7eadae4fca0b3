//! Where secrets come from: the environment, files that a sidecar renders, or a Vault server. And how one is followed, so
//! that nothing need be started anew when it changes.
//!
//! A secret has a name and text fields. What they are for is decided by who asks for them.

mod error;
mod expiry;
mod follow;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use billing_vault::{Auth, Lease, Token, Vault};

use crate::{Env, Secret};

pub use error::CredentialsError;
pub use follow::Followed;

const ENV_PREFIX: &str = "BILLING_SECRET_";
const PATH_PREFIX: &str = "BILLING_VAULT_PATH_";
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A source of secrets. Clones share it.
#[derive(Clone)]
pub struct Credentials(Arc<Source>);

enum Source {
    /// Variables `BILLING_SECRET_<NAME>_<FIELD>`, by what follows the prefix.
    Env(BTreeMap<String, String>),
    /// A folder of files `<name>.json`, each a JSON object of texts.
    Files(PathBuf),
    /// A Vault server: the mount of its key-value engine, and what lies elsewhere, by variable.
    Vault { vault: Box<Vault>, mount: String, paths: BTreeMap<String, String> },
}

/// The fields that were asked for, and for how long they are good.
struct Found<const N: usize> {
    fields: [Secret; N],
    lease: Option<Lease>,
}

impl Credentials {
    /// The source that the variables name: `BILLING_CREDENTIALS`, and those that belong to its choice.
    pub fn from_env(env: &mut Env) -> Self {
        Self(Arc::new(match one_of(env, "BILLING_CREDENTIALS", ["env", "files", "vault"]) {
            "files" => Source::Files(env.required("BILLING_CREDENTIALS_DIR", "a folder").into()),
            "vault" => Source::Vault {
                vault: Box::new(
                    Vault::new(env.required_url("VAULT_ADDR", &["http", "https"]), auth(env))
                        .trusting(env.optional("BILLING_TLS_CA_FILE").map(PathBuf::from)),
                ),
                mount: env.text("BILLING_VAULT_MOUNT", "secret"),
                paths: env.with_prefix(PATH_PREFIX),
            },
            _ => Source::Env(env.with_prefix(ENV_PREFIX)),
        }))
    }

    /// The secret as it is now; `None` when there is none of that name.
    async fn read<const N: usize>(
        &self,
        name: &str,
        fields: [&'static str; N],
    ) -> Result<Option<Found<N>>, CredentialsError> {
        let (found, lease) = match &*self.0 {
            Source::Env(variables) => (of_variables(variables, name, &fields), None),
            Source::Files(folder) => (of_file(&folder.join(format!("{name}.json"))).await?, None),
            Source::Vault { vault, mount, paths } => {
                let path =
                    paths.get(&variable(name)).cloned().unwrap_or_else(|| format!("{mount}/data/billing/{name}"));
                let reading = vault.read(&path).await;
                match reading.map_err(|source| CredentialsError::Vault { name: name.to_owned(), source })? {
                    Some(reading) => (Some(reading.fields), reading.lease),
                    None => (None, None),
                }
            }
        };
        let Some(found) = found else { return Ok(None) };
        let mut secrets = Vec::with_capacity(N);
        for field in fields {
            let missing = || CredentialsError::FieldMissing { name: name.to_owned(), field };
            let text = found.get(field).ok_or_else(missing)?;
            let unusable = |source| CredentialsError::Unusable { name: name.to_owned(), field, source };
            secrets.push(Secret::new(text).map_err(unusable)?);
        }
        Ok(secrets.try_into().ok().map(|fields| Found { fields, lease }))
    }

    async fn renew(&self, name: &str, lease: &Lease) -> Result<Option<Lease>, CredentialsError> {
        match &*self.0 {
            Source::Vault { vault, .. } => {
                vault.renew(lease).await.map_err(|source| CredentialsError::Vault { name: name.to_owned(), source })
            }
            Source::Env(_) | Source::Files(_) => Ok(None),
        }
    }

    fn missing(&self, name: &str) -> CredentialsError {
        let source_name = match &*self.0 {
            Source::Env(_) => format!("the variables {ENV_PREFIX}*"),
            Source::Files(folder) => folder.display().to_string(),
            Source::Vault { mount, paths, .. } => match paths.get(&variable(name)) {
                Some(path) => format!("Vault at {path}"),
                None => format!("Vault's mount {mount}"),
            },
        };
        CredentialsError::Missing { name: name.to_owned(), source_name }
    }
}

/// How Vault is asked: `BILLING_VAULT_AUTH`, and the variables that belong to its choice.
fn auth(env: &mut Env) -> Auth {
    match one_of(env, "BILLING_VAULT_AUTH", ["token", "agent", "kubernetes"]) {
        "agent" => Auth::Agent,
        "kubernetes" => Auth::Kubernetes {
            mount: env.text("BILLING_VAULT_AUTH_MOUNT", "kubernetes"),
            role: env.text("BILLING_VAULT_ROLE", "billing-service"),
            jwt: env.text("BILLING_VAULT_JWT_FILE", SERVICE_ACCOUNT_TOKEN).into(),
        },
        _ => Auth::Token(match (env.secret("VAULT_TOKEN"), env.optional("VAULT_TOKEN_FILE")) {
            (Some(token), _) => Token::Value(token.expose().to_owned()),
            (None, Some(file)) => Token::File(file.into()),
            (None, None) => {
                env.required("VAULT_TOKEN", "a token, unless VAULT_TOKEN_FILE names a file that holds one");
                Token::Value(String::new())
            }
        }),
    }
}

/// One of three words, the first unless another is given.
fn one_of(env: &mut Env, name: &str, words: [&'static str; 3]) -> &'static str {
    let [first, second, third] = words;
    let known = |text: &str| words.into_iter().find(|word| *word == text);
    env.read(name, Some(first), &format!("{first}, {second} or {third}"), known).unwrap_or(first)
}

/// As a secret is called in the names of variables.
fn variable(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

fn of_variables(variables: &BTreeMap<String, String>, name: &str, fields: &[&str]) -> Option<BTreeMap<String, String>> {
    let found: BTreeMap<_, _> = fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), variables.get(&variable(&format!("{name}_{field}")))?.clone())))
        .collect();
    (!found.is_empty()).then_some(found)
}

async fn of_file(path: &Path) -> Result<Option<BTreeMap<String, String>>, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
    let size = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if size > FILE_BYTES_MAX {
        return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = tokio::fs::read(path).await.map_err(unreadable)?;
    // The parser's own message could quote a secret.
    serde_json::from_slice(&bytes).map(Some).map_err(|_| CredentialsError::NotAnObject(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use billing_testing::certificates::{Authority, serve};

    use super::*;
    use crate::chain;

    async fn told(credentials: &Credentials, name: &str) -> String {
        match credentials.read(name, ["username", "password"]).await {
            Ok(Some(Found { fields: [username, password], .. })) => {
                format!("{}/{}", username.expose(), password.expose())
            }
            Ok(None) => credentials.missing(name).to_string(),
            Err(error) => chain(&error),
        }
    }

    #[tokio::test]
    async fn variables_are_named_after_secret_and_field() {
        let mut env = Env::of([
            ("BILLING_SECRET_DATABASE_API_USERNAME", "api"),
            ("BILLING_SECRET_DATABASE_API_PASSWORD", "hunter2\n"),
            ("BILLING_SECRET_HALF_USERNAME", "half"),
            ("BILLING_SECRET_BLANK_USERNAME", "blank"),
            ("BILLING_SECRET_BLANK_PASSWORD", "<no value>"),
        ]);
        let credentials = Credentials::from_env(&mut env);
        for (name, expected) in [
            ("database-api", "api/hunter2"),
            ("half", "the secret half has no field password"),
            ("none", "no secret none in the variables BILLING_SECRET_*"),
            (
                "blank",
                "the field password of the secret blank cannot be used: is `<no value>`: the template that wrote it \
                 found nothing",
            ),
        ] {
            assert_eq!(told(&credentials, name).await, expected);
        }
    }

    #[tokio::test]
    async fn files_are_json_objects_of_texts() {
        let folder = std::env::temp_dir().join(format!("billing-runtime-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("good", r#"{"username":"api","password":"hunter2","lease":"x"}"#),
            ("number", r#"{"username":"api","password":12345}"#),
            ("broken", "hunter2"),
        ] {
            std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
        }
        let path = folder.display();
        let credentials = Credentials(Arc::new(Source::Files(folder.clone())));
        for (name, expected) in [
            ("good", "api/hunter2".to_owned()),
            ("number", format!("{path}/number.json is not a JSON object of texts")),
            ("broken", format!("{path}/broken.json is not a JSON object of texts")),
            ("none", format!("no secret none in {path}")),
        ] {
            assert_eq!(told(&credentials, name).await, expected);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_vault_of_the_platforms_own_authority_is_trusted_and_no_other() {
        let authority = Authority::new();
        let secret = r#"{"data":{"data":{"username":"api","password":"hunter2"},"metadata":{}}}"#;
        let (address, _answered) = serve(&authority.sign(&["localhost"]), secret);
        let folder = std::env::temp_dir().join(format!("billing-runtime-vault-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, pem, expected) in
            [("ours", authority.pem(), "api/hunter2"), ("other", Authority::new().pem(), "Vault cannot be reached")]
        {
            let file = folder.join(name);
            std::fs::write(&file, pem).unwrap();
            let mut env = Env::of([
                ("BILLING_CREDENTIALS", "vault"),
                ("VAULT_ADDR", address.as_str()),
                ("VAULT_TOKEN", "t"),
                ("BILLING_TLS_CA_FILE", file.to_str().unwrap()),
            ]);
            let found = told(&Credentials::from_env(&mut env), "database-api").await;
            assert!(found.contains(expected), "{name}: {found}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_choice_is_checked() {
        for (variables, expected) in [
            (vec![], ""),
            (
                vec![("BILLING_CREDENTIALS", "keychain")],
                "BILLING_CREDENTIALS is \"keychain\", allowed: env, files or vault",
            ),
            (vec![("BILLING_CREDENTIALS", "files")], "BILLING_CREDENTIALS_DIR is not set, allowed: a folder"),
            (
                vec![("BILLING_CREDENTIALS", "vault"), ("VAULT_ADDR", "vault:8200")],
                "VAULT_ADDR is \"vault:8200\", allowed: http|https://host:port; VAULT_TOKEN is not set, allowed: a token, \
                 unless VAULT_TOKEN_FILE names a file that holds one",
            ),
            (
                vec![
                    ("BILLING_CREDENTIALS", "vault"),
                    ("VAULT_ADDR", "http://vault:8200"),
                    ("BILLING_VAULT_AUTH", "ldap"),
                    ("VAULT_TOKEN", "t"),
                ],
                "BILLING_VAULT_AUTH is \"ldap\", allowed: token, agent or kubernetes",
            ),
            (
                vec![
                    ("BILLING_CREDENTIALS", "vault"),
                    ("VAULT_ADDR", "http://127.0.0.1:8100"),
                    ("BILLING_VAULT_AUTH", "agent"),
                ],
                "",
            ),
        ] {
            let mut env = Env::of(variables);
            let _credentials = Credentials::from_env(&mut env);
            assert_eq!(env.check().err().map(|error| error.to_string()).unwrap_or_default(), expected);
        }
    }
}
