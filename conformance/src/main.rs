//! Prints what Erlang observes: the content of `golden/signals.txt`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match hammerbeam_conformance::erlang::run() {
        Ok(output) => {
            print!("{output}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
