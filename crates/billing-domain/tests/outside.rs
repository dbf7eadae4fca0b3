//! The examples build and run in a project of their own, outside this workspace, that knows nothing but this crate: as
//! another team would use it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// An empty project with the examples as its binaries. It has the workspace's lock file, so that nothing is fetched.
fn project() -> PathBuf {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let binaries = project.join("src/bin");
    let _absent = fs::remove_dir_all(&binaries);
    fs::create_dir_all(&binaries).unwrap();
    for example in fs::read_dir(Path::new(CRATE).join("examples")).unwrap() {
        let example = example.unwrap();
        fs::copy(example.path(), binaries.join(example.file_name())).unwrap();
    }
    // The empty [workspace] makes it a root of its own, although it lies in this one's target folder.
    let manifest = format!(
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n
        [dependencies]\nbilling-domain = {{ path = {CRATE:?} }}\n
        [workspace]\n"
    );
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    fs::copy(Path::new(CRATE).join("../../Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
}

#[test]
fn the_examples_build_and_run_with_nothing_but_this_crate() {
    let project = project();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&project).env("CARGO_TARGET_DIR", target).env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output = command.args(arguments).arg("--offline").arg("--quiet").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "cargo {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    cargo(&["build", "--bins"]);
    for (example, last_line) in [
        ("rate_an_event", "margin 0.009000 USD"),
        ("month_of_an_account", "together 34.20 USD"),
        ("count_segments", "2 Ucs2: 36 emoji, two units each"),
    ] {
        let printed = cargo(&["run", "--bin", example]);
        assert_eq!(printed.lines().last(), Some(last_line), "{example}");
    }
}
