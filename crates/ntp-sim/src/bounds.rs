//! What a world may be like: a scenario outside of these bounds is refused with a word.

use crate::jitter::Jitter;
use crate::scenario::{ClockScenario, Limits, PathScenario, Scenario, ServerScenario};

/// The longest world, seconds: a hundred days. No time in it is later.
const DURATION_MAX: f64 = 100.0 * 86_400.0;

/// The most servers, and the most entries of any other list.
const SERVERS_MAX: usize = 64;
const LIST_MAX: usize = 10_000;

/// The latest year in which a world may begin is about 3900.
const BEGINNING_MAX: i64 = 60_000_000_000;

/// The longest delay of a packet, seconds.
const DELAY_MAX: f64 = 1_000.0;

/// How far a clock may be off, seconds: beyond 68 years eras cannot be told apart.
const OFFSET_MAX: f64 = 2.1e9;

/// How fast an oscillator may run wrong, s/s.
const FREQUENCY_MAX: f64 = 0.01;

/// Checks a whole scenario.
pub(crate) fn check(scenario: &Scenario) -> Result<(), String> {
    plain("description", &scenario.description)?;
    within("duration", scenario.duration, 1.0, DURATION_MAX)?;
    within("skip", scenario.skip, 0.0, scenario.duration - 1.0)?;
    if !(-BEGINNING_MAX..=BEGINNING_MAX).contains(&scenario.beginning) {
        return Err(format!("beginning = {} is no time to begin", scenario.beginning));
    }
    short("[[server]] tables", scenario.servers.len(), SERVERS_MAX)?;
    short("[[name]] tables", scenario.names.len(), LIST_MAX)?;
    let (least, most) = scenario.client.polls;
    if least > most || most > 17 {
        return Err("client.polls: poll exponents go from 0 to 17, the least first".to_owned());
    }
    if let Some(leap) = scenario.leap {
        time("leap.at", leap.at)?;
        if leap.seconds.abs() != 1 {
            return Err(format!("leap.seconds = {} is neither 1 nor -1", leap.seconds));
        }
    }
    if let Some(at) = scenario.client.rebinding {
        time("client.rebinding", at)?;
    }
    frequency("client.drift", scenario.client.drift.unwrap_or(0.0))?;
    for entry in &scenario.names {
        plain("name.name", &entry.name)?;
        time("name.from", entry.from)?;
        short("addresses of a name", entry.addresses.len(), LIST_MAX)?;
    }
    check_clock(&scenario.clock)?;
    check_limits(&scenario.limits)?;
    let mut addresses = scenario.addresses();
    addresses.sort();
    if let Some([twice, _]) = addresses.array_windows().find(|[one, other]| one == other) {
        return Err(format!("two [[server]] tables have the address {twice}"));
    }
    for (number, server) in scenario.servers.iter().enumerate() {
        let place = |reason: String| format!("[[server]] number {}: {reason}", number + 1);
        check_server(server).and_then(|()| check_path(&server.path)).map_err(place)?;
    }
    Ok(())
}

/// What is no number holds nothing.
fn check_limits(limits: &Limits) -> Result<(), String> {
    let limits_of_ratios = [limits.ratio, limits.ratio_worst, limits.frequency_ratio, limits.packets_ratio];
    let limits_of_figures = [limits.rms, limits.max_error, limits.baseline_rms];
    for limit in limits_of_ratios.into_iter().chain(limits_of_figures).flatten() {
        within("a limit", limit, 0.0, OFFSET_MAX)?;
    }
    for (by, below) in &limits.settles {
        time("limits.settles", *by)?;
        within("limits.settles", *below, 0.0, OFFSET_MAX)?;
    }
    Ok(())
}

