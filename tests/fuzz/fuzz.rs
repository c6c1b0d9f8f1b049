//! Every harness on its corpus, and on some of what becomes of it. `cargo xtask fuzz NAME` does more.

use ntp_tests::fuzz::{HARNESSES, check, corpus, mutant};

/// Mutants of each harness: a few seconds in a debug build.
const MUTANTS: u64 = 1500;

#[test]
fn nothing_of_the_corpus_or_near_it_breaks_a_promise() {
    for (name, harness) in HARNESSES {
        let inputs = corpus(name);
        assert!(inputs.len() >= 4, "{name}: the corpus is gone");
        for input in &inputs {
            check(harness, input);
        }
        for seed in 1..=MUTANTS {
            check(harness, &mutant(&inputs, seed));
        }
    }
}
