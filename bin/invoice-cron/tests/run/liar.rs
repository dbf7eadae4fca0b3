//! A proxy before the real S3 server, which lies about it: each account's objects have lies of their own.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const ALWAYS: usize = usize::MAX;

/// Which request of an invoice's object: the look before it is put, the put, the look that resolves what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum On {
    Look,
    Put,
    Resolve,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    /// This status and code, and whether the server did what was asked all the same.
    Says(u16, &'static str, bool),
    /// No answer, ever, and whether the server did what was asked.
    Silence(bool),
    /// Half of the request's body reaches the server, then both are cut off.
    HalfAsked,
    /// Half of the answer's body, then the connection is cut.
    HalfAnswered,
}

/// So often on such a request for an object whose key holds `key`.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) key: String,
    pub(crate) on: On,
    pub(crate) lie: Lie,
    pub(crate) times: usize,
    /// How often it was told.
    pub(crate) told: usize,
}

pub(crate) struct Liar {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    rules: Vec<Rule>,
    /// Keys that were put, or tried to.
    put: Vec<String>,
}

impl Liar {
    pub(crate) async fn before(upstream: &str, rules: Vec<Rule>) -> Self {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { rules, put: Vec::new() }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, upstream) = (Arc::clone(&shared), upstream.clone());
                // Who hangs up in the middle is part of the play.
                tokio::spawn(async move { drop(serve(client, &upstream, &shared).await) });
            }
        });
        Self { endpoint, state, accepting }
    }

    /// The rules, with how often each was told.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.state.lock().unwrap().rules.clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    fn lie(&mut self, head: &str) -> Option<Lie> {
        let mut words = head.split(' ');
        let (is_put, key) = (words.next()? == "PUT", words.next()?.to_owned());
        let was_put = self.put.contains(&key);
        let on = if is_put {
            On::Put
        } else if was_put {
            On::Resolve
        } else {
            On::Look
        };
        let matches = |rule: &&mut Rule| rule.on == on && rule.told < rule.times && key.contains(&rule.key);
        let lie = self.rules.iter_mut().find(matches).map(|rule| {
            rule.told += 1;
            rule.lie
        });
        if is_put && !was_put {
            self.put.push(key);
        }
        lie
    }
}

/// One request and its answer; the connection ends with it.
async fn serve(mut client: TcpStream, upstream: &str, state: &Mutex<State>) -> io::Result<()> {
    let (head, body) = read_request(&mut client).await?;
    let lie = state.lock().unwrap().lie(&head);
    match lie {
        None => client.write_all(&pass(upstream, &head, &body).await?).await,
        Some(Lie::Says(status, code, is_done)) => {
            if is_done {
                pass(upstream, &head, &body).await?;
            }
            let xml = format!("<Error><Code>{code}</Code></Error>");
            let length = xml.len();
            let answer =
                format!("HTTP/1.1 {status} {code}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{xml}");
            client.write_all(answer.as_bytes()).await
        }
        Some(Lie::Silence(is_done)) => {
            if is_done {
                pass(upstream, &head, &body).await?;
            }
            // Until the program hangs up.
            client.read_to_end(&mut Vec::new()).await.map(drop)
        }
        Some(Lie::HalfAsked) => {
            let mut server = TcpStream::connect(upstream).await?;
            server.write_all(head.as_bytes()).await?;
            server.write_all(&body[..body.len() / 2]).await
        }
        Some(Lie::HalfAnswered) => {
            let answer = pass(upstream, &head, &body).await?;
            let head_ends = end_of_head(&answer).unwrap_or(answer.len());
            client.write_all(&answer[..head_ends + (answer.len() - head_ends) / 2]).await
        }
    }
}

/// The head, with a wish to close, and the body.
async fn read_request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let ends = loop {
        if let Some(ends) = end_of_head(&read) {
            break ends;
        }
        if client.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = read.split_off(ends);
    let head = String::from_utf8_lossy(&read).into_owned();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while body.len() < length.unwrap_or(0) {
        if client.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head.replacen("\r\n", "\r\nConnection: close\r\n", 1), body))
}

/// What the real server says.
async fn pass(upstream: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
