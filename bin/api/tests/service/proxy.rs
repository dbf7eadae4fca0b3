//! Between the API and what it depends on: passes everything on until it falls silent, and from then on takes whatever
//! comes, new connections as well, and says not a word. To the API's machine the other side looks alive.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One in front of one server.
pub(crate) struct Proxy {
    address: String,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// To `host:port`.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let silent = Arc::new(AtomicBool::new(false));
        let (target, says_nothing) = (target.to_owned(), Arc::clone(&silent));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, silent) = (target.clone(), Arc::clone(&says_nothing));
                std::thread::spawn(move || between(&client, &target, &silent));
            }
        });
        Self { address, silent }
    }

    /// `host:port` of this side.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Says nothing from now on.
    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }
}

fn between(client: &TcpStream, target: &str, silent: &Arc<AtomicBool>) {
    if silent.load(Ordering::SeqCst) {
        pass(client, None, silent);
        return;
    }
    let Ok(server) = TcpStream::connect(target) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| pass(&server, Some(client), silent));
        pass(client, Some(&server), silent);
    });
}

/// Until the one side is at its end.
fn pass(mut from: &TcpStream, to: Option<&TcpStream>, silent: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if let Some(mut to) = to.filter(|_| !silent.load(Ordering::SeqCst))
            && to.write_all(&bytes[..read]).is_err()
        {
            break;
        }
    }
    if let Some(to) = to.filter(|_| !silent.load(Ordering::SeqCst)) {
        let _gone = to.shutdown(Shutdown::Write);
    }
}
