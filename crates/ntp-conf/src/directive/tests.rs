use super::*;
use crate::{Document, Severity};
use proptest::prelude::*;

fn meaning(text: &str) -> Meaning {
    let document = Document::parse(text.as_bytes());
    interpret("ntp.conf", 1, &document.line(0).unwrap())
}

fn source(text: &str) -> Source {
    match meaning(text).directive {
        Some(Directive::Source(source)) => source,
        other => panic!("{text}: {other:?}"),
    }
}

fn codes(text: &str) -> Vec<&'static str> {
    meaning(text).diagnostics.into_iter().map(|finding| finding.code).collect()
}

fn remedies(text: &str) -> String {
    meaning(text).diagnostics.into_iter().map(|finding| finding.remedy).collect()
}

#[test]
fn a_link_local_address_needs_its_interface() {
    let name = |text: &str| source(text).name().map(str::to_owned);
    assert_eq!(name("server fe80::1%eth0").unwrap(), "fe80::1%eth0");
    assert_eq!(name("server [fe80::1%br-0.7] iburst").unwrap(), "fe80::1%br-0.7");
    assert_eq!(name("server fe80::1"), None);
    assert_eq!(codes("server fe80::1%eth0"), [""; 0]);
    assert_eq!(codes("server fe80::1"), ["W009"]);
    assert_eq!(codes("server -4 fe80::1%eth0"), ["W008"]);
    for bad in
        ["fe80::1%", "fe80::1%a%b", "2001:db8::1%eth0", "a%eth0", "10.0.0.1%eth0", "fe80::1%sixteen-letters0"]
    {
        let text = format!("server {bad}");
        assert!(meaning(&text).directive.is_none(), "{bad}");
        assert!(remedies(&text).contains("fe80::1%eth0"), "{bad}");
    }
}

