//! What reads the tables that ntpq prints reads ours: parsers of Debian's packages, and the lines of shell that
//! half of the world's scripts have.
use std::os::unix::fs::symlink;
use std::path::Path;

use ntp_tests::{Following, ours, packaged, run, skip};

/// Whether what was printed is right.
type Check = fn(&str) -> bool;

/// Lines of shell, and whether what they print is right.
const FOLK: [(&str, Check); 7] = [
    ("ntpq -pn | awk '/^\\*/{print $9}'", |text| text.trim().parse::<f64>().is_ok()),
    ("ntpq -pn | awk '$1 ~ /^\\*/ {print $1, $3, $10}'", |text| {
        text.starts_with("*10.77.0.") && text.split_whitespace().count() == 3
    }),
    ("ntpq -pn | grep -c '^\\*'", |text| text.trim() == "1"),
    ("ntpq -pn | tail -n +3 | cut -c 1-16 | wc -l", |text| text.trim() == "5"),
    ("ntpq -c rv | grep -o 'stratum=[0-9]*'", |text| text.trim() == "stratum=2"),
    ("ntpq -c 'rv 0 offset,sys_jitter' | tr ',' '\\n' | grep -c =", |text| text.trim() == "2"),
    ("ntpq -c as | awk 'NR>3 {print $9}' | head -1", |text| !text.trim().is_empty()),
];

/// The shape in which telegraf's plugin takes the table: the names of the header, ten words a row.
const TELEGRAF: &str = "
import sys
rows = sys.stdin.read().splitlines()
names = rows[0].split()
assert names == ['remote','refid','st','t','when','poll','reach','delay','offset','jitter'], names
for row in rows[2:]:
    words = row[1:].split()
    assert len(words) == len(names), row
    fields = dict(zip(names, words))
    [float(fields[name]) for name in ('delay', 'offset', 'jitter')]
    int(fields['reach'], 8)
    assert fields['when'] == '-' or fields['when'].rstrip('mhd').isdigit(), row
print('read', len(rows) - 2)
";

#[test]
fn what_reads_the_tables_reads_ours() {
    let test = "what_reads_the_tables_reads_ours";
    let (Some(jc), Some(munin), Some(library), Some(resolver)) = (
        packaged("jc", "usr/bin/jc"),
        packaged("munin-plugins-core", "usr/share/munin/plugins/ntp_offset"),
        packaged("munin-common", "usr/share/munin/plugins/plugin.sh"),
        packaged("libnet-dns-perl", "usr/share/perl5/Net/DNS.pm"),
    ) else {
        return skip(
            test,
            "needs Debian's packages jc, munin-common, munin-plugins-core and libnet-dns-perl",
        );
    };
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let bin = tempfile::tempdir().unwrap();
    symlink(ours("ntpq"), bin.path().join("ntpq")).unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", bin.path().display());
    let shell = |line: &str| {
        let words = [path.as_str(), "bash", "-c", line];
        run(following.net.on_client(Path::new("/usr/bin/env")).args(words)).both()
    };
    for (line, is_right) in FOLK {
        let said = shell(line);
        assert!(is_right(&said), "{line}: {said}\n{}", shell("ntpq -pn"));
    }
    let said = shell(&format!("ntpq -pn | {} --ntpq", jc.display()));
    let rows: serde_json::Value = serde_json::from_str(&said).unwrap();
    let leads =
        |row: &serde_json::Value| row["state"] == "*" && row["offset"].is_f64() && row["reach"].is_i64();
    assert!(rows.as_array().unwrap().iter().any(leads), "{said}");
    assert_eq!(shell(&format!("ntpq -pn | /usr/bin/python3 -c \"{TELEGRAF}\"")).trim(), "read 5");
    // It looks for its library in a place of its own.
    let place = library.parent().and_then(Path::parent).unwrap();
    let said = shell(&format!("MUNIN_LIBDIR={} sh {}", place.display(), munin.display()));
    for name in ["delay.value ", "offset.value ", "jitter.value "] {
        let value = said.lines().find_map(|line| line.strip_prefix(name));
        assert!(value.is_some_and(|value| value.parse::<f64>().is_ok()), "{name}: {said}");
    }
    // In Perl, with modules of other packages; no name server is within reach, so that sources have their addresses for names.
    let states = munin.with_file_name("ntp_states");
    let shares = [library.ancestors().nth(3), munin.ancestors().nth(3), resolver.ancestors().nth(3)];
    let modules: Vec<String> =
        shares.iter().flatten().map(|share| share.join("perl5").display().to_string()).collect();
    let environment = format!("PERL5LIB={} RES_NAMESERVERS=192.0.2.1", modules.join(":"));
    let said = shell(&format!("{environment} MUNIN_LIBDIR={} perl {}", place.display(), states.display()));
    for line in ["peer_10_77_0_99.value 0", "peer_127_127_1_0.value"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.ends_with(".value 6")).count(), 1, "{said}");
}
