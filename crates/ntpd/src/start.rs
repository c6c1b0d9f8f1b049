//! From the command line to the running loop, in the order that lets errors reach a person: first
//! everything that can be refused, then the background, then the loop.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ntp_conf::directive::ServerThreads;
use ntp_conf::{At, Diagnostic, Placed, Severity, values};
use ntp_os::memory;
use ntp_os::notify::Notifier;
use ntp_os::udp::Socket;
use ntp_os::user::AccountError;
use ntp_proto::auth::KeyTable;
use ntp_proto::control::{Gate, Traffic};
use ntp_proto::random::Rng;
use ntp_proto::system::{ClockStart, System, SystemConfig};
use ntp_proto::time::{MonoTime, Precision};
use tracing::{Level, debug, error, info, warn};

use crate::cli::Options;
use crate::clock::{Clock, ClockError};
use crate::config::{self, AccessLines, ConfigError, NamedHosts};
use crate::driver::{Driver, Lines, Names, NonceSecrets, Settled};
use crate::exit::Exit;
use crate::keys;
use crate::leap_file::LeapFile;
use crate::local::LocalSocket;
use crate::log::{self, Destination, LogFile};
use crate::net::{self, ListenError, Sockets};
use crate::panic_gate::PanicGate;
use crate::resolver::Resolver;
use crate::sandbox::{self, Confined, Standing};
use crate::serve::{Service, ServicePlan};
use crate::statefiles::{self, StateFiles};
use crate::statistics::StatisticsFiles;
use crate::{signals, unit};

/// How what is sent is marked where nothing is said: expedited forwarding, as in classic ntpd.
const CODE_POINT: u8 = 46;

/// Findings printed one by one; a file with more is not a configuration, and the rest says no more.
const FINDINGS_SHOWN: usize = 20;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error("-u: {0}")]
    Account(#[from] AccountError),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl StartError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Account(_) | Self::Io { .. } => Exit::Usage,
            Self::Listen(_) => Exit::Bind,
            Self::Clock(_) => Exit::ClockRefused,
        }
    }
}

/// Everything that was checked before the daemon leaves its terminal.
struct Prepared {
    config: SystemConfig,
    found: ntp_conf::Configuration,
    findings: Vec<Diagnostic>,
    complaints: Vec<String>,
    keys: Arc<KeyTable>,
    drift_file: Option<PathBuf>,
    sockets: Vec<(SocketAddr, Socket)>,
    /// Where it is to listen and this machine is not.
    absent: Vec<SocketAddr>,
    settled: Settled,
    /// The files that ntp.conf names.
    named: BTreeSet<PathBuf>,
    options: Options,
    clock: Clock,
    panic_gate: PanicGate,
}

impl Prepared {
    /// Something that the configuration asks for and the daemon can do without.
    fn optional<T>(&mut self, at: At, outcome: Result<T, StartError>) -> Option<T> {
        let place = || self.found.place(at);
        outcome
            .map_err(|error| self.complaints.push(format!("{}: {error}{}", place(), unit::hint_of_writing())))
            .ok()
    }
}

/// Runs the daemon.
pub fn run(options: &Options) -> Exit {
    if !memory::return_large_blocks() {
        debug!("the allocator decides by itself what it gives back");
    }
    match prepare(options).and_then(|prepared| launch(options, prepared)) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error);
            error.exit()
        }
    }
}

