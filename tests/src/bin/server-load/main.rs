//! Loads a time server and checks its answers; or is the floor that no server can beat.
//!
//! `server-load ask SERVER SECONDS OUTSTANDING RATE ADDRESSES [KEY]` asks in a closed loop of OUTSTANDING
//! requests, or at RATE requests a second if that is not 0, from so many addresses of 10.128.0.0/9, which must
//! all be this machine's. It prints `sent answered wrong seconds` and the return leg's `p10 p50 p90`, in
//! microseconds. `server-load echo PORT` gives every datagram back, with stamps on.
#![forbid(unsafe_code)]

mod ask;
mod echo;

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome =
        match words[..] {
            ["ask", server, seconds, outstanding, rate, addresses, ref key @ ..] => {
                ask::Plan::read([server, seconds, outstanding, rate, addresses], key.first().copied())
                    .and_then(|plan| ask::run(&plan))
            }
            ["echo", port] => echo::run(port),
            _ => Err("usage: server-load ask SERVER SECONDS OUTSTANDING RATE ADDRESSES [KEY] | echo PORT"
                .to_owned()),
        };
    match outcome {
        Ok(text) => {
            drop(writeln!(stdout(), "{text}"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            drop(writeln!(stderr(), "server-load: {reason}"));
            ExitCode::FAILURE
        }
    }
}