fn check_clock(clock: &ClockScenario) -> Result<(), String> {
    within("clock.initial_offset", clock.initial_offset, -OFFSET_MAX, OFFSET_MAX)?;
    frequency("clock.initial_frequency", clock.initial_frequency)?;
    for (what, rate) in [("clock.wander", clock.wander), ("clock.white_fm", clock.white_fm)] {
        within(what, rate, 0.0, 1e-4)?;
    }
    if let Some(swing) = clock.temperature {
        within("clock.temperature.amplitude", swing.amplitude, -1e-3, 1e-3)?;
        within("clock.temperature.period", swing.period, 1.0, DURATION_MAX)?;
    }
    if let Some(ramp) = clock.ramp {
        time("clock.ramp.start", ramp.start)?;
        time("clock.ramp.length", ramp.length)?;
        frequency("clock.ramp.rate * length", ramp.rate * ramp.length)?;
    }
    let mut total = 0.0;
    short("clock.frequency_jumps", clock.frequency_jumps.len(), LIST_MAX)?;
    for (at, by) in &clock.frequency_jumps {
        time("clock.frequency_jumps", *at)?;
        total += by.abs();
    }
    within("the sum of clock.frequency_jumps", total, 0.0, FREQUENCY_MAX)?;
    for (what, jumps) in [("clock.jumps", &clock.jumps), ("clock.steps", &clock.steps)] {
        short(what, jumps.len(), LIST_MAX)?;
        for (at, by) in jumps {
            time(what, *at)?;
            within(what, *by, -OFFSET_MAX, OFFSET_MAX)?;
        }
    }
    short("clock.sleeps", clock.sleeps.len(), LIST_MAX)?;
    for (at, length, misjudged) in &clock.sleeps {
        time("clock.sleeps", *at)?;
        time("clock.sleeps: the length", *length)?;
        // The clock on which timers run must not go backwards.
        within("clock.sleeps: what is misjudged", *misjudged, -length, OFFSET_MAX)?;
    }
    within("clock.resolution", clock.resolution, 0.0, 1.0)?;
    within("clock.read_noise", clock.read_noise, 0.0, 1.0)
}

/// Texts are printed: a terminal must not take them for commands.
fn plain(what: &str, text: &str) -> Result<(), String> {
    match text.chars().find(|character| character.is_control()) {
        Some(character) => Err(format!("{what} holds the control character {character:?}")),
        None => Ok(()),
    }
}

fn check_server(server: &ServerScenario) -> Result<(), String> {
    plain("name", server.name.as_deref().unwrap_or_default())?;
    within("root_delay", server.root_delay, 0.0, DELAY_MAX)?;
    within("root_dispersion", server.root_dispersion, 0.0, DELAY_MAX)?;
    within("offset", server.offset, -OFFSET_MAX, OFFSET_MAX)?;
    if let Some((from, rate, most)) = server.creep {
        time("creep", from)?;
        within("creep: the rate", rate, -1.0, 1.0)?;
        within("creep: the most", most, -OFFSET_MAX, OFFSET_MAX)?;
    }
    if let Some((from, by)) = server.step {
        time("step", from)?;
        within("step", by, -OFFSET_MAX, OFFSET_MAX)?;
    }
    spans("mute", &server.mute)?;
    spans("unsynchronized", &server.unsynchronized)?;
    if let Some((from, to, code)) = &server.kiss {
        spans("kiss", &[(*from, *to)])?;
        if code.len() != 4 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("kiss: {code:?} is no code of four letters, such as RATE"));
        }
    }
    Ok(())
}

fn check_path(path: &PathScenario) -> Result<(), String> {
    for base in path.base {
        within("path.base", base, 0.0, DELAY_MAX)?;
    }
    for jitter in [Some(path.jitter), path.jitter_up, path.jitter_down].into_iter().flatten() {
        check_jitter(&jitter)?;
    }
    within("path.hold_up_first", path.hold_up_first, 0.0, DELAY_MAX)?;
    within("path.timestamp_noise", path.timestamp_noise, 0.0, 1.0)?;
    for (what, chance) in [("path.loss", path.loss), ("path.duplicate", path.duplicate)] {
        within(what, chance, 0.0, 1.0)?;
    }
    for (what, extra) in [("path.reorder", path.reorder), ("path.spike", path.spike)] {
        if let Some((chance, seconds)) = extra {
            within(&format!("{what}: the chance"), chance, 0.0, 1.0)?;
            within(&format!("{what}: the delay"), seconds, 0.0, DELAY_MAX)?;
        }
    }
    for route in [path.route_up, path.route_down].into_iter().flatten() {
        within("route.step", route.step, 0.0, DELAY_MAX)?;
        within("route.period", route.period, 1.0, DURATION_MAX)?;
    }
    for burst in [path.burst_up, path.burst_down].into_iter().flatten() {
        within("burst.amp", burst.amp, 0.0, DELAY_MAX)?;
        within("burst.period", burst.period, 1.0, DURATION_MAX)?;
        within("burst.length", burst.length, 0.0, DURATION_MAX)?;
    }
    spans("path.outages", &path.outages)
}

fn check_jitter(jitter: &Jitter) -> Result<(), String> {
    let delay = |seconds: f64| within("path.jitter: a delay", seconds, 0.0, DELAY_MAX);
    let chance = |chance: f64| within("path.jitter: a chance", chance, 0.0, 1.0);
    match *jitter {
        Jitter::None => Ok(()),
        Jitter::Exponential(mean) | Jitter::Gamma(_, mean) => delay(mean),
        Jitter::Gaussian(deviation) => delay(deviation),
        Jitter::Lognormal(median, sigma) => {
            delay(median).and_then(|()| within("path.jitter: sigma", sigma, 0.0, 5.0))
        }
        Jitter::Gilbert { median, sigma, amp, enter, leave } => delay(median)
            .and_then(|()| within("path.jitter: sigma", sigma, 0.0, 5.0))
            .and_then(|()| delay(amp))
            .and_then(|()| chance(enter))
            .and_then(|()| chance(leave)),
    }
}