fn prepare(options: &Options) -> Result<Prepared, StartError> {
    let (mut found, findings) = config::load(&options.config, &[])?;
    if let Err(useless) = config::judge(&options.config, &found, &findings) {
        print_findings(&findings);
        return Err(useless.into());
    }
    let mut options = options.clone();
    options.settle_in(std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")));
    let options = &options;
    let panic_gate = PanicGate::of(options);
    options.complete(&mut found);
    let resolution = ntp_os::clock::precision().map_err(ClockError::from)?;
    let (keys, mut complaints) = keys::load(&found)
        .unwrap_or_else(|reason| (KeyTable::default(), vec![format!("{reason}: no key is used")]));
    let keys = Arc::new(keys);
    let precision = Precision::covering(resolution);
    let (mut config, unusable) = config::system_config(&found, options, precision, &keys);
    config.discipline.allow_first_panic &= panic_gate.remedy().is_none();
    complaints.extend(unusable);
    let clock = Clock::open(options.clock, !config.discipline.disabled)?;
    // Setting the clock once needs no port: it works beside a daemon that only serves.
    let Listening { sockets, absent } =
        if options.quit { Listening::default() } else { listen(&found, options)? };
    if options.quit {
        found.interfaces.clear();
    }
    let (drift_file, options) = (None, options.clone());
    let (settled, named) = (Settled::of(&found), sandbox::named(&found, &options));
    Ok(Prepared {
        config,
        found,
        findings,
        complaints,
        keys,
        drift_file,
        sockets,
        absent,
        settled,
        named,
        options,
        clock,
        panic_gate,
    })
}

/// The listening sockets. Where `interface` lines choose, there may be none yet: addresses can come late.
#[derive(Default)]
struct Listening {
    sockets: Vec<(SocketAddr, Socket)>,
    /// Addresses that this machine does not have.
    absent: Vec<SocketAddr>,
}

fn listen(found: &ntp_conf::Configuration, options: &Options) -> Result<Listening, ListenError> {
    let mut listening = Listening::default();
    let wanted = net::wanted(&values(&found.interfaces), options.port).map_err(ListenError::Unknown)?;
    for address in wanted {
        match net::open(address)? {
            Some(socket) => listening.sockets.push((address, socket)),
            None => listening.absent.push(address),
        }
    }
    Ok(listening)
}

/// What the command line asks for: a person who has it leave the terminal hears that it cannot be had; a service does
/// without, as the clock matters more.
fn wanted<T>(
    options: &Options,
    prepared: &mut Prepared,
    outcome: Result<T, StartError>,
) -> Result<Option<T>, StartError> {
    match outcome {
        Err(error) if options.foreground => {
            prepared.complaints.push(format!("{error}{}", unit::hint_of_writing()));
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// The log and the file with our number: opened while a person still sees what goes wrong, and before the working
/// directory changes.
fn open_files(
    options: &Options,
    prepared: &mut Prepared,
) -> Result<(Option<LogFile>, Option<PidFile>), StartError> {
    let mut log_file = None;
    if let Some(path) = &options.log_file {
        log_file = wanted(options, prepared, named(path, log::open(path)))?;
    }
    let mut pid_file = None;
    if let Some(path) = &options.pid_file {
        pid_file = wanted(options, prepared, PidFile::create(path))?;
    }
    // What the file says gives way to the command line, and does not stop the daemon, as in the others.
    if let Some(Placed { value: path, at }) = prepared.found.log_file.take().filter(|_| log_file.is_none()) {
        log_file = prepared.optional(at, named(&path, log::open(&path)));
    }
    if let Some(Placed { value: path, at }) = prepared.found.pid_file.take().filter(|_| pid_file.is_none()) {
        pid_file = prepared.optional(at, PidFile::create(&path));
    }
    Ok((log_file, pid_file))
}

fn launch(options: &Options, mut prepared: Prepared) -> Result<Exit, StartError> {
    let needs = sandbox::needs(&prepared.found, &prepared.options);
    let account = match sandbox::account(options)? {
        Standing::ToChange(account) => Some(account),
        Standing::Same => None,
        Standing::Stuck(words) => {
            prepared.complaints.push(words);
            None
        }
    };
    let background = !(options.foreground || options.debug > 0 || options.quit);
    let (log_file, pid_file) = open_files(options, &mut prepared)?;
    let drift_file = options
        .drift_file
        .clone()
        .or_else(|| prepared.found.drift_file.as_ref().map(|file| file.value.clone()));
    prepared.drift_file = drift_file.map(|path| named(&path, std::path::absolute(&path))).transpose()?;
    if let Some(path) = &mut prepared.options.control_socket {
        *path = named(path, std::path::absolute(&*path))?;
    }
    if background {
        named(Path::new("leaving the terminal"), nix::unistd::daemon(false, false).map_err(io::Error::from))?;
    }
    // Before there is any other thread, which a signal could reach.
    named(Path::new("the signals"), signals::hold())?;
    let level = match options.debug {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let destination = match log_file {
        Some(file) => {
            if let Some(account) = &account {
                file.give_to(account);
            }
            Destination::File(file)
        }
        None if background => Destination::Syslog,
        None => Destination::StandardError,
    };
    named(Path::new("the log"), log::start(destination, level))?;
    // Removed when the daemon ends, however it does; emptied where its folder is not the daemon's any more.
    let _pid_file = pid_file.map(PidFile::write).transpose()?;
    info!("ntpd {} starts with {}", env!("CARGO_PKG_VERSION"), options.config.display());
    log_findings(&prepared);
    prepared.panic_gate.announce();
    for letter in options.ignored.given() {
        // Whoever asks for a jail must know that there is none, and what there is.
        if letter == "-i" {
            warn!("option {letter} is not acted on: the daemon confines itself to its own folders");
        } else {
            debug!("option {letter} is accepted, and nothing follows from it");
        }
    }
    if let Some(account) = &account {
        account.become_it()?;
    }
    if let Some(path) = &prepared.drift_file
        && let Err(reason) = statefiles::is_replaceable(path)
    {
        warn!(
            "{}: the frequency will not be remembered from one start to the next: its folder: {reason}{}",
            path.display(),
            unit::hint_of_writing()
        );
    }
    let confined = if options.no_sandbox { sandbox::waive() } else { sandbox::enter(needs) };
    let outcome = run_loop(prepared, &confined);
    if let Err(error) = &outcome {
        // Standard error may be gone by now.
        error!("{error}");
    }
    outcome
}

/// What happens behind the gate.
fn run_loop(prepared: Prepared, _confined: &Confined) -> Result<Exit, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(|source| StartError::Io { what: "the event loop".to_owned(), source })?;
    let outcome = runtime.block_on(async { drive(prepared)?.run().await.map_err(StartError::from) });
    // A resolver that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}

fn drive(prepared: Prepared) -> Result<Driver, StartError> {
    let Prepared {
        config, found, keys, drift_file, sockets, clock, options, panic_gate, settled, named, ..
    } = prepared;
    let restrictions = AccessLines::of(&found, 0);
    let drift = drift_file.as_deref().and_then(|path| remembered(path, statefiles::read_drift));
    let memory = drift_file.as_deref().map(statefiles::memory_path);
    let memory = memory.and_then(|path| remembered(&path, statefiles::read_memory));
    // What the configuration says goes before what the file remembers, as in the real daemons.
    let start = ClockStart { memory, ..clock.start(config::frequency(&found).or(drift))? };
    let began = start.reading.mono;
    let io_error = |what: &str| {
        let what = what.to_owned();
        move |source| StartError::Io { what, source }
    };
    let rng = KernelRandom::new().map_err(io_error("random numbers"))?;
    let hosts = NamedHosts::new();
    let mut access = restrictions.list(&hosts);
    let mut system = System::new(config, start, Box::new(rng));
    let mut statistics = StatisticsFiles::new(began);
    statistics.configure(&found.statistics);
    system.set_recording(statistics.recording());
    let leap_file = found.leap_file.clone().map(|file| LeapFile::new(file.value));
    access.set_sources(system.source_addresses());
    let local = local_socket(&options);
    let code_point = found.code_point.as_ref().map_or(CODE_POINT, |code| code.value);
    let plan = ServicePlan {
        // Setting the clock once serves nobody.
        threads: if options.quit { ServerThreads::Fixed(0) } else { found.server_threads },
        list_size: config::client_list_size(&found),
        code_point,
    };
    let rules = config::server_rules(&found, &keys, access);
    let service = Service::new(plan, rules, system.reference(), &clock, began);
    Ok(Driver {
        system,
        clock,
        sockets: Sockets::new(sockets, code_point).map_err(io_error("the sockets"))?,
        resolver: Resolver::new(),
        restrictions,
        hosts,
        service,
        settled,
        named,
        nonce_secrets: NonceSecrets::new(began).map_err(io_error("random numbers"))?,
        port: options.port,
        options,
        names: names(),
        notifier: Notifier::new(std::env::var_os("NOTIFY_SOCKET").as_deref())
            .map_err(io_error("NOTIFY_SOCKET"))?,
        state_files: StateFiles::new(drift_file),
        panic_gate,
        leap_file,
        statistics,
        local,
        asleep: ntp_os::clock::asleep().map_err(ClockError::from)?,
        interfaces: values(&found.interfaces),
        addresses_seen: began,
        threads: 0,
        complaints: net::Complaints::default(),
        began,
        gate: Gate::new(began),
        control_key: config::control_key(&found),
        logged: found.logged,
        caution: config::caution(&found),
        lines: Lines::default(),
        traffic: Traffic::default(),
        late_timers: 0,
        watchdog_fed: MonoTime::ZERO,
    })
}

/// The socket for programs on this machine. Without the folder of the unit there is none, unless it was asked for.
fn local_socket(options: &Options) -> Option<LocalSocket> {
    if options.quit {
        return None;
    }
    let path = options.control_socket();
    match LocalSocket::open(path) {
        Ok(socket) => Some(socket),
        // No folder of the unit's, or somebody else's: usual without the unit. All else means that others are asked there.
        Err(reason)
            if options.control_socket.is_none()
                && matches!(reason.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
        {
            debug!("{}: programs on this machine cannot ask there: {reason}", path.display());
            None
        }
        Err(reason) => {
            warn!("{}: programs on this machine cannot ask there: {reason}", path.display());
            None
        }
    }
}

/// What an earlier run has left in a file, if anything.
fn remembered<T>(path: &Path, read: impl Fn(&Path) -> Result<Option<T>, String>) -> Option<T> {
    match read(path) {
        Ok(found) => found,
        Err(reason) => {
            warn!("{}: {reason}; starting without it", path.display());
            None
        }
    }
}

fn names() -> Names {
    let version = format!("ntpd {}", env!("CARGO_PKG_VERSION"));
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    Names {
        version,
        processor: std::env::consts::ARCH.to_owned(),
        system: format!("Linux/{}", release.unwrap_or_default()),
    }
}

/// Names the thing that an error of the operating system is about.
fn named<T>(what: &Path, outcome: io::Result<T>) -> Result<T, StartError> {
    outcome.map_err(|source| StartError::Io { what: what.display().to_string(), source })
}

/// The file with our process number: created while a person still watches, written once the number
/// is the final one, and removed at the end.
struct PidFile {
    file: fs::File,
    path: PathBuf,
}

impl PidFile {
    fn create(path: &Path) -> Result<Self, StartError> {
        let path = named(path, std::path::absolute(path))?;
        // It is removed at the end: nothing but a file may be that.
        let other = fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
        let refused = || Err(io::Error::other("is no file, and is left alone"));
        let file = named(&path, if other { refused() } else { fs::File::create(&path) })?;
        Ok(Self { file, path })
    }

    fn write(mut self) -> Result<Self, StartError> {
        let written = writeln!(self.file, "{}", std::process::id());
        named(&self.path, written)?;
        Ok(self)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already is gone, and a number of nobody is no number.
        if fs::remove_file(&self.path).is_err() {
            drop(self.file.set_len(0));
        }
    }
}

fn log_findings(prepared: &Prepared) {
    for finding in prepared.findings.iter().take(FINDINGS_SHOWN) {
        match finding.severity {
            Severity::Error => error!("{finding}"),
            Severity::Warning => warn!("{finding}"),
            Severity::Note => debug!("{finding}"),
        }
    }
    if prepared.findings.len() > FINDINGS_SHOWN {
        warn!("{} more findings: see `ntpctl check`", prepared.findings.len() - FINDINGS_SHOWN);
    }
    for complaint in &prepared.complaints {
        warn!("{complaint}");
    }
    for address in &prepared.absent {
        info!("not listening on {address}, which this machine does not have");
    }
}

/// Before the log exists, words go to standard error; there is nobody to tell if that fails.
fn print_findings(findings: &[Diagnostic]) {
    let mut stderr = io::stderr().lock();
    let shown = findings.iter().filter(|finding| finding.severity == Severity::Error);
    for finding in shown.take(FINDINGS_SHOWN) {
        drop(writeln!(stderr, "{finding}"));
    }
}

fn complain(error: &StartError) {
    let mut stderr = io::stderr().lock();
    let printed = match error {
        StartError::Clock(ClockError::Refused(_)) => {
            let container = if in_container() { "; this looks like a container" } else { "" };
            writeln!(
                stderr,
                "ntpd: {error} (CAP_SYS_TIME is missing{container}).\n      \
                 If another system keeps the time here, nothing is lost. To serve time and watch servers\n      \
                 without adjusting the clock: ntpd --clock=none. To adjust it, start as root."
            )
        }
        StartError::Config(_)
        | StartError::Listen(_)
        | StartError::Clock(_)
        | StartError::Account(_)
        | StartError::Io { .. } => {
            writeln!(stderr, "ntpd: {error}")
        }
    };
    drop(printed);
}

/// Signs of a container, for the wording only.
fn in_container() -> bool {
    ["/run/systemd/container", "/run/host/container-manager", "/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|sign| Path::new(sign).exists())
}

/// The kernel's random numbers, drawn in advance so that a failure shows at the start.
#[derive(Debug)]
struct KernelRandom;

impl KernelRandom {
    fn new() -> io::Result<Self> {
        getrandom::u64().map(|_| Self).map_err(io::Error::other)
    }
}

impl Rng for KernelRandom {
    fn next_u64(&mut self) -> u64 {
        // After the kernel's generator has started once, it does not fail.
        getrandom::u64().unwrap_or_default()
    }
}
