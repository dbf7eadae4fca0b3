//! The image: built where there is an engine; where there is none, everything proven that can be proven without one.

mod bare;
mod dockerfile;
mod linked;
mod sbom;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use crate::signals::unless_interrupted;
use crate::{exec, tree};
use bare::Bare;

/// The one file that all programs are.
const BINARY: &str = "billing-service";
/// The names that it is started by, links in the image.
const PROGRAMS: [&str; 3] = ["api", "ingest", "invoice-cron"];
const ENGINES: [&str; 3] = ["docker", "podman", "buildah"];
/// What the packages of distroless `base-nossl` of Debian 12 take on disk (libc6, tzdata, ca-certificates, base-files, netbase,
/// media-types), and libgcc beside them. Bytes.
const BASE_BYTES: u64 = 17_200_000;
const IMAGE_BYTES_MAX: u64 = 80_000_000;

/// What to do about the image.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Build no image: check sizes, libraries, behaviour in a bare root, and the Dockerfile.
    #[arg(long, conflicts_with = "sbom")]
    check: bool,
    /// With --check: take this file instead of building for release.
    #[arg(long, value_name = "FILE", requires = "check")]
    program: Option<PathBuf>,
    /// With --check: take what the dev profile builds, whose size says nothing.
    #[arg(long, requires = "check", conflicts_with = "program")]
    dev: bool,
    /// Only write the bill of materials, to target/image/sbom.cdx.json.
    #[arg(long)]
    sbom: bool,
    /// The image's name and tag; billing-service and the version if it is not given.
    #[arg(long)]
    tag: Option<String>,
    /// The full name of the image to build in, with its registry and digest.
    #[arg(long, value_name = "IMAGE")]
    rust: Option<String>,
    /// The full name of the image to build upon, likewise.
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
}

impl Args {
    /// What can be checked without a build for release.
    pub(crate) fn quick() -> Self {
        Self { check: true, dev: true, ..Self::default() }
    }
}

/// Builds or checks; the exit code says whether all is well.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let root = tree::root();
    let folder = root.join("target/image");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let bill = serde_json::to_string_pretty(&sbom::of(&root)?).context("cannot write JSON")?;
    let path = folder.join("sbom.cdx.json");
    std::fs::write(&path, bill).with_context(|| format!("cannot write {}", path.display()))?;
    if args.sbom {
        println!("{}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        return check(args, &root, &folder).await;
    }
    build(args, &root).await
}

async fn build(args: &Args, root: &Path) -> Result<ExitCode> {
    let Some(engine) = engine().await else {
        bail!(
            "neither {} answers: an image cannot be built here; --check proves what can be proven without one",
            ENGINES.join(", ")
        );
    };
    let git =
        async |arguments: &[&str]| exec::output("git", Command::new("git").args(arguments).current_dir(root)).await;
    let version = env!("CARGO_PKG_VERSION");
    let mut command = Command::new(engine);
    let tag = args.tag.clone().unwrap_or_else(|| format!("billing-service:{version}"));
    command.current_dir(root).args(["build", "--tag", &tag]);
    let (revision, created) = (git(&["rev-parse", "HEAD"]).await?, git(&["show", "-s", "--format=%cI"]).await?);
    let mut arguments = vec![("VERSION", version), ("REVISION", revision.trim()), ("CREATED", created.trim())];
    arguments.extend(args.rust.iter().map(|image| ("RUST", image.as_str())));
    arguments.extend(args.base.iter().map(|image| ("BASE", image.as_str())));
    for (name, value) in arguments {
        command.arg("--build-arg").arg(format!("{name}={value}"));
    }
    let status = unless_interrupted(exec::on_terminal(engine, command.arg("."))).await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first whose daemon, if it needs one, answers.
async fn engine() -> Option<&'static str> {
    for engine in ENGINES {
        let mut command = Command::new(engine);
        let status = command.arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if status.await.is_ok_and(|status| status.success()) {
            return Some(engine);
        }
    }
    None
}

async fn check(args: &Args, root: &Path, folder: &Path) -> Result<ExitCode> {
    let mut findings = dockerfile::findings(root)?;
    println!("Dockerfile: {} findings", findings.len());
    let built = match &args.program {
        Some(program) => program.clone(),
        None => build_program(root, args.dev).await?,
    };
    let stripped = folder.join(BINARY);
    exec::output("strip", Command::new("strip").arg("-o").arg(&stripped).arg(&built)).await?;
    let size = std::fs::metadata(&stripped).context("no stripped program")?.len();
    println!("{BINARY}: {}, under {} names", megabytes(size), PROGRAMS.len());
    findings.extend(linked::findings(&stripped)?);
    if args.dev {
        println!("image: not judged by what the dev profile builds");
    } else {
        let bytes = BASE_BYTES + size + std::fs::metadata(folder.join("sbom.cdx.json")).context("no bill")?.len();
        println!("image: {} with the base's {}", megabytes(bytes), megabytes(BASE_BYTES));
        if bytes > IMAGE_BYTES_MAX {
            findings.push(format!("the image has {}, at most {}", megabytes(bytes), megabytes(IMAGE_BYTES_MAX)));
        }
    }
    match Bare::lay_out(folder.join("root"), &stripped)? {
        Some(bare) => findings.extend(bare.findings()?),
        None => println!("skipped: a bare read-only root takes root and unshare"),
    }
    for finding in &findings {
        println!("{finding}");
    }
    let is_good = findings.is_empty();
    println!(
        "{}",
        if is_good { "the image is as it should be".to_owned() } else { format!("{} to mend", findings.len()) }
    );
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn build_program(root: &Path, dev: bool) -> Result<PathBuf> {
    let mut command = exec::cargo(root);
    command.args(["build", "--locked", "--bin", BINARY]).args((!dev).then_some("--release"));
    let status = unless_interrupted(exec::on_terminal("cargo build", &mut command)).await?;
    ensure!(status.success(), "the programs cannot be built");
    let dev_programs = tree::binaries(root)?;
    Ok(if dev { dev_programs } else { dev_programs.with_file_name("release") }.join(BINARY))
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
