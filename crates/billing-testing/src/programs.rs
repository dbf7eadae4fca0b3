//! A program as an operator starts it: with these variables and no others, from a folder in which nothing can be written, and
//! never for longer than it is given.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test cannot do without, it says so and ends")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What must appear in nothing that a program says.
pub const CANARY: &str = "canary-of-the-start-5ecret";

/// How a program ended, or that it still ran, and everything that it said.
#[derive(Debug)]
pub struct Ended {
    /// `None`: it was still running.
    pub code: Option<i32>,
    /// Standard output and standard error; of one that has ended with quotation marks as they are in the texts of its lines.
    pub said: String,
}

/// A program with its arguments and variables.
pub struct Program {
    command: Command,
}

impl Program {
    /// By the path of its file.
    #[must_use]
    pub fn new<'a>(path: &str, arguments: &[&str], variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut command = Command::new(path);
        // Nobody, not even root, makes a file there.
        command.args(arguments).env_clear().env("TMPDIR", "/proc").current_dir("/proc").envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    /// Waits until it ends, or has said `sentence` and does not end; ends it then.
    ///
    /// # Panics
    /// When it cannot be started, or neither happens in time.
    pub fn until(mut self, sentence: Option<&str>, within: Duration) -> Ended {
        let mut child = self.command.spawn().expect("the program starts");
        let (sender, said) = mpsc::channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for mut stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut part) {
                    if sender.send(String::from_utf8_lossy(&part[..read]).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let deadline = Instant::now() + within;
        let mut text = String::new();
        loop {
            match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(part) => text += &part,
                // Both streams are closed.
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // What it ends with is a line of JSON.
                    let said = text.replace("\\\"", "\"");
                    return Ended { code: child.wait().expect("it ends").code(), said };
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    end(&mut child);
                    panic!("neither ended nor said {sentence:?} within {within:?}: {text}");
                }
            }
            // One that is about to end is left to say so itself.
            if sentence.is_some_and(|sentence| text.contains(sentence)) && !ends_soon(&mut child) {
                end(&mut child);
                return Ended { code: None, said: text };
            }
        }
    }
}

fn ends_soon(child: &mut Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        if child.try_wait().expect("its state").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn end(child: &mut Child) {
    child.kill().expect("it can be ended");
    child.wait().expect("it ends");
}
