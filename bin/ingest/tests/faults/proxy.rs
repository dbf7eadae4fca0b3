//! A TCP proxy between the program and a server: passes, cuts, swallows, slows, or stops at a known byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Pass,
    /// Every connection is closed, and a new one at once.
    Cut,
    /// Connections stay, but nothing comes through.
    Blackhole,
    /// Each piece takes this long.
    Slow(Duration),
}

/// Where a connection is held, once, until the mode is set anew.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trap {
    /// Before the server sees these bytes, in a transaction of at least so many bytes.
    Sent(&'static [u8], usize),
    /// Before the program sees them in an answer, after it has sent them in such a transaction.
    Answered(&'static [u8], usize),
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    /// Counted, so that the same mode set again is news to who is held.
    mode: watch::Sender<(u64, Mode)>,
    trap: Mutex<Option<Trap>>,
    sprung: watch::Sender<bool>,
}

/// What both directions of one connection know.
#[derive(Default)]
struct Seen {
    /// Of the transaction.
    bytes: AtomicUsize,
    hold_answer: AtomicBool,
}

impl Proxy {
    pub(crate) async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            mode: watch::channel((0, Mode::Pass)).0,
            trap: Mutex::default(),
            sprung: watch::channel(false).0,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, accepting }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_modify(|(count, now)| (*count, *now) = (*count + 1, mode));
    }

    /// New connections go there from now on.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }

    pub(crate) fn arm(&self, trap: Trap) {
        self.shared.sprung.send_replace(false);
        *self.shared.trap.lock().unwrap() = Some(trap);
    }

    /// Waits until a connection is held. A fault that was never hit is a failure.
    pub(crate) async fn sprung(&self) {
        let mut sprung = self.shared.sprung.subscribe();
        let hit = tokio::time::timeout(Duration::from_secs(30), sprung.wait_for(|sprung| *sprung)).await;
        assert!(hit.is_ok(), "the fault was never hit");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Cut);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if shared.mode.borrow().1 == Mode::Cut {
                return;
            }
            let upstream = *shared.upstream.lock().unwrap();
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let seen = Seen::default();
            tokio::select! {
                () = pump(from_client, to_server, &shared, &seen, true) => {}
                () = pump(from_server, to_client, &shared, &seen, false) => {}
            }
        });
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, seen: &Seen, asks: bool) {
    let mut modes = shared.mode.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    let mut last: Vec<u8> = Vec::new();
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = until_cut(&mut modes) => return,
        };
        let Ok(count @ 1..) = read else { return };
        let piece = &buffer[..count];
        // What may stand across two pieces.
        last.extend_from_slice(piece);
        let held = if asks { shared.holds(&last, count, seen) } else { shared.holds_answer(&last, seen) };
        last.drain(..last.len().saturating_sub(4));
        if held {
            let (count, _) = *modes.borrow_and_update();
            shared.sprung.send_replace(true);
            if modes.wait_for(|(now, _)| *now != count).await.is_err() {
                return;
            }
        }
        let mode = modes.wait_for(|(_, mode)| *mode != Mode::Blackhole).await.map(|now| now.1);
        match mode {
            Ok(Mode::Pass) => {}
            Ok(Mode::Slow(delay)) => tokio::time::sleep(delay).await,
            _ => return,
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

async fn until_cut(modes: &mut watch::Receiver<(u64, Mode)>) {
    let _cut = modes.wait_for(|(_, mode)| *mode == Mode::Cut).await;
}

impl Shared {
    fn holds(&self, text: &[u8], count: usize, seen: &Seen) -> bool {
        let bytes = seen.bytes.fetch_add(count, Ordering::Relaxed) + count;
        let mut armed = self.trap.lock().unwrap();
        let hold = match *armed {
            Some(Trap::Sent(mark, least)) if bytes >= least && contains(text, mark) => true,
            Some(Trap::Answered(mark, least)) if bytes >= least && contains(text, mark) => {
                seen.hold_answer.store(true, Ordering::SeqCst);
                *armed = None;
                false
            }
            _ => false,
        };
        if hold {
            *armed = None;
        }
        // What comes with BEGIN in one piece belongs to the new transaction.
        if contains(text, b"BEGIN") {
            seen.bytes.store(count, Ordering::Relaxed);
        } else if contains(text, b"COMMIT") || contains(text, b"ROLLBACK") {
            seen.bytes.store(0, Ordering::Relaxed);
        }
        hold
    }

    fn holds_answer(&self, text: &[u8], seen: &Seen) -> bool {
        seen.hold_answer.load(Ordering::SeqCst)
            && contains(text, b"COMMIT")
            && seen.hold_answer.swap(false, Ordering::SeqCst)
    }
}

fn contains(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len()).any(|window| window == mark)
}
