//! From what ntp.conf says to what the system is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ntp_conf::directive::{
    self, AddressFamily, Fudge, Limit, Mru, Restrict, RestrictTarget, Reticence, Role, Source, Tinker, Tos,
};
use ntp_conf::{Configuration, Diagnostic, FILE_LEN_MAX, LoadError, Placed, Severity, values};
use ntp_os::sandbox;
use ntp_proto::association::AssociationOptions;
use ntp_proto::auth::{KeyId, KeyTable};
use ntp_proto::control::Caution;
use ntp_proto::discipline::DisciplineConfig;
use ntp_proto::select::SelectionConfig;
use ntp_proto::server::{
    AccessList, ClientTable, Prefix, RateLimit, Restrictions, Rule, RuleTarget, ServerRules,
};
use ntp_proto::system::{Family, SourceConfig, SourceKind, SystemConfig, Target};
use ntp_proto::time::{Frequency, NtpDuration, PollExponent, Precision};
use ntp_proto::wire::{ReferenceId, Stratum, Version};

use crate::cli::Options;
use crate::loader::load_files;

/// The stratum of a local clock without `fudge`, as in classic ntpd.
const LOCAL_CLOCK_STRATUM: u8 = 5;

/// The driver number of the local clock.
const LOCAL_CLOCK_DRIVER: u8 = 1;

/// Why a configuration cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {reason}")]
    Unreadable { path: String, reason: LoadError },
    /// The path is a directory.
    #[error("{0}: is a directory; name the file in it")]
    Directory(String),
    /// It needs a file that this process can no longer reach.
    #[error("{} lies outside the folders that ntpd confined itself to when it started; restart it", .0.display())]
    Beyond(PathBuf),
    /// There are errors in it, and nothing is left to do.
    #[error(
        "{path}: {errors} of its lines are wrong, and none names a usable server; mend them and try again"
    )]
    Useless { path: String, errors: usize },
}

/// Reads the configuration and everything that is wrong with it. Lines that came by query hold as if they stood at
/// the end of the file.
pub(crate) fn load(path: &Path, lines: &[String]) -> Result<(Configuration, Vec<Diagnostic>), ConfigError> {
    let name = path.display().to_string();
    if path.is_dir() {
        return Err(ConfigError::Directory(name));
    }
    let mut beyond = None;
    let mut loader = |wanted: &Path| {
        if sandbox::is_beyond(wanted) && wanted.exists() {
            beyond = Some(wanted.to_path_buf());
        }
        let mut files = load_files(wanted, FILE_LEN_MAX)?;
        if let ([main], true) = (&mut files[..], wanted == path && !lines.is_empty()) {
            main.content.push(b'\n');
            main.content.extend(lines.join("\n").into_bytes());
        }
        Ok(files)
    };
    let read = ntp_conf::read(path, &mut loader);
    match beyond {
        Some(path) => Err(ConfigError::Beyond(path)),
        None => read.map_err(|reason| ConfigError::Unreadable { path: name, reason }),
    }
}

/// Whether anything is left to do in spite of the errors.
pub(crate) fn judge(path: &Path, found: &Configuration, findings: &[Diagnostic]) -> Result<(), ConfigError> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > 0 && found.sources.is_empty() {
        return Err(ConfigError::Useless { path: path.display().to_string(), errors });
    }
    Ok(())
}

/// Everything that a configuration and the command line say to the system, with words about the lines
/// that cannot be used. What is left out is the table of leap seconds, which is read later.
pub fn system_config(
    found: &Configuration,
    options: &Options,
    precision: Precision,
    keys: &Arc<KeyTable>,
) -> (SystemConfig, Vec<String>) {
    let (sources, complaints) = sources(found, options, keys);
    let config = SystemConfig {
        sources,
        discipline: discipline(found, options),
        selection: selection(found),
        precision,
        leap_table: None,
        keys: Arc::clone(keys),
    };
    (config, complaints)
}

/// The sources; with words about those that cannot be used.
pub(crate) fn sources(
    found: &Configuration,
    options: &Options,
    keys: &KeyTable,
) -> (Vec<SourceConfig>, Vec<String>) {
    let mut sources = Vec::new();
    let mut complaints = Vec::new();
    for source in &found.sources {
        match source_config(&source.value, &found.fudges, options, keys) {
            Ok(config) => sources.push(config),
            Err(reason) => complaints.push(format!("{}: {reason}", found.place(source.at))),
        }
    }
    (sources, complaints)
}

