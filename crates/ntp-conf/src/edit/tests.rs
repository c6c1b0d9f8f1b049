use super::*;
use proptest::prelude::*;

fn server(host: &str) -> NewServer {
    NewServer { host: host.to_owned(), port: None, iburst: true, prefer: false }
}

fn added(before: &str, host: &str) -> String {
    let document = Document::parse(before.as_bytes());
    match add_server(&document, &server(host)) {
        Addition::Change(patch) => String::from_utf8(patch.apply(&document)).unwrap(),
        other @ (Addition::Present { .. } | Addition::Conflict { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn the_new_line_joins_the_others_and_looks_like_them() {
    let before = "driftfile /d\n  server\ta.example iburst # one\n\nrestrict default nomodify\n";
    let after = "driftfile /d\n  server\ta.example iburst # one\n  server\tb.example iburst\n\nrestrict default nomodify\n";
    assert_eq!(added(before, "b.example"), after);
}

#[test]
fn without_servers_it_goes_behind_those_commented_out() {
    let before = "# time\n#server a.example\n# server b.example iburst\nrestrict default\n";
    let after =
        "# time\n#server a.example\n# server b.example iburst\nserver c.example iburst\nrestrict default\n";
    assert_eq!(added(before, "c.example"), after);
}

#[test]
fn prose_about_servers_is_not_a_server() {
    let before = "# server lines go at the end of this file\ndriftfile /d\n";
    assert_eq!(added(before, "c.example"), format!("{before}server c.example iburst\n"));
}

#[test]
fn without_any_it_goes_before_the_first_restrict_or_at_the_end() {
    assert_eq!(
        added("driftfile /d\nrestrict default\n", "a"),
        "driftfile /d\nserver a iburst\nrestrict default\n"
    );
    assert_eq!(added("driftfile /d", "a"), "driftfile /d\nserver a iburst\n");
    assert_eq!(added("", "a"), "server a iburst\n");
}

#[test]
fn reference_clocks_are_no_neighbours() {
    let before = "server a.example\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 10\n";
    let after =
        "server a.example\nserver b.example iburst\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 10\n";
    assert_eq!(added(before, "b.example"), after);
}

#[test]
fn crlf_files_stay_crlf() {
    assert_eq!(
        added("server a\r\ntinker panic 0\r\n", "b"),
        "server a\r\nserver b iburst\r\ntinker panic 0\r\n"
    );
}

#[test]
fn the_same_server_is_found_however_it_is_written() {
    for (there, wanted) in [
        ("server NTP.Example. iburst\n", "ntp.example"),
        ("server 2001:db8:0:0::1 iburst\n", "2001:db8::1"),
        ("server [2001:db8::1] iburst\n", "2001:db8::1"),
    ] {
        let document = Document::parse(there.as_bytes());
        assert_eq!(add_server(&document, &server(wanted)), Addition::Present { line: 1 }, "{there}");
    }
}

#[test]
fn other_options_are_a_conflict() {
    let document = Document::parse(b"\nserver a minpoll 4\n");
    let conflict = Addition::Conflict { line: 2, text: "server a minpoll 4".to_owned() };
    assert_eq!(add_server(&document, &server("a")), conflict);
}

#[test]
fn names_that_could_break_out_of_their_line_are_refused() {
    for host in [
        "0.0.0.0",
        "::",
        "224.0.1.1",
        "255.255.255.255",
        "127.127.1.0",
        "a..b",
        "a:123",
        "",
        "a b",
        "a\nrestrict default",
        "a#b",
        "\"a",
        "é.example",
        "-4",
        "a;b",
    ] {
        assert!(server(host).check().is_err(), "{host:?}");
    }
    for host in ["0.pool.ntp.org", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "iburst"] {
        assert!(server(host).check().is_ok(), "{host:?}");
    }
}

proptest! {
    #[test]
    fn an_addition_touches_no_other_byte(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let document = Document::parse(&bytes);
        if let Addition::Change(patch) = add_server(&document, &server("new.example")) {
            let after = patch.apply(&document);
            let start: usize = document.lines()[..patch.lines.start].iter().map(|line| line.raw().len()).sum();
            prop_assert_eq!(&after[..start], &bytes[..start]);
            prop_assert_eq!(&after[start + patch.with.len()..], &bytes[start..]);
        }
    }

    #[test]
    fn adding_twice_is_adding_once(text in "((server|pool|#server|restrict|driftfile) [a-z.]{1,8}\n){0,12}") {
        let document = Document::parse(text.as_bytes());
        if let Addition::Change(patch) = add_server(&document, &server("new.example")) {
            let again = Document::parse(&patch.apply(&document));
            let second = add_server(&again, &server("new.example"));
            prop_assert!(matches!(second, Addition::Present { .. }), "{second:?}");
        }
    }
}
