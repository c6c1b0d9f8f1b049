//! Runs one harness for a time, or for so many inputs: `ntp-fuzz NAME SECONDSs|INPUTS [SEED]`.
#![forbid(unsafe_code)]

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ntp_tests::fuzz::{HARNESSES, check, corpus, mutant};

/// The input that is being checked.
static SEED: AtomicU64 = AtomicU64::new(0);

/// How many inputs there are between two looks at the clock.
const BATCH: u64 = 256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    let amount = arguments.get(1).and_then(|text| match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok().map(|seconds| (Duration::from_secs(seconds), u64::MAX)),
        None => text.parse().ok().map(|cases| (Duration::MAX, cases)),
    });
    let found = HARNESSES.iter().find(|(known, _)| *known == name);
    let (Some((_, harness)), Some((longest, most))) = (found, amount) else {
        let names: Vec<&str> = HARNESSES.iter().map(|(name, _)| *name).collect();
        drop(writeln!(stderr(), "usage: ntp-fuzz {} SECONDSs|INPUTS [SEED]", names.join("|")));
        return ExitCode::from(2);
    };
    let mut seed: u64 = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(1);
    let inputs = corpus(name);
    let from = inputs.clone();
    // A release build ends at a panic: what led to it must be said before.
    std::panic::set_hook(Box::new(move |reason| {
        let seed = SEED.load(Ordering::Relaxed);
        let input = mutant(&from, seed);
        let text = String::from_utf8_lossy(&input).into_owned();
        drop(writeln!(stderr(), "seed {seed} fails: {reason}\n{text:?}"));
    }));
    let (started, mut cases) = (Instant::now(), 0_u64);
    while started.elapsed() < longest && cases < most {
        for _ in 0..BATCH {
            let input = mutant(&inputs, seed);
            SEED.store(seed, Ordering::Relaxed);
            check(*harness, &input);
            seed += 1;
            cases += 1;
        }
    }
    drop(writeln!(stdout(), "{name}: {cases} inputs in {} s, none failed", started.elapsed().as_secs()));
    ExitCode::SUCCESS
}