fn source_config(
    source: &Source,
    fudges: &[Placed<Fudge>],
    options: &Options,
    keys: &KeyTable,
) -> Result<SourceConfig, String> {
    // Asked without its key, a server could be anybody.
    if let Some(key) = source.options.key.and_then(KeyId::new).filter(|key| keys.trusted(*key).is_none()) {
        let why = if keys.has(key) {
            "is not among the trusted ones: name it in a `trustedkey` line"
        } else {
            "is not in the `keys` file"
        };
        return Err(format!("key {} {why}; {} is not asked", key.number(), source.host));
    }
    let name = || source.name().unwrap_or(&source.host).to_owned();
    let kind = match (source.reference_clock(), source.address(), source.role) {
        (Some((LOCAL_CLOCK_DRIVER, unit)), _, _) => local_clock(unit, fudges),
        (Some((driver, _)), _, _) => {
            return Err(format!(
                "reference clocks of type {driver} are not implemented: the line is not used"
            ));
        }
        (None, Some(address), _) => SourceKind::Server(Target::Address(address)),
        (None, None, Role::Pool) => SourceKind::Pool(name()),
        (None, None, Role::Server | Role::Peer) => SourceKind::Server(Target::Name(name())),
    };
    let family = match source.family {
        AddressFamily::V4 => Family::V4,
        AddressFamily::V6 => Family::V6,
        AddressFamily::Any if options.ipv4 => Family::V4,
        AddressFamily::Any if options.ipv6 => Family::V6,
        AddressFamily::Any => Family::Any,
    };
    Ok(SourceConfig {
        kind,
        port: source.options.port.unwrap_or(123),
        family,
        options: association_options(&source.options),
    })
}

fn association_options(options: &directive::SourceOptions) -> AssociationOptions {
    let poll = |exponent: Option<u8>, default: PollExponent| {
        exponent.map_or(default, |exponent| PollExponent::new(exponent.into()))
    };
    let minpoll = poll(options.minpoll, PollExponent::DEFAULT_MIN);
    let maxpoll = poll(options.maxpoll, PollExponent::DEFAULT_MAX);
    AssociationOptions {
        version: options.version.and_then(Version::new).unwrap_or(Version::V4),
        iburst: options.iburst,
        burst: options.burst,
        // Where only one of the two is given, it pulls the other's default along.
        minpoll: if options.minpoll.is_none() { minpoll.min(maxpoll) } else { minpoll },
        maxpoll: if options.maxpoll.is_none() { maxpoll.max(minpoll) } else { maxpoll },
        prefer: options.prefer,
        noselect: options.noselect,
        truechimer: options.truechimer,
        key: options.key.and_then(KeyId::new),
    }
}

fn local_clock(unit: u8, fudges: &[Placed<Fudge>]) -> SourceKind {
    let fudges = || fudges.iter().map(|fudge| &fudge.value);
    let own = || fudges().filter(|fudge| (fudge.driver, fudge.unit) == (LOCAL_CLOCK_DRIVER, unit));
    let stratum = own().filter_map(|fudge| fudge.stratum).next_back().unwrap_or(LOCAL_CLOCK_STRATUM);
    let code = own().filter_map(|fudge| fudge.reference_id.as_deref()).next_back();
    SourceKind::LocalClock {
        unit,
        stratum: Stratum::new(stratum),
        reference_id: code.map_or(ReferenceId::LOCL, ReferenceId::from_code),
    }
}

/// Thresholds and switches, from the file and the command line.
fn discipline(found: &Configuration, options: &Options) -> DisciplineConfig {
    let mut config = DisciplineConfig {
        allow_first_panic: options.panic_gate,
        once: options.quit,
        disabled: found.discipline_disabled,
        ..DisciplineConfig::default()
    };
    if options.slew {
        config = config.slew_only();
    }
    for tinker in &found.tinkers {
        match tinker.value {
            Tinker::Panic(seconds) => config.panic = NtpDuration::from_seconds_f64(seconds),
            Tinker::Step(seconds) => {
                config.step_forward = NtpDuration::from_seconds_f64(seconds);
                config.step_backward = config.step_forward;
            }
            Tinker::StepForward(seconds) => config.step_forward = NtpDuration::from_seconds_f64(seconds),
            Tinker::StepBackward(seconds) => config.step_backward = NtpDuration::from_seconds_f64(seconds),
            Tinker::Frequency(_) => {}
            Tinker::Stepout(seconds) => config.stepout = Duration::from_secs_f64(seconds.min(1e9)),
        }
    }
    config
}

