//! Passes ntpd's own gate, then tries one thing: `confined free|CONFIG ATTEMPT [ARGUMENT]`. Exit status 0 if it was
//! possible, 13 if it was refused; a debug build ends by SIGABRT at a call that is not on the list.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::process::ExitCode;
use std::thread;

use clap::Parser as _;
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd;
use ntpd::cli::Options;

fn attempt(what: &str, on: &str) -> io::Result<()> {
    match what {
        "read" => fs::read(on).map(drop),
        "write" => File::create(on).map(drop),
        "remove" => fs::remove_file(on),
        "rename" => fs::rename(on, format!("{on}.new")),
        "thread" => {
            thread::Builder::new().spawn(|| ())?.join().map_err(|_| io::Error::other("it ended badly"))
        }
        "resolve" => (on, 123).to_socket_addrs().map(drop),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "exec" => {
            let program = CString::new(on)?;
            unistd::execv(&program, &[&program]).map_err(io::Error::from).map(drop)
        }
        // A process of its own, by the call that needs no unsafe code.
        "command" => std::process::Command::new(on).status().map(drop),
        "raw" => raw(AddressFamily::Inet),
        "packet" => raw(AddressFamily::Packet),
        // Refused by who listens, or not even begun.
        "tcp" => match TcpStream::connect(on) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            other => other.map(drop),
        },
        // Only looks at it: nothing is adjusted, whatever happens.
        "clock" => ntp_os::timex::report().map(drop),
        "signal" => kill(unistd::getpid(), None).map_err(io::Error::from),
        "root" => unistd::chroot(on).map_err(io::Error::from),
        _ => Err(io::Error::other("no such attempt")),
    }
}

fn raw(family: AddressFamily) -> io::Result<()> {
    socket(family, SockType::Raw, SockFlag::empty(), None).map(drop).map_err(io::Error::from)
}

fn end(status: u8, words: &str) -> ExitCode {
    drop(writeln!(io::stderr(), "{words}"));
    ExitCode::from(status)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [config, what, on @ ..] = &words[..] else { return ExitCode::from(2) };
    if config != "free" {
        let options = Options::try_parse_from(["ntpd", "-n", "--clock=none", "-c", config]);
        let entered =
            options.map_err(|error| error.to_string()).and_then(|options| ntpd::sandbox::enter_as(&options));
        if let Err(reason) = entered {
            return end(2, &reason);
        }
    }
    match attempt(what, on.first().map_or("", String::as_str)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => end(13, &reason.to_string()),
    }
}