/// A number, which must not be a NaN either.
fn within(what: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    let fits = (least..=most).contains(&value);
    fits.then_some(()).ok_or_else(|| format!("{what} = {value} is not within {least} and {most}"))
}

fn time(what: &str, seconds: f64) -> Result<(), String> {
    within(what, seconds, 0.0, DURATION_MAX)
}

fn frequency(what: &str, value: f64) -> Result<(), String> {
    within(what, value, -FREQUENCY_MAX, FREQUENCY_MAX)
}

/// Spans of time may end after the world does.
fn spans(what: &str, spans: &[(f64, f64)]) -> Result<(), String> {
    short(what, spans.len(), LIST_MAX)?;
    for (from, to) in spans {
        time(what, *from)?;
        within(&format!("{what}: the end"), *to, *from, f64::MAX)?;
    }
    Ok(())
}

fn short(what: &str, length: usize, most: usize) -> Result<(), String> {
    if length <= most { Ok(()) } else { Err(format!("{length} {what} are more than {most}")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::run::{ours, system_config};
    use crate::scenario::Scenario;

    /// A scenario in which one number after the other may be anything.
    const FIELDS: &[&str] = &[
        "[clock]\njumps = [[5.0, X]]",
        "[clock]\nsteps = [[X, 1.0]]",
        "[clock]\nsleeps = [[5.0, X, 0.1]]",
        "[clock]\nsleeps = [[5.0, 20.0, X]]",
        "[clock]\nfrequency_jumps = [[5.0, X]]",
        "[clock]\nramp = { start = 1.0, rate = X, length = 20.0 }",
        "[clock]\nramp = { start = 1.0, rate = 1e-9, length = X }",
        "[clock]\ntemperature = { amplitude = 1e-6, period = X }",
        "[clock]\nresolution = X",
        "[clock]\nread_noise = X",
        "[clock]\ninitial_offset = X",
        "[leap]\nat = X\nseconds = 1",
        "[client]\nrebinding = X",
        "[client]\ndrift = X",
        "[[server]]\ncreep = [5.0, X, 1.0]\npath = { base = [1e-3, 1e-3] }",
        "[[server]]\ncreep = [5.0, 1e-3, X]\npath = { base = [1e-3, 1e-3] }",
        "[[server]]\nstep = [5.0, X]\npath = { base = [1e-3, 1e-3] }",
        "[[server]]\nroot_dispersion = X\npath = { base = [1e-3, 1e-3] }",
        "[[server]]\npath = { base = [X, 1e-3], duplicate = 0.5 }",
        "[[server]]\npath = { hold_up_first = X, duplicate = 0.5 }",
        "[[server]]\npath = { reorder = [0.5, X], duplicate = 0.5 }",
        "[[server]]\npath = { spike = [0.5, X], duplicate = 0.5 }",
        "[[server]]\npath = { route_up = { step = X, period = 5.0 }, duplicate = 0.5 }",
        "[[server]]\npath = { route_up = { step = 1.0, period = X } }",
        "[[server]]\npath = { burst_down = { amp = X, period = 9.0, length = 3.0 } }",
        "[[server]]\npath = { burst_down = { amp = 1.0, period = X, length = X } }",
        "[[server]]\npath = { timestamp_noise = X }",
        "[[server]]\npath = { jitter = \"lognormal 1 X\", duplicate = 0.5 }",
        "[[server]]\npath = { jitter = \"exp X\", duplicate = 0.5 }",
        "[[server]]\npath = { outages = [[1.0, X]] }",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn any_number_anywhere_is_refused_or_survived(
            index in 0..FIELDS.len(),
            number in prop_oneof![
                Just("nan".to_owned()), Just("inf".to_owned()), Just("-inf".to_owned()), Just("1e300".to_owned()),
                Just("-1e300".to_owned()), Just("0.0".to_owned()), Just("-1.0".to_owned()), Just("1e-300".to_owned()),
                (-1e4_f64..1e4).prop_map(|number| format!("{number:?}")),
                (-1.0_f64..1.0).prop_map(|number| format!("{number:?}")),
            ],
        ) {
            let field = FIELDS[index].replace('X', &number);
            let text = format!("description = \"\"\nduration = 90.0\n{field}\n");
            if let Ok(scenario) = Scenario::parse(&text) {
                let mut world = ours(&scenario, 1, system_config(&scenario));
                world.run(Duration::from_secs(90));
                prop_assert!(world.error().is_finite());
            }
        }
    }
}