/// The frequency correction that the configuration says to start with.
pub fn frequency(found: &Configuration) -> Option<Frequency> {
    let given = |tinker: &Placed<Tinker>| match tinker.value {
        Tinker::Frequency(ppm) => Some(Frequency::from_ppm(ppm)),
        Tinker::Panic(_)
        | Tinker::Step(_)
        | Tinker::StepForward(_)
        | Tinker::StepBackward(_)
        | Tinker::Stepout(_) => None,
    };
    found.tinkers.iter().filter_map(given).next_back()
}

/// Who is believed.
pub(crate) fn selection(found: &Configuration) -> SelectionConfig {
    let mut config = SelectionConfig::default();
    for tos in &found.selection {
        match tos.value {
            Tos::MinSane(count) => config.survivors_min = count.into(),
            Tos::MinClock(count) => config.cluster_min = count.into(),
            Tos::MaxClock(count) => config.survivors_max = count.into(),
            Tos::MaxDist(seconds) => config.distance_max = NtpDuration::from_seconds_f64(seconds),
            Tos::MinDist(seconds) => config.distance_min = NtpDuration::from_seconds_f64(seconds),
            Tos::Floor(stratum) => config.stratum_min = stratum,
            Tos::Ceiling(stratum) => config.stratum_limit = stratum,
            Tos::Orphan(stratum) => config.orphan_stratum = stratum,
            Tos::OrphanWait(seconds) => config.orphan_wait = Duration::from_secs(seconds.into()),
        }
    }
    config
}

/// Names in `restrict` lines, with the addresses that have been found for them.
pub(crate) type NamedHosts = BTreeMap<String, Vec<IpAddr>>;

/// How often clients may ask, where they are limited.
pub(crate) fn rate_limit(found: &Configuration) -> RateLimit {
    let (mut interval, mut burst) = (Duration::from_secs(8), 8.0);
    let (mut minimum, mut kod) = (Duration::ZERO, None);
    let seconds =
        |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(INTERVAL_MAX).min(INTERVAL_MAX);
    for limit in &found.limits {
        match limit.value {
            Limit::Interval(exponent) => interval = seconds(f64::from(exponent).exp2()),
            Limit::Minimum(least) => minimum = Duration::from_secs(least.into()).min(INTERVAL_MAX),
            Limit::Rate(rate) => interval = seconds(1.0 / rate),
            Limit::Burst(packets) => burst = packets,
            Limit::Kod(rate) => kod = Some(seconds(1.0 / rate)),
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast to an integer saturates"
    )]
    RateLimit::new(interval, burst as u16, minimum, kod)
}

/// The longest interval of rate limiting: more than a day says no more.
const INTERVAL_MAX: Duration = Duration::from_hours(36);

/// How large the list of clients is: bytes, and perhaps entries.
pub(crate) fn client_list_size(found: &Configuration) -> (usize, Option<usize>) {
    let (mut memory, mut most, mut least) = (CLIENT_LIST_MEMORY, None, 0);
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    for mru in &found.mru {
        match mru.value {
            Mru::MaxMemory(kibibytes) => memory = size(kibibytes).saturating_mul(1024),
            Mru::MaxDepth(entries) => most = Some(size(entries)),
            Mru::MinDepth(entries) => least = size(entries),
        }
    }
    (memory.max(ClientTable::memory_for(least)), most.map(|most| most.max(least)))
}

/// Where nothing is said: as much as in classic ntpd.
const CLIENT_LIST_MEMORY: usize = 1 << 20;

/// What holds for all clients, but for the access list.
pub(crate) fn server_rules(found: &Configuration, keys: &Arc<KeyTable>, access: AccessList) -> ServerRules {
    let monitor = !found.monitor_disabled;
    ServerRules { access, keys: Arc::clone(keys), limit: rate_limit(found), monitor }
}

