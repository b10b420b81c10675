//! The binary: everything lives in the library.

/// Chats come and go by the thousand in small pieces: an allocator that returns what they leave.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    liveagent_bridge::cli::main()
}
