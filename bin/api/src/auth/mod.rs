//! Who calls: tokens verified by the service itself, and what they say of the caller. What a caller may do stands in the
//! route table.

mod believed;
mod caller;
mod jwks;
mod keys;
mod token;

pub(crate) use caller::{Caller, ClaimNames, Role};
pub(crate) use jwks::{Jwks, JwksSource};
pub(crate) use token::{Denied, Verifier};
