//! Reads an ntp.conf of so many lines, and prints what that cost: nanoseconds of the processor for each
//! line, the file's bytes, and the most memory that was in use for it.
#![forbid(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::io::{Write as _, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use ntp_conf::{Limits, LoadError, Loaded, read_within};

/// Lines as real files have them.
const LINES: [&str; 8] = [
    "# a comment that says what the next line is for\n",
    "restrict 192.168.7.0 mask 255.255.255.0 nomodify notrap\n",
    "restrict 10.11.12.13 noquery kod limited\n",
    "\n",
    "filegen loopstats file loopstats type day enable\n",
    "statistics loopstats peerstats clockstats\n",
    "#server ntp.example.net iburst minpoll 4 maxpoll 9\n",
    "driftfile /var/lib/ntp/ntp.drift\n",
];

/// A figure of `/proc/self`.
fn proc(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn main() -> ExitCode {
    let Some(count) = std::env::args().nth(1).and_then(|text| text.parse::<u32>().ok()) else {
        drop(writeln!(stderr(), "usage: conf-load LINES"));
        return ExitCode::from(2);
    };
    let text: String = LINES.into_iter().cycle().take(usize::try_from(count).unwrap_or(0)).collect();
    let path = Path::new("f");
    let bytes = text.len();
    let mut content = Some(text.into_bytes());
    let mut loader = |wanted: &Path| match content.take() {
        Some(content) if wanted == path => Ok(vec![Loaded { path: wanted.to_owned(), content }]),
        _ => Err(LoadError::Missing),
    };
    let before = proc("schedstat", "");
    let read = read_within(path, &mut loader, Limits { file_len: usize::MAX });
    let nanos = (proc("schedstat", "") - before) / f64::from(count);
    let peak = proc("status", "VmHWM") * 1024.0;
    let understood = read.as_ref().map_or(0, |read| read.order.len());
    drop(black_box(read));
    drop(writeln!(stdout(), "{nanos:.0} {bytes} {peak:.0} {understood}"));
    ExitCode::SUCCESS
}
