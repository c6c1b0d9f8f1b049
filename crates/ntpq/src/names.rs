//! Names of addresses, as the resolver of this machine has them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a name may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(1);

/// And all names of a list together.
const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// Names that have been looked up. A resolver that does not answer is not asked for every address.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeMap<IpAddr, Option<String>>,
    spent: Duration,
}

impl Names {
    /// The name of an address; `None` where it has none, or where the resolver takes too long.
    pub(crate) fn of(&mut self, address: IpAddr) -> Option<String> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let left = LIST_PATIENCE.saturating_sub(self.spent);
        let began = Instant::now();
        let name = if left.is_zero() { None } else { ntp_os::names::name_of(address, PATIENCE.min(left)) };
        self.spent += began.elapsed();
        self.known.insert(address, name.clone());
        name
    }
}
