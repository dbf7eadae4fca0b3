//! The program `ingest` by itself; what it does is in the library beside it.

fn main() -> std::process::ExitCode {
    ingest::main()
}
