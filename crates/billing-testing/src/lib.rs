//! billing-testing.