/// The `restrict` lines.
#[derive(Debug)]
pub(crate) struct AccessLines {
    lines: Vec<Restrict>,
    /// None of them stands in ntp.conf: what holds without any holds beside those that came by query.
    only_queried: bool,
}

impl AccessLines {
    /// Of a configuration, the last of whose lines, so many, came by query.
    pub(crate) fn of(found: &Configuration, queried: usize) -> Self {
        Self { lines: values(&found.restrictions), only_queried: found.restrictions.len() <= queried }
    }

    /// The names in them.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        restricted_names(&self.lines)
    }

    /// The access list, with the addresses that the names are known to have.
    pub(crate) fn list(&self, hosts: &NamedHosts) -> AccessList {
        let rules: Vec<Rule> = self.lines.iter().flat_map(|line| rules(line, hosts)).collect();
        if self.only_queried { AccessList::beside_unwritten(&rules) } else { AccessList::new(&rules) }
    }
}

/// How little strangers are told that ask queries.
pub(crate) fn caution(found: &Configuration) -> Caution {
    Caution {
        strict: found.reticence.contains(&Reticence::Strict),
        terse: found.reticence.contains(&Reticence::Terse),
    }
}

/// The key that changes by query are signed with.
pub(crate) fn control_key(found: &Configuration) -> Option<KeyId> {
    found.control_key.as_ref().and_then(|key| KeyId::new(key.value))
}

/// The names that `restrict` lines hold.
pub(crate) fn restricted_names(lines: &[Restrict]) -> BTreeSet<String> {
    let names = lines.iter().filter_map(|line| {
        if let RestrictTarget::Name { host, .. } = &line.target { Some(host.clone()) } else { None }
    });
    names.collect()
}

/// One line is one rule, but `restrict default` is one for each family, and a name one for each of
/// its addresses: none before it is resolved, when the other lines hold.
fn rules(line: &Restrict, hosts: &NamedHosts) -> Vec<Rule> {
    let flags = &line.flags;
    let restrictions = Restrictions::IGNORE.when(flags.ignore)
        | Restrictions::NOSERVE.when(flags.noserve)
        | Restrictions::NOQUERY.when(flags.noquery)
        | Restrictions::NTPPORT.when(flags.ntpport)
        | Restrictions::LIMITED.when(flags.limited)
        | Restrictions::KOD.when(flags.kod)
        | Restrictions::NOTRUST.when(flags.notrust)
        | Restrictions::VERSION.when(flags.version)
        | Restrictions::NOMRULIST.when(flags.nomrulist)
        | Restrictions::NOMODIFY.when(flags.nomodify)
        | Restrictions::FLAKE.when(flags.flake);
    let targets = match &line.target {
        RestrictTarget::Source => vec![RuleTarget::Source],
        RestrictTarget::Default(family) => [(AddressFamily::V4, true), (AddressFamily::V6, false)]
            .into_iter()
            .filter(|(one, _)| *family == AddressFamily::Any || family == one)
            .map(|(_, v4)| RuleTarget::Prefix(Prefix::everything(v4)))
            .collect(),
        RestrictTarget::Network { address, mask } => network(*address, *mask).into_iter().collect(),
        RestrictTarget::Name { host, mask } => {
            let addresses = hosts.get(host).into_iter().flatten();
            addresses.filter_map(|address| named(*address, *mask)).map(RuleTarget::Prefix).collect()
        }
    };
    targets.into_iter().map(|target| Rule { target, restrictions }).collect()
}

/// A mask of the other family says nothing about an address.
fn named(address: IpAddr, mask: Option<IpAddr>) -> Option<Prefix> {
    match mask {
        Some(mask) => Prefix::new(address, mask),
        None => Some(Prefix::host(address)),
    }
}

/// `0.0.0.0` and `::` without a mask mean everybody, as `default` does.
fn network(address: IpAddr, mask: IpAddr) -> Option<RuleTarget> {
    let host_mask = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(u128::MAX)),
    };
    if address.is_unspecified() && mask == host_mask {
        return Some(RuleTarget::Prefix(Prefix::everything(address.is_ipv4())));
    }
    Prefix::new(address, mask).map(RuleTarget::Prefix)
}
