use super::*;
use proptest::prelude::*;

use crate::directive::{AddressFamily, Role};

fn server(host: &str) -> NewServer {
    let options = vec!["iburst".to_owned()];
    NewServer { role: Role::Server, family: AddressFamily::Any, host: host.to_owned(), options }
}

fn changed(document: &Document, plan: Result<Plan, EditError>) -> String {
    match plan {
        Ok(plan @ Plan::Change(_)) => String::from_utf8(plan.apply(document)).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn added(before: &str, host: &str) -> String {
    let document = Document::parse(before.as_bytes());
    changed(&document, add_server(&document, &server(host), Conflict::Refuse))
}

fn reason(plan: Result<Plan, EditError>) -> String {
    match plan {
        Ok(Plan::Nothing { reason, .. }) => reason,
        Ok(other @ Plan::Change(_)) => panic!("{other:?}"),
        Err(error) => error.to_string(),
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
        let plan = add_server(&document, &server(wanted), Conflict::Refuse);
        assert!(matches!(plan, Ok(Plan::Nothing { line: Some(1), .. })), "{there}: {plan:?}");
    }
}

#[test]
fn other_options_are_a_conflict_unless_something_is_said_about_them() {
    let document = Document::parse(b"\n\tserver  a minpoll 4 # mine\r\n");
    let with = |conflict| add_server(&document, &server("a"), conflict);
    assert_eq!(
        reason(with(Conflict::Refuse)),
        "line 2: a is already there with other options: server  a minpoll 4 # mine; say --merge or --replace"
    );
    assert_eq!(changed(&document, with(Conflict::Replace)), "\n\tserver  a iburst # mine\r\n");
    assert_eq!(changed(&document, with(Conflict::Merge)), "\n\tserver  a minpoll 4 iburst # mine\r\n");
}

#[test]
fn servers_go_and_come_back_as_they_were() {
    let before = "# time\n  server a.example iburst # one\nserver b.example\nserver A.example. minpoll 5";
    let document = Document::parse(before.as_bytes());
    assert_eq!(changed(&document, Ok(remove_server(&document, "a.example"))), "# time\nserver b.example\n");
    assert_eq!(reason(Ok(remove_server(&document, "c.example"))), "c.example is not there");
    let off = changed(&document, Ok(disable_server(&document, "b.example")));
    assert_eq!(off, before.replace("server b", "#server b"));
    let off = Document::parse(off.as_bytes());
    assert_eq!(changed(&off, enable_server(&off, "B.example", None)), before);
    assert!(reason(Ok(disable_server(&off, "b.example"))).contains("switched off already, in line 3"));
    assert!(reason(enable_server(&document, "b.example", None)).contains("in use already"));
    assert!(reason(enable_server(&document, "c.example", None)).contains("not even as a comment"));
}

#[test]
fn one_host_takes_the_place_of_another() {
    let document = Document::parse(b"server -4 a.example iburst prefer\nserver b.example\n");
    assert_eq!(
        changed(&document, replace_server(&document, "a.example", "c.example")),
        "server -4 c.example iburst prefer\nserver b.example\n"
    );
    assert!(reason(replace_server(&document, "a.example", "b.example")).contains("already there"));
    assert!(reason(replace_server(&document, "x.example", "c.example")).contains("not there"));
    assert!(reason(replace_server(&document, "a.example", "c d")).contains("cannot be"));
}

#[test]
fn a_list_of_servers_keeps_those_that_stay_and_every_comment() {
    let document = Document::parse(
        b"driftfile /d\n# ours\nserver a iburst prefer\nserver b iburst\n# and a clock\nserver 127.127.1.0\nrestrict default\n",
    );
    let wanted = [server("c"), server("a"), server("d"), server("c")];
    assert_eq!(
        changed(&document, set_servers(&document, &wanted)),
        "driftfile /d\n# ours\nserver a iburst prefer\nserver c iburst\nserver d iburst\n# and a clock\nserver 127.127.1.0\nrestrict default\n"
    );
    let same = [server("b"), server("a")];
    assert_eq!(reason(set_servers(&document, &same)), "these are the servers already");
    assert!(reason(set_servers(&document, &[])).contains("at least one"));
}

#[test]
fn an_option_is_one_word_and_its_blank() {
    let document = Document::parse(b"server a iburst  minpoll 4\tminpoll 5   # why\nserver b\n");
    let set = |host, name, value| set_option(&document, host, name, value);
    assert_eq!(
        changed(&document, set("a", "minpoll", Some("6"))),
        "server a iburst  minpoll 4\tminpoll 6   # why\nserver b\n"
    );
    assert_eq!(
        changed(&document, set("a", "maxpoll", Some("9"))),
        "server a iburst  minpoll 4\tminpoll 5 maxpoll 9   # why\nserver b\n"
    );
    assert_eq!(
        changed(&document, unset_option(&document, "a", "minpoll")),
        "server a iburst   # why\nserver b\n"
    );
    assert_eq!(
        changed(&document, unset_option(&document, "a", "iburst")),
        "server a  minpoll 4\tminpoll 5   # why\nserver b\n"
    );
    // A value that is no good is exchanged, and what else is wrong with the line is not asked about.
    let damaged = Document::parse(b"server a minpoll 99 ibrust\nserver b minpol 4\n");
    assert_eq!(
        changed(&damaged, set_option(&damaged, "a", "minpoll", Some("6"))),
        "server a minpoll 6 ibrust\nserver b minpol 4\n"
    );
    assert_eq!(
        changed(&damaged, set_option(&damaged, "b", "iburst", None)),
        "server a minpoll 99 ibrust\nserver b minpol 4 iburst\n"
    );
    let open = Document::parse(b"server a ident \"x\n");
    assert_eq!(
        changed(&open, set_option(&open, "a", "minpoll", Some("6"))),
        "server a ident \"x\" minpoll 6\n"
    );
    assert!(reason(set("a", "iburst", None)).contains("has that option already"));
    assert!(reason(unset_option(&document, "b", "iburst")).contains("has no `iburst`"));
    for (name, value, word) in [
        ("minpoll", Some("99"), "0 to 17"),
        ("minpoll", Some("2"), "every 4 s"),
        ("minpoll", None, "needs a value"),
        ("iburst", Some("1"), "takes no value"),
        ("ibrust", None, "did you mean `iburst`"),
        ("key", Some("65536"), "65535"),
        ("minpoll", Some("4\nrestrict default"), "no place"),
    ] {
        let said = reason(set("a", name, value));
        assert!(said.contains(word), "{name}: {said}");
    }
    assert!(reason(set("c", "iburst", None)).contains("not there"));
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(ToOwned::to_owned).collect()
}

#[test]
fn the_line_that_counts_is_set() {
    let before = "driftfile /a\nserver x\ntinker panic 0 step 1\ntinker panic 5 # later\ndriftfile \"/b\"\n";
    let document = Document::parse(before.as_bytes());
    let after = |text: &str| changed(&document, set(&document, &words(text)));
    assert_eq!(after("driftfile /c"), before.replace("\"/b\"", "/c"));
    assert_eq!(after("tinker panic 7"), before.replace("panic 5", "panic 7"));
    assert_eq!(after("tinker step 2"), before.replace("step 1", "step 2"));
    assert_eq!(after("tinker stepout 9"), before.replace("panic 5", "panic 5 stepout 9"));
    assert_eq!(after("leapfile /l"), format!("{before}leapfile /l\n"));
    assert_eq!(after("tos minsane 2"), before.replace("# later\n", "# later\ntos minsane 2\n"));
    let off = |text: &str| changed(&document, unset(&document, &words(text)));
    assert_eq!(off("tinker panic"), "driftfile /a\nserver x\ntinker step 1\ndriftfile \"/b\"\n");
    assert_eq!(off("driftfile"), "server x\ntinker panic 0 step 1\ntinker panic 5 # later\n");
    for (text, word) in [
        ("tinker panic 5", "is so already"),
        ("tinker panic", "needs a value"),
        ("tinker bananas 5", "did you mean"),
        ("tinker panic -5", "0 to"),
        ("driftfile /b", "already"),
        ("crypto x", "cannot be set so"),
        ("restrict default", "cannot be set so"),
    ] {
        let said = reason(set(&document, &words(text)));
        assert!(said.contains(word) || text.contains("bananas"), "{text}: {said}");
    }
    assert!(reason(unset(&document, &words("tos minsane"))).contains("is not set"));
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

/// Lines as people write them, and some as nobody should.
const LINES: &str = "((server|pool|#server|# pool|restrict|driftfile|tinker panic) [a-c0-9]{1,2}( iburst| minpoll 5|  # x)?(\r?\n)){0,12}";

proptest! {
    #[test]
    fn an_addition_touches_no_other_byte(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let document = Document::parse(&bytes);
        if let Ok(plan @ Plan::Change(_)) = add_server(&document, &server("new.example"), Conflict::Refuse) {
            let Plan::Change(patches) = &plan else { unreachable!() };
            let after = plan.apply(&document);
            let start = document.bytes(0..patches[0].lines.start).len();
            prop_assert_eq!(&after[..start], &bytes[..start]);
            prop_assert_eq!(&after[start + patches[0].with.len()..], &bytes[start..]);
        }
    }

    #[test]
    fn added_and_removed_is_what_was(text in LINES) {
        let document = Document::parse(text.as_bytes());
        let after = changed(&document, add_server(&document, &server("new.example"), Conflict::Refuse));
        let again = Document::parse(after.as_bytes());
        let second = add_server(&again, &server("new.example"), Conflict::Refuse);
        prop_assert!(matches!(second, Ok(Plan::Nothing { .. })), "{second:?}");
        prop_assert_eq!(changed(&again, Ok(remove_server(&again, "new.example"))), text);
    }

    #[test]
    fn every_edit_twice_is_the_edit_once(text in LINES, which in 0_usize..7) {
        let edit = |document: &Document| match which {
            0 => Ok(remove_server(document, "a")),
            1 => Ok(disable_server(document, "a")),
            2 => enable_server(document, "a", None),
            3 => set_servers(document, &[server("a"), server("z")]),
            4 => set_option(document, "a", "minpoll", Some("7")),
            5 => unset_option(document, "a", "minpoll"),
            _ => set(document, &words("tinker panic 3")),
        };
        let document = Document::parse(text.as_bytes());
        if let Ok(plan @ Plan::Change(_)) = edit(&document) {
            let once = Document::parse(&plan.apply(&document));
            match edit(&once) {
                Ok(plan) => prop_assert_eq!(plan.apply(&once), once.print()),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn no_edit_of_any_bytes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), host in "[a-c]{1}|\\PC{0,8}") {
        let document = Document::parse(&bytes);
        let plans = [
            Ok(remove_server(&document, &host)),
            Ok(disable_server(&document, &host)),
            enable_server(&document, &host, None),
            replace_server(&document, &host, "new.example"),
            set_option(&document, &host, "key", Some(&host)),
            unset_option(&document, &host, "key"),
            set(&document, &[host.clone(), host.clone()]),
            unset(&document, std::slice::from_ref(&host)),
        ];
        for plan in plans.into_iter().flatten() {
            let _after = plan.apply(&document);
        }
    }
}
