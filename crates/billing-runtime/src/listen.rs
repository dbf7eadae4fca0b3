//! Taking an address to listen on, and saying plainly why that failed.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has it.
    #[error("cannot listen on {0} for {1}: another process listens there; stop it or choose another address")]
    InUse(SocketAddr, &'static str),
    /// A port below 1024, usually.
    #[error("cannot listen on {0} for {1}: not permitted; choose a port above 1023")]
    Forbidden(SocketAddr, &'static str),
    /// Something else.
    #[error("cannot listen on {0} for {1}")]
    Failed(SocketAddr, &'static str, #[source] io::Error),
}

/// A listener on `addr` for what `purpose` names.
///
/// # Errors
/// [`ListenError`].
pub fn listen(addr: SocketAddr, purpose: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(addr).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(addr, purpose),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden(addr, purpose),
        _ => ListenError::Failed(addr, purpose, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_said_in_one_sentence() {
        let first = listen(([127, 0, 0, 1], 0).into(), "health").unwrap();
        let addr = first.local_addr().unwrap();
        let error = listen(addr, "metrics").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {addr} for metrics: another process listens there; stop it or choose another address"
            )
        );
    }
}
