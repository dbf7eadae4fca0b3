//! billing-postgres.
