//! Where secrets come from: the environment, files that a sidecar renders, or a Vault server.
//!
//! A secret has a name and text fields. It is read anew whenever it is asked for, so that a rotated one is found.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use billing_vault::{Token, Vault, VaultError};

use crate::{Env, Secret, SecretError};

const ENV_PREFIX: &str = "BILLING_SECRET_";
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A source of secrets.
pub enum Credentials {
    /// Variables `BILLING_SECRET_<NAME>_<FIELD>`, by what follows the prefix.
    Env(BTreeMap<String, String>),
    /// A folder of files `<name>.json`, each a JSON object of texts.
    Files(PathBuf),
    /// A Vault server.
    Vault(Vault),
}

/// A secret cannot be had. Never holds one.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There is no secret of that name.
    #[error("no secret {name} in {source_name}")]
    Missing {
        /// Of the secret.
        name: String,
        /// Where it was looked for.
        source_name: String,
    },
    /// It lacks a field.
    #[error("the secret {name} has no field {field}")]
    FieldMissing {
        /// Of the secret.
        name: String,
        /// The field.
        field: String,
    },
    /// A field holds nothing that can be used.
    #[error("the field {field} of the secret {name} cannot be used")]
    Unusable {
        /// Of the secret.
        name: String,
        /// The field.
        field: String,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Of the secret.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no JSON object of texts.
    #[error("{} is not a JSON object of texts", .0.display())]
    NotAnObject(PathBuf),
    /// Vault did not give it.
    #[error("cannot read the secret {name}")]
    Vault {
        /// Of the secret.
        name: String,
        /// Why.
        #[source]
        source: VaultError,
    },
}

impl Credentials {
    /// The source that the variables name: `BILLING_CREDENTIALS`, and those that belong to its choice.
    pub fn from_env(env: &mut Env) -> Self {
        let choice = env.read("BILLING_CREDENTIALS", Some("env".to_owned()), "env, files or vault", |text| {
            ["env", "files", "vault"].contains(&text).then(|| text.to_owned())
        });
        match choice.as_deref() {
            Some("files") => Self::Files(env.required("BILLING_CREDENTIALS_DIR", "a folder").into()),
            Some("vault") => Self::vault(env),
            _ => Self::Env(env.with_prefix(ENV_PREFIX)),
        }
    }

    fn vault(env: &mut Env) -> Self {
        let address = env.required_url("VAULT_ADDR", &["http", "https"]);
        let token = match (env.secret("VAULT_TOKEN"), env.optional("VAULT_TOKEN_FILE")) {
            (Some(token), _) => Token::Value(token.expose().to_owned()),
            (None, Some(file)) => Token::File(file.into()),
            (None, None) => {
                env.required("VAULT_TOKEN", "a token, unless VAULT_TOKEN_FILE names a file that holds one");
                Token::Value(String::new())
            }
        };
        Self::Vault(Vault { address, token, mount: env.text("BILLING_VAULT_MOUNT", "secret") })
    }

    /// The fields of a secret, in the order asked for.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub async fn read<const N: usize>(&self, name: &str, fields: [&str; N]) -> Result<[Secret; N], CredentialsError> {
        let found = self.read_optional(name, fields).await?;
        found.ok_or_else(|| CredentialsError::Missing { name: name.to_owned(), source_name: self.source_name() })
    }

    /// The fields of a secret that need not exist.
    ///
    /// # Errors
    /// [`CredentialsError`], also when it exists and lacks a field.
    pub async fn read_optional<const N: usize>(
        &self,
        name: &str,
        fields: [&str; N],
    ) -> Result<Option<[Secret; N]>, CredentialsError> {
        let found = match self {
            Self::Env(variables) => of_variables(variables, name, &fields),
            Self::Files(folder) => of_file(&folder.join(format!("{name}.json"))).await?,
            Self::Vault(vault) => vault
                .read(&format!("billing/{name}"))
                .await
                .map_err(|source| CredentialsError::Vault { name: name.to_owned(), source })?,
        };
        let Some(found) = found else { return Ok(None) };
        let mut secrets = Vec::with_capacity(N);
        for field in fields {
            let missing = || CredentialsError::FieldMissing { name: name.to_owned(), field: field.to_owned() };
            let text = found.get(field).ok_or_else(missing)?;
            secrets.push(Secret::new(text).map_err(|source| CredentialsError::Unusable {
                name: name.to_owned(),
                field: field.to_owned(),
                source,
            })?);
        }
        Ok(secrets.try_into().ok())
    }

    fn source_name(&self) -> String {
        match self {
            Self::Env(_) => format!("the variables {ENV_PREFIX}*"),
            Self::Files(folder) => folder.display().to_string(),
            Self::Vault(vault) => format!("Vault's mount {}", vault.mount),
        }
    }
}

fn of_variables(variables: &BTreeMap<String, String>, name: &str, fields: &[&str]) -> Option<BTreeMap<String, String>> {
    let variable = |field: &str| format!("{name}_{field}").replace('-', "_").to_uppercase();
    let found: BTreeMap<_, _> = fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), variables.get(&variable(field))?.clone())))
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
    use super::*;
    use crate::chain;

    async fn told(credentials: &Credentials, name: &str) -> String {
        match credentials.read(name, ["username", "password"]).await {
            Ok([username, password]) => format!("{}/{}", username.expose(), password.expose()),
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
        assert!(credentials.read_optional("nats", ["creds"]).await.unwrap().is_none());
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
        let credentials = Credentials::Files(folder.clone());
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
        ] {
            let mut env = Env::of(variables);
            let _credentials = Credentials::from_env(&mut env);
            assert_eq!(env.check().err().map(|error| error.to_string()).unwrap_or_default(), expected);
        }
    }
}
