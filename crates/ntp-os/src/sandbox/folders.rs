//! Landlock: which files the process can reach at all, whoever it runs as.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::{Extent, Needs};

/// The newest version of the interface whose restrictions we ask for: connections over TCP, ioctl on devices, signals.
/// Older kernels enforce what they know.
const NEWEST: ABI = ABI::V6;

pub(super) fn restrict(needs: &Needs) -> Result<Extent, RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock;
    let keeping = AccessFs::from_all(NEWEST) & !(devices | AccessFs::Execute);
    // Abstract sockets stay reachable: the service manager's may be one.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::Signal)?
        .create()?;
    for (paths, access) in [(&needs.read, reading), (&needs.write, keeping)] {
        for path in paths {
            rules = match open(path) {
                Some((found, is_folder)) => {
                    rules.add_rule(PathBeneath::new(found, for_kind(access, is_folder)))?
                }
                None => rules,
            };
        }
    }
    for port in &needs.tcp {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Extent::Full,
        RulesetStatus::PartiallyEnforced => Extent::Partial,
        RulesetStatus::NotEnforced => Extent::None,
    })
}

/// What a rule holds on to: the file or folder, or of what does not exist yet the folder that it will be in.
fn open(path: &Path) -> Option<(PathFd, bool)> {
    let root = PathBuf::from("/");
    let known = path.ancestors().take_while(|known| *known != root).find(|known| known.exists())?;
    Some((PathFd::new(known).ok()?, known.is_dir()))
}

/// A file has no contents to list or make files in.
fn for_kind(access: BitFlags<AccessFs>, is_folder: bool) -> BitFlags<AccessFs> {
    if is_folder { access } else { access & AccessFs::from_file(NEWEST) }
}
