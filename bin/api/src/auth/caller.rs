//! What a verified token says: who calls, for which tenant and account, in which roles and with which scopes.

use actix_web::http::header::HeaderMap;
use billing_domain::{AccountId, TenantId};
use serde_json::{Map, Value};
use uuid::Uuid;

const TENANT_HEADER: &str = "X-Tenant-Id";
const ACCOUNT_HEADER: &str = "X-Account-Id";
/// Bytes.
const SUBJECT_MAX: usize = 255;

/// A role that means something here. Others are allowed in a token and mean nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// `account.admin`
    AccountAdmin,
    /// `account.viewer`
    AccountViewer,
    /// `platform.admin`
    PlatformAdmin,
    /// `platform.finance`
    PlatformFinance,
    /// `platform.billing_admin`
    PlatformBillingAdmin,
}

impl Role {
    /// Every role with its name in a token.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::AccountAdmin, "account.admin"),
        (Self::AccountViewer, "account.viewer"),
        (Self::PlatformAdmin, "platform.admin"),
        (Self::PlatformFinance, "platform.finance"),
        (Self::PlatformBillingAdmin, "platform.billing_admin"),
    ];

    /// Whether it reaches every tenant.
    pub(crate) fn is_staff(self) -> bool {
        !matches!(self, Self::AccountAdmin | Self::AccountViewer)
    }
}

/// Under which names a token carries what the service needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClaimNames {
    pub(crate) tenant: String,
    pub(crate) account: String,
    pub(crate) scope: String,
    pub(crate) roles: String,
}

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    /// The token's `sub`.
    pub(crate) subject: String,
    /// The tenant, if the token names one.
    pub(crate) tenant: Option<TenantId>,
    /// The account, if the token names one.
    pub(crate) account: Option<AccountId>,
    roles: Vec<Role>,
    scopes: Vec<String>,
}

impl Caller {
    /// Of a token's claims; `None` when one of them is not what it should be.
    pub(crate) fn of(claims: &Map<String, Value>, names: &ClaimNames) -> Option<Self> {
        let subject = claims.get("sub")?.as_str()?;
        let sane = (1..=SUBJECT_MAX).contains(&subject.len()) && !subject.chars().any(char::is_control);
        let roles: Vec<&str> = match claims.get(&names.roles) {
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(role)) => vec![role],
            _ => Vec::new(),
        };
        let scope = claims.get(&names.scope).and_then(Value::as_str).unwrap_or_default();
        let caller = Self {
            subject: subject.to_owned(),
            tenant: id(claims.get(&names.tenant))?.map(TenantId),
            account: id(claims.get(&names.account))?.map(AccountId),
            roles: Role::ALL.into_iter().filter_map(|(role, name)| roles.contains(&name).then_some(role)).collect(),
            scopes: scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        };
        sane.then_some(caller)
    }

    /// Whether the token has exactly this scope.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|known| known == scope)
    }

    /// Whether the token has exactly this role.
    pub(crate) fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether one of the roles reaches every tenant.
    pub(crate) fn is_staff(&self) -> bool {
        self.roles.iter().any(|role| role.is_staff())
    }

    /// Whether one of the roles reaches the token's own account, and the token names it and its tenant.
    pub(crate) fn is_customer(&self) -> bool {
        self.roles.iter().any(|role| !role.is_staff()) && self.tenant.is_some() && self.account.is_some()
    }

    /// Whose rows it may see, as a name: those of one account of one tenant, or everybody's.
    pub(crate) fn reach(&self) -> String {
        match (self.is_staff(), self.tenant, self.account) {
            (false, Some(tenant), Some(account)) => format!("{tenant}/{account}"),
            _ => "staff".into(),
        }
    }

    /// Whether the tenant and account headers, where present, say what the token says.
    pub(crate) fn agrees_with(&self, headers: &HeaderMap) -> bool {
        let agrees = |name: &str, claim: Option<Uuid>| {
            headers.get_all(name).all(|value| {
                let named = value.to_str().ok().and_then(|text| Uuid::try_parse(text.trim()).ok());
                named.is_some() && named == claim
            })
        };
        agrees(TENANT_HEADER, self.tenant.map(|tenant| tenant.0))
            && agrees(ACCOUNT_HEADER, self.account.map(|account| account.0))
    }
}

/// An id that a claim may hold: `Some(None)` when the claim is absent, `None` when it is no id.
fn id(claim: Option<&Value>) -> Option<Option<Uuid>> {
    match claim {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Uuid::try_parse(text).ok().map(Some),
        Some(_) => None,
    }
}
