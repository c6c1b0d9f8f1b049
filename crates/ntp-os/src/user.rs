//! Becoming an ordinary user who may still adjust the clock.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, fchown};
use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setgroups, setuid};

/// Whom to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    user: Uid,
    group: Gid,
    /// Whose groups it gets besides; a mere number has none.
    name: Option<CString>,
}

/// Why that is not possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Nobody has that name or number.
    #[error("there is no user {0}")]
    NoUser(String),
    /// No group has that name or number.
    #[error("there is no group {0}")]
    NoGroup(String),
    /// Of a user that has only a number the group must be named.
    #[error("user {0} has no entry, and so no group: name one, as USER:GROUP")]
    GroupUnknown(Uid),
    /// The kernel refuses.
    #[error("{what}: {source}")]
    Refused {
        /// The step that failed.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What is kept of root's rights: adjusting the clock, and ports below 1024 when addresses come and go.
const KEPT: [Capability; 2] = [Capability::CAP_SYS_TIME, Capability::CAP_NET_BIND_SERVICE];

impl Account {
    /// The user and group of `USER[:GROUP]`, by name or number; without a group, the user's own.
    ///
    /// # Errors
    /// If there is no such user or group.
    pub fn find(text: &str) -> Result<Self, AccountError> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let number = user.parse().ok().map(Uid::from_raw);
        let entry = number.map_or_else(|| User::from_name(user), User::from_uid).ok().flatten();
        let uid = entry.as_ref().map(|found| found.uid).or(number);
        let uid = uid.ok_or_else(|| AccountError::NoUser(user.to_owned()))?;
        let gid = match group.filter(|name| !name.is_empty()) {
            Some(name) => {
                let named = || Group::from_name(name).ok().flatten().map(|found| found.gid);
                let number = name.parse().ok().map(Gid::from_raw);
                number.or_else(named).ok_or_else(|| AccountError::NoGroup(name.to_owned()))?
            }
            None => entry.as_ref().map(|found| found.gid).ok_or(AccountError::GroupUnknown(uid))?,
        };
        let name = entry.and_then(|found| CString::new(found.name).ok());
        Ok(Self { user: uid, group: gid, name })
    }

    /// Whether this process runs as that user and group already.
    #[must_use]
    pub fn is_present(&self) -> bool {
        Uid::effective() == self.user && Gid::effective() == self.group
    }

    /// Gives a file to this user, so that it can be opened again afterwards.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn own(&self, file: &File) -> io::Result<()> {
        fchown(file, Some(self.user.as_raw()), Some(self.group.as_raw()))
    }

    /// Whether this process may become somebody else.
    #[must_use]
    pub fn may_change() -> bool {
        Uid::effective().is_root()
    }

    /// Lets this user's group read a file of somebody else.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn share(&self, file: &Path) -> io::Result<()> {
        chown(file, None, Some(self.group.as_raw()))?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o640))
    }

    /// Becomes this user for good, and keeps of root's capabilities two: for the clock, and for ports below 1024.
    /// No program that this one might start could get others.
    /// Call it before the first thread is started.
    ///
    /// # Errors
    /// If the kernel refuses, as it does for anybody but root; what was done by then stays done.
    pub fn become_it(&self) -> Result<(), AccountError> {
        let step = |what| move |error| AccountError::Refused { what, source: io::Error::from(error) };
        let rights = |what| move |error| AccountError::Refused { what, source: io::Error::other(error) };
        let had = caps::read(None, CapSet::Permitted).map_err(rights("reading capabilities"))?;
        let kept: CapsHashSet = KEPT.into_iter().filter(|right| had.contains(right)).collect();
        if had.contains(&Capability::CAP_SETPCAP) {
            let bounds = caps::read(None, CapSet::Bounding).map_err(rights("reading capabilities"))?;
            for right in bounds.difference(&kept) {
                caps::drop(None, CapSet::Bounding, *right).map_err(rights("bounding capabilities"))?;
            }
        }
        prctl::set_keepcaps(true).map_err(step("keeping capabilities"))?;
        match &self.name {
            Some(name) => initgroups(name, self.group),
            None => setgroups(&[self.group]),
        }
        .map_err(step("leaving root's groups"))?;
        setgid(self.group).map_err(step("changing the group"))?;
        setuid(self.user).map_err(step("changing the user"))?;
        caps::clear(None, CapSet::Ambient).map_err(rights("dropping ambient capabilities"))?;
        caps::clear(None, CapSet::Inheritable).map_err(rights("dropping inheritable capabilities"))?;
        // First what may be used, then what it may be chosen from.
        caps::set(None, CapSet::Effective, &kept).map_err(rights("choosing capabilities"))?;
        caps::set(None, CapSet::Permitted, &kept).map_err(rights("dropping capabilities"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        let name = Some(c"root".to_owned());
        let root = Account { user: Uid::from_raw(0), group: Gid::from_raw(0), name };
        for text in ["root", "0", "root:root", "0:0", "root:"] {
            assert_eq!(Account::find(text).unwrap(), root, "{text}");
        }
        let numbers = Account { user: Uid::from_raw(4_000_000), group: Gid::from_raw(17), name: None };
        assert_eq!(Account::find("4000000:17").unwrap(), numbers);
        for (text, words) in [
            ("nobody-of-that-name", "there is no user nobody-of-that-name"),
            ("root:no-such-group", "there is no group no-such-group"),
            ("4000000", "user 4000000 has no entry, and so no group: name one, as USER:GROUP"),
            ("", "there is no user "),
        ] {
            assert_eq!(Account::find(text).unwrap_err().to_string(), words);
        }
    }
}
