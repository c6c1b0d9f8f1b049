//! `--history`: how the clock has been kept, from the statistics files of this machine.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ntp_proto::time::{Date, UnixTime};
use serde_json::{Value, json};

use crate::command::CommandError;
use crate::json;

/// Columns of a sparkline.
const BINS: usize = 60;

/// How far it goes back from the last line, seconds.
const SPAN: f64 = 86_400.0;

/// Of a file no more than its end is read.
const FILE_LEN_MAX: u64 = 1 << 24;

/// Lines that are kept; a day of the fastest polls has fewer.
const LINES_MAX: usize = 200_000;

/// No figure is as large as this: an offset is less than 136 years. The distance of larger ones may be infinite.
const FIGURE_MAX: f64 = 1e10;

/// The Modified Julian Day of 1970-01-01.
const MJD_OF_UNIX: f64 = 40_587.0;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where files of statistics usually are.
const USUAL: [&str; 3] = ["/var/log/ntpstats", "/var/log/ntpsec", "/var/log/ntp"];

/// A line of loopstats.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Correction {
    /// Seconds since 1970.
    at: f64,
    /// Milliseconds.
    offset: f64,
    /// Parts per million.
    frequency: f64,
    /// Milliseconds.
    jitter: f64,
}

impl Correction {
    /// Day, second, offset, frequency, jitter and more; what is no such line is passed over.
    fn parse(line: &str) -> Option<Self> {
        let mut numbers =
            line.split_whitespace().map(|word| word.parse().ok().filter(|n: &f64| n.abs() < FIGURE_MAX));
        let mut next = || numbers.next().flatten();
        let (day, second) = (next()?, next()?);
        // From 1970 to 2132.
        if !(MJD_OF_UNIX..100_000.0).contains(&day) || !(0.0..=86_401.0).contains(&second) {
            return None;
        }
        let (offset, frequency, jitter) = (next()? * 1e3, next()?, next()? * 1e3);
        Some(Self { at: (day - MJD_OF_UNIX) * 86_400.0 + second, offset, frequency, jitter })
    }
}

/// Shows the last day of the files in a folder, or where they usually are.
pub(crate) fn run(
    folder: Option<&Path>,
    for_programs: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => usual().ok_or_else(|| nothing(&USUAL.join(", ")))?,
    };
    let place = folder.display().to_string().escape_debug().to_string();
    let found = read(&folder).map_err(|reason| CommandError::Usage(format!("ntpq: {place}: {reason}")))?;
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return Err(nothing(&place)) };
    if for_programs {
        let row = |one: &Correction| {
            json!({
                "unix_s": one.at, "offset_ms": one.offset, "jitter_ms": one.jitter, "frequency_ppm": one.frequency
            })
        };
        let rows: Vec<Value> = found.iter().map(row).collect();
        return json::write("localhost", "history", json!({ "folder": place, "corrections": rows }), out);
    }
    writeln!(out, "{place}: {} to {}, {} corrections", moment(first.at), moment(last.at), found.len())?;
    for (label, unit, pick) in [
        ("offset", "ms", (|one| one.offset) as fn(&Correction) -> f64),
        ("jitter", "ms", |one| one.jitter),
        ("frequency", "ppm", |one| one.frequency),
    ] {
        let values: Vec<f64> = found.iter().map(pick).collect();
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let line = sparkline(&found, pick, (least, most));
        writeln!(out, "{label:<9} {line} {least:.3} to {most:.3} {unit}, now {:.3}", pick(last))?;
    }
    Ok(())
}

fn nothing(place: &str) -> CommandError {
    CommandError::Usage(format!(
        "ntpq: no loopstats in {place}: have `statsdir DIRECTORY` and `statistics loopstats` in ntp.conf, \
         or name the folder: --history=DIRECTORY"
    ))
}

fn usual() -> Option<PathBuf> {
    USUAL.iter().map(PathBuf::from).find(|folder| !files(folder).unwrap_or_default().is_empty())
}

