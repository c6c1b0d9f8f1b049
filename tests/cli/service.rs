//! ntpd as a service: readiness, status, background, signals.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ntp_tests::{Pid, free_port, measure, ours, run, until, without_clock};

/// Starts a daemon that notifies, and returns what it has said once it is asked to end.
fn notices(folder: &Path) -> Vec<String> {
    let socket = folder.join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let conf = folder.join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let port = free_port().to_string();
    let mut daemon = without_clock(&ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &port, "-c"])
        .arg(&conf)
        .env("NOTIFY_SOCKET", &socket)
        .spawn()
        .unwrap();
    let mut buffer = [0; 256];
    let mut said = Vec::new();
    while let Ok(length) = manager.recv(&mut buffer) {
        said.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if said.len() == 2 {
            run(Command::new("kill").arg(daemon.id().to_string()));
        }
        if said.last().is_some_and(|notice| notice == "STOPPING=1") {
            break;
        }
    }
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    said
}

#[test]
fn a_service_manager_hears_ready_status_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let said = notices(folder.path());
    assert_eq!(said.first().map(String::as_str), Some("READY=1"), "{said:?}");
    assert!(said.iter().any(|notice| notice.starts_with("STATUS=stratum 6")), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("STOPPING=1"), "{said:?}");
}

#[test]
fn in_the_background_it_serves_when_the_command_returns() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("ntpd.pid");
    let log = folder.path().join("ntpd.log");
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let port = free_port();
    let started = run(without_clock(&ours("ntpd"))
        .args(["--clock=none", "--port", &port.to_string(), "-c"])
        .arg(&conf)
        .arg("-p")
        .arg(&pid)
        .arg("-l")
        .arg(&log));
    let _ends = Pid(&pid);
    assert_eq!((started.status, started.stderr.as_str()), (0, ""));
    let answers = until(Duration::from_secs(5), || {
        measure(([127, 0, 0, 1], port).into()).is_some_and(|(answer, _)| answer.stratum.value() == 6)
    });
    assert!(answers, "{}", fs::read_to_string(&log).unwrap_or_default());
    let number = fs::read_to_string(&pid).unwrap();
    run(Command::new("kill").arg(number.trim()));
    assert!(until(Duration::from_secs(5), || !pid.exists()), "the pid file stays behind");
    assert!(fs::read_to_string(&log).unwrap().contains("ending on SIGTERM"));
}

#[test]
fn what_goes_wrong_in_the_background_is_said_before_the_command_returns() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let port = free_port().to_string();
    for option in ["-p", "-l"] {
        let mut command = without_clock(&ours("ntpd"));
        command.args(["--clock=none", "--port", &port, option, "/nonexistent/file", "-c"]).arg(&conf);
        let outcome = run(&mut command);
        assert_eq!(outcome.status, 1, "{option}");
        assert!(outcome.stderr.contains("/nonexistent/file"), "{}", outcome.stderr);
    }
}

#[test]
fn the_configuration_names_the_log_and_the_pid_file_and_can_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let (log, pid, pipe) =
        (folder.path().join("ntpd.log"), folder.path().join("ntpd.pid"), folder.path().join("pipe"));
    assert_eq!(run(Command::new("mkfifo").arg(&pipe)).status, 0);
    let port = free_port().to_string();
    let start = |text: &str| {
        fs::write(&conf, text).unwrap();
        let mut command = without_clock(&ours("ntpd"));
        run(command.args(["--clock=none", "--port", &port, "-c"]).arg(&conf))
    };
    let text = format!("server 127.127.1.0\nlogfile \"{}\"\npidfile {}\n", log.display(), pid.display());
    assert_eq!(start(&text).status, 0);
    {
        let _ends = Pid(&pid);
        let written = || fs::read_to_string(&pid).is_ok_and(|number| !number.trim().is_empty());
        assert!(until(Duration::from_secs(5), written));
        assert!(until(Duration::from_secs(5), || fs::read_to_string(&log)
            .is_ok_and(|log| log.contains("starts with"))));
    }
    assert!(until(Duration::from_secs(5), || !pid.exists()), "the pid file stays behind");
    // What cannot be opened is named, and the daemon runs; what is no file is never removed.
    let text = format!("server 127.127.1.0\nlogfile {}\npidfile {}\n", log.display(), pipe.display());
    let mut foreground = without_clock(Path::new("timeout"));
    fs::write(&conf, text.replace(&log.display().to_string(), "/nonexistent/log")).unwrap();
    foreground.arg("1").arg(ours("ntpd")).args(["-n", "--clock=none", "--port", &port, "-c"]).arg(&conf);
    let running = run(&mut foreground);
    for words in ["ntp.conf:2: /nonexistent/log", "ntp.conf:3:", "is left alone", "ending on SIGTERM"] {
        assert!(running.stderr.contains(words), "{words}: {}", running.both());
    }
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&fs::symlink_metadata(&pipe).unwrap().file_type()));
}

