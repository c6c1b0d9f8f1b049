//! From lines of ntp.conf to associations: resolving names, filling pools, replacing what stays
//! silent.

use core::time::Duration;

use crate::association::{Association, AssociationId};
use crate::select::Standing;
use crate::time::MonoTime;

use super::action::{Action, Event, SourceId};
use super::config::{HostAddress, SourceConfig, SourceKind, Target};
use super::{Member, System};

/// The first wait after a failed resolution, and the longest.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(64);

/// How long until a source that has too few members is resolved again: soon while that brings new
/// ones, ever later when the name has no more to offer.
const MORE_FIRST: Duration = Duration::from_secs(64);
const MORE_LONGEST: Duration = Duration::from_mins(16);

/// Votes in a row that a member of a pool may lose before it is replaced.
const LOST_VOTES: u32 = 8;

/// Polls without an answer after which a name is resolved again, and again after as many more.
const SILENT_POLLS: u32 = 8;

/// One line of ntp.conf that declares a source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) config: SourceConfig,
    /// The number under which mode 6 shows the line itself: a pool, a clock, or a name that has no
    /// address yet.
    pub(super) id: AssociationId,
    pub(super) resolution: Resolution,
    /// Whether the last resolution found addresses, though perhaps none that was free.
    pub(super) has_addresses: bool,
    /// How long it waited last before it looked for more members.
    more_wait: Duration,
}

/// Where the resolution of a source's name stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// There is nothing to resolve, or it is done.
    Settled,
    /// To be started then; the wait after the next failure.
    Due(MonoTime, Duration),
    /// Under way; the wait if it fails.
    Pending(Duration),
}

/// Which sources stayed, came and went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceChanges {
    /// So many are what they were.
    pub kept: usize,
    /// They were not there before, or not like this.
    pub added: Vec<SourceKind>,
    /// They are not there any longer, or not like that.
    pub removed: Vec<SourceKind>,
}

impl Source {
    pub(super) const fn next_timeout(&self) -> Option<MonoTime> {
        match self.resolution {
            Resolution::Due(at, _) => Some(at),
            Resolution::Settled | Resolution::Pending(_) => None,
        }
    }

    /// The name to resolve, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.config.kind {
            SourceKind::Pool(name) | SourceKind::Server(Target::Name(name)) => Some(name),
            SourceKind::Server(Target::Address(_)) | SourceKind::LocalClock { .. } => None,
        }
    }

    /// Whether its name stands for many servers.
    const fn is_pool(&self) -> bool {
        matches!(self.config.kind, SourceKind::Pool(_))
    }
}

impl System {
    /// What the configuration names from now on. Sources that stay the same keep what is known of them; others go,
    /// and newcomers are asked at once.
    pub fn set_sources(&mut self, now: MonoTime, wanted: Vec<SourceConfig>) -> SourceChanges {
        let mut newcomers = wanted;
        let mut gone = Vec::new();
        for (source, entry) in &self.sources {
            match newcomers.iter().position(|config| *config == entry.config) {
                Some(index) => drop(newcomers.remove(index)),
                None => gone.push((*source, entry.config.kind.clone())),
            }
        }
        let kept = self.sources.len().saturating_sub(gone.len());
        let added = newcomers.iter().map(|config| config.kind.clone()).collect();
        for (source, _) in &gone {
            self.remove(now, *source);
        }
        let removed: Vec<SourceKind> = gone.into_iter().map(|(_, kind)| kind).collect();
        self.declare_sources(now, newcomers);
        if !removed.is_empty() {
            self.select(now);
            self.follow_no_absent_clock(now);
        }
        SourceChanges { kept, added, removed }
    }

