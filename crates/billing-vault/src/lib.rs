//! billing-vault.
