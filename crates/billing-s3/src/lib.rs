//! billing-s3.