    /// A source and its associations are no longer asked.
    fn remove(&mut self, now: MonoTime, source: SourceId) {
        self.sources.remove(&source);
        let of_it = self.members.iter().filter(|(_, member)| member.source == source);
        for id in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.leave(now, id);
            self.estimator.forget(id);
            self.members.remove(&id);
            self.actions.push_back(Action::Close(id));
        }
    }

    /// Sets up sources.
    pub(super) fn declare_sources(&mut self, now: MonoTime, wanted: Vec<SourceConfig>) {
        for config in wanted {
            let source = SourceId(self.next_source);
            self.next_source = self.next_source.saturating_add(1);
            let id = self.fresh_id();
            let literal = if let SourceKind::Server(Target::Address(address)) = config.kind {
                Some(address)
            } else {
                None
            };
            let mut entry = Source {
                config,
                id,
                resolution: Resolution::Settled,
                has_addresses: false,
                more_wait: MORE_FIRST,
            };
            if entry.name().is_some() {
                entry.resolution = Resolution::Due(now, RETRY_FIRST);
            }
            self.sources.insert(source, entry);
            if let Some(address) = literal {
                self.mobilize(source, address.into(), None, now);
            }
        }
    }

    /// Names whose time has come are handed to the resolver.
    pub(super) fn resolve_due(&mut self, now: MonoTime) {
        for (id, source) in &mut self.sources {
            let Resolution::Due(at, wait) = source.resolution else { continue };
            let Some(name) = source.name().map(str::to_owned) else { continue };
            if at <= now {
                source.resolution = Resolution::Pending(wait);
                self.actions.push_back(Action::Resolve { source: *id, name });
            }
        }
    }

    /// The resolver has answered: addresses in its order of preference, or what it said instead.
    pub fn handle_resolved(
        &mut self,
        now: MonoTime,
        source: SourceId,
        answer: Result<Vec<HostAddress>, String>,
    ) {
        let Some(entry) = self.sources.get_mut(&source) else { return };
        let Some(name) = entry.name().map(str::to_owned) else { return };
        let Resolution::Pending(wait) = entry.resolution else { return };
        let family = entry.config.family;
        let usable: Vec<HostAddress> = answer
            .as_ref()
            .into_iter()
            .flatten()
            .copied()
            .filter(|address| family.admits(address.ip()))
            .collect();
        if usable.is_empty() {
            entry.has_addresses = false;
            entry.resolution = Resolution::Due(now + wait, (wait * 2).min(RETRY_LONGEST));
            let reason = answer.err().unwrap_or_else(|| "the name has no address of this family".to_owned());
            // Said while it is news: until the wait has grown to its longest.
            if wait < RETRY_LONGEST {
                self.report(Event::Unresolved { name, reason, retry_seconds: wait.as_secs() });
            }
            return;
        }
        entry.resolution = Resolution::Settled;
        entry.has_addresses = true;
        let addresses = self.place(source, &name, &usable, now);
        self.look_for_more(source, now, !addresses.is_empty());
        if !addresses.is_empty() {
            self.report(Event::Resolved { name, addresses });
        }
    }

    /// How many associations a source may have. Pools share what `tos maxclock` leaves of the servers.
    fn capacity(&self, source: SourceId) -> usize {
        let Some(entry) = self.sources.get(&source) else { return 0 };
        match entry.config.kind {
            SourceKind::LocalClock { .. } => 0,
            SourceKind::Server(_) => 1,
            SourceKind::Pool(_) => {
                let pools = self.sources.values().filter(|source| source.is_pool()).count();
                let is_server = |source: &&Source| matches!(source.config.kind, SourceKind::Server(_));
                let servers = self.sources.values().filter(is_server).count();
                let left = self.config.selection.survivors_max.saturating_sub(servers);
                left.div_ceil(pools.max(1)).max(1)
            }
        }
    }

    /// A source that has fewer members than it could is resolved again some time: a pool's name has
    /// other addresses then, and an address that another line uses may be free.
    fn look_for_more(&mut self, source: SourceId, now: MonoTime, found: bool) {
        let occupied = self.members.values().filter(|member| member.source == source).count();
        let capacity = self.capacity(source);
        if let Some(entry) = self.sources.get_mut(&source)
            && occupied < capacity
        {
            entry.more_wait = if found { MORE_FIRST } else { (entry.more_wait * 2).min(MORE_LONGEST) };
            entry.resolution = Resolution::Due(now + entry.more_wait, RETRY_FIRST);
        }
    }

    /// Gives a source its addresses: fills it up, or moves its silent members elsewhere.
    fn place(
        &mut self,
        source: SourceId,
        name: &str,
        usable: &[HostAddress],
        now: MonoTime,
    ) -> Vec<HostAddress> {
        let capacity = self.capacity(source);
        let pool = self.sources.get(&source).is_some_and(Source::is_pool);
        let port = self.sources.get(&source).map_or(0, |entry| entry.config.port);
        let taken: Vec<HostAddress> =
            self.members.values().map(|member| member.association.remote().into()).collect();
        let mut fresh = usable.iter().copied().filter(|address| !taken.contains(address));
        let silent: Vec<AssociationId> = self
            .members
            .iter()
            .filter(|(_, member)| member.source == source)
            .filter(|(id, member)| is_useless(&member.association) || pool && self.is_liar(**id, member))
            .map(|(id, _)| *id)
            .collect();
        let mut placed = Vec::new();
        for id in silent {
            let Some(address) = fresh.next() else { break };
            let Some(member) = self.members.get_mut(&id) else { continue };
            let (remote, by) = (member.association.remote(), address.at_port(port));
            member.restart(by, now);
            self.estimator.forget(id);
            self.actions.push_back(Action::Close(id));
            self.report(Event::Replaced { remote, by });
            placed.push(address);
        }
        let occupied = self.members.values().filter(|member| member.source == source).count();
        let newcomers: Vec<HostAddress> = fresh.take(capacity.saturating_sub(occupied)).collect();
        for address in newcomers {
            self.mobilize(source, address, Some(name.to_owned()), now);
            placed.push(address);
        }
        placed
    }

    fn mobilize(&mut self, source: SourceId, address: HostAddress, host: Option<String>, now: MonoTime) {
        let Some(entry) = self.sources.get(&source) else { return };
        let remote = address.at_port(entry.config.port);
        let options = entry.config.options.clone();
        // The line of a single server is its association; a pool's members get numbers of their
        // own, and are shown by address: the pool's name would not tell them apart.
        let (id, host) = if entry.is_pool() { (self.fresh_id(), None) } else { (entry.id, host) };
        let association = Association::new(id, remote, options, now);
        self.members.insert(id, Member::new(association, source, host, now));
    }

    /// A member that has stayed silent for eight polls: its name is resolved again, and its next
    /// request leaves from another port.
    pub(super) fn replace_if_silent(&mut self, now: MonoTime, id: AssociationId) {
        let Some(member) = self.members.get(&id) else { return };
        let unanswered = member.association.state().reach().unanswered();
        if unanswered <= SILENT_POLLS || unanswered % SILENT_POLLS != 1 {
            return;
        }
        self.actions.push_back(Action::Close(id));
        self.look_up_again(id, now);
    }

    /// Whether a member has been outvoted for so long that another one should take its place.
    fn is_liar(&self, id: AssociationId, member: &Member) -> bool {
        member.disagreements >= LOST_VOTES && self.standing(id) == Standing::Falseticker
    }

    /// A member of a pool that has lost one vote after the other: the pool has others.
    pub(super) fn replace_if_liar(&mut self, now: MonoTime, id: AssociationId) {
        let Some(member) = self.members.get(&id) else { return };
        let pool = self.sources.get(&member.source).is_some_and(Source::is_pool);
        if pool && self.is_liar(id, member) && member.disagreements % LOST_VOTES == 0 {
            self.look_up_again(id, now);
        }
    }

    /// Resolves the name behind a member again, if it has one.
    pub(super) fn look_up_again(&mut self, id: AssociationId, now: MonoTime) {
        let Some(member) = self.members.get(&id) else { return };
        if let Some(source) = self.sources.get_mut(&member.source)
            && source.name().is_some()
            && matches!(source.resolution, Resolution::Settled | Resolution::Due(..))
        {
            source.resolution = Resolution::Due(now, RETRY_FIRST);
        }
    }

    /// A number that no association has; they start at random and count up, skipping 0.
    fn fresh_id(&mut self) -> AssociationId {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            let taken =
                |id| self.members.contains_key(&id) || self.sources.values().any(|source| source.id == id);
            if let Some(id) = AssociationId::new(self.next_id).filter(|id| !taken(*id)) {
                return id;
            }
        }
    }
}

