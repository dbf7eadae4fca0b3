//! Links the program so that its addresses, which are many, take little room.

fn main() {
    // Relative relocations packed: understood by glibc from 2.36 on, which is Debian 12.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
}
