//! What a route asks of its caller: one scope, and a role that reaches as far as the route does.

use std::fmt;

use crate::auth::{Caller, Role};
use crate::http::problem::{Kind, Problem};

/// A scope of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Usage and invoices.
    BillingRead,
    /// Prices and operator costs.
    BillingAdmin,
    /// Declaring invoices void.
    PlatformFinance,
}

impl Scope {
    /// As tokens write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BillingRead => "billing:read",
            Self::BillingAdmin => "billing:admin",
            Self::PlatformFinance => "platform.finance",
        }
    }
}

/// Whose data a route is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// One account's: `account.*` for the token's own, `platform.*` for any.
    Account,
    /// The platform's: `platform.*` only.
    Platform,
    /// What only `platform.finance` does.
    Finance,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account.* own, platform.* any",
            Self::Platform => "platform.*",
            Self::Finance => "platform.finance",
        })
    }
}

/// Lets a caller pass who has the scope, and a role that reaches far enough.
///
/// # Errors
/// 403.
pub(crate) fn authorise(caller: &Caller, scope: Scope, reach: Reach) -> Result<(), Problem> {
    let reaches = match reach {
        Reach::Account => caller.is_staff() || caller.is_customer(),
        Reach::Platform => caller.is_staff(),
        Reach::Finance => caller.has_role(Role::PlatformFinance),
    };
    if caller.has_scope(scope.name()) && reaches { Ok(()) } else { Err(Kind::Forbidden.into()) }
}
