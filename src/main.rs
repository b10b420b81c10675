//! The binary: everything lives in the library.

fn main() -> std::process::ExitCode {
    liveagent_bridge::cli::main()
}
