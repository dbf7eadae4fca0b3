//! What a program asks of the system it is started on: shared libraries, and the version of the C library.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What distroless `base-nossl` has of Debian 12, with the library that the Dockerfile copies beside it.
const LIBRARIES: [&str; 4] = ["ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6"];
/// Of Debian 12.
const GLIBC_MAX: (u32, u32) = (2, 36);

/// What the base does not have, a line each.
pub(super) fn findings(program: &Path) -> Result<Vec<String>> {
    let name = program.file_name().unwrap_or_default().display();
    let mut found = Vec::new();
    for library in needed(&readelf(&["--dynamic", "--wide"], program)?) {
        if !LIBRARIES.contains(&library.as_str()) {
            found.push(format!("{name} needs {library}, which the base does not have"));
        }
    }
    let newest = glibc(&readelf(&["--version-info", "--wide"], program)?);
    if newest.is_none_or(|newest| newest > GLIBC_MAX) {
        found.push(format!("{name} needs glibc {newest:?}, the base has {GLIBC_MAX:?}: build on an older Debian"));
    }
    Ok(found)
}

fn readelf(arguments: &[&str], program: &Path) -> Result<String> {
    let output = Command::new("readelf").env("LC_ALL", "C").args(arguments).arg(program).output();
    let output = output.context("cannot run readelf (Debian: binutils)")?;
    ensure!(output.status.success(), "readelf does not understand {}", program.display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn needed(dynamic: &str) -> BTreeSet<String> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
}

/// The newest version of the C library that is asked for.
fn glibc(versions: &str) -> Option<(u32, u32)> {
    let asked = versions.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    asked
        .filter_map(|version| {
            let mut numbers = version.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readelf_is_understood() {
        let dynamic = " 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]\n\
                        0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n\
                        0x000000000000000c (INIT)               0x1000\n";
        assert_eq!(needed(dynamic), BTreeSet::from(["libc.so.6".to_owned(), "libgcc_s.so.1".to_owned()]));
        let versions = "0x0010:   Name: GLIBC_2.9  Flags: none  Version: 5\n  0x0020:   Name: GLIBC_2.34  Flags: none\n\
                        0x0030:   Name: GCC_4.2.0  0x0040:   Name: GLIBC_2.2.5";
        assert_eq!(glibc(versions), Some((2, 34)));
        assert_eq!(glibc(""), None);
    }

    #[test]
    fn this_very_program_is_looked_at() {
        assert_eq!(findings(&std::env::current_exe().unwrap()).unwrap(), Vec::<String>::new());
    }
}