#[test]
fn a_source_has_its_options() {
    let found = source("pool -6 0.debian.pool.ntp.org iburst prefer minpoll 4 maxpoll 9 version 3");
    let options = SourceOptions {
        iburst: true,
        prefer: true,
        minpoll: Some(4),
        maxpoll: Some(9),
        version: Some(3),
        ..SourceOptions::default()
    };
    let expected = Source {
        role: Role::Pool,
        family: AddressFamily::V6,
        host: "0.debian.pool.ntp.org".to_owned(),
        options,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_word_that_spells_a_keyword_is_a_host_behind_server() {
    assert_eq!(source("server restrict").host, "restrict");
    assert_eq!(source("server \"127.0.0.1\" iburst").host, "127.0.0.1");
}

#[test]
fn a_wrong_option_costs_only_itself() {
    let found = source("server a ibrust prefer");
    assert!(found.options.prefer && !found.options.iburst);
    assert_eq!(remedies("server a ibrust prefer"), "did you mean `iburst`?");
}

#[test]
fn remedies_fit_the_mistake() {
    for (line, remedy) in [
        ("sevrer a", "did you mean `server`?"),
        ("SERVER a", "did you mean `server`?"),
        ("server a maxpoll4", "write `maxpoll 4`"),
        ("server a minpoll=4", "write `minpoll 4`"),
        ("restrict default notrapp", "did you mean `notrap`?"),
    ] {
        assert_eq!(remedies(line), remedy, "{line}");
    }
}

#[test]
fn numbers_out_of_range_are_named_and_left_out() {
    for line in [
        "server a minpoll 99",
        "server a minpoll x",
        "server a minpoll",
        "server a version 9",
        "server a port 0",
    ] {
        assert_eq!(codes(line), ["E004"], "{line}");
    }
    assert_eq!(source("server a minpoll 99 iburst").options.minpoll, None);
    assert!(source("server a minpoll 99 iburst").options.iburst);
    assert_eq!(source("server a minpoll 1").options.minpoll, Some(POLL_MIN));
    assert_eq!(source("server a minpoll 9 maxpoll 5").options.minpoll, Some(5));
}

#[test]
fn restrict_lines_of_real_files_are_understood() {
    for line in [
        "restrict default kod nomodify nopeer noquery limited",
        "restrict -4 default kod notrap nomodify nopeer noquery limited",
        "restrict -6 default kod notrap nomodify nopeer noquery limited",
        "restrict 127.0.0.1",
        "restrict ::1",
        "restrict source notrap nomodify noquery",
        "restrict 192.168.123.0 mask 255.255.255.0 nomodify",
        "restrict 10.0.0.0/8 noserve",
    ] {
        let worse = meaning(line).diagnostics.into_iter().find(|finding| finding.severity > Severity::Note);
        assert_eq!(worse, None, "{line}");
    }
    assert_eq!(codes("restrict default mssntp fuzz"), ["N002", "N002"]);
    let Some(Directive::Restrict(found)) = meaning("restrict -4 default ignore noquery").directive else {
        panic!()
    };
    assert_eq!(found.target, RestrictTarget::Default(AddressFamily::V4));
    assert!(found.flags.ignore && found.flags.noquery && !found.flags.noserve);
}

#[test]
fn a_damaged_restrict_fails_closed() {
    // Every flag that can be read is in force, and the damage is an error, not a silent weakening.
    let found = meaning("restrict default kod nomodify notrapp nopeer noquery");
    assert!(matches!(found.directive, Some(Directive::Restrict(rule)) if rule.flags.noquery));
    assert!(found.diagnostics.iter().any(|finding| finding.severity == Severity::Error));
    let flags = |line: &str| {
        let found = meaning(line);
        assert!(found.diagnostics.iter().any(|finding| finding.severity == Severity::Error), "{line}");
        let Some(Directive::Restrict(rule)) = found.directive else { panic!("{line}") };
        [rule.flags.ignore, rule.flags.noserve, rule.flags.noquery]
    };
    // A misspelt flag is the one that was probably meant; of one that says nothing, the strictest are.
    assert_eq!(flags("restrict default noqurey"), [false, false, true]);
    assert_eq!(flags("restrict default notrapp"), [false, false, false]);
    assert_eq!(flags("restrict default nomodify=1"), [false, false, false]);
    assert_eq!(flags("restrict default closed"), [false, true, true]);
    assert_eq!(flags("restrict default ippeerlimit noquery"), [false, false, true]);
    assert_eq!(flags("restrict 10.0.0.1/33 nomodify"), [false, true, true]);
    assert_eq!(flags("restrict 10.0.0.0 ignore mask 255.0.0.0"), [true, false, false]);
    let Some(Directive::Restrict(late)) = meaning("restrict 10.0.0.0 ignore mask 255.0.0.0").directive else {
        panic!()
    };
    let mask = "255.0.0.0".parse().unwrap();
    assert_eq!(late.target, RestrictTarget::Network { address: "10.0.0.0".parse().unwrap(), mask });
    for line in
        ["restrict 10.0.0.0 mask ffff::", "restrict 10.0.0.300", "restrict a:b mask ffff::", "restrict"]
    {
        let found = meaning(line);
        assert!(found.directive.is_none(), "{line}");
        assert_eq!(found.diagnostics[0].severity, Severity::Error, "{line}");
    }
}

#[test]
fn restrict_may_name_a_host() {
    let Some(Directive::Restrict(found)) =
        meaning("restrict ntp0.example mask 255.255.255.255 noquery").directive
    else {
        panic!()
    };
    let mask = Some("255.255.255.255".parse().unwrap());
    assert_eq!(found.target, RestrictTarget::Name { host: "ntp0.example".to_owned(), mask });
}

#[test]
fn a_port_has_a_word_of_its_own() {
    for (host, remedy) in [
        ("127.0.0.1:11123", "write 127.0.0.1 port 11123"),
        ("[::1]:10123", "write ::1 port 10123"),
        ("ntp.example:1", "write ntp.example port 1"),
    ] {
        assert!(remedies(&format!("server {host}")).contains(remedy), "{host}");
    }
    assert!(!remedies("server a:0").contains("port"));
}

#[test]
fn clocks_and_thresholds() {
    let Some(Directive::Fudge(fudge)) = meaning("fudge 127.127.1.0 stratum 10 refid LAN").directive else {
        panic!()
    };
    assert_eq!((fudge.driver, fudge.stratum, fudge.reference_id.as_deref()), (1, Some(10), Some("LAN")));
    assert_eq!(source("server 127.127.1.0").reference_clock(), Some((1, 0)));
    let Some(Directive::Tinker(found)) = meaning("tinker panic 0 step 0.5 stepout 10").directive else {
        panic!()
    };
    assert_eq!(found, [Tinker::Panic(0.0), Tinker::Step(0.5), Tinker::Stepout(10.0)]);
    assert_eq!(codes("fudge 192.0.2.1 stratum 3"), ["E007"]);
    assert_eq!(codes("tinker panic nan"), ["E004"]);
    let Some(Directive::Tinker(found)) = meaning("tinker stepfwd 1 stepback 0 freq -12.5").directive else {
        panic!()
    };
    assert_eq!(found, [Tinker::StepForward(1.0), Tinker::StepBackward(0.0), Tinker::Frequency(-12.5)]);
    assert_eq!(codes("tinker freq 501"), ["E004"]);
    assert_eq!(codes("tinker allan 11"), ["N002"]);
}

#[test]
fn thresholds_of_the_selection() {
    let line = "tos minsane 2 minclock 4.0 maxclock 11 mindist 0.02 maxdist 3 floor 1 ceiling 14 orphan 6 orphanwait 60";
    let Some(Directive::Tos(found)) = meaning(line).directive else { panic!() };
    let expected = [
        Tos::MinSane(2),
        Tos::MinClock(4),
        Tos::MaxClock(11),
        Tos::MinDist(0.02),
        Tos::MaxDist(3.0),
        Tos::Floor(1),
        Tos::Ceiling(14),
        Tos::Orphan(6),
        Tos::OrphanWait(60),
    ];
    assert_eq!(found, expected);
    assert_eq!(codes(line), [""; 0]);
    for (line, code) in [
        ("tos", "E003"),
        ("tos minsane", "E004"),
        ("tos minsane -1", "E004"),
        ("tos minclock 1e9", "E004"),
        ("tos maxdist nan", "E004"),
        ("tos orphan 17", "E004"),
        ("tos orphan=5", "E005"),
        ("tos bananas 5", "E005"),
        ("tos beacon 5", "N002"),
    ] {
        assert_eq!(codes(line).first(), Some(&code), "{line}");
    }
}

#[test]
fn the_table_of_leap_seconds() {
    let file = |line: &str| match meaning(line).directive {
        Some(Directive::LeapFile(file)) => Some((file.path, file.check_hash)),
        _ => None,
    };
    assert_eq!(file("leapfile /x"), Some(("/x".to_owned(), true)));
    assert_eq!(file("leapfile /x ignorehash"), Some(("/x".to_owned(), false)));
    assert_eq!(codes("leapfile"), ["E003"]);
    assert_eq!(codes("leapfile \"\""), ["E003"]);
    assert_eq!(codes("leapfile /x sure"), ["E005"]);
}

#[test]
fn a_line_of_any_length_makes_few_and_short_findings() {
    for line in [
        "server a ".to_owned() + &"x ".repeat(5000),
        "server a ".to_owned() + &"x ".repeat(500_000),
        "x".repeat(16_000),
    ] {
        let findings = meaning(&line).diagnostics;
        assert!(!findings.is_empty() && findings.len() <= LINE_FINDINGS_MAX);
        assert!(findings.iter().all(|finding| finding.to_string().len() < 2000));
    }
}

#[test]
fn how_clients_are_served_is_understood() {
    let read = |line: &str| meaning(line).directive.unwrap();
    assert_eq!(
        read("discard average 4 minimum 1"),
        Directive::Limit(vec![Limit::Interval(4), Limit::Minimum(1)])
    );
    assert_eq!(
        read("limit average 0.5 burst 3"),
        Directive::Limit(vec![Limit::Rate(0.5), Limit::Burst(3.0)])
    );
    assert_eq!(read("mode6 terse strict"), Directive::Reticence(vec![Reticence::Strict, Reticence::Terse]));
    assert_eq!(
        read("mru maxdepth 600 maxmem 64"),
        Directive::Mru(vec![Mru::MaxDepth(600), Mru::MaxMemory(64)])
    );
    assert_eq!(read("trustedkey 1 (5 ... 9) 12"), Directive::TrustedKeys(vec![(1, 1), (5, 9), (12, 12)]));
    assert_eq!(read("trustedkey ( 5 ... 9 )"), Directive::TrustedKeys(vec![(5, 9)]));
    assert_eq!(read("dscp 46"), Directive::CodePoint(46));
    assert_eq!(read("server-threads auto"), Directive::ServerThreads(ServerThreads::Auto));
    assert_eq!(read("server-threads 2"), Directive::ServerThreads(ServerThreads::Fixed(2)));
    assert_eq!(codes("server-threads many"), ["E004"]);
    assert_eq!(codes("server-threads 9999"), ["E004"]);
}

#[test]
fn what_is_recorded_is_understood() {
    let read = |line: &str| meaning(line).directive.unwrap();
    assert_eq!(
        read("statsdir /var/log/ntpstats/"),
        Directive::StatisticsFolder("/var/log/ntpstats/".to_owned())
    );
    assert_eq!(
        read("statistics loopstats clockstats peerstats"),
        Directive::Statistics(vec![StatisticsSet::Loop, StatisticsSet::Peer])
    );
    let files = FileGeneration { set: StatisticsSet::Raw, file: None, age: None, link: None, enabled: true };
    assert_eq!(read("filegen rawstats"), Directive::FileGeneration(files));
    let files = FileGeneration {
        set: StatisticsSet::Raw,
        file: Some("r/x".to_owned()),
        age: Some(FileAge::Day),
        link: Some(true),
        enabled: false,
    };
    assert_eq!(
        read("filegen rawstats file r/x type day nolink link disable"),
        Directive::FileGeneration(files)
    );
    assert_eq!(codes("filegen rawstats file ../../etc/passwd"), ["E013"]);
    // Debian's ntp.conf has this line.
    assert_eq!(codes("filegen clockstats file clockstats type day enable"), [""; 0]);
    assert_eq!(codes("filegen rawstats type never"), ["E005"]);
}

#[test]
fn every_known_directive_is_recognised_and_the_rest_is_not() {
    for entry in crate::schema::entries() {
        assert!(!codes(entry.name).contains(&"E001"), "{}", entry.name);
    }
    assert_eq!(codes("bananas"), ["E001"]);
    assert_eq!(codes("\"server\" a"), ["E002"]);
    assert_eq!(codes("saveconfigdir /x"), ["N001"]);
    assert_eq!(codes("crypto pw x"), ["E006"]);
}

proptest! {
    #[test]
    fn any_line_gets_a_meaning_and_readable_findings(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for line in Document::parse(&bytes).lines() {
            for finding in interpret("f", 1, &line).diagnostics {
                prop_assert!(finding.to_string().chars().all(|c| c == '\n' || !c.is_control()));
            }
        }
    }

    #[test]
    fn lines_of_known_words_never_panic(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "server", "pool", "restrict", "default", "mask", "-4", "-6", "source", "minpoll", "port", "fudge",
            "127.127.1.0", "stratum", "tinker", "panic", "interface", "listen", "disable", "ntp", "10.0.0.0/8",
            "includefile", "driftfile", "\"", "#", "=", "99999999999999999999", "-1", "::1",
        ]), 0..8),
    ) {
        let document = Document::parse(words.join(" ").as_bytes());
        for line in document.lines() {
            let _meaning = interpret("f", 1, &line);
        }
    }
}
