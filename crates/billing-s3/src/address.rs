//! How the bucket is written in an address: as the first part of the path, or before the host's name.

use std::net::IpAddr;

use crate::S3Error;

/// How requests and presigned URLs name the bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Addressing {
    /// `https://host/bucket/key`.
    #[default]
    Path,
    /// `https://bucket.host/key`: the store's certificate must name it so.
    Host,
}

impl Addressing {
    /// `path` or `host`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "path" => Some(Self::Path),
            "host" => Some(Self::Host),
            _ => None,
        }
    }

    /// The bucket's address, without a slash at its end.
    pub(crate) fn bucket_url(self, endpoint: &str, bucket: &str) -> Result<String, S3Error> {
        let endpoint = endpoint.trim_end_matches('/');
        if self == Self::Path {
            return Ok(format!("{endpoint}/{bucket}"));
        }
        let (scheme, authority) = endpoint.split_once("://").ok_or(S3Error::HostAddressing)?;
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        if authority.contains('/') || host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
            return Err(S3Error::HostAddressing);
        }
        Ok(format!("{scheme}://{bucket}.{authority}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_stands_in_the_path_or_before_the_host() {
        for (addressing, endpoint, expected) in [
            ("path", "http://s3:9000", Some("http://s3:9000/b")),
            ("path", "https://127.0.0.1:9000/", Some("https://127.0.0.1:9000/b")),
            ("host", "https://s3.eu-central-1.amazonaws.com", Some("https://b.s3.eu-central-1.amazonaws.com")),
            ("host", "https://s3.local:9000/", Some("https://b.s3.local:9000")),
            ("host", "https://127.0.0.1:9000", None),
            ("host", "https://[::1]:9000", None),
            ("host", "https://s3.local/behind", None),
        ] {
            let url = Addressing::parse(addressing).unwrap().bucket_url(endpoint, "b");
            assert_eq!(url.ok().as_deref(), expected, "{endpoint}");
        }
        assert_eq!(Addressing::parse("virtual"), None);
    }
}
