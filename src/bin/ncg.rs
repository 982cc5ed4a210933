//! The command `ncg`.

fn main() -> std::process::ExitCode {
    ncg::cli::main()
}
