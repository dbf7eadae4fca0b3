//! billing-redis.