/// Whether an association does not answer, or has been sent away.
fn is_useless(association: &Association) -> bool {
    association.state().reach().is_unreachable() || association.next_timeout().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{ClockStart, Family, SystemConfig};
    use crate::time::{Frequency, NtpTimestamp, Precision, Reading};
    use crate::wire::{ReferenceId, Stratum};
    use alloc::sync::Arc;

    #[derive(Debug)]
    struct Fixed;
    impl crate::random::Rng for Fixed {
        fn next_u64(&mut self) -> u64 {
            1 << 50
        }
    }

    fn server(last: u8) -> SourceConfig {
        SourceConfig {
            kind: SourceKind::Server(Target::Address([192, 0, 2, last].into())),
            port: 123,
            family: Family::Any,
            options: crate::association::AssociationOptions::default(),
        }
    }

    fn local_clock() -> SourceConfig {
        let kind = SourceKind::LocalClock {
            unit: 0,
            stratum: Stratum::new(5),
            reference_id: ReferenceId::from_bytes(*b"LOCL"),
        };
        SourceConfig { kind, ..server(0) }
    }

    fn system(sources: Vec<SourceConfig>) -> System {
        let config = SystemConfig {
            sources,
            discipline: crate::discipline::DisciplineConfig::default(),
            selection: crate::select::SelectionConfig::default(),
            leap_table: None,
            keys: Arc::default(),
            precision: Precision::new(-20),
        };
        let start = ClockStart {
            reading: Reading { mono: MonoTime::ZERO, system: NtpTimestamp::from_bits(1 << 63) },
            timescale: crate::discipline::Timescale::Kept,
            frequency: Frequency::ZERO,
            drift: None,
            memory: None,
        };
        System::new(config, start, Box::new(Fixed))
    }

    #[test]
    fn a_new_configuration_leaves_alone_what_is_the_same() {
        let mut system = system(vec![server(1), server(2), server(2)]);
        let before: Vec<AssociationId> = system.members.keys().copied().collect();
        system.handle_timeout(MonoTime::from_nanos(1_000_000_000));
        while system.poll_action().is_some() {}
        let changes = system.set_sources(MonoTime::from_nanos(2_000_000_000), vec![server(3), server(2)]);
        let kinds = |lasts: &[u8]| lasts.iter().map(|last| server(*last).kind).collect();
        assert_eq!(changes, SourceChanges { kept: 1, added: kinds(&[3]), removed: kinds(&[1, 2]) });
        let kept = system.members.keys().filter(|id| before.contains(id)).count();
        assert_eq!((kept, system.members.len()), (1, 2));
        let closed =
            std::iter::from_fn(|| system.poll_action()).filter(|action| matches!(action, Action::Close(_)));
        assert_eq!(closed.count(), 2);
        // Whoever has another option is somebody else.
        let mut other = server(2);
        other.options.prefer = true;
        let changes = system.set_sources(MonoTime::from_nanos(3_000_000_000), vec![other]);
        assert_eq!(changes, SourceChanges { kept: 0, added: kinds(&[2]), removed: kinds(&[2, 3]) });
    }

    #[test]
    fn a_local_clock_that_is_gone_does_not_lead() {
        let mut system = system(vec![local_clock()]);
        let at = |seconds: u64| MonoTime::from_nanos(seconds * 1_000_000_000);
        system.handle_timeout(at(1));
        assert!(system.reference.is_synchronized());
        system.set_sources(at(2), vec![server(1)]);
        assert!(!system.reference.is_synchronized());
    }

    #[test]
    fn a_resolver_that_answers_for_a_source_that_is_gone_is_not_heard() {
        let named = |name: &str| SourceConfig { kind: SourceKind::Pool(name.to_owned()), ..server(0) };
        let mut system = system(vec![named("a")]);
        system.handle_timeout(MonoTime::ZERO);
        let Some(Action::Resolve { source, .. }) = std::iter::from_fn(|| system.poll_action())
            .find(|action| matches!(action, Action::Resolve { .. }))
        else {
            unreachable!()
        };
        system.set_sources(MonoTime::ZERO, vec![named("b")]);
        let address: std::net::IpAddr = [192, 0, 2, 9].into();
        system.handle_resolved(MonoTime::ZERO, source, Ok(vec![address.into()]));
        assert!(system.members.is_empty());
    }
}
