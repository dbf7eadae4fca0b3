//! billing-runtime.
