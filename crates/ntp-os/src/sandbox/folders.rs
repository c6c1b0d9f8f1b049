//! Landlock: which files the process can reach at all, whoever it runs as.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::{Extent, Needs};

/// The newest version of the interface whose restrictions we ask for: connections over TCP, ioctl on devices, signals.
/// Older kernels enforce what they know.
const NEWEST: ABI = ABI::V6;

/// Confines to what of the needs exists, and returns that: what does not exist is out of reach from here on.
pub(super) fn restrict(mut needs: Needs) -> Result<(Extent, Needs), RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock;
    let keeping = AccessFs::from_all(NEWEST) & !(devices | AccessFs::Execute);
    // Abstract sockets stay reachable: the service manager's may be one.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::Signal)?
        .create()?;
    let mut opened = Vec::new();
    for (paths, access) in [(&mut needs.read, reading), (&mut needs.write, keeping)] {
        // What cannot be opened is not kept either.
        paths.retain(|path| {
            let found = PathFd::new(path);
            let there = found.is_ok();
            opened.extend(found.map(|found| PathBeneath::new(found, for_kind(access, path.is_dir()))));
            there
        });
    }
    for rule in opened {
        rules = rules.add_rule(rule)?;
    }
    for port in &needs.tcp {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    let extent = match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Extent::Full,
        RulesetStatus::PartiallyEnforced => Extent::Partial,
        RulesetStatus::NotEnforced => Extent::None,
    };
    Ok((extent, needs))
}

/// A file has no contents to list or make files in.
fn for_kind(access: BitFlags<AccessFs>, is_folder: bool) -> BitFlags<AccessFs> {
    if is_folder { access } else { access & AccessFs::from_file(NEWEST) }
}
