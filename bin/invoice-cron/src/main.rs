//! The program `invoice-cron` by itself; what it does is in the library beside it.

fn main() -> std::process::ExitCode {
    invoice_cron::main()
}