#[test]
fn a_signal_in_the_middle_of_the_start_is_obeyed_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (conf, pid) = (folder.path().join("ntp.conf"), folder.path().join("ntpd.pid"));
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let port = free_port().to_string();
    for signals in [&["-HUP", "-TERM"][..], &["-INT"]] {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = without_clock(&ours("ntpd"));
        command.args(["-n", "--clock=none", "--port", &port, "-c"]).arg(&conf).arg("-p").arg(&pid);
        let mut child = command.stderr(log).spawn().unwrap();
        let process = child.id().to_string();
        // No sooner, and no later.
        while fs::read_to_string(&pid).map_or(0, |number| number.len()) == 0 {
            std::thread::yield_now();
        }
        for signal in signals {
            assert_eq!(run(Command::new("kill").args([*signal, &process])).status, 0);
        }
        let ended = child.wait().unwrap();
        let said = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(ended.success() && said.contains("ending on SIG"), "{ended}: {said}");
        assert!(!pid.exists(), "{signals:?}");
    }
}

#[test]
fn relative_names_mean_the_folder_where_the_command_was_given() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ntp.conf"), "server 127.127.1.0\n").unwrap();
    let pid = folder.path().join("ntpd.pid");
    let port = free_port().to_string();
    let mut command = without_clock(&ours("ntpd"));
    command.current_dir(folder.path()).args([
        "--clock=none",
        "--port",
        &port,
        "-c",
        "ntp.conf",
        "-p",
        "ntpd.pid",
        "-l",
        "ntpd.log",
    ]);
    assert_eq!(run(&mut command).status, 0);
    let _ends = Pid(&pid);
    assert!(until(Duration::from_secs(5), || fs::read_to_string(&pid).is_ok_and(|number| !number.is_empty())));
    // The line comes right after the number.
    let log = || fs::read_to_string(folder.path().join("ntpd.log")).unwrap_or_default();
    assert!(until(Duration::from_secs(5), || log().contains("starts with")), "{}", log());
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\nbananas\n").unwrap();
    let port = free_port();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut daemon = without_clock(&ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &port.to_string(), "-c"])
        .arg(&conf)
        .stderr(full)
        .spawn()
        .unwrap();
    let answers = until(Duration::from_secs(5), || measure(([127, 0, 0, 1], port).into()).is_some());
    run(Command::new("kill").arg(daemon.id().to_string()));
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    assert!(answers);
}

#[test]
fn changes_that_are_not_selected_are_not_logged() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let port = free_port().to_string();
    for (line, is_logged) in
        [("", true), ("logconfig =syncall\n", true), ("logconfig =peerall +clockall\n", false)]
    {
        fs::write(&conf, format!("server 127.127.1.0\n{line}")).unwrap();
        let mut command = without_clock(Path::new("timeout"));
        command.arg("1.5").arg(ours("ntpd")).args(["-n", "--clock=none", "--port", &port, "-c"]).arg(&conf);
        let said = run(&mut command).stderr;
        assert_eq!(said.contains("following the local clock"), is_logged, "{line}: {said}");
        // What is no change of state is always there.
        assert!(said.contains("starts with") && said.contains("ending on SIGTERM"), "{said}");
    }
}

#[test]
fn a_reload_that_is_refused_shows_until_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, conf) = (folder.path().join("notify"), folder.path().join("ntp.conf"));
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let mut daemon = without_clock(&ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &free_port().to_string(), "-c"])
        .arg(&conf)
        .env("NOTIFY_SOCKET", &socket)
        .spawn()
        .unwrap();
    let hears = |words: &str| {
        let mut buffer = [0; 256];
        std::iter::from_fn(|| {
            manager
                .recv(&mut buffer)
                .ok()
                .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
        })
        .any(|notice| notice.contains(words))
    };
    assert!(hears("STATUS=stratum 6"));
    for (text, words) in
        [("sevrer\n", "the one from before is in force"), ("server 127.127.1.0\n", "STATUS=stratum 6")]
    {
        fs::write(&conf, text).unwrap();
        run(Command::new("kill").args(["-HUP", &daemon.id().to_string()]));
        assert!(hears(words), "{text}");
    }
    run(Command::new("kill").arg(daemon.id().to_string()));
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}
