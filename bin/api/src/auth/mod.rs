//! Who calls: tokens verified by the service itself, and what they say of the caller. What a caller may do stands in the
//! route table.

mod caller;
mod jwks;
mod keys;
mod token;

#[cfg(test)]
pub(crate) use caller::Role;
pub(crate) use caller::{Caller, ClaimNames};
pub(crate) use jwks::{Jwks, JwksSource};
pub(crate) use token::{Denied, Verifier};
