//! Programs of all kinds that ask an NTP daemon something ask ours: each gets what it asks for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_tests::{Daemon, Following, Outcome, free_port, packaged, run, skip, until};

/// A program, the package that it is from, and what it prints when it is content.
struct Client {
    package: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// All of them.
    says: &'static [&'static str],
    /// None of them.
    never: &'static [&'static str],
}

const fn client(
    package: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    says: &'static [&'static str],
) -> Client {
    Client { package, program, arguments, says, never: &[] }
}

const PERL: &str =
    "my %h = get_ntp_response('127.0.0.1'); print \"stratum $h{'Stratum'} version $h{'Version Number'}\\n\"";

const PYTHON: &str = "import ntplib\nfor version in 1, 2, 3, 4:\n \
    answer = ntplib.NTPClient().request('127.0.0.1', version=version)\n \
    print('version', answer.version, 'stratum', answer.stratum, 'near', abs(answer.offset) < 0.5)\n";

const CLIENTS: [Client; 15] = [
    client("ntpsec-ntpdig", "usr/bin/ntpdig", &["127.0.0.1"], &[" s2 ", "no-leap"]),
    // Whom we follow has no mode 6; we are the first line.
    client("ntpsec", "usr/bin/ntptrace", &["-n", "-m", "1", "127.0.0.1"], &["127.0.0.1: stratum 2,"]),
    client("ntpsec", "usr/sbin/ntpwait", &["-v", "-n", "2", "-s", "1"], &["OK!"]),
    client("ntpstat", "usr/bin/ntpstat", &[], &["synchronised to NTP server (10.77.0.", "at stratum 2"]),
    client(
        "monitoring-plugins-basic",
        "usr/lib/nagios/plugins/check_ntp_peer",
        &["-H", "127.0.0.1", "-w", "0.5", "-c", "1"],
        &["NTP OK"],
    ),
    client(
        "monitoring-plugins-basic",
        "usr/lib/nagios/plugins/check_ntp_time",
        &["-H", "127.0.0.1", "-w", "0.5", "-c", "1"],
        &["NTP OK"],
    ),
    client(
        "monitoring-plugins-basic",
        "usr/lib/nagios/plugins/check_ntp",
        &["-H", "127.0.0.1", "-w", "0.5", "-c", "1"],
        &["NTP OK"],
    ),
    client(
        "nmap",
        "usr/bin/nmap",
        &["-sU", "-Pn", "-p", "123", "--script", "ntp-info", "127.0.0.1"],
        &["123/udp open  ntp", "stratum: 2", "version: ntpd ", "system: Linux"],
    ),
    Client {
        never: &["ntp-monlist"],
        ..client(
            "nmap",
            "usr/bin/nmap",
            &["-sU", "-Pn", "-p", "123", "--script", "ntp-monlist", "127.0.0.1"],
            &["123/udp open  ntp"],
        )
    },
    client("rdate", "usr/sbin/rdate", &["-p", "-n", "127.0.0.1"], &[" 20"]),
    client("libnet-ntp-perl", "usr/bin/perl", &["-MNet::NTP", "-e", PERL], &["stratum 2 version 3"]),
    client(
        "python3-ntplib",
        "usr/bin/python3",
        &["-c", PYTHON],
        &[
            "version 1 stratum 2 near True",
            "version 2 stratum 2 near True",
            "version 3 stratum 2 near True",
            "version 4 stratum 2 near True",
        ],
    ),
    client(
        "chrony",
        "usr/sbin/chronyd",
        &["-Q", "-u", "root", "-t", "15", "server 127.0.0.1 iburst"],
        &["System clock wrong by"],
    ),
    client("munin-plugins-core", "usr/share/munin/plugins/ntp_kernel_err", &[], &["ntp_err.value 0.0"]),
    client(
        "munin-plugins-core",
        "usr/share/munin/plugins/ntp_kernel_pll_freq",
        &[],
        &["ntp_pll_freq.value "],
    ),
];

#[test]
fn whoever_asks_is_content() {
    let test = "whoever_asks_is_content";
    for client in &CLIENTS {
        if packaged(client.package, client.program).is_none() {
            return skip(test, &format!("needs Debian's package {}", client.package));
        }
    }
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    for client in &CLIENTS {
        let program = packaged(client.package, client.program).unwrap();
        let ask = || run(following.net.on_client(&program).args(client.arguments));
        let is_content = |outcome: &Outcome| {
            let both = outcome.both();
            client.says.iter().all(|part| both.contains(part))
                && !client.never.iter().any(|part| both.contains(part))
        };
        let mut last = ask();
        let content = is_content(&last) || {
            last = ask();
            is_content(&last)
        };
        assert!(content, "{} {:?}: {last:?}", client.program, client.arguments);
    }
}

#[test]
fn prometheus_finds_us_sane() {
    let test = "prometheus_finds_us_sane";
    let exporter = "usr/bin/prometheus-node-exporter";
    let script = "usr/share/prometheus-node-exporter-collectors/ntpd_metrics.py";
    let (Some(exporter), Some(script)) = (
        packaged("prometheus-node-exporter", exporter),
        packaged("prometheus-node-exporter-collectors", script),
    ) else {
        return skip(test, "needs Debian's packages prometheus-node-exporter and -collectors, unpacked");
    };
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let parts =
        ["ntpd_peer_status{remote=\"10.77.0.1\"", "ntpd_offset_milliseconds{", "ntpd_delay_milliseconds{"];
    let mut last = String::new();
    // It takes no row of a server that has answered within this second.
    let printed = until(Duration::from_secs(10), || {
        last = run(following.net.on_client(Path::new("/usr/bin/python3")).arg(&script)).both();
        parts.iter().all(|part| last.contains(part))
    });
    assert!(printed, "{last}");
    let port = free_port();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let arguments = ["--collector.disable-defaults", "--collector.ntp", &listen];
    let log = following.folder.path().join("exporter.log");
    let _exporter = Daemon::start(Some(&following.net.client), &exporter, &arguments, &log);
    // From within its namespace.
    let fetch =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3");
    let sane = until(Duration::from_secs(20), || {
        last = run(following.net.on_client(Path::new("bash")).args(["-c", &fetch])).both();
        last.contains("node_ntp_sanity 1") && last.contains("node_ntp_stratum 2")
    });
    assert!(sane, "{last}\n{:?}", fs::read_to_string(&log));
}

#[test]
fn openntpd_believes_us() {
    let test = "openntpd_believes_us";
    let Some(program) = packaged("openntpd", "usr/sbin/ntpd") else {
        return skip(test, "needs Debian's package openntpd, unpacked");
    };
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let folder = following.folder.path();
    let conf = folder.join("openntpd.conf");
    fs::write(&conf, "server 10.77.0.20\n").unwrap();
    following.net.name_users(&[("ntpd", 65_533)]);
    // It wants folders that only its package makes; the mount is seen in its namespace alone.
    let shell = "mount -t tmpfs none /var/lib && mkdir -p /var/lib/openntpd/run /var/lib/openntpd/db && \
        exec \"$0\" -d -v -f \"$1\"";
    let (program, conf) = (program.display().to_string(), conf.display().to_string());
    let log = folder.join("openntpd.log");
    let arguments = ["-c", shell, &program, &conf];
    let _client = Daemon::start(Some(&following.net.server), Path::new("/bin/sh"), &arguments, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    assert!(until(Duration::from_mins(1), || said().contains("peer 10.77.0.20 now valid")), "{}", said());
}
