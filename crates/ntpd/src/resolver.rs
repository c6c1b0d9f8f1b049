//! Names to addresses, beside the loop: getaddrinfo on a thread that ends when it is idle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ntp_proto::system::{HostAddress, SourceId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// For whom a name is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A source of time.
    Source(SourceId),
    /// A `restrict` line that names a host.
    Restriction(String),
}

/// What a resolution came to.
pub(crate) type Answer = (Subject, Result<Vec<HostAddress>, String>);

/// How long a name in a `restrict` line is left alone after it could not be resolved.
const RESTRICTION_RETRY: Duration = Duration::from_mins(1);

/// Starts resolutions and collects their answers.
#[derive(Debug)]
pub(crate) struct Resolver {
    sender: mpsc::UnboundedSender<Answer>,
    receiver: mpsc::UnboundedReceiver<Answer>,
    /// The hosts of `restrict` lines that are looked up.
    restrictions: BTreeMap<String, AbortHandle>,
}

impl Resolver {
    /// With nothing under way. The channel holds at most one answer a source: each is asked for
    /// again only after it has been answered.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver, restrictions: BTreeMap::new() }
    }

    /// Starts one; its answer comes out of [`Self::answer`].
    pub(crate) fn start(&self, subject: Subject, name: String) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let answer = found
                .map(|addresses| addresses.map(HostAddress::from).collect())
                .map_err(|error| error.to_string());
            // Nobody listens any more only while the daemon ends.
            drop(sender.send((subject, answer)));
        });
    }

    /// Looks up these hosts of `restrict` lines until each has an address, and no longer any others.
    pub(crate) fn look_up_restrictions(&mut self, hosts: &BTreeSet<String>) {
        self.restrictions.retain(|host, task| {
            let wanted = hosts.contains(host);
            if !wanted {
                task.abort();
            }
            wanted
        });
        for host in hosts {
            if !self.restrictions.contains_key(host) {
                let task = self.start_restriction(host.clone());
                self.restrictions.insert(host.clone(), task);
            }
        }
    }

    fn start_restriction(&self, host: String) -> AbortHandle {
        let sender = self.sender.clone();
        let task = tokio::spawn(async move {
            let mut said = false;
            loop {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await;
                match found.map(|found| found.map(HostAddress::from).collect()) {
                    Ok(addresses) => {
                        drop(sender.send((Subject::Restriction(host), Ok(addresses))));
                        return;
                    }
                    Err(error) => {
                        if !said {
                            tracing::warn!("restrict {host}: cannot be resolved yet ({error})");
                            said = true;
                        }
                        tokio::time::sleep(RESTRICTION_RETRY).await;
                    }
                }
            }
        });
        task.abort_handle()
    }

    /// Waits for the next answer.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.receiver.recv().await
    }
}