/// The files of a folder that hold corrections, the newest last. The plain name is a link to one of them.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_one = name.strip_prefix("loopstats").is_some_and(|rest| rest.starts_with('.'));
        if is_one && !name.ends_with(".gz") && entry.file_type()?.is_file() {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    let plain = folder.join("loopstats");
    if found.is_empty() && fs::symlink_metadata(&plain).is_ok_and(|found| found.is_file()) {
        return Ok(vec![plain]);
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The corrections of the last day that there are.
fn read(folder: &Path) -> io::Result<Vec<Correction>> {
    let paths = files(folder)?;
    let mut found: VecDeque<Correction> = VecDeque::new();
    // A day begins in one file and ends in the next.
    for path in paths.iter().skip(paths.len().saturating_sub(3)) {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(FILE_LEN_MAX)))?;
        let mut reader = BufReader::new(file.take(FILE_LEN_MAX));
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if let Some(correction) = str::from_utf8(&line).ok().and_then(Correction::parse) {
                found.push_back(correction);
            }
            if found.len() > LINES_MAX {
                found.pop_front();
            }
            line.clear();
        }
    }
    let mut found: Vec<Correction> = found.into();
    found.sort_by(|one, other| one.at.total_cmp(&other.at));
    let newest = found.last().map_or(0.0, |last| last.at);
    found.retain(|one| newest - one.at <= SPAN);
    Ok(found)
}

/// One bar for each part of the time: its worst value, or a blank where there is none.
fn sparkline(found: &[Correction], pick: fn(&Correction) -> f64, (least, most): (f64, f64)) -> String {
    let start = found.first().map_or(0.0, |one| one.at);
    let span = found.last().map_or(0.0, |one| one.at - start).max(1.0);
    let place = |part: f64, count: usize| {
        let count = u32::try_from(count).unwrap_or(1);
        // Within the count, whatever the rounding.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 60")]
        let place = (part * f64::from(count)) as usize;
        place.min(count as usize - 1)
    };
    let mut bins: [Option<f64>; BINS] = [None; BINS];
    for one in found {
        let value = pick(one);
        if let Some(bin) = bins.get_mut(place((one.at - start) / span, BINS)) {
            *bin = Some(bin.map_or(value, |known| if known.abs() > value.abs() { known } else { value }));
        }
    }
    let height = (most - least).max(f64::MIN_POSITIVE);
    let bar = |bin: &Option<f64>| match bin {
        Some(value) => BARS.get(place((value - least) / height, BARS.len())).copied().unwrap_or(' '),
        None => ' ',
    };
    bins.iter().map(bar).collect()
}

fn moment(at: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are wanted")]
    let unix = UnixTime::new(at as i64, 0);
    let second = unix.seconds().rem_euclid(86_400);
    format!("{} {:02}:{:02} UTC", Date::of(unix), second / 3600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(folder: &Path) -> Result<String, String> {
        let mut out = Vec::new();
        run(Some(folder), false, &mut out).map_err(|error| error.to_string())?;
        String::from_utf8(out).map_err(|error| error.to_string())
    }

    #[test]
    fn a_day_is_shown_and_junk_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert!(shown(folder.path()).unwrap_err().contains("no loopstats in"));
        let rows: Vec<String> = (0..600)
            .map(|row| {
                format!("61370 {}.000 {:.9} -12.5 0.000001 0.001 6\n", row * 16, f64::from(row) * 1e-6)
            })
            .collect();
        let text = format!("junk\n61370 nan 1 2 3\n61370 1 1e308 2 3\n\u{1b}[2J\n{}61370", rows.concat());
        fs::write(folder.path().join("loopstats.20261126"), text).unwrap();
        fs::write(folder.path().join("loopstats.20261120"), "61364 5.0 9.9 1 1 1 6\n").unwrap();
        let text = shown(folder.path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].ends_with("2026-11-26 00:00 UTC to 2026-11-26 02:39 UTC, 600 corrections"),
            "{text}"
        );
        assert!(lines[1].starts_with("offset    ▁▁"), "{text}");
        assert!(lines[1].ends_with("█ 0.000 to 0.599 ms, now 0.599"), "{text}");
        assert!(lines[3].ends_with("-12.500 to -12.500 ppm, now -12.500"), "{text}");
        assert!(lines.iter().skip(1).all(|line| line.chars().count() < 110), "{text}");
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        assert!(shown(Path::new("/nowhere")).unwrap_err().starts_with("ntpq: /nowhere: "));
    }
}
