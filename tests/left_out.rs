//! Says what plain `cargo test` does not run, so that nothing is skipped silently.

fn main() {
    println!(
        "\nleft out here, because they need more than Rust: the store in a real PostgreSQL\n\
         (tests/postgres), clients that we did not write (tests/clients), the pages in a real\n\
         browser (tests/browser). `./tests/run` installs what they need and runs everything.\n"
    );
}
