//! The programs as the image runs them, without an engine: in a folder that holds nothing but them and the base's libraries and
//! certificates, read-only, as the image's user, with an empty environment.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{BINARY, PROGRAMS};

/// The user of the image.
const USER: &str = "65532:65532";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// Binds the folder to itself, so that it alone can be made read-only; all of it ends with the process.
const ENTER: &str = r#"mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount -o remount,bind,ro "$1"
root=$1; shift; exec env -i "$@" /usr/sbin/chroot --userspec=USER --groups= "$root" $PROGRAM"#;
const END_TIME_MAX: Duration = Duration::from_secs(60);
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// What a program says that is told nothing: the variables that it misses.
const MISSING: [(&str, &[&str]); 4] = [
    (
        "api",
        &[
            "BILLING_DATABASE_URL",
            "BILLING_S3_ENDPOINT",
            "BILLING_JWT_JWKS",
            "BILLING_JWT_ISSUER",
            "BILLING_JWT_AUDIENCE",
        ],
    ),
    ("api migrate", &["BILLING_DATABASE_URL"]),
    ("ingest", &["BILLING_DATABASE_URL", "BILLING_REDIS_URLS", "BILLING_NATS_URLS"]),
    ("invoice-cron", &["BILLING_DATABASE_URL", "BILLING_NATS_URLS", "BILLING_S3_ENDPOINT", "BILLING_SELLER_NAME"]),
];
/// What needs nothing.
const HELP: [&str; 4] = ["api routes", "api help", "ingest --help", "invoice-cron --help"];
/// Where nobody answers; by https where the image's certificates are read.
const NOBODY: [(&str, &str); 12] = [
    ("BILLING_DATABASE_URL", "postgres://127.0.0.1:9/billing"),
    ("BILLING_REDIS_URLS", "redis://127.0.0.1:9"),
    ("BILLING_NATS_URLS", "nats://127.0.0.1:9"),
    ("BILLING_S3_ENDPOINT", "https://127.0.0.1:9"),
    ("BILLING_JWT_JWKS", "https://127.0.0.1:9/jwks.json"),
    ("BILLING_JWT_ISSUER", "https://127.0.0.1:9"),
    ("BILLING_JWT_AUDIENCE", "billing"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
    ("BILLING_SECRET_DATABASE_API_USERNAME", "api"),
    ("BILLING_SECRET_DATABASE_API_PASSWORD", "canary-of-the-image"),
    ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "worker"),
    ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", "canary-of-the-image"),
];
const S3_SECRETS: [(&str, &str); 2] =
    [("BILLING_SECRET_S3_ACCESS_KEY", "key"), ("BILLING_SECRET_S3_SECRET_KEY", "canary-of-the-image")];

/// A folder like the image.
pub(super) struct Bare(PathBuf);

impl Bare {
    /// Lays the folder out around the stripped program; `None` where nobody may: that takes root.
    pub(super) fn lay_out(root: PathBuf, stripped: &Path) -> Result<Option<Self>> {
        let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
        if !rustix::process::geteuid().is_root() || !may.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let _not_there = std::fs::remove_dir_all(&root);
        for folder in ["usr/local/bin", "etc/ssl/certs", "proc", "tmp"] {
            let folder = root.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        copy(stripped, &root.join("usr/local/bin").join(BINARY))?;
        for program in PROGRAMS {
            symlink(BINARY, root.join("usr/local/bin").join(program)).context("cannot link a program")?;
        }
        for library in libraries(stripped)? {
            let to = root.join(library.strip_prefix("/").unwrap_or(&library));
            std::fs::create_dir_all(to.parent().unwrap_or(&root)).context("cannot create a folder")?;
            copy(&library, &to)?;
        }
        copy(&Path::new("/").join(CERTIFICATES), &root.join(CERTIFICATES))?;
        let passwd = "root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n";
        std::fs::write(root.join("etc/passwd"), passwd).context("cannot write passwd")?;
        Ok(Some(Self(root)))
    }

    /// What is not as it should be, a line each.
    pub(super) fn findings(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (line, missing) in MISSING {
            let (code, said) = self.run(line)?;
            let told = said.lines().filter(|line| !line.trim().is_empty()).count();
            let unnamed: Vec<_> = missing.iter().filter(|name| !said.contains(&format!("{name} is not set"))).collect();
            if code.is_none_or(|code| code == 0) || told != 1 || !unnamed.is_empty() {
                found
                    .push(format!("{line} without variables ends with {code:?} and does not name {unnamed:?}: {said}"));
            }
        }
        for line in HELP {
            let (code, said) = self.run(line)?;
            if code != Some(0) {
                found.push(format!("{line} ends with {code:?}: {said}"));
            }
        }
        for program in ["api", "ingest"] {
            found.extend(self.serve(program)?);
        }
        Ok(found)
    }

    /// Exit code, and all that was said.
    fn run(&self, line: &str) -> Result<(Option<i32>, String)> {
        let mut child = self.start(line, &[])?;
        let code = end(&mut child)?;
        Ok((code, said(&mut child)?))
    }

    /// A program that finds nobody lives, is not ready, and stops when it is told to.
    fn serve(&self, program: &str) -> Result<Option<String>> {
        let (http, metrics) = (free_address()?, free_address()?);
        let upper = program.to_uppercase();
        let (http_name, metrics_name) = (format!("BILLING_{upper}_HTTP_ADDR"), format!("BILLING_{upper}_METRICS_ADDR"));
        let more = [(http_name.as_str(), http.as_str()), (metrics_name.as_str(), metrics.as_str())];
        let variables: Vec<_> = NOBODY.into_iter().chain(S3_SECRETS).chain(more).collect();
        let mut child = self.start(program, &variables)?;
        let deadline = Instant::now() + START_TIME_MAX;
        let lives = loop {
            let lives = status(&http, "/health/live") == Some(200) && status(&http, "/health/ready") == Some(503);
            if lives || Instant::now() > deadline || child.try_wait()?.is_some() {
                break lives;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let pid = child.id().to_string();
        let _already_gone = Command::new("kill").arg(pid).status().context("cannot run kill")?;
        let code = end(&mut child)?;
        let said = said(&mut child)?;
        let leaks = said.contains("canary-of-the-image");
        Ok((!lives || code != Some(0) || leaks)
            .then(|| format!("{program} with nobody to talk to: lives {lives}, ends with {code:?}: {said}")))
    }

    fn start(&self, line: &str, variables: &[(&str, &str)]) -> Result<Child> {
        let script = ENTER.replace("USER", USER).replace("$PROGRAM", &format!("/usr/local/bin/{line}"));
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", &script, "sh"]).arg(&self.0);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("cannot run unshare")
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = std::fs::copy(from, to);
    done.map(|_| ()).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// The program's interpreter and libraries on this machine.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    ensure!(output.status.success(), "ldd does not understand {}", program.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// Waits for the end; who does not come to one is killed.
fn end(child: &mut Child) -> Result<Option<i32>> {
    let deadline = Instant::now() + END_TIME_MAX;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the program")? {
            return Ok(status.code());
        }
        if Instant::now() > deadline {
            child.kill().context("cannot end the program")?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(child: &mut Child) -> Result<String> {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).context("the program's output is no text")?;
    }
    Ok(said)
}

fn status(address: &str, path: &str) -> Option<u16> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

fn free_address() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr().context("the port has no address")?.to_string())
}
