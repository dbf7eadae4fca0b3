//! Accounts and their profiles, as far as rating needs them.

use std::future::Future;

use crate::usage::{AccountDirectory, Observation};

use super::PortError;

/// The directory of accounts.
pub trait Accounts {
    /// The current version: cheap, to see whether a directory at hand is still current.
    fn directory_version(&self) -> impl Future<Output = Result<i64, PortError>> + Send;

    /// Every account, at the current version.
    fn directory(&self) -> impl Future<Output = Result<AccountDirectory, PortError>> + Send;

    /// Stores what is news among the observations, by the rule of [`AccountDirectory::learn`] applied in their order,
    /// and gives the directory a new version when anything was. Repeating it changes nothing.
    fn learn(&self, observations: &[Observation]) -> impl Future<Output = Result<(), PortError>> + Send;
}
